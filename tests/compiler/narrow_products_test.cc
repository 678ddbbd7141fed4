// Products of fp32 narrowed to fp16: which ones, and that they keep TF32's precision over fp32's range.
#include "compiler/narrow_products.h"

#include <gtest/gtest.h>

#include <cmath>

#include "compiler/program_runner.h"

namespace tfvk::compiler {
namespace {

using testing::Parse;

// A device so small that products of these sizes are worth it.
kernels::DeviceLimits SmallDevice() {
  kernels::DeviceLimits limits;
  limits.vulkan_memory_model = limits.subgroup_size_control = limits.float16 = limits.storage_16bit = true;
  limits.matrices = {{16, 16, 16, DType::kF16, DType::kF16, DType::kF32, DType::kF32}};
  limits.compute_units = 1;
  return limits;
}

// A layer and its two gradients: x and w are used twice, the second time transposed, and so is dy.
constexpr char kLayer[] = R"(graph "layer" symbols=0 {
  %0 = parameter() dims=[0] : f32[256,320]
  %1 = parameter() dims=[1] : f32[320,192]
  %2 = parameter() dims=[2] : f32[256,192]
  %3 = dot_general(%0, %1) lhs_batch=[] rhs_batch=[] lhs_contract=[1] rhs_contract=[0] precision=default : f32[256,192]
  %4 = transpose(%0) dims=[1,0] : f32[320,256]
  %5 = dot_general(%4, %2) lhs_batch=[] rhs_batch=[] lhs_contract=[1] rhs_contract=[0] precision=default : f32[320,192]
  %6 = dot_general(%2, %1) lhs_batch=[] rhs_batch=[] lhs_contract=[1] rhs_contract=[1] precision=default : f32[256,320]
  return %3, %5, %6
}
)";

int CountOf(const ir::Graph& graph, ir::Op op, DType dtype) {
  int count = 0;
  for (const auto& node : graph.nodes()) count += node->op == op && node->type().dtype == dtype;
  return count;
}

std::string With(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) text.replace(at, from.size(), to);
  return text;
}

// The largest error of an output of products, as a share of the sum of the magnitudes of its terms where that is not 0.
double WorstError(const reference::Tensor& actual, const reference::Tensor& expected, const reference::Tensor& magnitudes) {
  double worst = 0;
  for (size_t i = 0; i < actual.elements.size(); ++i) {
    const double error = std::abs(actual.elements[i].f - expected.elements[i].f);
    worst = std::max(worst, magnitudes.elements[i].f == 0 ? error : error / magnitudes.elements[i].f);
  }
  return worst;
}

std::vector<reference::Tensor> Magnitudes(std::vector<reference::Tensor> tensors) {
  for (reference::Tensor& tensor : tensors) {
    for (reference::Number& number : tensor.elements) number.f = std::abs(number.f);
  }
  return tensors;
}

void Scale(reference::Tensor& tensor, double by) {
  for (reference::Number& number : tensor.elements) number = reference::Rounded(DType::kF32, {number.f * by, 0});
}

TEST(NarrowProducts, EachTensorIsConvertedOnce) {
  const auto graph = Parse(kLayer);
  const auto narrowed = NarrowProducts(*graph, SmallDevice());
  ASSERT_NE(narrowed, nullptr);
  ir::Verify(*narrowed);
  EXPECT_EQ(CountOf(*narrowed, ir::Op::kConvert, DType::kF16), 3);
  EXPECT_EQ(CountOf(*narrowed, ir::Op::kLargestExponent, DType::kS32), 3);
  EXPECT_EQ(CountOf(*narrowed, ir::Op::kTranspose, DType::kF32), 0);
  EXPECT_EQ(CountOf(*narrowed, ir::Op::kTranspose, DType::kF16), 1);
}

TEST(NarrowProducts, LeavesWhatItMayNotOrNeedNotNarrow) {
  const kernels::DeviceLimits device = SmallDevice();
  EXPECT_EQ(NarrowProducts(*Parse(With(kLayer, "precision=default", "precision=highest")), device), nullptr);
  EXPECT_EQ(NarrowProducts(*Parse(With(kLayer, "f32", "f64")), device), nullptr);
  EXPECT_EQ(NarrowProducts(*Parse(With(With(With(kLayer, "256", "8"), "320", "24"), "192", "16")), device), nullptr);
  EXPECT_EQ(NarrowProducts(*Parse(With(With(With(kLayer, "256", "65536"), "320", "65536"), "192", "65536")), device), nullptr);
  EXPECT_EQ(NarrowProducts(*Parse(With(kLayer, "320", "0")), device), nullptr);
  kernels::DeviceLimits large = device;
  large.compute_units = 1000;
  EXPECT_EQ(NarrowProducts(*Parse(kLayer), large), nullptr);
  kernels::DeviceLimits without = device;
  without.matrices = {{16, 16, 16, DType::kBF16, DType::kBF16, DType::kF32, DType::kF32}};
  EXPECT_EQ(NarrowProducts(*Parse(kLayer), without), nullptr);
}

TEST(NarrowProducts, KeepsTheRangeAndThePrecision) {
  const auto graph = Parse(kLayer);
  const auto narrowed = NarrowProducts(*graph, SmallDevice());
  ASSERT_NE(narrowed, nullptr);
  for (const auto& [left, right, third] : {std::array{1.0, 1.0, 1.0}, {1e30, 1e-30, 1e5}, {1e-30, 1e-6, 3e-7}, {0.0, 1.0, 1e37}, {1e-44, 1e20, 0.0}}) {
    std::vector<reference::Tensor> arguments = testing::RandomArguments(*graph);
    Scale(arguments[0], left);
    Scale(arguments[1], right);
    Scale(arguments[2], third);
    const auto expected = reference::Evaluate(*graph, arguments), actual = reference::Evaluate(*narrowed, arguments);
    const auto magnitudes = reference::Evaluate(*graph, Magnitudes(arguments));
    for (size_t i = 0; i < expected.size(); ++i) {
      if (!std::isfinite(magnitudes[i].elements[0].f) || magnitudes[i].elements[0].f < 1e-30) continue;
      EXPECT_LT(WorstError(actual[i], expected[i], magnitudes[i]), 0x1p-10) << "output " << i << " at scales " << left << ", " << right << ", " << third;
    }
  }
}

// Exponentials over sums of rows, spread along the dimensions `spread`.
std::string Softmax(const std::string& spread) {
  return With(R"(graph "attention" symbols=0 {
  %0 = parameter() dims=[0] : f32[256,256]
  %1 = parameter() dims=[1] : f32[256,256]
  %2 = exponential(%0) : f32[256,256]
  %3 = constant() splat<0> : f32[]
  %4 = reduce(%2, %3) dims=[1] : f32[256] with 1
    graph "sum" symbols=0 {
      %0 = parameter() dims=[0] : f32[]
      %1 = parameter() dims=[1] : f32[]
      %2 = add(%0, %1) : f32[]
      return %2
    }
  %5 = broadcast_in_dim(%4) dims=[SPREAD] : f32[256,256]
  %6 = divide(%2, %5) : f32[256,256]
  %7 = dot_general(%6, %1) lhs_batch=[] rhs_batch=[] lhs_contract=[1] rhs_contract=[0] precision=default : f32[256,256]
  %8 = dot_general(%6, %1) lhs_batch=[] rhs_batch=[] lhs_contract=[1] rhs_contract=[0] precision=default : f32[256,256]
  return %7, %8
}
)",
              "SPREAD", spread);
}

TEST(NarrowProducts, ProbabilitiesNeedNoMaximum) {
  const auto graph = Parse(Softmax("0"));
  const auto narrowed = NarrowProducts(*graph, SmallDevice());
  ASSERT_NE(narrowed, nullptr);
  ir::Verify(*narrowed);
  EXPECT_EQ(CountOf(*narrowed, ir::Op::kConvert, DType::kF16), 2);
  EXPECT_EQ(CountOf(*narrowed, ir::Op::kLargestExponent, DType::kS32), 1);  // of the right side
  const auto arguments = testing::RandomArguments(*graph);
  const auto expected = reference::Evaluate(*graph, arguments), actual = reference::Evaluate(*narrowed, arguments);
  const auto magnitudes = reference::Evaluate(*graph, {arguments[0], Magnitudes(arguments)[1]});
  EXPECT_LT(WorstError(actual[0], expected[0], magnitudes[0]), 0x1p-10);
}

TEST(NarrowProducts, QuotientsByOtherRowsSumsAreNoProbabilities) {
  const auto narrowed = NarrowProducts(*Parse(Softmax("1")), SmallDevice());
  ASSERT_NE(narrowed, nullptr);
  EXPECT_EQ(CountOf(*narrowed, ir::Op::kLargestExponent, DType::kS32), 2);
}

TEST(NarrowProducts, OneHugeElementLeavesTheOthersInfinitiesAndNaNAlone) {
  const auto graph = Parse(kLayer);
  const auto narrowed = NarrowProducts(*graph, SmallDevice());
  ASSERT_NE(narrowed, nullptr);
  std::vector<reference::Tensor> arguments = testing::RandomArguments(*graph);
  arguments[0].elements[5].f = HUGE_VAL;            // row 0
  arguments[0].elements[320 + 7].f = std::nan("");  // row 1
  const auto expected = reference::Evaluate(*graph, arguments), actual = reference::Evaluate(*narrowed, arguments);
  for (int64_t i = 0; i < 3 * 192; ++i) {
    const double e = expected[0].elements[i].f, a = actual[0].elements[i].f;
    if (std::isnan(e)) {
      EXPECT_TRUE(std::isnan(a)) << i;
    } else if (std::isinf(e)) {
      EXPECT_EQ(a, e) << i;
    } else {
      EXPECT_NEAR(a, e, 0.05) << i;
    }
  }
}

TEST(NarrowProducts, ConvolutionsAndTheirEpiloguesRunOnTheDevice) {
  kernels::DeviceLimits limits = testing::Limits();
  limits.compute_units = 1;
  const auto graph = Parse(R"(graph "convolution" symbols=0 {
  %0 = parameter() dims=[0] : f32[4,16,16,32]
  %1 = parameter() dims=[1] : f32[3,3,32,128]
  %2 = parameter() dims=[2] : f32[128]
  %3 = convolution(%0, %1) window=[{size=3 stride=1 pad_low=1 pad_high=1},{size=3 stride=1 pad_low=1 pad_high=1}] input_batch=0 input_feature=3 input_spatial=[1,2] kernel_input_feature=2 kernel_output_feature=3 kernel_spatial=[0,1] output_batch=0 output_feature=3 output_spatial=[1,2] feature_groups=1 batch_groups=1 precision=default : f32[4,16,16,128]
  %4 = broadcast_in_dim(%2) dims=[3] : f32[4,16,16,128]
  %5 = add(%3, %4) : f32[4,16,16,128]
  %6 = tanh(%5) : f32[4,16,16,128]
  return %6, %3
}
)");
  const auto arguments = testing::RandomArguments(*graph);
  const auto expected = reference::Evaluate(*graph, arguments), magnitudes = reference::Evaluate(*graph, Magnitudes(arguments));
  const program::Program program = Compile(*graph, limits), whole = Compile(*graph, limits, {/*allow_tf32=*/true, /*fuse=*/true, /*narrow_products=*/false});
  const bool narrows = NarrowProducts(*graph, limits) != nullptr;
  EXPECT_EQ(program.kernels.size() > whole.kernels.size(), narrows);
  for (const program::Program* each : {&program, &whole}) {
    EXPECT_LT(WorstError(testing::RunProgram(*each, arguments)[1], expected[1], magnitudes[1]), 0x1p-10);
  }
}

}  // namespace
}  // namespace tfvk::compiler
