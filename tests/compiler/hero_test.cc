// Reductions, contractions, windows, scatter and sort against the reference evaluator, with producers and consumers fused.
#include <gtest/gtest.h>

#include <set>

#include "compiler/describe.h"
#include "compiler/program_runner.h"

namespace tfvk::compiler {
namespace {

using testing::ExpectMatchesReference;
using testing::Parse;

constexpr char kSum[] = R"( with 1
    graph "sum" symbols=0 {
      %0 = parameter() dims=[0] : f32[]
      %1 = parameter() dims=[1] : f32[]
      %2 = add(%0, %1) : f32[]
      return %2
    }
)";
constexpr char kMax[] = R"( with 1
    graph "max" symbols=0 {
      %0 = parameter() dims=[0] : f32[]
      %1 = parameter() dims=[1] : f32[]
      %2 = maximum(%0, %1) : f32[]
      return %2
    }
)";

std::string WithRegions(std::string text) {
  const auto replace = [&](const std::string& mark, const std::string& region) {
    for (size_t at; (at = text.find(mark)) != std::string::npos;) text.replace(at, mark.size() + 1, region);
  };
  replace(" SUM", kSum);
  replace(" MAX", kMax);
  return text;
}

TEST(Reduce, SoftmaxTakesTwoReductionsAndAMap) {
  const auto graph = Parse(WithRegions(R"(graph "softmax" symbols=0 {
  %0 = parameter() dims=[0] : f32[40,300]
  %1 = constant() splat<-inf> : f32[]
  %2 = constant() splat<0> : f32[]
  %3 = reduce(%0, %1) dims=[1] : f32[40] MAX
  %4 = broadcast_in_dim(%3) dims=[0] : f32[40,300]
  %5 = subtract(%0, %4) : f32[40,300]
  %6 = exponential(%5) : f32[40,300]
  %7 = reduce(%6, %2) dims=[1] : f32[40] SUM
  %8 = broadcast_in_dim(%7) dims=[0] : f32[40,300]
  %9 = divide(%6, %8) : f32[40,300]
  return %9
}
)"));
  EXPECT_LE(LaunchCount(Compile(*graph, testing::Limits())), 4);
  ExpectMatchesReference(*graph, testing::RandomArguments(*graph));
}

TEST(Reduce, MomentsAreOneLaunch) {
  const auto graph = Parse(WithRegions(R"(graph "moments" symbols=0 {
  %0 = parameter() dims=[0] : f32[6,9,7,12]
  %1 = constant() splat<0> : f32[]
  %2 = constant() splat<378> : f32[12]
  %3 = multiply(%0, %0) : f32[6,9,7,12]
  %4 = reduce(%0, %1) dims=[0,1,2] : f32[12] SUM
  %5 = reduce(%3, %1) dims=[0,1,2] : f32[12] SUM
  %6 = divide(%4, %2) : f32[12]
  %7 = divide(%5, %2) : f32[12]
  %8 = multiply(%6, %6) : f32[12]
  %9 = subtract(%7, %8) : f32[12]
  return %6, %9
}
)"));
  const program::Program program = Compile(*graph, testing::Limits());
  EXPECT_LE(LaunchCount(program), 2) << Describe(program);  // two when the reduction is split
  ExpectMatchesReference(*graph, testing::RandomArguments(*graph), 1e-4);
}

TEST(Reduce, MiddleDimensionsInitialValuesAndEmptyInputs) {
  ExpectMatchesReference(WithRegions(R"(graph "reduce" symbols=0 {
  %0 = parameter() dims=[0] : f32[3,5,4,2]
  %1 = parameter() dims=[1] : f32[]
  %2 = parameter() dims=[2] : f32[3,0]
  %3 = constant() splat<3> : f32[]
  %4 = reduce(%0, %1) dims=[1,3] : f32[3,4] SUM
  %5 = reduce(%2, %3) dims=[1] : f32[3] SUM
  %6 = reduce(%0, %3) dims=[0,1,2,3] : f32[] SUM
  %7 = reduce(%0, %3) dims=[] : f32[3,5,4,2] SUM
  %8 = reduce(%0, %3) dims=[2] : f32[3,5,2] MAX
  return %4, %5, %6, %7, %8
}
)"),
                         1e-4);
}

TEST(Reduce, ArgMax) {
  ExpectMatchesReference(R"(graph "argmax" symbols=0 {
  %0 = parameter() dims=[0] : f32[13,50]
  %1 = iota() dims=[1] : s32[13,50]
  %2 = constant() splat<-inf> : f32[]
  %3 = constant() splat<0> : s32[]
  %4 = reduce(%0, %1, %2, %3) dims=[1] : (f32[13], s32[13]) with 1
    graph "argmax" symbols=0 {
      %0 = parameter() dims=[0] : f32[]
      %1 = parameter() dims=[1] : s32[]
      %2 = parameter() dims=[2] : f32[]
      %3 = parameter() dims=[3] : s32[]
      %4 = compare(%0, %2) direction=GE total_order=false : pred[]
      %5 = select(%4, %0, %2) : f32[]
      %6 = compare(%0, %2) direction=EQ total_order=false : pred[]
      %7 = minimum(%1, %3) : s32[]
      %8 = select(%4, %1, %3) : s32[]
      %9 = select(%6, %7, %8) : s32[]
      return %5, %9
    }
  %5 = convert(%4#1) : f32[13]
  return %4#1, %5
}
)");
}

TEST(Dot, WithBiasAndActivationIsOneKernel) {
  const auto graph = Parse(R"(graph "dense" symbols=0 {
  %0 = parameter() dims=[0] : f32[20,30]
  %1 = parameter() dims=[1] : f32[30,40]
  %2 = parameter() dims=[2] : f32[40]
  %3 = dot_general(%0, %1) lhs_batch=[] rhs_batch=[] lhs_contract=[1] rhs_contract=[0] precision=highest : f32[20,40]
  %4 = broadcast_in_dim(%2) dims=[1] : f32[20,40]
  %5 = add(%3, %4) : f32[20,40]
  %6 = constant() splat<0> : f32[20,40]
  %7 = maximum(%5, %6) : f32[20,40]
  %8 = compare(%5, %6) direction=GT total_order=false : pred[20,40]
  return %7, %8
}
)");
  const program::Program program = Compile(*graph, testing::Limits());
  EXPECT_LE(LaunchCount(program), 2) << Describe(program);  // two when the sum is split
  ExpectMatchesReference(*graph, testing::RandomArguments(*graph), 1e-4);
}

TEST(Dot, AnyDimensions) {
  ExpectMatchesReference(R"(graph "dots" symbols=0 {
  %0 = parameter() dims=[0] : f32[2,6,3,5]
  %1 = parameter() dims=[1] : f32[2,4,3,5]
  %2 = dot_general(%0, %1) lhs_batch=[0,2] rhs_batch=[0,2] lhs_contract=[3] rhs_contract=[3] precision=highest : f32[2,3,6,4]
  %3 = transpose(%0) dims=[0,2,1,3] : f32[2,3,6,5]
  %4 = transpose(%1) dims=[0,2,3,1] : f32[2,3,5,4]
  %5 = dot_general(%3, %4) lhs_batch=[0,1] rhs_batch=[0,1] lhs_contract=[3] rhs_contract=[2] precision=highest : f32[2,3,6,4]
  %6 = dot_general(%0, %1) lhs_batch=[] rhs_batch=[] lhs_contract=[3,0,2] rhs_contract=[3,0,2] precision=highest : f32[6,4]
  %7 = parameter() dims=[2] : f32[5]
  %8 = dot_general(%0, %7) lhs_batch=[] rhs_batch=[] lhs_contract=[3] rhs_contract=[0] precision=highest : f32[2,6,3]
  %9 = dot_general(%7, %7) lhs_batch=[] rhs_batch=[] lhs_contract=[0] rhs_contract=[0] precision=highest : f32[]
  %10 = dot_general(%7, %7) lhs_batch=[] rhs_batch=[] lhs_contract=[] rhs_contract=[] precision=highest : f32[5,5]
  return %2, %5, %6, %8, %9, %10
}
)",
                         1e-4);
}

TEST(Dot, OfAnyRankOfPlansGivesTheSame) {
  const auto graph = Parse(R"(graph "ranks" symbols=0 {
  %0 = parameter() dims=[0] : f32[70,90]
  %1 = parameter() dims=[1] : f32[90,60]
  %2 = dot_general(%0, %1) lhs_batch=[] rhs_batch=[] lhs_contract=[1] rhs_contract=[0] precision=highest : f32[70,60]
  return %2
}
)");
  const std::vector<reference::Tensor> arguments = testing::RandomArguments(*graph);
  const std::vector<reference::Tensor> expected = testing::RunProgram(Compile(*graph, testing::Limits()), arguments);
  std::set<std::string> plans;
  for (const size_t rank : {size_t{0}, size_t{1}, size_t{2}, size_t{1000}}) {
    CompileOptions options;
    options.plan_rank = rank;
    const program::Program program = Compile(*graph, testing::Limits(), options);
    plans.insert(program.kernels.at(0).plan);
    const std::vector<reference::Tensor> got = testing::RunProgram(program, arguments);
    for (size_t i = 0; i < expected[0].elements.size(); ++i) ASSERT_NEAR(got[0].elements[i].f, expected[0].elements[i].f, 1e-3) << *plans.rbegin() << " " << i;
  }
  EXPECT_EQ(plans.size(), 4u);
}

TEST(Dot, TransposedOperandsAreReadThroughStrides) {
  const auto graph = Parse(R"(graph "transposed" symbols=0 {
  %0 = parameter() dims=[0] : f32[30,20]
  %1 = parameter() dims=[1] : f32[40,30]
  %2 = transpose(%0) dims=[1,0] : f32[20,30]
  %3 = transpose(%1) dims=[1,0] : f32[30,40]
  %4 = dot_general(%2, %3) lhs_batch=[] rhs_batch=[] lhs_contract=[1] rhs_contract=[0] precision=highest : f32[20,40]
  return %4
}
)");
  EXPECT_EQ(LaunchCount(Compile(*graph, testing::Limits())), 1);
  ExpectMatchesReference(*graph, testing::RandomArguments(*graph), 1e-4);
}

TEST(Convolution, ForwardWithBiasAndGradients) {
  ExpectMatchesReference(R"(graph "convolution" symbols=0 {
  %0 = parameter() dims=[0] : f32[2,9,8,3]
  %1 = parameter() dims=[1] : f32[3,3,3,5]
  %2 = parameter() dims=[2] : f32[5]
  %3 = convolution(%0, %1) window=[{size=3 stride=2 pad_low=1 pad_high=1},{size=3 stride=1 pad_low=1 pad_high=1}] input_batch=0 input_feature=3 input_spatial=[1,2] kernel_input_feature=2 kernel_output_feature=3 kernel_spatial=[0,1] output_batch=0 output_feature=3 output_spatial=[1,2] feature_groups=1 batch_groups=1 precision=highest : f32[2,5,8,5]
  %4 = broadcast_in_dim(%2) dims=[3] : f32[2,5,8,5]
  %5 = add(%3, %4) : f32[2,5,8,5]
  %6 = reverse(%1) dims=[0,1] : f32[3,3,3,5]
  %7 = convolution(%5, %6) window=[{size=3 stride=1 pad_low=1 pad_high=1 base_dilation=2},{size=3 stride=1 pad_low=1 pad_high=1}] input_batch=0 input_feature=3 input_spatial=[1,2] kernel_input_feature=3 kernel_output_feature=2 kernel_spatial=[0,1] output_batch=0 output_feature=3 output_spatial=[1,2] feature_groups=1 batch_groups=1 precision=highest : f32[2,9,8,3]
  %8 = convolution(%0, %5) window=[{size=5 stride=1 pad_low=1 pad_high=1 window_dilation=2},{size=8 stride=1 pad_low=1 pad_high=1}] input_batch=3 input_feature=0 input_spatial=[1,2] kernel_input_feature=0 kernel_output_feature=3 kernel_spatial=[1,2] output_batch=2 output_feature=3 output_spatial=[0,1] feature_groups=1 batch_groups=1 precision=highest : f32[3,3,3,5]
  return %5, %7, %8
}
)",
                         1e-3);
}

TEST(Window, PoolingAndItsGradient) {
  ExpectMatchesReference(WithRegions(R"(graph "pool" symbols=0 {
  %0 = parameter() dims=[0] : f32[2,8,8,3]
  %1 = constant() splat<-inf> : f32[]
  %2 = constant() splat<0> : f32[]
  %3 = negate(%0) : f32[2,8,8,3]
  %4 = reduce_window(%3, %1) window=[{},{size=3 stride=2 pad_high=1},{size=3 stride=2 pad_high=1},{}] : f32[2,4,4,3] MAX
  %5 = exponential(%4) : f32[2,4,4,3]
  %6 = select_and_scatter(%3, %5, %2) window=[{},{size=3 stride=2 pad_high=1},{size=3 stride=2 pad_high=1},{}] : f32[2,8,8,3] with 2
    graph "ge" symbols=0 {
      %0 = parameter() dims=[0] : f32[]
      %1 = parameter() dims=[1] : f32[]
      %2 = compare(%0, %1) direction=GE total_order=false : pred[]
      return %2
    }
    graph "add" symbols=0 {
      %0 = parameter() dims=[0] : f32[]
      %1 = parameter() dims=[1] : f32[]
      %2 = add(%0, %1) : f32[]
      return %2
    }
  %7 = parameter() dims=[1] : f32[4,60]
  %8 = reduce_window(%7, %2) window=[{},{size=60 pad_low=59}] : f32[4,60] SUM
  return %5, %6, %8
}
)"),
                         1e-4);
}

TEST(Scatter, AddsDuplicates) {
  ExpectMatchesReference(WithRegions(R"(graph "scatter" symbols=0 {
  %0 = parameter() dims=[0] : f32[7,5]
  %1 = parameter() dims=[1] : s32[40]
  %2 = parameter() dims=[2] : f32[40,5]
  %3 = negate(%2) : f32[40,5]
  %4 = scatter(%0, %1, %3) update_window_dims=[1] inserted_window_dims=[0] scatter_dims_to_operand_dims=[0] index_vector_dim=1 indices_sorted=false unique_indices=false : f32[7,5] SUM
  %5 = abs(%4) : f32[7,5]
  return %4 alias 0, %5 alias -1
}
)"),
                         1e-4);
}

// All invocations of the kernel have one target: lavapipe 26.1 loads from it whatever the conditions say.
TEST(Scatter, OneUpdateOutsideIsDropped) {
  const auto graph = Parse(R"(graph "outside" symbols=0 {
  %0 = parameter() dims=[0] : s32[1]
  %1 = constant() splat<0> : s32[8]
  %2 = constant() splat<1> : s32[1]
  %3 = constant() splat<-1> : s32[1]
  %4 = minimum(%0, %3) : s32[1]
  %5 = scatter(%1, %4, %2) update_window_dims=[] inserted_window_dims=[0] scatter_dims_to_operand_dims=[0] index_vector_dim=1 indices_sorted=false unique_indices=false : s32[8] with 1
    graph "sum" symbols=0 {
      %0 = parameter() dims=[0] : s32[]
      %1 = parameter() dims=[1] : s32[]
      %2 = add(%0, %1) : s32[]
      return %2
    }
  return %5, %4
}
)");
  ExpectMatchesReference(*graph, testing::RandomArguments(*graph));
}

TEST(Sort, WithAnIotaOfIndices) {
  ExpectMatchesReference(R"(graph "sort" symbols=0 {
  %0 = parameter() dims=[0] : f32[3,70]
  %1 = iota() dims=[1] : s32[3,70]
  %2 = abs(%0) : f32[3,70]
  %3 = sort(%2, %1) dimension=1 stable=true : (f32[3,70], s32[3,70]) with 1
    graph "less" symbols=0 {
      %0 = parameter() dims=[0] : f32[]
      %1 = parameter() dims=[1] : f32[]
      %2 = parameter() dims=[2] : s32[]
      %3 = parameter() dims=[3] : s32[]
      %4 = compare(%0, %1) direction=LT total_order=false : pred[]
      return %4
    }
  %4 = slice(%3#1) start=[0,0] limit=[3,5] stride=[1,1] : s32[3,5]
  return %3, %4
}
)");
}

}  // namespace
}  // namespace tfvk::compiler
