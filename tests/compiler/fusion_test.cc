// What goes into one launch.
#include "compiler/fusion.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "compiler/describe.h"
#include "compiler/program_runner.h"

namespace tfvk::compiler {
namespace {

using testing::ExpectMatchesReference;
using testing::Parse;

// The text of a graph whose reductions that end in " SUM" are sums.
std::string WithSums(std::string text) {
  const std::string mark = " SUM\n", region = R"( with 1
    graph "sum" symbols=0 {
      %0 = parameter() dims=[0] : f32[]
      %1 = parameter() dims=[1] : f32[]
      %2 = add(%0, %1) : f32[]
      return %2
    }
)";
  for (size_t at; (at = text.find(mark)) != std::string::npos;) text.replace(at, mark.size(), region);
  return text;
}

TEST(Fusion, AdamOfOneVariableIsOneLaunch) {
  const auto graph = Parse(R"(graph "adam" symbols=0 {
  %0 = parameter() dims=[0] : f32[64,32]
  %1 = parameter() dims=[1] : f32[64,32]
  %2 = parameter() dims=[2] : f32[64,32]
  %3 = parameter() dims=[3] : f32[64,32]
  %4 = parameter() dims=[4] : f32[]
  %5 = constant() splat<0.1> : f32[64,32]
  %6 = subtract(%0, %1) : f32[64,32]
  %7 = multiply(%6, %5) : f32[64,32]
  %8 = add(%1, %7) : f32[64,32]
  %9 = multiply(%0, %0) : f32[64,32]
  %10 = subtract(%9, %2) : f32[64,32]
  %11 = multiply(%10, %5) : f32[64,32]
  %12 = add(%2, %11) : f32[64,32]
  %13 = abs(%12) : f32[64,32]
  %14 = sqrt(%13) : f32[64,32]
  %15 = add(%14, %5) : f32[64,32]
  %16 = divide(%8, %15) : f32[64,32]
  %17 = broadcast_in_dim(%4) dims=[] : f32[64,32]
  %18 = multiply(%16, %17) : f32[64,32]
  %19 = subtract(%3, %18) : f32[64,32]
  return %8 alias 1, %12 alias 2, %19 alias 3
}
)");
  const program::Program program = Compile(*graph, testing::Limits());
  EXPECT_EQ(LaunchCount(program), 1) << Describe(program);
  EXPECT_EQ(program.steps.size(), 1u) << Describe(program);
  ExpectMatchesReference(*graph, testing::RandomArguments(*graph));
}

TEST(Fusion, ExpensiveWorkIsNotRepeatedForEveryElement) {
  // The small exponential is computed once, not a thousand times.
  const auto graph = Parse(R"(graph "scale" symbols=0 {
  %0 = parameter() dims=[0] : f32[1024,1024]
  %1 = parameter() dims=[1] : f32[1024]
  %2 = exponential(%1) : f32[1024]
  %3 = broadcast_in_dim(%2) dims=[1] : f32[1024,1024]
  %4 = multiply(%0, %3) : f32[1024,1024]
  return %4
}
)");
  EXPECT_EQ(LaunchCount(Compile(*graph, testing::Limits())), 2);
}

// A normalisation and its gradient, as a training step has them: both need x - mean and the scale of each column, which cost less to compute again than to
// write (8 MiB each) and read.
TEST(Fusion, CheapValuesAreRepeatedNotKept) {
  const auto graph = Parse(WithSums(R"(graph "normalisation" symbols=0 {
  %0 = parameter() dims=[0] : f32[2048,1024]
  %1 = parameter() dims=[1] : f32[1024]
  %2 = parameter() dims=[2] : f32[1024]
  %3 = parameter() dims=[3] : f32[2048,1024]
  %4 = constant() splat<0> : f32[]
  %5 = broadcast_in_dim(%1) dims=[1] : f32[2048,1024]
  %6 = subtract(%0, %5) : f32[2048,1024]
  %7 = broadcast_in_dim(%2) dims=[1] : f32[2048,1024]
  %8 = multiply(%6, %7) : f32[2048,1024]
  %9 = multiply(%6, %3) : f32[2048,1024]
  %10 = reduce(%9, %4) dims=[0] : f32[1024] SUM
  %11 = broadcast_in_dim(%10) dims=[1] : f32[2048,1024]
  %12 = multiply(%3, %7) : f32[2048,1024]
  %13 = multiply(%6, %11) : f32[2048,1024]
  %14 = subtract(%12, %13) : f32[2048,1024]
  return %8, %14
}
)"));
  EXPECT_LT(Compile(*graph, testing::Limits()).temporary_bytes, 1 << 20);
}

// What the epilogue of a product can write costs nothing to keep: its three readers read one tensor each, not the product and the residual.
// Attention's mask, which every layer reads: each of a dozen launches reads the small tensor.
TEST(Fusion, LargeBroadcastsAreNotWritten) {
  std::string text = R"(graph "masks" symbols=0 {
  %0 = parameter() dims=[0] : pred[96,96]
  %1 = broadcast_in_dim(%0) dims=[1,2] : pred[64,96,96]
)";
  std::string outputs;
  constexpr int kReaders = 12;
  for (int i = 0; i < kReaders; ++i) {
    const int n = 2 + 4 * i;
    text += fmt::format("  %{} = parameter() dims=[{}] : f32[64,96,96]\n", n, i + 1);
    text += fmt::format("  %{} = constant() splat<{}> : f32[64,96,96]\n", n + 1, i);
    text += fmt::format("  %{} = select(%1, %{}, %{}) : f32[64,96,96]\n", n + 2, n, n + 1);
    text += fmt::format("  %{} = reverse(%{}) dims=[{}] : f32[64,96,96]\n", n + 3, n + 2, i % 3);
    outputs += fmt::format("{}%{}", i == 0 ? "" : ", ", n + 3);
  }
  const auto graph = Parse(text + "  return " + outputs + "\n}\n");
  for (const Fusion& fusion : FormFusions(*graph, testing::Limits())) {
    for (const ir::Value& output : fusion.outputs) EXPECT_EQ(output.type().dtype, DType::kF32);
  }
}

TEST(Fusion, EpiloguesOfProductsAreKept) {
  const auto graph = Parse(WithSums(R"(graph "residual" symbols=0 {
  %0 = parameter() dims=[0] : f32[2048,1024]
  %1 = parameter() dims=[1] : f32[1024,1024]
  %2 = constant() splat<0> : f32[]
  %3 = dot_general(%0, %1) lhs_batch=[] rhs_batch=[] lhs_contract=[1] rhs_contract=[0] precision=highest : f32[2048,1024]
  %4 = add(%3, %0) : f32[2048,1024]
  %5 = reduce(%4, %2) dims=[1] : f32[2048] SUM
  %6 = broadcast_in_dim(%5) dims=[0] : f32[2048,1024]
  %7 = subtract(%4, %6) : f32[2048,1024]
  %8 = multiply(%7, %7) : f32[2048,1024]
  %9 = reduce(%8, %2) dims=[1] : f32[2048] SUM
  %10 = broadcast_in_dim(%9) dims=[0] : f32[2048,1024]
  %11 = divide(%7, %10) : f32[2048,1024]
  return %11
}
)"));
  int readers = 0;  // of the residual
  for (const Fusion& fusion : FormFusions(*graph, testing::Limits())) {
    for (const auto& [value, contexts] : fusion.access.reads) readers += value.node == graph->parameters()[0];
  }
  EXPECT_EQ(readers, 1);
}

TEST(Fusion, RepeatedShiftsDoNotExplode) {
  // x_{k+1} = x_k + shift(x_k): computed in one launch, x_0 would be emitted 2^20 times.
  ir::Graph graph;
  const ir::TensorType type{DType::kF32, {256}};
  ir::Value x = graph.AddParameter(type);
  const ir::Value zero = graph.Add(ir::Op::kConstant, {}, {{DType::kF32, {}}}, ir::ConstantAttr{std::make_shared<std::vector<uint8_t>>(4), true});
  for (int k = 0; k < 20; ++k) {
    const ir::Value shifted = graph.Add(ir::Op::kPad, {x, zero}, {type}, ir::PadAttr{{1}, {-1}, {0}});
    x = graph.Add(ir::Op::kAdd, {x, shifted}, {type});
  }
  graph.outputs = {x};
  const program::Program program = Compile(graph, testing::Limits());
  for (const kernels::Kernel& kernel : program.kernels) EXPECT_LT(kernel.module.words.size(), 20000u);
  ExpectMatchesReference(graph, testing::RandomArguments(graph), 1e-4);
}

TEST(Fusion, EqualKernelsAreShared) {
  const auto graph = Parse(R"(graph "shared" symbols=0 {
  %0 = parameter() dims=[0] : f32[8,8]
  %1 = dot_general(%0, %0) lhs_batch=[] rhs_batch=[] lhs_contract=[1] rhs_contract=[0] precision=highest : f32[8,8]
  %2 = dot_general(%1, %1) lhs_batch=[] rhs_batch=[] lhs_contract=[1] rhs_contract=[0] precision=highest : f32[8,8]
  %3 = dot_general(%2, %2) lhs_batch=[] rhs_batch=[] lhs_contract=[1] rhs_contract=[0] precision=highest : f32[8,8]
  return %3
}
)");
  const program::Program program = Compile(*graph, testing::Limits());
  EXPECT_LT(program.kernels.size(), static_cast<size_t>(LaunchCount(program)));
}

TEST(Fusion, TemporariesOfAChainShareMemory) {
  ir::Graph graph;
  const ir::TensorType type{DType::kF32, {64, 64}};
  ir::Value x = graph.AddParameter(type);
  ir::DotAttr dot;
  dot.lhs_contract = {1};
  dot.rhs_contract = {0};
  for (int k = 0; k < 10; ++k) x = graph.Add(ir::Op::kDot, {x, x}, {type}, dot);
  graph.outputs = {x};
  const program::Program program = Compile(graph, testing::Limits());
  testing::ExpectValidPlan(program);
  int64_t scratch = 0;
  for (const auto& t : program.temporaries) {
    if (t.bytes.Evaluate({}) != 64 * 64 * 4) scratch = std::max(scratch, t.bytes.Evaluate({}));
  }
  EXPECT_LE(program.temporary_bytes, 2 * 64 * 64 * 4 + scratch + 256);
}

}  // namespace
}  // namespace tfvk::compiler
