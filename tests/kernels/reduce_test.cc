#include "kernels/reduce.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "device_fixture.h"
#include "kernels/element_functions.h"
#include "kernels/host_tensor.h"

namespace tfvk::testing {
namespace {

using kernels::DeviceLimits;
using Sizes = std::vector<int64_t>;
using Numbers = std::vector<double>;
using Fold = std::function<double(double, double)>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

int64_t Count(const Sizes& sizes) { return std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>()); }
Shape ToShape(const Sizes& sizes) { return Shape(sizes.begin(), sizes.end()); }
bool Has(const Sizes& list, size_t d) { return std::find(list.begin(), list.end(), static_cast<int64_t>(d)) != list.end(); }
Sizes KeptOf(const Sizes& sizes, const Sizes& dimensions) {
  Sizes kept;
  for (size_t d = 0; d < sizes.size(); ++d) {
    if (!Has(dimensions, d)) kept.push_back(sizes[d]);
  }
  return kept;
}

// The result's number of each element of the input.
std::vector<int64_t> ResultOfEach(const Sizes& sizes, const Sizes& dimensions) {
  Sizes strides(sizes.size(), 0), index(sizes.size(), 0);
  int64_t stride = 1;
  for (size_t d = sizes.size(); d-- > 0;) {
    if (Has(dimensions, d)) continue;
    strides[d] = stride;
    stride *= sizes[d];
  }
  std::vector<int64_t> results(static_cast<size_t>(Count(sizes)));
  int64_t at = 0;
  for (int64_t& result : results) {
    result = at;
    for (size_t d = sizes.size(); d-- > 0;) {
      at += strides[d];
      if (++index[d] < sizes[d]) break;
      at -= strides[d] * sizes[d];
      index[d] = 0;
    }
  }
  return results;
}

Numbers Reference(const Sizes& sizes, const Sizes& dimensions, const Numbers& values, double initial, const Fold& fold) {
  Numbers results(static_cast<size_t>(Count(KeptOf(sizes, dimensions))), initial);
  const auto result_of = ResultOfEach(sizes, dimensions);
  for (size_t i = 0; i < values.size(); ++i) results[static_cast<size_t>(result_of[i])] = fold(results[static_cast<size_t>(result_of[i])], values[i]);
  return results;
}
double Add(double a, double b) { return a + b; }

// The kernels for this device, and those for devices that differ from it in what reductions look at, where they are others; all of them run here.
struct Variant {
  std::string name;
  kernels::KernelSequence kernels;
};
bool IsSame(const kernels::KernelSequence& a, const kernels::KernelSequence& b) {
  return std::equal(a.kernels.begin(), a.kernels.end(), b.kernels.begin(), b.kernels.end(), [](const kernels::Kernel& x, const kernels::Kernel& y) {
    return x.module.words == y.module.words && x.required_subgroup_size == y.required_subgroup_size;
  });
}
std::vector<Variant> Variants(const kernels::ReduceSpec& spec) {
  const DeviceLimits& device = Device::Get().limits();
  DeviceLimits poor = device, any_subgroup = device, large = device;
  poor.subgroup_shuffle = false;
  poor.max_invocations = 128;
  poor.shared_bytes = 16384;
  poor.compute_units = 1;
  any_subgroup.subgroup_size_control = false;
  large.compute_units = 132;
  std::vector<Variant> variants;
  const std::pair<const char*, DeviceLimits> devices[] = {
      {"this device", device}, {"a poor device", poor}, {"a device with subgroups of any size", any_subgroup}, {"a device of 132 compute units", large}};
  for (const auto& [name, limits] : devices) {
    const Variant variant = {name, kernels::MakeReduce(spec, limits)};
    if (std::none_of(variants.begin(), variants.end(), [&](const Variant& v) { return IsSame(v.kernels, variant.kernels); })) variants.push_back(variant);
  }
  return variants;
}

kernels::ReduceSpec SpecOf(const Shape& input, const Sizes& dimensions, DType dtype, double initial) {
  kernels::ReduceSpec spec;
  spec.name = "reduce";
  spec.input = input;
  spec.dimensions = dimensions;
  spec.accumulators = spec.results = {dtype};
  spec.initial = Number(dtype, initial);
  spec.body = ReadAll({Operand(0, dtype, input)});
  spec.combiner = Sum();
  return spec;
}

Numbers Reduced(const kernels::ReduceSpec& spec, const kernels::KernelSequence& kernels, const Sizes& sizes, const Numbers& values,
                const std::vector<int64_t>& symbols = {}) {
  Device& device = Device::Get();
  const DType dtype = spec.results[0];
  const Buffer in = device.Upload(Encode(dtype, values)), out = device.Allocate(ByteSize(dtype) * static_cast<size_t>(Count(KeptOf(sizes, spec.dimensions))));
  device.Run(kernels, {in}, {out}, symbols);
  return Decode(dtype, device.Download<uint8_t>(out));
}

// Sums from 0, and from a number that must come in exactly once.
void ExpectSums(const Sizes& sizes, const Sizes& dimensions) {
  const Numbers values = WholeNumbers(DType::kF32, static_cast<size_t>(Count(sizes)), 1);
  for (const double initial : {0.0, 100.0}) {
    auto spec = SpecOf(ToShape(sizes), dimensions, DType::kF32, initial);
    spec.initial_is_identity = initial == 0;
    const Numbers expected = Reference(sizes, dimensions, values, initial, Add);
    for (const Variant& v : Variants(spec)) {
      ASSERT_EQ(Reduced(spec, v.kernels, sizes, values), expected)
          << ::testing::PrintToString(sizes) << " without " << ::testing::PrintToString(dimensions) << " from " << initial << " on " << v.name;
    }
  }
}

// ---- Shapes ----

TEST(Reduce, Rows) {
  for (const int64_t length : {1, 2, 3, 7, 16, 64, 100, 257}) ExpectSums({5, length}, {1});
  ExpectSums({1, 8}, {1});
  ExpectSums({3, 5000}, {1});
  ExpectSums({3, 5001}, {1});
  ExpectSums({2, 3, 4, 20}, {2, 3});
}
TEST(Reduce, Columns) {
  for (const int64_t length : {1, 3, 7, 64, 257}) ExpectSums({length, 5}, {0});
  ExpectSums({7, 64}, {0});
  ExpectSums({301, 64}, {0});
  ExpectSums({301, 33}, {0});
  ExpectSums({8, 1}, {0});
  ExpectSums({20, 4, 3, 12}, {0, 1});
}
TEST(Reduce, MiddleAndAlternatingDimensions) {
  ExpectSums({3, 50, 5}, {1});
  ExpectSums({3, 50, 32}, {1});
  ExpectSums({4, 3, 5, 7}, {0, 2});
  ExpectSums({4, 3, 5, 8}, {0, 2});
  ExpectSums({4, 3, 5, 7}, {1, 3});
  ExpectSums({4, 3, 5, 8}, {1, 3});
  ExpectSums({2, 3, 2, 3, 2, 4}, {0, 2, 4});
  ExpectSums({2, 3, 2, 3, 2, 4}, {1, 3, 5});
  ExpectSums({3, 1, 40, 1}, {1, 3});  // nothing but dimensions of one element
  ExpectSums({1, 3, 1, 40}, {0, 2});
}
TEST(Reduce, AllAndNoDimensions) {
  ExpectSums({}, {});
  ExpectSums({1}, {0});
  ExpectSums({7, 9, 4}, {0, 1, 2});
  ExpectSums({5}, {});
  ExpectSums({6, 40}, {});
}
TEST(Reduce, NoElementsAndNoResults) {
  ExpectSums({0}, {0});
  ExpectSums({3, 0}, {1});
  ExpectSums({0, 36}, {0});
  ExpectSums({3, 0, 5}, {1});
  ExpectSums({0, 5}, {1});
  ExpectSums({5, 0}, {0});
  ExpectSums({0, 0}, {0});
  ExpectSums({0}, {});
}
TEST(Reduce, LongReductionsAreSharedByWorkgroups) {
  const DeviceLimits& limits = Device::Get().limits();
  for (const auto& [sizes, dimensions] : std::vector<std::pair<Sizes, Sizes>>{
           {{1000000}, {0}}, {{999999}, {0}}, {{3, 70001}, {1}}, {{20000, 64}, {0}}, {{20001, 3}, {0}}, {{300, 2, 301, 4}, {0, 2}}}) {
    EXPECT_EQ(kernels::MakeReduce(SpecOf(ToShape(sizes), dimensions, DType::kF32, 0), limits).kernels.size(), 2u) << ::testing::PrintToString(sizes);
    ExpectSums(sizes, dimensions);
  }
}
TEST(Reduce, ManyResults) {
  ExpectSums({100003, 3}, {1});
  ExpectSums({20000, 32}, {1});
  ExpectSums({3, 100003}, {0});
  ExpectSums({3, 100004}, {0});
}

// Too large to run: the modules must be valid.
TEST(Reduce, WideIndices) {
  const int64_t huge = (int64_t{1} << 32) + 4;
  for (const auto& [input, dimensions] : std::vector<std::pair<Shape, Sizes>>{
           {{huge}, {0}}, {{3, huge}, {1}}, {{huge, 3}, {0}}, {{huge, 64}, {0}}, {{huge, 64}, {1}}, {{3, huge}, {0}}, {{huge, 3}, {}}}) {
    for (const bool identity : {true, false}) {
      auto spec = SpecOf(input, dimensions, DType::kF32, 0);
      spec.initial_is_identity = identity;
      for (const Variant& v : Variants(spec)) {
        for (const auto& kernel : v.kernels.kernels) EXPECT_EQ(Validate(kernel.module), "");
      }
    }
  }
}

// ---- Element types and combiners ----

bool IsSupported(DType dtype) {
  const DeviceLimits& limits = Device::Get().limits();
  return (BitSize(dtype) != 8 || limits.storage_8bit) && (BitSize(dtype) != 16 || limits.storage_16bit) && (dtype != DType::kF64 || limits.float64);
}

class ReduceDTypes : public ::testing::TestWithParam<DType> {};
TEST_P(ReduceDTypes, SumsOfWholeNumbers) {
  const DType dtype = GetParam();
  if (!IsSupported(dtype)) GTEST_SKIP() << Device::Get().name() << " has no " << Name(dtype);
  for (const auto& [sizes, dimensions] :
       std::vector<std::pair<Sizes, Sizes>>{{{9, 40}, {1}}, {{9, 37}, {1}}, {{40, 36}, {0}}, {{37, 7}, {0}}, {{3, 20, 2}, {1, 2}}}) {
    const Numbers values = WholeNumbers(dtype, static_cast<size_t>(Count(sizes)), 2);
    const auto spec = SpecOf(ToShape(sizes), dimensions, dtype, 0);
    const Numbers expected = Reference(sizes, dimensions, values, 0, Add);
    for (const Variant& v : Variants(spec)) EXPECT_EQ(Reduced(spec, v.kernels, sizes, values), expected) << ::testing::PrintToString(sizes) << " on " << v.name;
  }
}
TEST_P(ReduceDTypes, GreatestOfLongRows) {
  const DType dtype = GetParam();
  if (!IsSupported(dtype)) GTEST_SKIP() << Device::Get().name() << " has no " << Name(dtype);
  const Fold greatest = [](double a, double b) { return std::max(a, b); };
  for (const auto& [sizes, dimensions] : std::vector<std::pair<Sizes, Sizes>>{{{2, 20000}, {1}}, {{20001, 8}, {0}}}) {
    Numbers values = WholeNumbers(dtype, static_cast<size_t>(Count(sizes)), 2);
    values[777] = values.back() = 100;
    auto spec = SpecOf(ToShape(sizes), dimensions, dtype, IsUnsigned(dtype) ? 0 : -3);
    spec.combiner = Maximum();
    const Numbers expected = Reference(sizes, dimensions, values, IsUnsigned(dtype) ? 0 : -3, greatest);
    for (const Variant& v : Variants(spec)) EXPECT_EQ(Reduced(spec, v.kernels, sizes, values), expected) << ::testing::PrintToString(sizes) << " on " << v.name;
  }
}
INSTANTIATE_TEST_SUITE_P(All, ReduceDTypes,
                         ::testing::Values(DType::kS8, DType::kS16, DType::kS32, DType::kS64, DType::kU8, DType::kU16, DType::kU32, DType::kU64, DType::kF16,
                                           DType::kBF16, DType::kF32, DType::kF64),
                         [](const auto& info) { return std::string(Name(info.param)); });

TEST(Reduce, Bools) {
  if (!IsSupported(DType::kBool)) GTEST_SKIP() << Device::Get().name() << " has no bytes in memory";
  for (const auto& [sizes, dimensions] : std::vector<std::pair<Sizes, Sizes>>{{{6, 40}, {1}}, {{6, 33}, {1}}, {{40, 36}, {0}}, {{30000}, {0}}}) {
    Numbers values(static_cast<size_t>(Count(sizes)));
    for (const bool all : {true, false}) {
      std::fill(values.begin(), values.end(), all);
      values[30] = !all;
      auto spec = SpecOf(ToShape(sizes), dimensions, DType::kBool, all);
      spec.combiner = [all](kernels::Emitter&, const Values& a, const Values& b) { return Values{all ? a[0] && b[0] : a[0] || b[0]}; };
      const Numbers expected = Reference(sizes, dimensions, values, all, [all](double a, double b) { return all ? a * b : std::max(a, b); });
      for (const Variant& v : Variants(spec))
        EXPECT_EQ(Reduced(spec, v.kernels, sizes, values), expected) << ::testing::PrintToString(sizes) << " on " << v.name;
    }
  }
}

TEST(Reduce, Products) {
  Numbers values(3000, 1);
  for (const size_t at : {5, 700, 1500, 2999}) values[at] = -2;
  values[1200] = 0.5;
  for (const auto& [sizes, dimensions] : std::vector<std::pair<Sizes, Sizes>>{{{3, 1000}, {1}}, {{1000, 3}, {0}}, {{3000}, {0}}}) {
    auto spec = SpecOf(ToShape(sizes), dimensions, DType::kF32, 1);
    spec.combiner = [](kernels::Emitter&, const Values& a, const Values& b) { return Values{a[0] * b[0]}; };
    const Numbers expected = Reference(sizes, dimensions, values, 1, std::multiplies<double>());
    for (const Variant& v : Variants(spec)) EXPECT_EQ(Reduced(spec, v.kernels, sizes, values), expected) << ::testing::PrintToString(sizes) << " on " << v.name;
  }
}

TEST(Reduce, NansAndInfinities) {
  const Sizes sizes = {4, 300};
  Numbers values(1200, -kInfinity);
  values[10] = 3;                    // row 0
  values[300 + 299] = std::nan("");  // row 1
  values[600] = kInfinity;           // row 2; row 3 has nothing above minus infinity
  auto spec = SpecOf(ToShape(sizes), {1}, DType::kF32, -kInfinity);
  spec.combiner = [](kernels::Emitter& e, const Values& a, const Values& b) { return Values{e.b().Select((a[0] >= b[0]) || e.b().IsNan(a[0]), a[0], b[0])}; };
  for (const Variant& v : Variants(spec)) {
    const Numbers greatest = Reduced(spec, v.kernels, sizes, values);
    EXPECT_EQ(greatest[0], 3) << v.name;
    EXPECT_TRUE(std::isnan(greatest[1])) << v.name;
    EXPECT_EQ(greatest[2], kInfinity) << v.name;
    EXPECT_EQ(greatest[3], -kInfinity) << v.name;
  }
}

TEST(Reduce, NegativeZeroIsKept) {
  // -0 is the identity of the sum: nothing of our own may add +0.
  const auto spec = SpecOf({3, 40}, {1}, DType::kF32, -0.0);
  for (const Variant& v : Variants(spec)) {
    for (const double sum : Reduced(spec, v.kernels, {3, 40}, Numbers(120, -0.0))) EXPECT_TRUE(sum == 0 && std::signbit(sum)) << v.name;
  }
}

// ---- Several accumulators, other operands, epilogues ----

// The greatest element and the lowest of its places.
kernels::ReduceSpec PlaceSpec(const Shape& input, const Sizes& dimensions, int64_t dimension) {
  auto spec = SpecOf(input, dimensions, DType::kF32, 0);
  spec.accumulators = spec.results = {DType::kF32, DType::kS64};
  spec.initial = [](kernels::Emitter& e) { return Values{e.b().F32(-std::numeric_limits<float>::infinity()), e.b().Constant(DType::kS64, int64_t{1} << 40)}; };
  spec.body = [=](kernels::Emitter& e, const kernels::Index& index) {
    return Values{e.Read(Operand(0, DType::kF32, input), index), e.b().Convert(index[static_cast<size_t>(dimension)], DType::kS64)};
  };
  spec.combiner = [](kernels::Emitter& e, const Values& a, const Values& b) {
    const auto keep = (a[0] > b[0]) || ((a[0] == b[0]) && (a[1] < b[1]));
    return Values{e.b().Select(keep, a[0], b[0]), e.b().Select(keep, a[1], b[1])};
  };
  return spec;
}

void ExpectPlaces(const Sizes& sizes, int64_t dimension) {
  const Numbers values = WholeNumbers(DType::kF32, static_cast<size_t>(Count(sizes)), 4);
  const auto result_of = ResultOfEach(sizes, {dimension});
  const int64_t results = Count(KeptOf(sizes, {dimension}));
  std::vector<float> greatest(static_cast<size_t>(results), -std::numeric_limits<float>::infinity());
  std::vector<int64_t> seen(greatest.size(), 0), places(greatest.size(), 0);
  for (size_t i = 0; i < values.size(); ++i) {
    const auto r = static_cast<size_t>(result_of[i]);
    if (values[i] > greatest[r]) {
      greatest[r] = static_cast<float>(values[i]);
      places[r] = seen[r];
    }
    ++seen[r];
  }
  Device& device = Device::Get();
  for (const bool identity : {true, false}) {
    auto spec = PlaceSpec(ToShape(sizes), {dimension}, dimension);
    spec.initial_is_identity = identity;
    for (const Variant& v : Variants(spec)) {
      const Buffer in = device.Upload(Encode(DType::kF32, values)), out = device.Allocate(greatest.size() * 4), at = device.Allocate(places.size() * 8);
      device.Run(v.kernels, {in}, {out, at});
      EXPECT_EQ(device.Download<float>(out), greatest) << v.name;
      EXPECT_EQ(device.Download<int64_t>(at), places) << v.name;
    }
  }
}
TEST(Reduce, SeveralAccumulators) {
  ExpectPlaces({5, 300}, 1);
  ExpectPlaces({5, 3}, 1);
  ExpectPlaces({300, 40}, 0);
  ExpectPlaces({2, 70, 5}, 1);
  ExpectPlaces({40000}, 0);
  ExpectPlaces({9000, 12}, 0);
}

TEST(Reduce, SharedMemoryForManyAccumulators) {
  DeviceLimits limits = Device::Get().limits();
  limits.shared_bytes = 2048;
  limits.subgroup_shuffle = false;
  Device& device = Device::Get();
  for (const Sizes& sizes : {Sizes{3, 1000}, Sizes{1000, 64}}) {
    const Sizes dimensions = {sizes[0] == 3};
    const Numbers values = WholeNumbers(DType::kS32, static_cast<size_t>(Count(sizes)), 4);
    auto spec = SpecOf(ToShape(sizes), dimensions, DType::kS32, 0);
    spec.accumulators = spec.results = {DType::kS64, DType::kS32, DType::kS64, DType::kS64, DType::kS64};
    spec.initial = [&](kernels::Emitter& e) {
      Values zeros;
      for (const DType t : spec.accumulators) zeros.push_back(e.b().Constant(t, int64_t{0}));
      return zeros;
    };
    spec.body = [&](kernels::Emitter& e, const kernels::Index& index) {
      const auto v = e.Read(Operand(0, DType::kS32, spec.input), index);
      const auto wide = e.b().Convert(v, DType::kS64);
      return Values{wide, v, wide * 2, wide * 3, wide * (int64_t{1} << 33)};
    };
    const auto sequence = kernels::MakeReduce(spec, limits);
    for (const auto& kernel : sequence.kernels) EXPECT_LE(kernel.module.shared_bytes, 2048u);
    const auto results = static_cast<size_t>(Count(KeptOf(sizes, dimensions)));
    const Buffer in = device.Upload(Encode(DType::kS32, values));
    std::vector<Buffer> out;
    for (const DType t : spec.results) out.push_back(device.Allocate(results * ByteSize(t)));
    device.Run(sequence, {in}, out);
    const Numbers sums = Reference(sizes, dimensions, values, 0, Add);
    for (size_t i = 0; i < results; ++i) {
      const auto sum = static_cast<int64_t>(sums[i]);
      EXPECT_EQ(device.Download<int64_t>(out[0])[i], sum);
      EXPECT_EQ(device.Download<int32_t>(out[1])[i], sum);
      EXPECT_EQ(device.Download<int64_t>(out[2])[i], 2 * sum);
      EXPECT_EQ(device.Download<int64_t>(out[3])[i], 3 * sum);
      EXPECT_EQ(device.Download<int64_t>(out[4])[i], sum * (int64_t{1} << 33));
    }
  }
}

// sum(x * y), y with an element a result or an element a column, then the epilogue's own reading of y.
void ExpectBroadcastAndEpilogue(const Sizes& sizes, const Sizes& dimensions) {
  const Sizes kept = KeptOf(sizes, dimensions);
  const auto result_of = ResultOfEach(sizes, dimensions);
  const Numbers x = WholeNumbers(DType::kF32, static_cast<size_t>(Count(sizes)), 5), y = WholeNumbers(DType::kF32, static_cast<size_t>(Count(kept)), 6),
                z = WholeNumbers(DType::kF32, static_cast<size_t>(sizes.back()), 7);
  auto spec = SpecOf(ToShape(sizes), dimensions, DType::kF32, 0);
  const Shape kept_shape = ToShape(kept);
  spec.body = [&](kernels::Emitter& e, const kernels::Index& index) {
    kernels::Index at;
    for (size_t d = 0; d < sizes.size(); ++d) {
      if (!Has(dimensions, d)) at.push_back(index[d]);
    }
    return Values{e.Read(Operand(0, DType::kF32, spec.input), index) * e.Read(Operand(1, DType::kF32, kept_shape), at) +
                  e.Read(Operand(2, DType::kF32, {sizes.back()}), {index.back()})};
  };
  spec.results = {DType::kS32, DType::kF32, DType::kF32};
  spec.epilogue = [&](kernels::Emitter& e, const kernels::Index& at, const Values& sums) {
    const auto y_here = e.Read(Operand(1, DType::kF32, kept_shape), at);
    Values results = {e.b().Convert(sums[0], DType::kS32), sums[0] + y_here, y_here};
    if (!at.empty() && kept.back() == sizes.back()) results[1] = results[1] + e.Read(Operand(2, DType::kF32, {sizes.back()}), {at.back()}) * 0.0;
    return results;
  };
  std::vector<int32_t> sums(static_cast<size_t>(Count(kept)), 0);
  for (size_t i = 0; i < x.size(); ++i) {
    const auto r = static_cast<size_t>(result_of[i]);
    sums[r] += static_cast<int32_t>(x[i] * y[r] + z[i % z.size()]);
  }
  Numbers with_y = y;
  for (size_t r = 0; r < sums.size(); ++r) with_y[r] += sums[r];
  Device& device = Device::Get();
  for (const Variant& v : Variants(spec)) {
    const Buffer whole = device.Allocate(sums.size() * 4), more = device.Allocate(sums.size() * 4), same = device.Allocate(sums.size() * 4);
    device.Run(v.kernels, {device.Upload(Encode(DType::kF32, x)), device.Upload(Encode(DType::kF32, y)), device.Upload(Encode(DType::kF32, z))},
               {whole, more, same});
    EXPECT_EQ(device.Download<int32_t>(whole), sums) << v.name;
    EXPECT_EQ(Decode(DType::kF32, device.Download<uint8_t>(more)), with_y) << v.name;
    EXPECT_EQ(Decode(DType::kF32, device.Download<uint8_t>(same)), y) << v.name;
  }
}
TEST(Reduce, OtherOperandsAndEpilogue) {
  ExpectBroadcastAndEpilogue({6, 40}, {1});
  ExpectBroadcastAndEpilogue({6, 7}, {1});
  ExpectBroadcastAndEpilogue({50, 64}, {0});  // the epilogue reads where the body's vector loads were
  ExpectBroadcastAndEpilogue({1, 64}, {0});
  ExpectBroadcastAndEpilogue({50, 5}, {0});
  ExpectBroadcastAndEpilogue({4, 3, 5, 40}, {0, 2});
  ExpectBroadcastAndEpilogue({4, 3, 5, 16}, {1, 3});
  ExpectBroadcastAndEpilogue({30, 900}, {0});
  ExpectBroadcastAndEpilogue({9000}, {0});
  ExpectBroadcastAndEpilogue({5, 64}, {});
}

TEST(Reduce, BodiesWithBranches) {
  // Elements below 0 are read again and doubled in a branch.
  for (const auto& [sizes, dimensions] : std::vector<std::pair<Sizes, Sizes>>{{{6, 64}, {1}}, {{64, 48}, {0}}, {{30000}, {0}}}) {
    const Numbers values = WholeNumbers(DType::kF32, static_cast<size_t>(Count(sizes)), 5);
    Numbers doubled = values;
    for (double& v : doubled) v = v < 0 ? 2 * v : v;
    for (const double initial : {0.0, 100.0}) {
      auto spec = SpecOf(ToShape(sizes), dimensions, DType::kF32, initial);
      spec.initial_is_identity = initial == 0;
      spec.body = [&](kernels::Emitter& e, const kernels::Index& index) {
        const auto x = Operand(0, DType::kF32, spec.input);
        const auto term = e.b().Declare(e.Read(x, index));
        e.b().If(term.Get() < 0.0, [&] { term.Set(e.Read(x, index) + e.Read(x, index)); });
        return Values{term.Get()};
      };
      const Numbers expected = Reference(sizes, dimensions, doubled, initial, Add);
      for (const Variant& v : Variants(spec))
        EXPECT_EQ(Reduced(spec, v.kernels, sizes, values), expected) << ::testing::PrintToString(sizes) << " on " << v.name;
    }
  }
}

// ---- Run-time sizes ----

// `input` has symbol k where `sizes` is asked for it; one module serves all sizes.
void ExpectRunTimeSums(const Shape& input, const Sizes& dimensions, const std::vector<std::vector<int64_t>>& symbol_sets) {
  for (const double initial : {0.0, 100.0}) {
    auto spec = SpecOf(input, dimensions, DType::kF32, initial);
    spec.initial_is_identity = initial == 0;
    const auto variants = Variants(spec);
    for (const auto& symbols : symbol_sets) {
      Sizes sizes;
      for (const Size& s : input) sizes.push_back(Evaluate(s, symbols));
      const Numbers values = WholeNumbers(DType::kF32, static_cast<size_t>(Count(sizes)), 8);
      const Numbers expected = Reference(sizes, dimensions, values, initial, Add);
      for (const Variant& v : variants) {
        ASSERT_EQ(Reduced(spec, v.kernels, sizes, values, symbols), expected) << ::testing::PrintToString(sizes) << " from " << initial << " on " << v.name;
      }
    }
  }
}
TEST(Reduce, RunTimeReducedSizes) {
  const std::vector<std::vector<int64_t>> sizes = {{0}, {1}, {5}, {100000}};
  ExpectRunTimeSums({Size::Symbol(0)}, {0}, sizes);
  ExpectRunTimeSums({3, Size::Symbol(0)}, {1}, sizes);
  ExpectRunTimeSums({Size::Symbol(0), 8}, {0, 1}, sizes);
  ExpectRunTimeSums({Size::Symbol(0), 7}, {0}, sizes);
  ExpectRunTimeSums({Size::Symbol(0), 36}, {0}, {{0}, {1}, {5}, {20000}});
  ExpectRunTimeSums({Size::Symbol(0), 3, Size::Symbol(1)}, {0, 2}, {{0, 3}, {3, 0}, {1, 1}, {5, 7}, {40, 300}});
}
TEST(Reduce, RunTimeKeptSizes) {
  const std::vector<std::vector<int64_t>> sizes = {{0}, {1}, {5}, {100000}};
  ExpectRunTimeSums({Size::Symbol(0), 7}, {1}, sizes);
  ExpectRunTimeSums({Size::Symbol(0), 20}, {1}, {{0}, {1}, {5}, {10000}});
  ExpectRunTimeSums({7, Size::Symbol(0)}, {0}, sizes);
  ExpectRunTimeSums({9, Size::Symbol(0), 16}, {0}, {{0}, {1}, {5}, {1000}});
  ExpectRunTimeSums({Size::Symbol(0), 0}, {1}, sizes);
  ExpectRunTimeSums({Size::Symbol(0)}, {}, sizes);
}
TEST(Reduce, RunTimeSizesOfBoth) {
  const std::vector<std::vector<int64_t>> sizes = {{0, 0}, {0, 4}, {4, 0}, {1, 1}, {5, 1}, {1, 5}, {5, 5}, {3, 50000}, {50000, 3}};
  ExpectRunTimeSums({Size::Symbol(0), Size::Symbol(1)}, {1}, sizes);
  ExpectRunTimeSums({Size::Symbol(0), Size::Symbol(1)}, {0}, sizes);
  ExpectRunTimeSums({Size::Symbol(0), Size::Symbol(1), 8}, {0}, {{0, 1}, {1, 0}, {1, 1}, {5, 7}, {3000, 2}});
  ExpectRunTimeSums({Size::Symbol(0), Size::Symbol(1), 8}, {1, 2}, {{0, 1}, {1, 0}, {1, 1}, {5, 7}, {2, 3000}});
}

// Registers that were never set often hold 0, which is greater than all these numbers.
TEST(Reduce, LanesWithoutElementsDoNotCount) {
  const Fold greatest = [](double a, double b) { return std::max(a, b); };
  for (const auto& [input, dimensions] :
       std::vector<std::pair<Shape, Sizes>>{{{Size::Symbol(0)}, {0}}, {{3, Size::Symbol(0)}, {1}}, {{Size::Symbol(0), 36}, {0}}, {{Size::Symbol(0), 7}, {0}}}) {
    auto spec = SpecOf(input, dimensions, DType::kF32, -100);
    spec.initial_is_identity = false;
    spec.combiner = Maximum();
    const auto variants = Variants(spec);
    for (const int64_t count : {0, 1, 2, 5, 100}) {
      Sizes sizes;
      for (const Size& size : input) sizes.push_back(Evaluate(size, {count}));
      Numbers values = WholeNumbers(DType::kF32, static_cast<size_t>(Count(sizes)), 8);
      for (double& v : values) v -= 10;
      const Numbers expected = Reference(sizes, dimensions, values, -100, greatest);
      for (const Variant& v : variants) EXPECT_EQ(Reduced(spec, v.kernels, sizes, values, {count}), expected) << count << " on " << v.name;
    }
  }
}

// ---- Floating-point sums, limits ----

TEST(Reduce, SumsOfRealNumbersAreExactEnoughAndTheSameEachTime) {
  for (const auto& [sizes, dimensions] : std::vector<std::pair<Sizes, Sizes>>{{{1000000}, {0}}, {{100000, 10}, {0}}, {{10, 100000}, {1}}}) {
    Numbers values = RealNumbers(1000000, 9);
    for (double& v : values) v = static_cast<float>(v + 1);
    const auto spec = SpecOf(ToShape(sizes), dimensions, DType::kF32, 0);
    const Numbers expected = Reference(sizes, dimensions, values, 0, Add);
    for (const Variant& v : Variants(spec)) {
      const Numbers sums = Reduced(spec, v.kernels, sizes, values);
      for (size_t i = 0; i < sums.size(); ++i) EXPECT_NEAR(sums[i], expected[i], 1e-5 * expected[i]) << v.name;
      for (int again = 0; again < 3; ++again) EXPECT_EQ(Reduced(spec, v.kernels, sizes, values), sums) << v.name;
    }
  }
}

TEST(Reduce, LanesShuffleOnlyInSubgroupsOfAKnownSize) {
  DeviceLimits limits = Device::Get().limits();
  limits.subgroup_size = limits.min_subgroup_size = limits.max_subgroup_size = 32;
  limits.subgroup_shuffle = true;
  const auto spec = SpecOf({5, 300}, {1}, DType::kF32, 0);
  for (const bool control : {true, false}) {
    limits.subgroup_size_control = control;
    for (const auto& kernel : kernels::MakeReduce(spec, limits).kernels) {
      EXPECT_EQ(kernel.required_subgroup_size, control ? 32u : 0u);
      EXPECT_EQ(kernel.module.workgroup[0] % 32, 0u);
    }
  }
}

TEST(Reduce, WorkgroupsThatAreNoPowerOfTwo) {
  DeviceLimits limits = Device::Get().limits();
  for (const uint32_t invocations : {1u, 24u, 192u}) {
    limits.max_invocations = invocations;
    for (const auto& [sizes, dimensions] : std::vector<std::pair<Sizes, Sizes>>{{{3, 1000}, {1}}, {{1000, 36}, {0}}}) {
      const Numbers values = WholeNumbers(DType::kF32, static_cast<size_t>(Count(sizes)), 1);
      const auto spec = SpecOf(ToShape(sizes), dimensions, DType::kF32, 0);
      const auto sequence = kernels::MakeReduce(spec, limits);
      for (const auto& kernel : sequence.kernels) EXPECT_LE(kernel.module.workgroup[0], invocations);
      EXPECT_EQ(Reduced(spec, sequence, sizes, values), Reference(sizes, dimensions, values, 0, Add)) << invocations;
    }
  }
}

}  // namespace
}  // namespace tfvk::testing
