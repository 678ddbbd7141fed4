#include "kernels/scatter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <random>

#include "device_fixture.h"
#include "kernels/element_functions.h"

namespace tfvk::testing {
namespace {

using Sizes = std::vector<int64_t>;

int64_t Count(const Sizes& sizes) { return std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>()); }
bool Has(const Sizes& list, int64_t d) { return std::find(list.begin(), list.end(), d) != list.end(); }

Sizes IndexOf(const Sizes& sizes, int64_t linear) {
  Sizes index(sizes.size());
  for (size_t d = sizes.size(); d-- > 0;) {
    index[d] = linear % sizes[d];
    linear /= sizes[d];
  }
  return index;
}
int64_t Linear(const Sizes& sizes, const Sizes& index) {
  int64_t linear = 0;
  for (size_t d = 0; d < sizes.size(); ++d) linear = linear * sizes[d] + index[d];
  return linear;
}

struct Case {
  Sizes input, indices, updates, update_window_dims, inserted_window_dims, scatter_dims;
  int64_t index_vector_dim = 0;
};

// XLA's scatter, update by update.
template <class T, class I>
void Reference(const Case& c, std::vector<T>& result, const std::vector<I>& indices, const std::vector<T>& updates, const std::function<T(T, T)>& combine) {
  for (int64_t u = 0; u < Count(c.updates); ++u) {
    const Sizes update = IndexOf(c.updates, u);
    Sizes batch, target;
    for (size_t d = 0; d < update.size(); ++d) {
      if (!Has(c.update_window_dims, static_cast<int64_t>(d))) batch.push_back(update[d]);
    }
    size_t next_window = 0;
    Sizes start(c.input.size(), 0), window;
    for (size_t d = 0; d < c.input.size(); ++d) {
      const bool inserted = Has(c.inserted_window_dims, static_cast<int64_t>(d));
      const int64_t dim = inserted ? -1 : c.update_window_dims[next_window++];
      target.push_back(inserted ? 0 : update[dim]);
      window.push_back(inserted ? 1 : c.updates[dim]);
    }
    for (size_t k = 0; k < c.scatter_dims.size(); ++k) {
      Sizes at = batch;
      if (c.index_vector_dim < static_cast<int64_t>(c.indices.size())) at.insert(at.begin() + c.index_vector_dim, static_cast<int64_t>(k));
      start[c.scatter_dims[k]] += static_cast<int64_t>(indices[Linear(c.indices, at)]);
    }
    bool inside = true;
    for (size_t d = 0; d < target.size(); ++d) {
      inside = inside && start[d] >= 0 && start[d] <= c.input[d] - window[d];
      target[d] += start[d];
    }
    if (inside) result[Linear(c.input, target)] = combine(result[Linear(c.input, target)], updates[u]);
  }
}

kernels::ScatterSpec SpecOf(const Case& c, DType dtype, DType index_dtype) {
  kernels::ScatterSpec spec;
  spec.name = "scatter";
  spec.input = Shape(c.input.begin(), c.input.end());
  spec.indices = Shape(c.indices.begin(), c.indices.end());
  spec.updates = Shape(c.updates.begin(), c.updates.end());
  spec.update_window_dims = c.update_window_dims;
  spec.inserted_window_dims = c.inserted_window_dims;
  spec.scatter_dims_to_operand_dims = c.scatter_dims;
  spec.index_vector_dim = c.index_vector_dim;
  spec.dtypes = {dtype};
  spec.inputs = {Operand(0, dtype, spec.input)};
  spec.index_body = ReadAll({Operand(1, index_dtype, spec.indices)});
  spec.update_body = ReadAll({Operand(2, dtype, spec.updates)});
  spec.combiner = Sum();
  return spec;
}

kernels::Combiner Replace() {
  return [](kernels::Emitter&, const Values&, const Values& b) { return b; };
}
kernels::Combiner Difference() {
  return [](kernels::Emitter&, const Values& a, const Values& b) { return Values{a[0] - b[0]}; };
}

template <class T>
std::vector<T> Numbers(int64_t n, int64_t low, int64_t high, int seed) {
  std::mt19937 random(seed);
  std::vector<T> values(n);
  for (T& v : values) v = static_cast<T>(low + static_cast<int64_t>(random() % static_cast<uint64_t>(high - low)));
  return values;
}

template <class T, class I>
void Expect(const Case& c, kernels::ScatterSpec spec, const std::vector<I>& indices, const std::function<T(T, T)>& combine) {
  const auto input = Numbers<T>(Count(c.input), -9, 9, 1);
  const auto updates = Numbers<T>(Count(c.updates), -9, 9, 2);
  Device& device = Device::Get();
  const Buffer in = device.Upload(input), index = device.Upload(indices), update = device.Upload(updates);
  const Buffer out = spec.in_place ? device.Upload(input) : device.Allocate(in.bytes());
  device.Run(kernels::MakeScatter(spec, device.limits()), {in, index, update}, {out});
  auto expected = input;
  Reference<T, I>(c, expected, indices, updates, combine);
  ASSERT_EQ(device.Download<T>(out), expected);
}

// Sums, the last update, and differences (which cannot be combined among themselves), all exact in f32; results that hold the inputs and results that do not.
void ExpectAll(const Case& c, const std::vector<int32_t>& indices, bool unique = false) {
  auto spec = SpecOf(c, DType::kF32, DType::kS32);
  spec.unique_indices = unique;
  for (const bool in_place : {false, true}) {
    spec.in_place = in_place;
    spec.combiner = Sum();
    spec.associative = true;
    Expect<float, int32_t>(c, spec, indices, [](float a, float b) { return a + b; });
    spec.combiner = Replace();
    Expect<float, int32_t>(c, spec, indices, [](float, float b) { return b; });
    spec.associative = false;
    Expect<float, int32_t>(c, spec, indices, [](float, float b) { return b; });
    spec.combiner = Difference();
    Expect<float, int32_t>(c, spec, indices, [](float a, float b) { return a - b; });
  }
}

// Rows of updates into rows of a table: an embedding's gradient.
Case Rows(int64_t table, int64_t updates, int64_t width) { return {{table, width}, {updates, 1}, {updates, width}, {1}, {0}, {0}, 1}; }

TEST(Scatter, FewRows) {
  ExpectAll(Rows(10, 7, 5), {3, 0, 3, 9, 3, 0, 5});
  ExpectAll(Rows(1, 1, 1), {0});
  ExpectAll(Rows(5000, 100, 3), Numbers<int32_t>(100, 0, 5000, 3));
  ExpectAll(Rows(40, 300, 33), Numbers<int32_t>(300, 0, 40, 3));
  ExpectAll(Rows(3, 300, 700), Numbers<int32_t>(300, 0, 3, 3));
}
TEST(Scatter, ManyRows) {
  ExpectAll(Rows(700, 2000, 20), Numbers<int32_t>(2000, 0, 700, 3));
  ExpectAll(Rows(50, 2049, 7), Numbers<int32_t>(2049, 0, 50, 3));  // segments longer than a block
  ExpectAll(Rows(9, 5000, 3), Numbers<int32_t>(5000, 0, 9, 3));
  ExpectAll(Rows(9, 1025, 3), std::vector<int32_t>(1025, 4));  // one segment
  ExpectAll(Rows(1 << 20, 600, 1), Numbers<int32_t>(600, 0, 1 << 20, 3));
}
TEST(Scatter, SegmentsThatEndOnBlocks) {
  std::vector<int32_t> indices;
  for (int i = 0; i < 1024; ++i) indices.push_back(i / 16);
  ExpectAll(Rows(64, 1024, 2), indices);
  for (int i = 0; i < 1024; ++i) indices[i] = i / 32;
  ExpectAll(Rows(64, 1024, 2), indices);
  for (int i = 0; i < 1024; ++i) indices[i] = (i + 15) / 17;
  ExpectAll(Rows(64, 1024, 2), indices);
}
TEST(Scatter, VeryManyRows) { ExpectAll(Rows(3000, 20000, 4), Numbers<int32_t>(20000, 0, 3000, 3)); }

TEST(Scatter, OutOfBoundsUpdatesAreDropped) {
  ExpectAll(Rows(10, 7, 5), {-1, 0, 10, 9, 2147483647, -2147483647 - 1, 5});
  ExpectAll(Rows(10, 900, 5), Numbers<int32_t>(900, -5, 15, 3));
  ExpectAll(Rows(10, 3, 5), {-1, 10, 11});
  ExpectAll(Rows(10, 3, 5), {-1, 4, 11}, true);
  ExpectAll(Rows(10, 600, 2), std::vector<int32_t>(600, -3));
}

TEST(Scatter, UniqueIndices) {
  std::vector<int32_t> indices(1000);
  std::iota(indices.begin(), indices.end(), 0);
  std::shuffle(indices.begin(), indices.end(), std::mt19937(4));
  ExpectAll(Rows(1000, 1000, 6), indices, true);
  ExpectAll(Rows(1000, 1000, 6), indices, false);
}

TEST(Scatter, DimensionNumbers) {
  // scatter_nd: two index components for a rank-3 input.
  ExpectAll({{4, 6, 5}, {3, 2}, {3, 5}, {1}, {0, 1}, {0, 1}, 1}, {1, 2, 3, 5, 1, 2});
  ExpectAll({{4, 6, 5}, {2, 3}, {3, 5}, {1}, {0, 1}, {1, 0}, 0}, {1, 2, 5, 3, 0, 3});
  // Scalar updates, the index vector implied.
  ExpectAll({{6}, {8}, {8}, {}, {0}, {0}, 1}, {5, 5, 0, 1, 5, 2, 6, -1});
  // The window before the batch, and an update window narrower than the input.
  ExpectAll({{4, 6}, {3}, {4, 3}, {0}, {1}, {1}, 1}, {5, 0, 5});
  ExpectAll({{4, 6}, {3, 1}, {3, 4}, {1}, {0}, {0}, 1}, {3, 0, 3});
  // Batches of several dimensions.
  ExpectAll({{4, 6}, {2, 3, 1}, {2, 3, 6}, {2}, {0}, {0}, 2}, {3, 0, 3, 1, 1, 3});
  // A window of one element that is not inserted.
  ExpectAll({{4, 6}, {3, 1}, {3, 1, 6}, {1, 2}, {}, {0}, 1}, {3, 0, 3});
  // One index with a window of several elements, partly outside.
  ExpectAll({{5, 6}, {2}, {2, 3}, {0, 1}, {}, {0, 1}, 0}, {2, 1});
  ExpectAll({{5, 6}, {2}, {2, 3}, {0, 1}, {}, {0, 1}, 0}, {4, 5});
  ExpectAll({{5, 6}, {2}, {2, 3}, {0, 1}, {}, {0, 1}, 0}, {-1, 4});
  // Windows that overlap.
  ExpectAll({{10}, {4, 1}, {4, 3}, {1}, {}, {0}, 1}, {2, 3, 8, -1});
  ExpectAll({{10, 4}, {300, 1}, {300, 3, 4}, {1, 2}, {}, {0}, 1}, Numbers<int32_t>(300, -3, 12, 5));
  // No index component at all: everything falls on one place.
  ExpectAll({{3}, {4, 0}, {4, 3}, {1}, {}, {}, 1}, {});
  ExpectAll({{}, {4, 0}, {4}, {}, {}, {}, 1}, {});
}

TEST(Scatter, NoUpdates) {
  ExpectAll(Rows(10, 0, 5), {});
  ExpectAll(Rows(10, 3, 0), {1, 2, 3});
  ExpectAll(Rows(0, 3, 5), {0, 1, 2});
}

template <class I>
void ExpectIndexDType(DType dtype, const std::vector<I>& indices) {
  const Case c = Rows(10, static_cast<int64_t>(indices.size()), 3);
  Expect<float, I>(c, SpecOf(c, DType::kF32, dtype), indices, [](float a, float b) { return a + b; });
}
TEST(Scatter, IndexDTypes) {
  ExpectIndexDType<int64_t>(DType::kS64, {3, -1, 3, int64_t{1} << 32, 9, (int64_t{1} << 32) + 3});
  ExpectIndexDType<uint32_t>(DType::kU32, {3, 4000000000u, 3, 9});
  ExpectIndexDType<uint64_t>(DType::kU64, {3, ~uint64_t{0}, 3, 9, uint64_t{1} << 32});
}

TEST(Scatter, OtherDTypes) {
  const Case c = Rows(30, 1000, 3);
  const auto indices = Numbers<int32_t>(1000, 0, 30, 3);
  Expect<int32_t, int32_t>(c, SpecOf(c, DType::kS32, DType::kS32), indices, [](int32_t a, int32_t b) { return a + b; });
  Expect<int64_t, int32_t>(c, SpecOf(c, DType::kS64, DType::kS32), indices, [](int64_t a, int64_t b) { return a + b; });
  if (Device::Get().limits().storage_8bit) {
    Expect<uint8_t, int32_t>(c, SpecOf(c, DType::kU8, DType::kS32), indices, [](uint8_t a, uint8_t b) { return static_cast<uint8_t>(a + b); });
  }
  if (Device::Get().limits().float64) {
    Expect<double, int32_t>(c, SpecOf(c, DType::kF64, DType::kS32), indices, [](double a, double b) { return a + b; });
  }
}

// Two tables at once: a sum and a maximum.
TEST(Scatter, SeveralInputs) {
  for (const int64_t n : {50, 1500}) {
    const Case c = Rows(20, n, 4);
    const auto indices = Numbers<int32_t>(n, -1, 21, 3);
    auto spec = SpecOf(c, DType::kF32, DType::kS32);
    spec.dtypes = {DType::kF32, DType::kS32};
    spec.inputs = {Operand(0, DType::kF32, spec.input), Operand(3, DType::kS32, spec.input)};
    spec.update_body = ReadAll({Operand(2, DType::kF32, spec.updates), Operand(4, DType::kS32, spec.updates)});
    spec.combiner = [](kernels::Emitter& e, const Values& a, const Values& b) { return Values{a[0] + b[0], e.b().Max(a[1], b[1])}; };
    spec.associative = true;
    auto sums = Numbers<float>(Count(c.input), -9, 9, 1);
    auto maxima = Numbers<int32_t>(Count(c.input), -9, 9, 5);
    const auto terms = Numbers<float>(Count(c.updates), -9, 9, 2);
    const auto candidates = Numbers<int32_t>(Count(c.updates), -99, 99, 6);
    Device& device = Device::Get();
    const Buffer out = device.Allocate(sums.size() * 4), out_maxima = device.Allocate(maxima.size() * 4);
    device.Run(kernels::MakeScatter(spec, device.limits()),
               {device.Upload(sums), device.Upload(indices), device.Upload(terms), device.Upload(maxima), device.Upload(candidates)}, {out, out_maxima});
    Reference<float, int32_t>(c, sums, indices, terms, [](float a, float b) { return a + b; });
    Reference<int32_t, int32_t>(c, maxima, indices, candidates, [](int32_t a, int32_t b) { return std::max(a, b); });
    EXPECT_EQ(device.Download<float>(out), sums);
    EXPECT_EQ(device.Download<int32_t>(out_maxima), maxima);
  }
}

TEST(Scatter, RunTimeSizes) {
  const Case any = Rows(10, 7, 5);
  auto spec = SpecOf(any, DType::kF32, DType::kS32);
  spec.input = {Size::Symbol(0), Size::Symbol(2)};
  spec.indices = {Size::Symbol(1), 1};
  spec.updates = {Size::Symbol(1), Size::Symbol(2)};
  spec.inputs = {Operand(0, DType::kF32, spec.input)};
  spec.index_body = ReadAll({Operand(1, DType::kS32, spec.indices)});
  spec.update_body = ReadAll({Operand(2, DType::kF32, spec.updates)});
  Device& device = Device::Get();
  const auto sequence = kernels::MakeScatter(spec, device.limits());
  for (const auto& [table, updates, width] : std::vector<std::array<int64_t, 3>>{{10, 7, 5}, {100, 1000, 3}, {3, 20, 600}, {5, 0, 2}, {1, 1, 1}}) {
    const Case c = Rows(table, updates, width);
    auto expected = Numbers<float>(Count(c.input), -9, 9, 1);
    const auto indices = Numbers<int32_t>(updates, -1, table + 1, 3);
    const auto terms = Numbers<float>(Count(c.updates), -9, 9, 2);
    const Buffer out = device.Allocate(expected.size() * 4);
    device.Run(sequence, {device.Upload(expected), device.Upload(indices), device.Upload(terms)}, {out}, {table, updates, width});
    Reference<float, int32_t>(c, expected, indices, terms, [](float a, float b) { return a + b; });
    EXPECT_EQ(device.Download<float>(out), expected);
  }
}

TEST(Scatter, EmbeddingGradientIsNotRowsTimesUpdates) {
  const Case c = Rows(8192, 4096, 128);
  auto spec = SpecOf(c, DType::kF32, DType::kS32);
  spec.in_place = spec.associative = true;
  Expect<float, int32_t>(c, spec, Numbers<int32_t>(4096, 0, 8192, 3), [](float a, float b) { return a + b; });
  EXPECT_LT(Device::Get().last_seconds(), 1.0);
  RecordProperty("milliseconds", std::to_string(1000 * Device::Get().last_seconds()));
}

}  // namespace
}  // namespace tfvk::testing
