// Outputs: aliases, parameters and constants passed through, values given out twice.
#include <gtest/gtest.h>

#include "compiler/describe.h"
#include "compiler/program_runner.h"

namespace tfvk::compiler {
namespace {

using testing::ExpectMatchesReference;
using testing::Parse;

int64_t CopyCount(const program::Program& program) {
  return std::count_if(program.steps.begin(), program.steps.end(), [](const program::Step& s) { return std::holds_alternative<program::Copy>(s.action); });
}

TEST(Output, PassedThroughParametersAndConstantsAreCopied) {
  ExpectMatchesReference(R"(graph "through" symbols=0 {
  %0 = parameter() dims=[0] : f32[5]
  %1 = constant() dense<1, 2, 3> : s32[3]
  %2 = constant() splat<7> : s32[4]
  %3 = reshape(%0) : f32[5,1]
  return %0, %1, %2, %3
}
)");
}

TEST(Output, OneValueGivenOutTwice) {
  ExpectMatchesReference(R"(graph "twice" symbols=0 {
  %0 = parameter() dims=[0] : f32[5]
  %1 = exponential(%0) : f32[5]
  %2 = reshape(%1) : f32[1,5]
  return %1, %1, %2
}
)");
}

TEST(Output, UpdatesInPlaceWhenReadAtTheSameIndex) {
  const auto graph = Parse(R"(graph "update" symbols=0 {
  %0 = parameter() dims=[0] : f32[100]
  %1 = parameter() dims=[1] : f32[100]
  %2 = add(%0, %1) : f32[100]
  return %2 alias 0
}
)");
  const program::Program program = Compile(*graph, testing::Limits());
  EXPECT_EQ(LaunchCount(program), 1);
  EXPECT_EQ(CopyCount(program), 0);
  EXPECT_TRUE(program.temporaries.empty());
  ExpectMatchesReference(*graph, testing::RandomArguments(*graph));
}

TEST(Output, AnUpdateThatReadsElsewhereIsCopiedLast) {
  const auto graph = Parse(R"(graph "reverse" symbols=0 {
  %0 = parameter() dims=[0] : f32[100]
  %1 = reverse(%0) dims=[0] : f32[100]
  %2 = add(%0, %1) : f32[100]
  return %2 alias 0
}
)");
  EXPECT_EQ(CopyCount(Compile(*graph, testing::Limits())), 1);
  ExpectMatchesReference(*graph, testing::RandomArguments(*graph));
}

TEST(Output, OtherReadersOfTheOldValueComeFirst) {
  ExpectMatchesReference(R"(graph "readers" symbols=0 {
  %0 = parameter() dims=[0] : f32[8,8]
  %1 = parameter() dims=[1] : f32[8,8]
  %2 = add(%0, %1) : f32[8,8]
  %3 = dot_general(%0, %1) lhs_batch=[] rhs_batch=[] lhs_contract=[1] rhs_contract=[0] precision=highest : f32[8,8]
  %4 = transpose(%0) dims=[1,0] : f32[8,8]
  %5 = add(%3, %4) : f32[8,8]
  return %2 alias 0, %5 alias -1
}
)",
                         1e-4);
}

TEST(Output, AReaderThatNeedsTheNewValueForcesACopy) {
  // The reader of the old value needs the new one too.
  ExpectMatchesReference(R"(graph "cycle" symbols=0 {
  %0 = parameter() dims=[0] : f32[8,8]
  %1 = constant() splat<1> : f32[8,8]
  %2 = add(%0, %1) : f32[8,8]
  %3 = dot_general(%2, %0) lhs_batch=[] rhs_batch=[] lhs_contract=[1] rhs_contract=[0] precision=highest : f32[8,8]
  return %2 alias 0, %3 alias -1
}
)",
                         1e-4);
}

TEST(Output, SwappedParameters) {
  ExpectMatchesReference(R"(graph "swap" symbols=0 {
  %0 = parameter() dims=[0] : f32[5]
  %1 = parameter() dims=[1] : f32[5]
  %2 = parameter() dims=[2] : f32[5]
  return %1 alias 0, %2 alias 1, %0 alias 2
}
)");
}

TEST(Output, ScatterAndUpdateSliceInPlace) {
  const auto graph = Parse(R"(graph "in place" symbols=0 {
  %0 = parameter() dims=[0] : f32[10,4]
  %1 = parameter() dims=[1] : f32[1,4]
  %2 = parameter() dims=[2] : s32[]
  %3 = constant() splat<0> : s32[]
  %4 = dynamic_update_slice(%0, %1, %2, %3) : f32[10,4]
  %5 = parameter() dims=[3] : f32[10,4]
  %6 = abs(%5) : f32[10,4]
  %7 = dynamic_update_slice(%6, %1, %2, %3) : f32[10,4]
  %8 = exponential(%7) : f32[10,4]
  return %4 alias 0, %8 alias -1, %7 alias -1
}
)");
  ExpectMatchesReference(*graph, testing::RandomArguments(*graph));
}

}  // namespace
}  // namespace tfvk::compiler
