// The largest exponent of a tensor, which the launch that computes the tensor finds by the way.
#include <gtest/gtest.h>

#include <cmath>

#include "compiler/describe.h"
#include "compiler/program_runner.h"
#include "fmt/format.h"

namespace tfvk::compiler {
namespace {

using testing::ExpectMatchesReference;
using testing::Parse;

int LaunchesOf(const std::string& text) { return LaunchCount(Compile(*Parse(text), testing::Limits())); }

TEST(LargestExponent, OfAParameterIsALaunchOfItsOwn) {
  const std::string text = R"(graph "parameter" symbols=0 {
  %0 = parameter() dims=[0] : f32[123,457]
  %1 = largest_exponent(%0) : s32[]
  return %1
}
)";
  EXPECT_EQ(LaunchesOf(text), 1);
  ExpectMatchesReference(text);
}

TEST(LargestExponent, LooksAtFiniteElementsOnly) {
  const auto graph = Parse(R"(graph "parameters" symbols=0 {
  %0 = parameter() dims=[0] : f32[9]
  %1 = largest_exponent(%0) : s32[]
  return %1
}
)");
  const double nan = std::nan("");
  const std::vector<std::pair<std::vector<double>, int>> cases = {{{0, 0, 0, 0, 0, 0, 0, 0, 0}, 0},
                                                                  {{HUGE_VAL, nan, 0, 0, 0, -HUGE_VAL, 0, 0, 0}, 0},
                                                                  {{1e-40, 0, 0, 0, 0, 0, 0, 0, -0.0}, 0},
                                                                  {{1, nan, -2.5, 0, 0, HUGE_VAL}, 128},
                                                                  {{0x1p-126, 0}, 1},
                                                                  {{0, 3.4e38, 1}, 254},
                                                                  {{0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.99}, 126}};
  const program::Program program = Compile(*graph, testing::Limits());
  for (const auto& [elements, expected] : cases) {
    reference::Tensor x{DType::kF32, {9}, std::vector<reference::Number>(9)};
    for (size_t i = 0; i < elements.size(); ++i) x.elements[i] = reference::Rounded(DType::kF32, {elements[i], 0});
    EXPECT_EQ(testing::RunProgram(program, {x})[0].elements[0].i, expected) << elements[0] << ", " << elements[1];
    EXPECT_EQ(reference::Evaluate(*graph, {x})[0].elements[0].i, expected);
  }
}

TEST(LargestExponent, OfNothingIsZero) {
  const std::string text = R"(graph "empty" symbols=0 {
  %0 = parameter() dims=[0] : f32[0,5]
  %1 = largest_exponent(%0) : s32[]
  return %1
}
)";
  EXPECT_EQ(LaunchesOf(text), 0);
  ExpectMatchesReference(text);
}

// Where a workgroup has no shared memory left, its subgroups or its invocations look for themselves.
TEST(LargestExponent, NeedsNoSharedMemory) {
  const auto graph = Parse(R"(graph "map" symbols=0 {
  %0 = parameter() dims=[0] : f32[7,1001]
  %1 = exponential(%0) : f32[7,1001]
  %2 = largest_exponent(%1) : s32[]
  return %1, %2
}
)");
  std::vector<reference::Tensor> arguments = testing::RandomArguments(*graph);
  arguments[0].elements[6543].f = 20;
  const int64_t expected = reference::Evaluate(*graph, arguments)[1].elements[0].i;
  ASSERT_EQ(expected, 127 + 28);  // e^20
  for (const bool subgroups : {true, false}) {
    kernels::DeviceLimits limits = testing::Limits();
    limits.shared_bytes = 0;
    limits.subgroup_arithmetic = limits.subgroup_arithmetic && subgroups;
    const program::Program program = Compile(*graph, limits);
    ASSERT_EQ(program.kernels.size(), 1u);
    EXPECT_EQ(program.kernels[0].module.shared_bytes, 0u);
    EXPECT_EQ(testing::RunProgram(program, arguments)[1].elements[0].i, expected);
  }
}

TEST(LargestExponent, ComesFromTheMapThatComputesTheTensor) {
  const std::string text = R"(graph "map" symbols=0 {
  %0 = parameter() dims=[0] : f32[300,211]
  %1 = parameter() dims=[1] : f32[300,211]
  %2 = multiply(%0, %1) : f32[300,211]
  %3 = largest_exponent(%2) : s32[]
  %4 = tanh(%2) : f32[300,211]
  %5 = reshape(%4) : f32[211,300]
  %6 = largest_exponent(%5) : s32[]
  return %2, %3, %4, %6
}
)";
  EXPECT_EQ(LaunchesOf(text), 1);
  ExpectMatchesReference(text);
}

// Products of sizes for each family of kernels, of whole tiles and of others.
TEST(LargestExponent, ComesFromTheProductsEpilogue) {
  struct Sizes {
    int m, k, n;
  };
  for (const auto& [m, k, n] : {Sizes{1, 64, 1}, {5, 3, 7}, {128, 256, 128}, {130, 70, 66}, {16, 4096, 16}, {512, 32, 512}}) {
    for (const char* precision : {"default", "highest"}) {
      const std::string text = fmt::format(R"(graph "layer" symbols=0 {{
  %0 = parameter() dims=[0] : f32[{0},{1}]
  %1 = parameter() dims=[1] : f32[{1},{2}]
  %2 = parameter() dims=[2] : f32[{2}]
  %3 = dot_general(%0, %1) lhs_batch=[] rhs_batch=[] lhs_contract=[1] rhs_contract=[0] precision={3} : f32[{0},{2}]
  %4 = broadcast_in_dim(%2) dims=[1] : f32[{0},{2}]
  %5 = add(%3, %4) : f32[{0},{2}]
  %6 = tanh(%5) : f32[{0},{2}]
  %7 = largest_exponent(%6) : s32[]
  %8 = largest_exponent(%3) : s32[]
  return %6, %7, %8
}}
)",
                                           m, k, n, precision);
      ExpectMatchesReference(text, 2e-2);
      const program::Program program = Compile(*Parse(text), testing::Limits());
      EXPECT_LE(LaunchCount(program), 3) << Describe(program);
    }
  }
}

TEST(LargestExponent, OfAPlainProductKeepsTheProduct) {
  const std::string text = R"(graph "product" symbols=0 {
  %0 = parameter() dims=[0] : f32[256,64]
  %1 = parameter() dims=[1] : f32[64,128]
  %2 = dot_general(%0, %1) lhs_batch=[] rhs_batch=[] lhs_contract=[1] rhs_contract=[0] precision=highest : f32[256,128]
  %3 = largest_exponent(%2) : s32[]
  %4 = convert(%3) : f32[]
  %5 = broadcast_in_dim(%4) dims=[] : f32[256,128]
  %6 = divide(%2, %5) : f32[256,128]
  return %6
}
)";
  EXPECT_EQ(LaunchesOf(text), 2);
  ExpectMatchesReference(text, 1e-4);
}

TEST(LargestExponent, ComesFromConvolutionsAndReductions) {
  const std::string text = R"(graph "convolution" symbols=0 {
  %0 = parameter() dims=[0] : f32[2,17,15,8]
  %1 = parameter() dims=[1] : f32[3,3,8,24]
  %2 = convolution(%0, %1) window=[{size=3 stride=2 pad_low=1 pad_high=1},{size=3 stride=2 pad_low=1 pad_high=1}] input_batch=0 input_feature=3 input_spatial=[1,2] kernel_input_feature=2 kernel_output_feature=3 kernel_spatial=[0,1] output_batch=0 output_feature=3 output_spatial=[1,2] feature_groups=1 batch_groups=1 precision=highest : f32[2,9,8,24]
  %3 = largest_exponent(%2) : s32[]
  %4 = constant() splat<0> : f32[]
  %5 = reduce(%2, %4) dims=[0,1,2] : f32[24] with 1
    graph "sum" symbols=0 {
      %0 = parameter() dims=[0] : f32[]
      %1 = parameter() dims=[1] : f32[]
      %2 = add(%0, %1) : f32[]
      return %2
    }
  %6 = negate(%5) : f32[24]
  %7 = largest_exponent(%6) : s32[]
  return %2, %3, %6, %7
}
)";
  EXPECT_LE(LaunchesOf(text), 3);  // large sums take two
  ExpectMatchesReference(text, 1e-4);
}

// What a loop's body makes begins from zero in each of its rounds.
TEST(LargestExponent, BeginsAnewInEveryRun) {
  const std::string text = R"(graph "loop" symbols=0 {
  %0 = parameter() dims=[0] : f32[1000]
  %1 = constant() splat<0> : s32[]
  %2 = while(%0, %1, %1) : (f32[1000], s32[], s32[]) with 2
    graph "condition" symbols=0 {
      %0 = parameter() dims=[0] : f32[1000]
      %1 = parameter() dims=[1] : s32[]
      %2 = parameter() dims=[2] : s32[]
      %3 = constant() splat<3> : s32[]
      %4 = compare(%1, %3) direction=LT total_order=false : pred[]
      return %4
    }
    graph "body" symbols=0 {
      %0 = parameter() dims=[0] : f32[1000]
      %1 = parameter() dims=[1] : s32[]
      %2 = parameter() dims=[2] : s32[]
      %3 = constant() splat<0.25> : f32[1000]
      %4 = multiply(%0, %3) : f32[1000]
      %5 = largest_exponent(%4) : s32[]
      %6 = constant() splat<1> : s32[]
      %7 = add(%1, %6) : s32[]
      return %4, %7, %5
    }
  return %2#0, %2#2
}
)";
  ExpectMatchesReference(text);
}

}  // namespace
}  // namespace tfvk::compiler
