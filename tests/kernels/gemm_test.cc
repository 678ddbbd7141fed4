#include "kernels/gemm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "device_fixture.h"
#include "kernels/gemm_tiles.h"
#include "kernels/host_tensor.h"
#include "kernels/plan_choice.h"

namespace tfvk::kernels {
namespace {

using spirv::Value;
using testing::Buffer;
using testing::Decode;
using testing::Device;
using testing::Encode;

// A matrix multiplication with its data. Operands are stored as [batch][outer][k], or [batch][k][outer] when transposed.
struct Case {
  int64_t batch = 1, m = 1, n = 1, k = 1;
  bool lhs_transposed = false, rhs_transposed = true;  // false, true: both contiguous along k ... and n
  DType dtype = DType::kF32;
  DType result = DType::kF32;
  bool lhs_broadcast = false;  // one left matrix for the whole batch
  bool symbols = false;        // sizes and strides known only at launch
  int64_t row_padding = 0;     // elements between rows of the operands
  int64_t unread = 0;          // elements that the operands' tensors are said to have beyond those that are read

  std::string Text() const {
    return fmt::format("{}x[{}x{}]x[{}x{}] {} -> {}{}{}{}{} padding {} unread {}", batch, m, k, k, n, Name(dtype), Name(result), lhs_transposed ? " lhs^T" : "",
                       rhs_transposed ? " rhs^T" : "", lhs_broadcast ? " broadcast" : "", symbols ? " symbols" : "", row_padding, unread);
  }
};

struct Side {
  std::vector<double> values;
  int64_t batch_stride, outer_stride, k_stride;
};

Side MakeSide(const Case& c, int64_t outer, bool transposed, bool broadcast, uint32_t seed, bool real = false) {
  Side s;
  const int64_t rows = transposed ? c.k : outer, columns = (transposed ? outer : c.k) + c.row_padding;
  s.batch_stride = broadcast ? 0 : rows * columns;
  s.outer_stride = transposed ? 1 : columns;
  s.k_stride = transposed ? columns : 1;
  const size_t count = static_cast<size_t>(rows * columns * (broadcast ? 1 : c.batch));
  s.values = real ? testing::RealNumbers(count, seed) : testing::WholeNumbers(c.dtype, count, seed);
  return s;
}

std::vector<double> Reference(const Case& c, const Side& lhs, const Side& rhs) {
  std::vector<double> result;
  for (int64_t b = 0; b < c.batch; ++b) {
    for (int64_t m = 0; m < c.m; ++m) {
      for (int64_t n = 0; n < c.n; ++n) {
        double sum = 0;
        for (int64_t k = 0; k < c.k; ++k) {
          sum += lhs.values[b * lhs.batch_stride + m * lhs.outer_stride + k * lhs.k_stride] *
                 rhs.values[b * rhs.batch_stride + n * rhs.outer_stride + k * rhs.k_stride];
        }
        result.push_back(sum);
      }
    }
  }
  return result;
}

DType AccumulatorOf(DType t) { return IsFloat(t) && t != DType::kF64 ? DType::kF32 : ComputeType(t); }

// Symbols: 0 batch, 1 m, 2 n, 3 k, 4.. strides.
GemmSpec SpecOf(const Case& c, const Side& lhs, const Side& rhs) {
  GemmSpec spec;
  spec.name = "gemm";
  spec.accumulator = AccumulatorOf(c.dtype);
  spec.results = {c.result};
  const auto size = [&](int64_t value, int symbol) { return c.symbols ? Size::Symbol(symbol) : Size(value); };
  spec.batch = size(c.batch, 0);
  spec.m = size(c.m, 1);
  spec.n = size(c.n, 2);
  spec.k = size(c.k, 3);
  const auto operand = [&](const Side& s, int index, int symbol) {
    GemmOperand o;
    o.dtype = c.dtype;
    const auto stride = [&](int64_t value, int which) { return c.symbols && value != 1 ? Size::Symbol(symbol + which) : Size(value); };
    o.memory = StridedMatrix{{Tensor::Role::kOperand, index, c.dtype, {static_cast<int64_t>(s.values.size()) + c.unread}},
                             {{spec.batch, stride(s.batch_stride, 0)}},
                             stride(s.outer_stride, 1),
                             stride(s.k_stride, 2)};
    return o;
  };
  spec.lhs = operand(lhs, 0, 4);
  spec.rhs = operand(rhs, 1, 7);
  return spec;
}

std::vector<double> Compute(const Case& c, const KernelSequence& kernels, const Side& lhs, const Side& rhs) {
  Device& device = Device::Get();
  const Buffer a = device.Upload(Encode(c.dtype, lhs.values)), b = device.Upload(Encode(c.dtype, rhs.values));
  const Buffer result = device.Allocate(static_cast<size_t>(c.batch * c.m * c.n) * ByteSize(c.result));
  device.Run(kernels, {a, b}, {result},
             {c.batch, c.m, c.n, c.k, lhs.batch_stride, lhs.outer_stride, lhs.k_stride, rhs.batch_stride, rhs.outer_stride, rhs.k_stride});
  return Decode(c.result, device.Download<uint8_t>(result));
}

bool Supports(DType t) {
  const DeviceLimits& limits = Device::Get().limits();
  if (BitSize(t) == 8) return limits.storage_8bit;
  if (BitSize(t) == 16) return limits.storage_16bit;
  return t != DType::kF64 || limits.float64;
}

void ExpectExact(const Case& c, const GemmPlan* plan = nullptr) {
  SCOPED_TRACE(c.Text() + (plan ? " " + plan->Name() : ""));
  const Side lhs = MakeSide(c, c.m, c.lhs_transposed, c.lhs_broadcast, 1), rhs = MakeSide(c, c.n, !c.rhs_transposed, false, 2);
  const GemmSpec spec = SpecOf(c, lhs, rhs);
  const DeviceLimits& limits = Device::Get().limits();
  const KernelSequence kernels = plan ? MakeContraction(ContractionOf(spec), *plan, limits) : MakeGemm(spec, limits);
  ASSERT_EQ(Compute(c, kernels, lhs, rhs), Reference(c, lhs, rhs));
}

TEST(Gemm, SizesAndTransposes) {
  const int64_t sizes[][3] = {{1, 1, 1},     {2, 3, 4},       {5, 7, 3},    {16, 16, 16}, {33, 65, 17},  {64, 64, 64},
                              {130, 70, 36}, {128, 128, 128}, {1, 300, 40}, {300, 1, 40}, {8, 200, 512}, {17, 19, 1}};
  for (const auto& s : sizes) {
    for (int layout = 0; layout < 4; ++layout) {
      Case c;
      c.m = s[0], c.n = s[1], c.k = s[2];
      c.lhs_transposed = layout & 1;
      c.rhs_transposed = layout & 2;
      ExpectExact(c);
    }
  }
}

// Every tile of the table (on software drivers some of each family), whether the model would choose it or not; layouts and splits by turns.
void RunEveryPlan(DType dtype, GemmPrecision precision, const DeviceLimits& limits = Device::Get().limits()) {
  int turn = 0;
  for (const int64_t odd : {0, 1}) {
    Case probe;
    probe.batch = 2, probe.m = 128 + odd, probe.n = 128 + odd, probe.k = 272 + odd;
    probe.dtype = dtype;
    const Side any = MakeSide(probe, probe.m, false, false, 1);
    GemmSpec probe_spec = SpecOf(probe, any, any);
    probe_spec.precision = precision;
    std::vector<GemmPlan> plans = GemmPlans(ContractionOf(probe_spec), limits);
    plans.erase(std::remove_if(plans.begin(), plans.end(), [odd](const GemmPlan& plan) { return plan.splits != (odd ? 3 : 1); }), plans.end());
    for (const GemmPlan& plan : testing::PlansToTry(plans, Device::Get().limits(), static_cast<size_t>(odd))) {
      Case c = probe;
      c.lhs_transposed = turn & 1;
      c.rhs_transposed = turn & 2;
      ++turn;
      SCOPED_TRACE(c.Text() + " " + plan.Name());
      const Side lhs = MakeSide(c, c.m, c.lhs_transposed, false, 1), rhs = MakeSide(c, c.n, !c.rhs_transposed, false, 2);
      GemmSpec spec = SpecOf(c, lhs, rhs);
      spec.precision = precision;
      ASSERT_EQ(Compute(c, MakeContraction(ContractionOf(spec), plan, limits), lhs, rhs), Reference(c, lhs, rhs));
    }
  }
}

TEST(Gemm, EveryPlanOfSingles) { RunEveryPlan(DType::kF32, GemmPrecision::kTensorFloat); }

TEST(Gemm, EveryPlanOfHalves) {
  if (!Supports(DType::kF16)) GTEST_SKIP() << "no 16-bit storage on " << Device::Get().name();
  RunEveryPlan(DType::kF16, GemmPrecision::kFull);
}

// Intel's devices have tiles of their own; any device can run them.
TEST(Gemm, EveryPlanForIntel) {
  DeviceLimits limits = Device::Get().limits();
  limits.vendor = DeviceLimits::Vendor::kIntel;
  RunEveryPlan(DType::kF32, GemmPrecision::kTensorFloat, limits);
  if (Supports(DType::kF16)) RunEveryPlan(DType::kF16, GemmPrecision::kFull, limits);
}

TEST(Gemm, DTypes) {
  const DType types[] = {DType::kS8,  DType::kS16, DType::kS32, DType::kS64,  DType::kU8,  DType::kU16,
                         DType::kU32, DType::kU64, DType::kF16, DType::kBF16, DType::kF32, DType::kF64};
  for (DType t : types) {
    if (!Supports(t)) {
      std::printf("%s is not supported by %s\n", std::string(Name(t)).c_str(), Device::Get().name().c_str());
      continue;
    }
    for (const int64_t m : {3, 64, 90}) {
      Case c;
      c.batch = 2, c.m = m, c.n = 40, c.k = 24;
      c.dtype = t;
      c.result = AccumulatorOf(t);
      ExpectExact(c);
    }
  }
}

TEST(Gemm, NarrowResultsAreRounded) {
  Case c;
  c.m = 40, c.n = 36, c.k = 33;
  c.dtype = c.result = DType::kBF16;
  const Side lhs = MakeSide(c, c.m, false, false, 1), rhs = MakeSide(c, c.n, false, false, 2);
  std::vector<double> expected = Reference(c, lhs, rhs);
  for (double& v : expected) v = testing::DoubleFromBrain(testing::BrainFromDouble(v));
  EXPECT_EQ(Compute(c, MakeGemm(SpecOf(c, lhs, rhs), Device::Get().limits()), lhs, rhs), expected);
}

TEST(Gemm, BatchesAndBroadcasts) {
  for (const bool broadcast : {false, true}) {
    for (const int64_t batch : {0, 1, 3, 50}) {
      for (const int64_t m : {2, 20}) {
        Case c;
        c.batch = batch, c.m = m, c.n = 12, c.k = 10;
        c.lhs_broadcast = broadcast;
        ExpectExact(c);
      }
    }
  }
}

TEST(Gemm, PaddedRows) {
  for (const int64_t padding : {1, 2, 4}) {
    Case c;
    c.m = 65, c.n = 68, c.k = 64;
    c.row_padding = padding;
    ExpectExact(c);
    c.lhs_transposed = true;
    c.rhs_transposed = false;
    ExpectExact(c);
  }
}

// A plan of each family, split and not.
TEST(Gemm, TensorsOfMoreThan32BitsAreIndexedIn64) {
  for (const DType dtype : {DType::kF32, DType::kF16}) {
    if (!Supports(dtype)) continue;
    for (int layout = 0; layout < 4; ++layout) {
      Case c;
      c.batch = 2, c.m = 64, c.n = 68, c.k = 272;
      c.dtype = dtype;
      c.unread = int64_t{1} << 32;
      c.lhs_transposed = layout & 1;
      c.rhs_transposed = layout & 2;
      const Side any = MakeSide(c, c.m, false, false, 1);
      std::set<std::pair<GemmPlan::Family, bool>> tried;
      for (const GemmPlan& plan : GemmPlans(ContractionOf(SpecOf(c, any, any)), Device::Get().limits())) {
        if (tried.insert({plan.family, plan.splits > 1}).second) ExpectExact(c, &plan);
      }
    }
  }
}

TEST(Gemm, EmptyOperandsGiveZeros) {
  for (const bool symbols : {false, true}) {
    Case c;
    c.m = 5, c.n = 7, c.k = 0;
    c.symbols = symbols;
    ExpectExact(c);
    c.k = 3, c.m = 0;
    ExpectExact(c);
    c.m = 5, c.n = 0;
    ExpectExact(c);
  }
}

TEST(Gemm, SizesKnownAtLaunch) {
  const int64_t sizes[][4] = {{1, 1, 1, 1}, {3, 33, 65, 17}, {1, 130, 129, 40}, {2, 256, 4, 100}};
  for (const auto& s : sizes) {
    for (int layout = 0; layout < 4; ++layout) {
      Case c;
      c.batch = s[0], c.m = s[1], c.n = s[2], c.k = s[3];
      c.lhs_transposed = layout & 1;
      c.rhs_transposed = layout & 2;
      c.symbols = true;
      ExpectExact(c);
    }
  }
}

TEST(Gemm, FusedProducersAndEpilogue) {
  // results 0 and 1: relu(lhs * (2 * rhs) + bias) as f32, and whether the sum was positive, as a byte.
  for (const int64_t k : {5, 40, 700}) {
    Case c;
    c.batch = 2, c.m = 37, c.n = 44, c.k = k;
    const Side lhs = MakeSide(c, c.m, false, false, 1), rhs = MakeSide(c, c.n, false, false, 2);
    const std::vector<double> bias = testing::WholeNumbers(DType::kF32, 44, 3);
    GemmSpec spec = SpecOf(c, lhs, rhs);
    const Tensor factor{Tensor::Role::kOperand, 1, DType::kF32, {c.batch, c.n, c.k}};
    spec.rhs.memory.reset();
    spec.rhs.body = [factor](Emitter& e, const Index& at) -> std::vector<Value> { return {e.Read(factor, at) * 2.0}; };
    spec.results = {DType::kF32, DType::kBool};
    spec.epilogue = [](Emitter& e, const Index& at, const std::vector<Value>& sum) -> std::vector<Value> {
      const Value v = sum[0] + e.Read({Tensor::Role::kOperand, 2, DType::kF32, {44}}, {at[2]});
      return {e.b().Max(v, e.b().F32(0)), v > 0.0};
    };
    Device& device = Device::Get();
    const Buffer result = device.Allocate(2 * 37 * 44 * 4), positive = device.Allocate(2 * 37 * 44);
    device.Run(MakeGemm(spec, device.limits()),
               {device.Upload(Encode(DType::kF32, lhs.values)), device.Upload(Encode(DType::kF32, rhs.values)), device.Upload(Encode(DType::kF32, bias))},
               {result, positive});
    std::vector<double> expected = Reference(c, lhs, rhs), expected_positive;
    for (size_t i = 0; i < expected.size(); ++i) {
      const double v = 2 * expected[i] + bias[i % 44];
      expected[i] = std::max(v, 0.0);
      expected_positive.push_back(v > 0);
    }
    EXPECT_EQ(Decode(DType::kF32, device.Download<uint8_t>(result)), expected);
    EXPECT_EQ(Decode(DType::kBool, device.Download<uint8_t>(positive)), expected_positive);
  }
}

// Whole tiles, whose epilogues read at several places before they write: results 0 and 1 take the memory of operands 2 and 3, as an optimizer's update does.
void UpdateInPlace(DType dtype) {
  Case c;
  c.m = 128, c.n = 256, c.k = 64;
  c.dtype = dtype;
  const Side lhs = MakeSide(c, c.m, false, false, 1), rhs = MakeSide(c, c.n, false, false, 2);
  const std::vector<double> sums = Reference(c, lhs, rhs), weights = testing::WholeNumbers(DType::kF32, 128 * 256, 3);
  const std::vector<double> moments = testing::WholeNumbers(DType::kF32, 128 * 256, 4);
  std::vector<double> expected_weights, expected_moments;
  for (size_t i = 0; i < sums.size(); ++i) {
    expected_moments.push_back(moments[i] + sums[i]);
    expected_weights.push_back(weights[i] - 2 * expected_moments[i]);
  }
  GemmSpec spec = SpecOf(c, lhs, rhs);
  spec.precision = GemmPrecision::kTensorFloat;
  spec.results = {DType::kF32, DType::kF32};
  spec.epilogue = [](Emitter& e, const Index& at, const std::vector<Value>& sum) -> std::vector<Value> {
    const Value moment = e.Read({Tensor::Role::kOperand, 3, DType::kF32, {1, 128, 256}}, at) + sum[0];
    return {e.Read({Tensor::Role::kOperand, 2, DType::kF32, {1, 128, 256}}, at) - moment * 2.0, moment};
  };
  Device& device = Device::Get();
  std::set<GemmPlan::Family> tried;  // the first of each
  for (const GemmPlan& plan : GemmPlans(ContractionOf(spec), device.limits())) {
    if (plan.splits > 1 || !tried.insert(plan.family).second) continue;
    SCOPED_TRACE(c.Text() + " " + plan.Name());
    const Buffer a = device.Upload(Encode(dtype, lhs.values)), b = device.Upload(Encode(dtype, rhs.values));
    const Buffer w = device.Upload(Encode(DType::kF32, weights)), m = device.Upload(Encode(DType::kF32, moments));
    device.Run(MakeContraction(ContractionOf(spec), plan, device.limits()), {a, b, w, m}, {w, m});
    ASSERT_EQ(Decode(DType::kF32, device.Download<uint8_t>(w)), expected_weights);
    ASSERT_EQ(Decode(DType::kF32, device.Download<uint8_t>(m)), expected_moments);
  }
}

TEST(Gemm, EpiloguesUpdateTheirOperandsInPlace) {
  UpdateInPlace(DType::kF32);
  if (Supports(DType::kF16)) UpdateInPlace(DType::kF16);
}

TEST(Gemm, RealNumbersAreAccurate) {
  Case c;
  c.m = 70, c.n = 50, c.k = 500;
  const Side lhs = MakeSide(c, c.m, false, false, 1, true), rhs = MakeSide(c, c.n, false, false, 2, true);
  for (const GemmPrecision precision : {GemmPrecision::kFull, GemmPrecision::kTensorFloat}) {
    GemmSpec spec = SpecOf(c, lhs, rhs);
    spec.precision = precision;
    const std::vector<double> result = Compute(c, MakeGemm(spec, Device::Get().limits()), lhs, rhs), expected = Reference(c, lhs, rhs);
    for (size_t i = 0; i < result.size(); ++i) ASSERT_NEAR(result[i], expected[i], precision == GemmPrecision::kFull ? 2e-4 : 2e-2) << i;
  }
}

TEST(Gemm, InfinitiesAndNansPropagate) {
  Case c;
  c.m = 40, c.n = 40, c.k = 40;
  Side lhs = MakeSide(c, c.m, false, false, 1), rhs = MakeSide(c, c.n, false, false, 2);
  for (double& v : rhs.values) v = std::fabs(v) + 1.5;
  lhs.values[3 * lhs.outer_stride + 7] = INFINITY;
  lhs.values[5 * lhs.outer_stride + 9] = NAN;
  lhs.values[39 * lhs.outer_stride + 39] = -INFINITY;
  for (const GemmPrecision precision : {GemmPrecision::kFull, GemmPrecision::kTensorFloat}) {
    GemmSpec spec = SpecOf(c, lhs, rhs);
    spec.precision = precision;
    const std::vector<double> result = Compute(c, MakeGemm(spec, Device::Get().limits()), lhs, rhs), expected = Reference(c, lhs, rhs);
    for (size_t i = 0; i < result.size(); ++i) {
      if (std::isnan(expected[i])) {
        ASSERT_TRUE(std::isnan(result[i])) << i;
      } else {
        ASSERT_EQ(result[i], expected[i]) << i;
      }
    }
  }
}

// Runs the first two plans with scaled f16 operands, one of them split along k; `check` gets the results. Whether the device has any.
bool RunScaledPlans(const Case& c, const Side& lhs, const Side& rhs, const std::function<void(const std::vector<double>&)>& check) {
  GemmSpec spec = SpecOf(c, lhs, rhs);
  spec.precision = GemmPrecision::kTensorFloat;
  const DeviceLimits& limits = Device::Get().limits();
  bool whole = false, split = false;
  for (const GemmPlan& plan : GemmPlans(ContractionOf(spec), limits)) {
    bool& done = plan.splits > 1 ? split : whole;
    if (plan.family != GemmPlan::Family::kMatrix || !plan.matrix.scaled() || done) continue;
    done = true;
    SCOPED_TRACE(plan.Name());
    check(Compute(c, MakeContraction(ContractionOf(spec), plan, limits), lhs, rhs));
  }
  return whole;
}

TEST(Gemm, ScaledOperandsKeepTenBitsAtAnyMagnitude) {
  Case c;
  c.m = 70, c.n = 50, c.k = 300;
  const double magnitudes[][2] = {{1, 1}, {0x1p-100, 0x1p90}, {0x1p100, 0x1p-100}, {0x1p-60, 0x1p-50}, {0x1p60, 0x1p50}, {1, 0}};
  for (const auto& [left, right] : magnitudes) {
    Side lhs = MakeSide(c, c.m, false, false, 1), rhs = MakeSide(c, c.n, true, false, 2);
    uint32_t seed = 1;
    // Numbers with all their bits, over twenty powers of two.
    const auto number = [&seed](double magnitude) {
      seed = seed * 1664525 + 1013904223;
      const double mantissa = 1 + (seed >> 9) * 0x1p-23;
      return static_cast<double>(static_cast<float>(((seed >> 4) % 2 ? mantissa : -mantissa) * std::pow(2.0, -static_cast<double>(seed % 20)) * magnitude));
    };
    for (double& v : lhs.values) v = number(left);
    for (double& v : rhs.values) v = number(right);
    Side absolute_lhs = lhs, absolute_rhs = rhs;
    for (double& v : absolute_lhs.values) v = std::fabs(v);
    for (double& v : absolute_rhs.values) v = std::fabs(v);
    const std::vector<double> expected = Reference(c, lhs, rhs), bound = Reference(c, absolute_lhs, absolute_rhs);
    const bool any = RunScaledPlans(c, lhs, rhs, [&](const std::vector<double>& result) {
      for (size_t i = 0; i < result.size(); ++i)
        ASSERT_LE(std::fabs(result[i] - expected[i]), bound[i] * 0x1p-10) << i << " of magnitudes " << left << ", " << right;
    });
    if (!any) GTEST_SKIP() << "no plan with scaled f16 operands on " << Device::Get().name();
  }
}

TEST(Gemm, ScaledOperandsPassInfinitiesOn) {
  Case c;
  c.m = 40, c.n = 40, c.k = 40;
  Side lhs = MakeSide(c, c.m, false, false, 1), rhs = MakeSide(c, c.n, true, false, 2);
  for (double& v : rhs.values) v = std::fabs(v) + 1.5;
  lhs.values[3 * lhs.outer_stride + 7] = INFINITY;
  lhs.values[5 * lhs.outer_stride + 9] = NAN;
  lhs.values[39 * lhs.outer_stride + 39] = -INFINITY;
  const std::vector<double> expected = Reference(c, lhs, rhs);
  const bool any = RunScaledPlans(c, lhs, rhs, [&](const std::vector<double>& result) {
    for (size_t i = 0; i < result.size(); ++i) {
      ASSERT_EQ(std::isnan(result[i]), std::isnan(expected[i])) << i;
      if (!std::isnan(expected[i])) ASSERT_EQ(result[i], expected[i]) << i;
    }
  });
  if (!any) GTEST_SKIP() << "no plan with scaled f16 operands on " << Device::Get().name();
}

TEST(GemmPlans, LargeProductsTakeLargeTilesThatFitTheRegisters) {
  DeviceLimits limits;
  limits.compute_units = 132;
  limits.shared_bytes = 49152;
  limits.max_invocations = 1024;
  limits.max_workgroup = {1024, 1024, 64};
  limits.subgroup_size = 32;
  limits.int64 = limits.vulkan_memory_model = limits.subgroup_size_control = limits.bfloat16_matrix = true;
  limits.matrices = {{16, 16, 16, DType::kBF16, DType::kBF16, DType::kF32, DType::kF32}};
  const auto best = [&](int64_t m, int64_t n, int64_t k, DType dtype) {
    Case c;
    c.m = m, c.n = n, c.k = k, c.dtype = dtype;
    Side side{{}, 0, k, 1};
    side.values.resize(1);
    GemmSpec spec = SpecOf(c, side, side);
    spec.precision = GemmPrecision::kTensorFloat;
    return GemmPlans(ContractionOf(spec), limits).front();
  };
  EXPECT_EQ(best(4096, 4096, 4096, DType::kBF16).Name(), "matrix_128x128x32_16x16x16");
  EXPECT_EQ(best(4096, 4096, 4096, DType::kF32).Name(), "matrix_128x64x32_16x16x16_bf16x3");
  const GemmPlan narrow = best(200704, 64, 64, DType::kBF16);  // little to reuse: registers are better spent on more blocks at a time
  EXPECT_LE(narrow.matrix.bm * narrow.matrix.bn, 128 * 64) << narrow.Name();
}

TEST(GemmPlans, TilesFitTheRegistersOfIntel) {
  DeviceLimits limits;
  limits.vendor = DeviceLimits::Vendor::kIntel;
  limits.shared_bytes = 49152;
  limits.max_invocations = 1024;
  limits.max_workgroup = {1024, 1024, 64};
  limits.subgroup_size = limits.max_subgroup_size = 32;
  limits.int64 = limits.float16 = limits.storage_16bit = limits.vulkan_memory_model = limits.subgroup_size_control = true;
  for (const uint32_t lanes : {8u, 16u}) {  // dg2, bmg
    limits.min_subgroup_size = lanes;
    limits.matrices = {{8, lanes, 16, DType::kF16, DType::kF16, DType::kF32, DType::kF32}};
    Case c;
    c.m = c.n = c.k = 2048, c.dtype = DType::kF16;
    Side side{{}, 0, c.k, 1};
    side.values.resize(1);
    const Contraction contraction = ContractionOf(SpecOf(c, side, side));
    const std::vector<GemmPlan> plans = GemmPlans(contraction, limits);
    EXPECT_EQ(plans.front().family, GemmPlan::Family::kMatrix) << plans.front().Name();
    for (const GemmPlan& plan : plans) {
      if (plan.family == GemmPlan::Family::kDirect) continue;
      if (plan.family == GemmPlan::Family::kMatrix) {
        EXPECT_EQ(plan.matrix.subgroup, lanes) << plan.Name();
        EXPECT_LE(plan.matrix.wm * plan.matrix.wn / static_cast<int>(lanes), 16) << plan.Name();
      }
      EXPECT_LE(plan.simt.tm * plan.simt.tn, 32) << plan.Name();
      EXPECT_GE(ResidentWorkgroups(plan, contraction, limits), 1) << plan.Name();
    }
  }
}

TEST(GemmPlans, SharedMemoryLimitsTheResidentWorkgroups) {
  DeviceLimits limits;
  limits.shared_bytes = 49152;
  limits.max_invocations = 1024;
  limits.max_workgroup = {1024, 1024, 64};
  Case c;
  c.m = c.n = c.k = 2048;
  Side side{{}, 0, c.k, 1};
  side.values.resize(1);
  const Contraction contraction = ContractionOf(SpecOf(c, side, side));
  GemmPlan plan;
  plan.simt = {128, 128, 16, 8, 8, 1, 2};  // 256 invocations, 33 KiB
  using Vendor = DeviceLimits::Vendor;
  const std::pair<Vendor, double> expected[] = {{Vendor::kOther, 4}, {Vendor::kNvidia, 4}, {Vendor::kAmd, 1}, {Vendor::kNvk, 1}, {Vendor::kIntel, 1}};
  for (const auto& [vendor, resident] : expected) {
    limits.vendor = vendor;
    EXPECT_EQ(ResidentWorkgroups(plan, contraction, limits), resident) << static_cast<int>(vendor);
  }
  plan.family = GemmPlan::Family::kDirect;
  EXPECT_EQ(ResidentWorkgroups(plan, contraction, limits), 0);
}

TEST(GemmPlans, LongSumsOfFewResultsAreSplit) {
  DeviceLimits limits;
  limits.compute_units = 132;
  limits.shared_bytes = 49152;
  limits.max_invocations = 1024;
  limits.max_workgroup = {1024, 1024, 64};
  limits.int64 = true;
  const auto best = [&](int64_t m, int64_t n, int64_t k) {
    Case c;
    c.m = m, c.n = n, c.k = k;
    Side side{{}, 0, k, 1};
    side.values.resize(1);
    return GemmPlans(ContractionOf(SpecOf(c, side, side)), limits).front();
  };
  EXPECT_EQ(best(4096, 4096, 4096).simt.bm, 128);
  EXPECT_EQ(best(4096, 4096, 4096).splits, 1);
  EXPECT_GT(best(64, 64, 100000).splits, 8);
  EXPECT_EQ(best(3, 3, 3).family, GemmPlan::Family::kDirect);
}

}  // namespace
}  // namespace tfvk::kernels
