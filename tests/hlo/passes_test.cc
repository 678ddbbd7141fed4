// The project's own passes over HLO: what they make of parameters and results, and what they refuse.
#include "hlo/passes.h"

#include <gtest/gtest.h>

#include <string>

#include "hlo/import.h"
#include "hlo/module.h"
#include "types/error.h"

namespace tfvk::hlo {
namespace {

std::unique_ptr<ir::Graph> Graph(const std::string& text, bool* takes_random_state = nullptr) {
  const ModulePtr module = ModuleFromText("HloModule m" + text);
  const bool takes = RunPasses(*module);
  if (takes_random_state != nullptr) *takes_random_state = takes;
  auto graph = Import(*module);
  ir::Verify(*graph);
  return graph;
}

void ExpectRefused(const std::string& text, const std::string& part) {
  try {
    Graph(text);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnimplemented);
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(SplitComplex, KeepsMemoryAndAliases) {
  const auto graph = Graph(R"(, input_output_alias={ {1}: (1, {}, must-alias) }
ENTRY main {
  x = f32[3] parameter(0)
  z = c64[4,2] parameter(1)
  w = c128[] parameter(2)
  y = c64[4,2] multiply(z, z)
  v = c128[] negate(w)
  ROOT r = (f32[3], c64[4,2], c128[]) tuple(x, y, v)
})");
  ASSERT_EQ(graph->parameters().size(), 3u);
  EXPECT_EQ(graph->parameters()[1]->type(), (ir::TensorType{DType::kF32, {4, 2, 2}}));
  EXPECT_EQ(graph->parameters()[2]->type(), (ir::TensorType{DType::kF64, {2}}));
  EXPECT_EQ(graph->outputs[1].type(), graph->parameters()[1]->type());
  EXPECT_EQ(graph->aliases, (std::vector<int>{-1, 1, -1}));
}

TEST(SplitComplex, RefusesGradientsThatLackAConjugate) {
  ExpectRefused(R"(
ENTRY main {
  y = c64[4] parameter(0)
  dy = c64[4] parameter(1)
  ROOT r = c64[4] divide(dy, y), metadata={op_type="SqrtGrad" op_name="model/grad"}
})",
                "SqrtGrad");
}

TEST(SplitComplex, RefusesWhatHasNoPair) {
  ExpectRefused(R"(
ge {
  a = c64[] parameter(0)
  b = c64[] parameter(1)
  x = f32[] abs(a)
  y = f32[] abs(b)
  ROOT p = pred[] compare(x, y), direction=GE
}
add {
  a = c64[] parameter(0)
  b = c64[] parameter(1)
  ROOT s = c64[] add(a, b)
}
ENTRY main {
  x = c64[4] parameter(0)
  s = c64[2] parameter(1)
  zero = c64[] constant((0, 0))
  ROOT r = c64[4] select-and-scatter(x, s, zero), window={size=2 stride=2}, select=ge, scatter=add
})",
                "select-and-scatter");
}

TEST(InlineMaps, RefusesWhatIsNotElementwise) {
  ExpectRefused(R"(
add {
  a = f32[] parameter(0)
  b = f32[] parameter(1)
  ROOT s = f32[] add(a, b)
}
f {
  a = f32[] parameter(0)
  w = f32[3] broadcast(a), dimensions={}
  zero = f32[] constant(0)
  ROOT r = f32[] reduce(w, zero), dimensions={0}, to_apply=add
}
ENTRY main {
  x = f32[4] parameter(0)
  ROOT r = f32[4] map(x), dimensions={0}, to_apply=f
})",
                "broadcast");
}

// A module that calls the complementary error function under a name.
std::string ErfcCall(const std::string& name) {
  return R"(
erfc {
  x = f32[4] parameter(0)
  e = f32[4] erf(x)
  one = f32[] constant(1)
  ones = f32[4] broadcast(one), dimensions={}
  ROOT r = f32[4] subtract(ones, e)
}
ENTRY main {
  x = f32[4] parameter(0)
  ROOT y = f32[4] call(x), to_apply=erfc, is_composite=true, frontend_attributes={composite.attributes="{}",composite.name=")" +
         name + R"(",composite.version="0"}
})";
}

TEST(OtherCallInliner, KeepsErfcForTheImport) {
  const auto graph = Graph(ErfcCall("chlo.erfc"));
  ASSERT_EQ(graph->nodes().size(), 2u);
  EXPECT_EQ(graph->outputs[0].node->op, ir::Op::kErfc);
  EXPECT_EQ(graph->outputs[0].type(), (ir::TensorType{DType::kF32, {4}}));
}

TEST(OtherCallInliner, InlinesCompositesThatImportDoesNotKnow) {
  const auto graph = Graph(ErfcCall("chlo.other"));
  EXPECT_EQ(graph->outputs[0].node->op, ir::Op::kSubtract);
}

TEST(ThreadRandomState, AddsAParameterThatGoesThroughLoopsAndBranches) {
  bool takes_random_state = false;
  const auto graph = Graph(R"(
body {
  t = (s32[], f32[8]) parameter(0)
  i = s32[] get-tuple-element(t), index=0
  x = f32[8] get-tuple-element(t), index=1
  zero = f32[] constant(0)
  one = f32[] constant(1)
  drawn = f32[8] rng(zero, one), distribution=rng_uniform
  y = f32[8] add(x, drawn)
  step = s32[] constant(1)
  n = s32[] add(i, step)
  ROOT r = (s32[], f32[8]) tuple(n, y)
}
condition {
  t = (s32[], f32[8]) parameter(0)
  i = s32[] get-tuple-element(t), index=0
  x = f32[8] get-tuple-element(t), index=1
  first = f32[1] slice(x), slice={[0:1]}
  sum = f32[] reshape(first)
  limit = f32[] constant(5)
  ROOT p = pred[] compare(sum, limit), direction=LT
}
drawing {
  x = f32[8] parameter(0)
  zero = f32[] constant(0)
  one = f32[] constant(1)
  ROOT drawn = f32[8] rng(zero, one), distribution=rng_normal
}
same { ROOT x = f32[8] parameter(0) }
ENTRY main {
  x = f32[8] parameter(0)
  p = pred[] parameter(1)
  zero = s32[] constant(0)
  state = (s32[], f32[8]) tuple(zero, x)
  loop = (s32[], f32[8]) while(state), condition=condition, body=body
  y = f32[8] get-tuple-element(loop), index=1
  ROOT r = f32[8] conditional(p, y, y), true_computation=drawing, false_computation=same
})",
                           &takes_random_state);
  EXPECT_TRUE(takes_random_state);
  ASSERT_EQ(graph->parameters().size(), 3u);
  EXPECT_EQ(graph->parameters()[2]->type(), (ir::TensorType{DType::kU64, {2}}));
}

TEST(ThreadRandomState, LeavesOtherModulesAlone) {
  bool takes_random_state = true;
  EXPECT_EQ(Graph("\nENTRY main {\n  ROOT x = f32[3] parameter(0)\n}", &takes_random_state)->parameters().size(), 1u);
  EXPECT_FALSE(takes_random_state);
}

int CountOf(const ir::Graph& graph, ir::Op op) {
  int count = 0;
  for (const auto& node : graph.nodes()) count += node->op == op;
  return count;
}

// The gradient of a layer on a sequence: a product for each sample, rounded to 16 bits, and their sum, which begins from INITIAL.
std::string SumOfProducts(const std::string& initial, const std::string& summed_dimension) {
  return R"(
add {
  a = f32[] parameter(0)
  b = f32[] parameter(1)
  ROOT s = f32[] add(a, b)
}
ENTRY main {
  x = bf16[8,12,12] parameter(0)
  y = bf16[8,12,16] parameter(1)
  initial = f32[] constant()" +
         initial + R"()
  product = bf16[8,12,16] dot(x, y), lhs_batch_dims={0}, rhs_batch_dims={0}, lhs_contracting_dims={)" +
         summed_dimension + R"(}, rhs_contracting_dims={1}
  wide = f32[8,12,16] convert(product)
  ROOT sum = f32[12,16] reduce(wide, initial), dimensions={0}, to_apply=add
})";
}

TEST(JoinSumsOfProducts, MakesOneProductOfThem) {
  const auto graph = Graph(SumOfProducts("0", "1"));
  EXPECT_EQ(CountOf(*graph, ir::Op::kReduce), 0);
  EXPECT_EQ(CountOf(*graph, ir::Op::kConvert), 0);
  ASSERT_EQ(CountOf(*graph, ir::Op::kDot), 1);
  EXPECT_EQ(graph->outputs[0].node->operand_type(0).shape, (Shape{96, 12}));
}

TEST(JoinSumsOfProducts, LeavesOthersAlone) {
  EXPECT_EQ(CountOf(*Graph(SumOfProducts("1", "1")), ir::Op::kReduce), 1);
  EXPECT_EQ(CountOf(*Graph(SumOfProducts("0", "2")), ir::Op::kReduce), 1);  // the batch and what is summed lie apart
}

constexpr char kSome[] = R"(
add {
  a = f32[] parameter(0)
  b = f32[] parameter(1)
  ROOT s = f32[] add(a, b)
}
ENTRY main {
  x = f32[9] parameter(0)
  n = s32[] parameter(1)
  zero = f32[] constant(0)
  some = f32[<=9] set-dimension-size(x, n), dimensions={0}
)";

TEST(MakeShapesStatic, TakesSizesInside) {
  const auto graph = Graph(std::string(kSome) + "  ROOT r = f32[] reduce(some, zero), dimensions={0}, to_apply=add\n}");
  EXPECT_EQ(graph->outputs[0].type(), (ir::TensorType{DType::kF32, {}}));
}

TEST(MakeShapesStatic, RefusesThemInResultsWindowsAndParts) {
  ExpectRefused(std::string(kSome) + "  ROOT r = f32[<=9] negate(some)\n}", "f32[<=9] negate");
  ExpectRefused(std::string(kSome) +
                    "  w = f32[<=9] reduce-window(some, zero), window={size=9 pad=8_0}, to_apply=add\n"
                    "  ROOT r = f32[] reduce(w, zero), dimensions={0}, to_apply=add\n}",
                "reduce-window");
  ExpectRefused(std::string(kSome) + "  ROOT r = f32[1] slice(some), slice={[8:9]}\n}", "slice");
}

}  // namespace
}  // namespace tfvk::hlo
