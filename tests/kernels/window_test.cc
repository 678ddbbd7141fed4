#include "kernels/window.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <random>

#include "device_fixture.h"
#include "kernels/element_functions.h"

namespace tfvk::testing {
namespace {

using kernels::WindowDimension;
using Sizes = std::vector<int64_t>;

int64_t Count(const Sizes& sizes) { return std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>()); }
Shape ToShape(const Sizes& sizes) { return Shape(sizes.begin(), sizes.end()); }

// Counts through all indices of `sizes`, the last dimension fastest.
void ForEach(const Sizes& sizes, const std::function<void(const Sizes&)>& visit) {
  Sizes index(sizes.size(), 0);
  for (int64_t n = Count(sizes); n > 0; --n) {
    visit(index);
    for (size_t d = sizes.size(); d-- > 0;) {
      if (++index[d] < sizes[d]) break;
      index[d] = 0;
    }
  }
}
int64_t Linear(const Sizes& sizes, const Sizes& index) {
  int64_t linear = 0;
  for (size_t d = 0; d < sizes.size(); ++d) linear = linear * sizes[d] + index[d];
  return linear;
}

Sizes OutputOf(const Sizes& input, const std::vector<WindowDimension>& window) {
  Sizes output;
  for (size_t d = 0; d < input.size(); ++d) {
    const WindowDimension& w = window[d];
    const int64_t dilated = input[d] == 0 ? 0 : (input[d] - 1) * w.base_dilation + 1;
    const int64_t padded = dilated + w.pad_low + w.pad_high, extent = (w.size - 1) * w.window_dilation + 1;
    output.push_back(padded < extent ? 0 : (padded - extent) / w.stride + 1);
  }
  return output;
}

// The linear indices of the operand's elements in the window of `output`.
std::vector<int64_t> ElementsOf(const Sizes& input, const std::vector<WindowDimension>& window, const Sizes& output) {
  Sizes window_sizes;
  for (const auto& w : window) window_sizes.push_back(w.size);
  std::vector<int64_t> elements;
  ForEach(window_sizes, [&](const Sizes& k) {
    Sizes index(input.size());
    for (size_t d = 0; d < input.size(); ++d) {
      const int64_t position = output[d] * window[d].stride + k[d] * window[d].window_dilation - window[d].pad_low;
      if (position < 0 || position % window[d].base_dilation != 0 || position / window[d].base_dilation >= input[d]) return;
      index[d] = position / window[d].base_dilation;
    }
    elements.push_back(Linear(input, index));
  });
  return elements;
}

std::vector<float> RandomIntegers(int64_t n, int seed = 1) {
  std::mt19937 random(seed);
  std::vector<float> values(n);
  for (float& v : values) v = static_cast<float>(static_cast<int>(random() % 17) - 8);
  return values;
}

kernels::ReduceWindowSpec SumSpec(const Sizes& input, const std::vector<WindowDimension>& window) {
  kernels::ReduceWindowSpec spec;
  spec.name = "sum";
  spec.input = ToShape(input);
  spec.output = ToShape(OutputOf(input, window));
  spec.window = window;
  spec.accumulators = spec.results = {DType::kF32};
  spec.initial = Number(DType::kF32, 100);
  spec.body = ReadAll({Operand(0, DType::kF32, spec.input)});
  spec.combiner = Sum();
  return spec;
}

// Sums of small integers are exact in any order; the initial value must come in once.
void ExpectSums(const Sizes& input, const std::vector<WindowDimension>& window) {
  const auto spec = SumSpec(input, window);
  const Sizes output = OutputOf(input, window);
  const auto values = RandomIntegers(Count(input));
  Device& device = Device::Get();
  const Buffer in = device.Upload(values), out = device.Allocate(4 * Count(output));
  device.Run(kernels::MakeReduceWindow(spec, device.limits()), {in}, {out});
  const auto sums = device.Download<float>(out);
  ForEach(output, [&](const Sizes& index) {
    float expected = 100;
    for (int64_t element : ElementsOf(input, window, index)) expected += values[element];
    ASSERT_EQ(sums[Linear(output, index)], expected) << "result " << Linear(output, index);
  });
}

TEST(ReduceWindow, Pooling) {
  ExpectSums({2, 8, 8, 5}, {{}, {2, 2}, {2, 2}, {}});
  ExpectSums({2, 7, 9, 3}, {{}, {3, 2, 1, 1}, {3, 2, 0, 1}, {}});
  ExpectSums({1, 3, 15, 15}, {{}, {}, {7, 3, 3, 3}, {7, 3, 3, 3}});  // channels first, not unrolled
  // Four channels at a time.
  ExpectSums({2, 7, 9, 12}, {{}, {3, 2, 1, 1}, {3, 2, 0, 1}, {}});
  ExpectSums({1, 15, 15, 4}, {{}, {7, 3, 3, 3}, {7, 3, 3, 3}, {}});
  ExpectSums({11, 8}, {{3, 2, 1, 4, 3, 1}, {}});
}
TEST(ReduceWindow, Dilations) {
  ExpectSums({11}, {{3, 1, 2, 2, 1, 2}});
  ExpectSums({11}, {{3, 2, 1, 4, 3, 1}});
  ExpectSums({5, 6}, {{2, 1, 1, 0, 2, 3}, {4, 3, 5, 2, 3, 2}});
}
TEST(ReduceWindow, NegativePadding) {
  ExpectSums({12}, {{3, 2, -2, -1}});
  ExpectSums({9, 4}, {{2, 1, -3, 2, 2}, {}});
}
TEST(ReduceWindow, PaddingLongerThanTheWindow) { ExpectSums({4}, {{2, 1, 5, 5}}); }
TEST(ReduceWindow, SmallShapes) {
  ExpectSums({}, {});
  ExpectSums({1}, {{1, 1}});
  ExpectSums({0}, {{2, 1, 3, 3}});  // all padding
  ExpectSums({0, 4}, {{2, 1, 3, 3}, {}});
  ExpectSums({3}, {{5, 1}});  // no windows
  ExpectSums({2, 2, 2, 2, 2, 2}, {{2}, {2}, {1}, {2}, {1, 2}, {2, 1, 1, 1}});
}

TEST(ReduceWindow, CumulativeSums) {
  for (const int64_t n : {2, 63, 64, 65, 128, 1000, 1024, 1025}) {
    ExpectSums({3, n}, {{}, {n, 1, n - 1, 0}});  // inclusive
    ExpectSums({3, n}, {{}, {n, 1, 0, n - 1}});  // from the end
  }
  ExpectSums({2, 300, 2}, {{}, {300, 1, 300, 0}, {}});  // exclusive, with the whole sum last
  ExpectSums({2, 300, 2}, {{}, {300, 1, 0, 300}, {}});
  ExpectSums({2, 300, 2}, {{}, {300, 1, 300, -1}, {}});  // exclusive
  ExpectSums({300, 40}, {{300, 1, 299, 0}, {}});         // a row an invocation
  ExpectSums({300, 40}, {{300, 1, 0, 299}, {}});
  ExpectSums({700}, {{700, 1, 699, 699}});  // both sides: not a scan
  ExpectSums({300}, {{300, 1, 299, -7}});
}

// As ExpectSums for a window over the one dimension `d`, in linear time: [outer, n, inner] with `low` and `high` padding.
void ExpectRowSums(const Sizes& input, size_t d, int64_t low, int64_t high) {
  const int64_t n = input[d];
  std::vector<WindowDimension> window(input.size());
  window[d] = {n, 1, low, high};
  const auto spec = SumSpec(input, window);
  const Sizes output = OutputOf(input, window);
  const auto values = RandomIntegers(Count(input));
  Device& device = Device::Get();
  const Buffer in = device.Upload(values), out = device.Allocate(4 * Count(output));
  device.Run(kernels::MakeReduceWindow(spec, device.limits()), {in}, {out});
  const auto sums = device.Download<float>(out);
  int64_t inner = 1;
  for (size_t k = d + 1; k < input.size(); ++k) inner *= input[k];
  for (int64_t row = 0; row < Count(input) / n; ++row) {
    std::vector<float> before(n + 1, 0);  // sums of the first elements
    for (int64_t i = 0; i < n; ++i) before[i + 1] = before[i] + values[(row / inner * n + i) * inner + row % inner];
    for (int64_t o = 0; o < output[d]; ++o) {
      const int64_t first = std::clamp<int64_t>(o - low, 0, n), end = std::clamp<int64_t>(o - low + n, 0, n);
      ASSERT_EQ(sums[(row / inner * output[d] + o) * inner + row % inner], 100 + before[end] - before[first]) << "result " << o << " of row " << row;
    }
  }
}

TEST(ReduceWindow, LongRowsSharedByWorkgroups) {
  for (const int64_t n : {5000, 16384, 16385, 50000}) {
    ExpectRowSums({2, n}, 1, n - 1, 0);
    ExpectRowSums({2, n}, 1, 0, n - 1);
    ExpectRowSums({2, n}, 1, n, 0);
    ExpectRowSums({2, n}, 1, 0, n);
    ExpectRowSums({1, n, 2}, 1, n, -1);
  }
}

TEST(ReduceWindow, LongCumulativeSumIsNotQuadratic) {
  const int64_t n = 1 << 17;
  const auto values = RandomIntegers(n);
  Device& device = Device::Get();
  const Buffer in = device.Upload(values), out = device.Allocate(4 * n);
  device.Run(kernels::MakeReduceWindow(SumSpec({n}, {{n, 1, n - 1, 0}}), device.limits()), {in}, {out});
  const auto sums = device.Download<float>(out);
  float expected = 100;
  for (int64_t i = 0; i < n; ++i) ASSERT_EQ(sums[i], expected += values[i]) << i;
  EXPECT_LT(device.last_seconds(), 2.0);  // n * n additions would take minutes
}

TEST(ReduceWindow, SeveralAccumulatorsWithEpilogue) {
  // The greatest element and its place, pooled; then place * 10.
  const Sizes input = {2, 6, 6, 3};
  const std::vector<WindowDimension> window = {{}, {3, 2, 1, 1}, {3, 2, 1, 1}, {}};
  kernels::ReduceWindowSpec spec = SumSpec(input, window);
  spec.accumulators = {DType::kF32, DType::kS32};
  spec.results = {DType::kF16, DType::kS32};
  spec.initial = [](kernels::Emitter& e) { return Values{e.b().F32(-std::numeric_limits<float>::infinity()), e.b().S32(-1)}; };
  spec.body = [&](kernels::Emitter& e, const kernels::Index& index) {
    return Values{e.Read(Operand(0, DType::kF32, spec.input), index), e.b().Convert(e.Linearize(spec.input, index), DType::kS32)};
  };
  spec.combiner = [](kernels::Emitter& e, const Values& a, const Values& b) {
    const auto keep = a[0] >= b[0];
    return Values{e.b().Select(keep, a[0], b[0]), e.b().Select(keep, a[1], b[1])};
  };
  spec.epilogue = [](kernels::Emitter&, const kernels::Index&, const Values& v) { return Values{v[0] + 1.0, v[1] * 10}; };
  const Sizes output = OutputOf(input, window);
  const auto values = RandomIntegers(Count(input));
  Device& device = Device::Get();
  const Buffer in = device.Upload(values), greatest = device.Allocate(2 * Count(output)), places = device.Allocate(4 * Count(output));
  device.Run(kernels::MakeReduceWindow(spec, device.limits()), {in}, {greatest, places});
  const auto found = device.Download<int32_t>(places);
  ForEach(output, [&](const Sizes& index) {
    int64_t best = -1;
    for (int64_t element : ElementsOf(input, window, index)) {
      if (best < 0 || values[element] > values[best]) best = element;
    }
    ASSERT_EQ(found[Linear(output, index)], 10 * best);
  });
}

TEST(ReduceWindow, RunTimeSizes) {
  const std::vector<WindowDimension> window = {{}, {3, 2, 1, 1}, {}};
  auto spec = SumSpec({5, 9, 4}, window);
  spec.input = {Size::Symbol(0), Size::Symbol(1), 4};
  spec.output = {Size::Symbol(0), Size::Symbol(2), 4};
  spec.body = ReadAll({Operand(0, DType::kF32, spec.input)});
  Device& device = Device::Get();
  const auto sequence = kernels::MakeReduceWindow(spec, device.limits());
  for (const int64_t length : {1, 2, 9}) {
    const Sizes input = {5, length, 4}, output = OutputOf(input, window);
    const auto values = RandomIntegers(Count(input));
    const Buffer in = device.Upload(values), out = device.Allocate(4 * Count(output));
    device.Run(sequence, {in}, {out}, {5, length, output[1]});
    const auto sums = device.Download<float>(out);
    ForEach(output, [&](const Sizes& index) {
      float expected = 100;
      for (int64_t element : ElementsOf(input, window, index)) expected += values[element];
      ASSERT_EQ(sums[Linear(output, index)], expected);
    });
  }
}

// ---- select_and_scatter ----

kernels::SelectAndScatterSpec GreatestSpec(const Sizes& operand, const std::vector<WindowDimension>& window) {
  kernels::SelectAndScatterSpec spec;
  spec.name = "max_pool_gradient";
  spec.operand = ToShape(operand);
  spec.source = ToShape(OutputOf(operand, window));
  spec.window = window;
  spec.results = {DType::kF32};
  spec.operand_body = ReadAll({Operand(0, DType::kF32, spec.operand)});
  spec.source_body = ReadAll({Operand(1, DType::kF32, spec.source)});
  spec.select = [](kernels::Emitter&, const Values& a, const Values& b) { return Values{a[0] >= b[0]}; };
  spec.scatter = Sum();
  spec.initial = Number(DType::kF32, 3);
  return spec;
}

void ExpectSelected(const Sizes& operand, const std::vector<WindowDimension>& window, const std::vector<float>& values) {
  const auto spec = GreatestSpec(operand, window);
  const Sizes output = OutputOf(operand, window);
  const auto source = RandomIntegers(Count(output), 2);
  Device& device = Device::Get();
  const Buffer in = device.Upload(values), from = device.Upload(source), out = device.Allocate(4 * Count(operand));
  device.Run(kernels::MakeSelectAndScatter(spec, device.limits()), {in, from}, {out});
  std::vector<float> expected(values.size(), 3);
  ForEach(output, [&](const Sizes& index) {
    int64_t best = -1;
    for (int64_t element : ElementsOf(operand, window, index)) {
      if (best < 0 || !(values[best] >= values[element])) best = element;
    }
    if (best >= 0) expected[best] += source[Linear(output, index)];
  });
  EXPECT_EQ(device.Download<float>(out), expected);
}

TEST(SelectAndScatter, MaxPoolingGradients) {
  for (const auto& [operand, window] : std::vector<std::pair<Sizes, std::vector<WindowDimension>>>{
           {{2, 8, 8, 5}, {{}, {2, 2}, {2, 2}, {}}},              // windows side by side
           {{2, 9, 7, 3}, {{}, {3, 2, 1, 1}, {3, 2, 0, 1}, {}}},  // overlapping
           {{2, 8, 8, 12}, {{}, {2, 2}, {2, 2}, {}}},             // four channels at a time
           {{2, 9, 7, 8}, {{}, {3, 2, 1, 1}, {3, 2, 0, 1}, {}}},
           {{1, 9, 9, 4}, {{}, {5, 1, 2, 2}, {5, 2, 2, 2}, {}}},
           {{9, 4}, {{2, 5, -4, 3}, {}}},
           {{1, 10, 10, 1}, {{}, {2, 3}, {2, 3}, {}}},  // elements in no window
           {{6, 6}, {{5, 1, 2, 2}, {5, 2, 2, 2}}},      // not unrolled
           {{9}, {{3, 2, -1, -1}}},                     // negative padding
           {{9}, {{2, 5, -4, 3}}},
           {{3}, {{2, 1, 4, 4}}},  // windows that hold nothing but padding
           {{1}, {{1, 1}}},
           {{}, {}},
       }) {
    ExpectSelected(operand, window, RandomIntegers(Count(operand)));
    ExpectSelected(operand, window, std::vector<float>(Count(operand), 1));  // ties: the first wins
  }
}

TEST(SelectAndScatter, NansTakeTheWindow) {
  auto values = RandomIntegers(64);
  values[9] = values[20] = std::nanf("");
  ExpectSelected({8, 8}, {{2, 2}, {2, 2}}, values);
  ExpectSelected({8, 8}, {{3, 1}, {3, 1}}, values);
  auto of_channels = RandomIntegers(256);
  for (const size_t i : {size_t{9}, size_t{40}, size_t{41}, size_t{170}}) of_channels[i] = std::nanf("");
  ExpectSelected({8, 8, 4}, {{2, 2}, {2, 2}, {}}, of_channels);
  ExpectSelected({8, 8, 4}, {{3, 1}, {3, 1}, {}}, of_channels);
}

TEST(SelectAndScatter, RunTimeSizes) {
  const std::vector<WindowDimension> window = {{}, {3, 2, 1, 1}};
  auto spec = GreatestSpec({3, 9}, window);
  spec.operand[0] = spec.source[0] = Size::Symbol(0);
  spec.operand_body = ReadAll({Operand(0, DType::kF32, spec.operand)});
  spec.source_body = ReadAll({Operand(1, DType::kF32, spec.source)});
  Device& device = Device::Get();
  const std::vector<float> values(27, 1), source(15, 1);
  const Buffer in = device.Upload(values), from = device.Upload(source), out = device.Allocate(4 * 27);
  device.Run(kernels::MakeSelectAndScatter(spec, device.limits()), {in, from}, {out}, {3});
  const std::vector<float> row = {4, 4, 3, 4, 3, 4, 3, 4, 3};
  std::vector<float> expected;
  for (int i = 0; i < 3; ++i) expected.insert(expected.end(), row.begin(), row.end());
  EXPECT_EQ(device.Download<float>(out), expected);
}

}  // namespace
}  // namespace tfvk::testing
