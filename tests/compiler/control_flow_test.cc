// Loops and conditionals.
#include <gtest/gtest.h>

#include "compiler/describe.h"
#include "compiler/program_runner.h"
#include "compiler/trip_count.h"

namespace tfvk::compiler {
namespace {

using testing::ExpectMatchesReference;
using testing::Parse;

// i = 0; x, y = arguments; while (i < `bound`) { i += 1; x, y = y + w, x * y } with w left as it is.
std::string SwappingLoop(const std::string& bound) {
  std::string text = R"(graph "loop" symbols=0 {
  %0 = parameter() dims=[0] : f32[6]
  %1 = parameter() dims=[1] : f32[6]
  %2 = parameter() dims=[2] : f32[6]
  %3 = constant() splat<0> : s32[]
  %4 = parameter() dims=[3] : s32[]
  %5 = while(%3, %0, %1, %2, %4) : (s32[], f32[6], f32[6], f32[6], s32[]) with 2
    graph "condition" symbols=0 {
      %0 = parameter() dims=[0] : s32[]
      %1 = parameter() dims=[1] : f32[6]
      %2 = parameter() dims=[2] : f32[6]
      %3 = parameter() dims=[3] : f32[6]
      %4 = parameter() dims=[4] : s32[]
      %5 = constant() splat<3> : s32[]
      %6 = compare(%0, BOUND) direction=LT total_order=false : pred[]
      return %6
    }
    graph "body" symbols=0 {
      %0 = parameter() dims=[0] : s32[]
      %1 = parameter() dims=[1] : f32[6]
      %2 = parameter() dims=[2] : f32[6]
      %3 = parameter() dims=[3] : f32[6]
      %4 = parameter() dims=[4] : s32[]
      %5 = constant() splat<1> : s32[]
      %6 = add(%0, %5) : s32[]
      %7 = add(%2, %3) : f32[6]
      %8 = multiply(%1, %2) : f32[6]
      return %6, %7, %8, %3, %4
    }
  %6 = add(%5#1, %2) : f32[6]
  return %5#0 alias -1, %5#1 alias 0, %5#2 alias 1, %6 alias 2
}
)";
  return text.replace(text.find("BOUND"), 5, bound);
}

TEST(While, KnownTripCountNeedsNoCondition) {
  const auto graph = Parse(SwappingLoop("%5"));
  EXPECT_EQ(TripCount(*graph->nodes()[5]), 3);
  ExpectMatchesReference(*graph, testing::RandomArguments(*graph), 1e-4);
}

TEST(While, PredicateComputedOnTheDevice) {
  for (const int64_t bound : {0, 1, 4}) {
    const auto graph = Parse(SwappingLoop("%4"));
    EXPECT_FALSE(TripCount(*graph->nodes()[5]).has_value());
    auto arguments = testing::RandomArguments(*graph);
    arguments[3].elements[0].i = bound;
    ExpectMatchesReference(*graph, arguments, 1e-3);
  }
}

TEST(While, StacksItsResults) {
  // A recurrent layer in small: h = tanh(h + x[i]); out[i] = h.
  const auto graph = Parse(R"(graph "recurrent" symbols=0 {
  %0 = parameter() dims=[0] : f32[5,4]
  %1 = constant() splat<0> : s32[]
  %2 = constant() splat<0> : f32[4]
  %3 = constant() splat<0> : f32[5,4]
  %4 = while(%1, %2, %3, %0) : (s32[], f32[4], f32[5,4], f32[5,4]) with 2
    graph "condition" symbols=0 {
      %0 = parameter() dims=[0] : s32[]
      %1 = parameter() dims=[1] : f32[4]
      %2 = parameter() dims=[2] : f32[5,4]
      %3 = parameter() dims=[3] : f32[5,4]
      %4 = constant() splat<5> : s32[]
      %5 = compare(%0, %4) direction=LT total_order=false : pred[]
      return %5
    }
    graph "body" symbols=0 {
      %0 = parameter() dims=[0] : s32[]
      %1 = parameter() dims=[1] : f32[4]
      %2 = parameter() dims=[2] : f32[5,4]
      %3 = parameter() dims=[3] : f32[5,4]
      %4 = constant() splat<0> : s32[]
      %5 = dynamic_slice(%3, %0, %4) dims=[1,4] : f32[1,4]
      %6 = reshape(%5) : f32[4]
      %7 = add(%1, %6) : f32[4]
      %8 = tanh(%7) : f32[4]
      %9 = reshape(%8) : f32[1,4]
      %10 = dynamic_update_slice(%2, %9, %0, %4) : f32[5,4]
      %11 = constant() splat<1> : s32[]
      %12 = add(%0, %11) : s32[]
      return %12, %8, %10, %3
    }
  return %4#1, %4#2
}
)");
  const program::Program program = Compile(*graph, testing::Limits());
  const auto* loop = [&]() -> const program::While* {
    for (const program::Step& s : program.steps) {
      if (const auto* w = std::get_if<program::While>(&s.action)) return w;
    }
    return nullptr;
  }();
  ASSERT_NE(loop, nullptr);
  EXPECT_EQ(loop->trip_count, 5);
  for (const program::Step& s : loop->body) EXPECT_TRUE(std::holds_alternative<program::Launch>(s.action)) << "a copy in the loop:\n" << Describe(program);
  ExpectMatchesReference(*graph, testing::RandomArguments(*graph));
}

TEST(Conditional, TakesEachBranch) {
  for (const int64_t index : {-1, 0, 1, 2, 5}) {
    const auto graph = Parse(R"(graph "switch" symbols=0 {
  %0 = parameter() dims=[0] : s32[]
  %1 = parameter() dims=[1] : f32[9]
  %2 = case(%0, %1) : (f32[9], f32[]) with 3
    graph "a" symbols=0 {
      %0 = parameter() dims=[0] : f32[9]
      %1 = constant() splat<1> : f32[]
      %2 = exponential(%0) : f32[9]
      return %2, %1
    }
    graph "b" symbols=0 {
      %0 = parameter() dims=[0] : f32[9]
      %1 = constant() splat<2> : f32[]
      return %0, %1
    }
    graph "c" symbols=0 {
      %0 = parameter() dims=[0] : f32[9]
      %1 = constant() splat<3> : f32[]
      %2 = reverse(%0) dims=[0] : f32[9]
      %3 = negate(%2) : f32[9]
      return %3, %1
    }
  %3 = negate(%2#0) : f32[9]
  return %2#0 alias 1, %2#1 alias -1, %3 alias -1
}
)");
    auto arguments = testing::RandomArguments(*graph);
    arguments[0].elements[0].i = index;
    ExpectMatchesReference(*graph, arguments);
  }
}

TEST(Conditional, OnABool) {
  for (const int64_t choice : {0, 1}) {
    const auto graph = Parse(R"(graph "if" symbols=0 {
  %0 = parameter() dims=[0] : pred[]
  %1 = parameter() dims=[1] : f32[3]
  %2 = case(%0, %1) : f32[3] with 2
    graph "then" symbols=0 {
      %0 = parameter() dims=[0] : f32[3]
      %1 = exponential(%0) : f32[3]
      return %1
    }
    graph "else" symbols=0 {
      %0 = parameter() dims=[0] : f32[3]
      %1 = negate(%0) : f32[3]
      return %1
    }
  return %2
}
)");
    auto arguments = testing::RandomArguments(*graph);
    arguments[0].elements[0].i = choice;
    ExpectMatchesReference(*graph, arguments);
  }
}

}  // namespace
}  // namespace tfvk::compiler
