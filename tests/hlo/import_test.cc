#include "hlo/import.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "hlo/module.h"
#include "hlo/passes.h"
#include "types/error.h"

namespace tfvk::hlo {
namespace {

std::unique_ptr<ir::Graph> ImportText(const std::string& text) {
  auto graph = Import(*ModuleFromText(text));
  ir::Verify(*graph);
  return graph;
}

// The message of the Error that importing throws; empty, and a failure, when it does not.
std::string ImportError(const std::string& text, ErrorCode code) {
  try {
    Import(*ModuleFromText(text));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

void ExpectContains(const std::string& text, const std::string& part) { EXPECT_NE(text.find(part), std::string::npos) << text; }

TEST(Import, NamesWhatItCannotLower) {
  const std::string message = ImportError(R"(HloModule m
ENTRY main {
  x = f32[3,4] parameter(0)
  ROOT y = f32[7] custom-call(x), custom_call_target="Frobnicate", metadata={op_type="Frob" op_name="model/frob"}
})",
                                          ErrorCode::kUnimplemented);
  for (const char* part : {"custom-call", "Frobnicate", "f32[7]", "f32[3,4]", "Frob", "model/frob"}) ExpectContains(message, part);
}

TEST(Import, NamesElementTypesThatAreMissing) {
  for (const char* type : {"c64", "c128", "f8e4m3fn", "s4"}) {
    const std::string text = std::string("HloModule m\nENTRY main {\n  x = ") + type + "[3] parameter(0)\n  ROOT y = " + type + "[3] copy(x)\n}";
    ExpectContains(ImportError(text, ErrorCode::kUnimplemented), "parameter");
  }
}

TEST(Import, RefusesDynamicDimensions) {
  const std::string message = ImportError(R"(HloModule m
ENTRY main {
  x = f32[<=3] parameter(0)
  ROOT y = f32[<=3] negate(x)
})",
                                          ErrorCode::kUnimplemented);
  ExpectContains(message, "f32[<=3]");
  ExpectContains(message, "dynamic");
}

TEST(Import, FlattensTuplesAndKeepsAliases) {
  const auto graph = ImportText(R"(HloModule m, input_output_alias={ {0,1}: (0, {1}, may-alias), {1}: (1, {}, must-alias) }
ENTRY main {
  t = (f32[3], f32[4]) parameter(0)
  v = s32[] parameter(1)
  a = f32[3] get-tuple-element(t), index=0
  b = f32[4] get-tuple-element(t), index=1
  c = f32[4] add(b, b)
  inner = (f32[3], f32[4]) tuple(a, c)
  ROOT r = ((f32[3], f32[4]), s32[]) tuple(inner, v)
})");
  ASSERT_EQ(graph->parameters().size(), 3u);
  ASSERT_EQ(graph->outputs.size(), 3u);
  EXPECT_EQ(graph->outputs[0].node, graph->parameters()[0]);
  EXPECT_EQ(graph->outputs[2].node, graph->parameters()[2]);
  EXPECT_EQ(graph->aliases, (std::vector<int>{-1, 1, 2}));
}

TEST(Import, DetectsSplatConstants) {
  const auto graph = ImportText(R"(HloModule m
ENTRY main {
  a = f32[2,3] constant({{2,2,2},{2,2,2}})
  b = f32[2,3] constant({{2,2,2},{2,2,3}})
  c = f32[0] constant({})
  d = pred[2] constant({true, false})
  ROOT r = (f32[2,3], f32[2,3], f32[0], pred[2]) tuple(a, b, c, d)
})");
  const auto constant = [&](int i) { return graph->outputs[i].node->attr<ir::ConstantAttr>(); };
  EXPECT_TRUE(constant(0).splat);
  EXPECT_EQ(constant(0).bytes->size(), 4u);
  EXPECT_FALSE(constant(1).splat);
  EXPECT_EQ(constant(1).bytes->size(), 24u);
  EXPECT_FALSE(constant(2).splat);
  EXPECT_TRUE(constant(2).bytes->empty());
  EXPECT_EQ(*constant(3).bytes, (std::vector<uint8_t>{1, 0}));
}

TEST(Import, TakesConstantsOfAnyLayoutInRowMajorOrder) {
  const auto graph = ImportText(R"(HloModule m
ENTRY main {
  ROOT a = s32[2,3]{0,1} constant({{1,2,3},{4,5,6}})
})");
  std::vector<int32_t> values(6);
  std::memcpy(values.data(), graph->outputs[0].node->attr<ir::ConstantAttr>().bytes->data(), 24);
  EXPECT_EQ(values, (std::vector<int32_t>{1, 2, 3, 4, 5, 6}));
}

TEST(Import, SaysWhereANodeComesFrom) {
  const auto graph = ImportText(R"(HloModule m
ENTRY main {
  x = f32[3] parameter(0)
  y = f32[3] exponential(x), metadata={op_type="Exp" op_name="model/exp"}
  ROOT z = f32[3] negate(y)
})");
  EXPECT_EQ(graph->outputs[0].node->operands[0].node->origin, "Exp:model/exp (y)");
  EXPECT_EQ(graph->outputs[0].node->origin, "z");
}

TEST(Import, GivesEachValueToAConditionalOnce) {
  const auto graph = ImportText(R"(HloModule m
one { ROOT x = f32[3] parameter(0) }
two {
  t = (f32[3], f32[3]) parameter(0)
  a = f32[3] get-tuple-element(t), index=0
  b = f32[3] get-tuple-element(t), index=1
  ROOT r = f32[3] subtract(a, b)
}
ENTRY main {
  p = pred[] parameter(0)
  x = f32[3] parameter(1)
  y = f32[3] parameter(2)
  t = (f32[3], f32[3]) tuple(y, x)
  ROOT r = f32[3] conditional(p, x, t), true_computation=one, false_computation=two
})");
  const ir::Node& node = *graph->outputs[0].node;
  ASSERT_EQ(node.op, ir::Op::kConditional);
  EXPECT_EQ(node.operands.size(), 3u);  // p, x, y
  EXPECT_EQ(node.regions[1]->outputs[0].node->operands[0].node, node.regions[1]->parameters()[1]);
}

TEST(Passes, KeepTotalOrderComparisons) {
  const ModulePtr module = ModuleFromText(R"(HloModule m
ENTRY main {
  x = f32[3] parameter(0)
  y = f32[3] parameter(1)
  a = pred[3] compare(x, y), direction=LT
  b = pred[3] compare(x, y), direction=LT, type=TOTALORDER
  ROOT r = (pred[3], pred[3]) tuple(a, b)
})");
  RunPasses(*module);
  const auto graph = Import(*module);
  EXPECT_FALSE(graph->outputs[0].node->attr<ir::CompareAttr>().total_order);
  EXPECT_TRUE(graph->outputs[1].node->attr<ir::CompareAttr>().total_order);
}

// The root of a conditional of these two branches after the passes.
ir::Op RootOfConditional(const std::string& branches) {
  const ModulePtr module = ModuleFromText("HloModule m\n" + branches + R"(
ENTRY main {
  p = pred[] parameter(0)
  x = f32[3,3] parameter(1)
  ROOT r = f32[3,3] conditional(p, x, x), true_computation=one, false_computation=two
})");
  RunPasses(*module);
  return Import(*module)->outputs[0].node->op;
}

TEST(Passes, FlattenCheapConditionalsOnly) {
  const std::string one = "one { ROOT x = f32[3,3] parameter(0) }\n", two = "two {\n  x = f32[3,3] parameter(0)\n  ROOT r = f32[3,3] ";
  EXPECT_EQ(RootOfConditional(one + two + "negate(x)\n}\n"), ir::Op::kSelect);
  EXPECT_EQ(RootOfConditional(one + two + "dot(x, x), lhs_contracting_dims={1}, rhs_contracting_dims={0}\n}\n"), ir::Op::kConditional);
}

TEST(Passes, ReportAModuleThatBreaksTheRules) {
  const ModulePtr module = ModuleFromText(R"(HloModule m
ENTRY main {
  x = f32[3] parameter(0)
  y = f32[4] parameter(1)
  ROOT r = f32[3] add(x, y)
})");
  EXPECT_THROW(RunPasses(*module), Error);
}

TEST(ModuleFromText, SaysWhereTheTextIsWrong) {
  try {
    ModuleFromText("HloModule m\nENTRY main {\n  x = f33[3] parameter(0)\n}");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    ExpectContains(error.what(), "f33");
  }
}

}  // namespace
}  // namespace tfvk::hlo
