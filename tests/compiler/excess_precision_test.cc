// Which bfloat16 results keep their digits, and what that makes of a sum.
#include "compiler/excess_precision.h"

#include <gtest/gtest.h>

#include <set>

#include "compiler/program_runner.h"

namespace tfvk::compiler {
namespace {

using testing::Parse;

std::set<int> Exceeding(const std::string& text) {
  const auto graph = Parse(text);
  std::set<int> ids;
  for (const ir::Node* node : ResultsWithExcessPrecision(*graph)) ids.insert(node->id);
  return ids;
}

// %2 is used by arithmetic alone. %3 is compared, %6 is written, %5 is selected.
std::string Chain(const std::string& dtype) {
  std::string text = R"(graph "chain" symbols=0 {
  %0 = parameter() dims=[0] : T[64]
  %1 = parameter() dims=[1] : T[64]
  %2 = multiply(%0, %1) : T[64]
  %3 = add(%2, %1) : T[64]
  %4 = compare(%3, %1) direction=GT total_order=false : pred[64]
  %5 = subtract(%2, %0) : T[64]
  %6 = select(%4, %5, %0) : T[64]
  return %6
}
)";
  for (size_t at; (at = text.find("T[")) != std::string::npos;) text.replace(at, 1, dtype);
  return text;
}

TEST(ExcessPrecision, OnlyWhatArithmeticUsesKeepsItsDigits) {
  EXPECT_EQ(Exceeding(Chain("bf16")), (std::set<int>{2}));
  EXPECT_EQ(Exceeding(Chain("f16")), std::set<int>());
  EXPECT_EQ(Exceeding(Chain("f32")), std::set<int>());
}

TEST(ExcessPrecision, WhatIsReshapedConvertedOrWrittenIsRounded) {
  EXPECT_EQ(Exceeding(R"(graph "uses" symbols=0 {
  %0 = parameter() dims=[0] : bf16[8,8]
  %1 = exponential(%0) : bf16[8,8]
  %2 = reshape(%1) : bf16[64]
  %3 = negate(%2) : bf16[64]
  %4 = tanh(%0) : bf16[8,8]
  %5 = convert(%4) : f32[8,8]
  %6 = sqrt(%0) : bf16[8,8]
  %7 = negate(%6) : bf16[8,8]
  return %3, %5, %7
}
)"),
            (std::set<int>{6}));
}

// 1 + 2^-7 squared is 1 + 2^-6 + 2^-14: bfloat16 has no room for the last term, which is all that a subtraction of the others leaves.
TEST(ExcessPrecision, SumsKeepWhatARoundingWouldLose) {
  const auto graph = Parse(R"(graph "rest" symbols=0 {
  %0 = parameter() dims=[0] : bf16[16]
  %1 = parameter() dims=[1] : bf16[16]
  %2 = multiply(%0, %0) : bf16[16]
  %3 = subtract(%2, %1) : bf16[16]
  return %3
}
)");
  const auto filled = [](double value) { return reference::Tensor{DType::kBF16, {16}, std::vector<reference::Number>(16, {value, 0})}; };
  const std::vector<reference::Tensor> arguments = {filled(1.0078125), filled(1.015625)};
  for (const bool excess : {false, true}) {
    CompileOptions options;
    options.excess_precision = excess;
    const auto outputs = testing::RunProgram(Compile(*graph, testing::Limits(), options), arguments);
    for (const reference::Number& rest : outputs[0].elements) EXPECT_EQ(rest.f, excess ? 0x1p-14 : 0) << excess;
  }
}

}  // namespace
}  // namespace tfvk::compiler
