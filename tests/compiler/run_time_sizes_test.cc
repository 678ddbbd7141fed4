// Graphs with run-time sizes: one program for many shapes.
#include <gtest/gtest.h>

#include "compiler/describe.h"
#include "compiler/program_runner.h"
#include "ir/expression.h"
#include "program/executable.h"

namespace tfvk::compiler {
namespace {

using ir::Expression;
using ir::Op;
using testing::ExpectMatchesReferenceAt;

std::string Text(const ir::Graph& graph) {
  ir::Verify(graph);
  return ir::ToText(graph);
}

Size S(int symbol) { return Size::Symbol(symbol); }

TEST(RunTimeSizes, ElementwiseWithEveryPatternOfBroadcasting) {
  for (int mask = 0; mask < 64; ++mask) {  // which of three dimensions two operands have
    const Shape full = {S(0), S(1), S(2)};
    ir::Graph graph;
    graph.symbol_count = 3;
    std::vector<Expression> x;
    bool whole = false;
    for (int o = 0; o < 2; ++o) {
      Shape shape;
      std::vector<int64_t> dims;
      for (int d = 0; d < 3; ++d) {
        if ((mask >> (3 * o + d) & 1) == 0) continue;
        shape.push_back(full[d]);
        dims.push_back(d);
      }
      whole = o == 0 ? shape == full : whole;
      x.push_back(Expression::Parameter(graph, DType::kF32, shape).BroadcastTo(full, dims));
    }
    graph.outputs = {(x[0] - x[1] * 2.0).value()};
    graph.aliases = {whole ? 0 : -1};
    ExpectMatchesReferenceAt(Text(graph), {{1, 1, 1}, {2, 3, 5}, {7, 1, 64}, {4, 33, 4}});
  }
}

TEST(RunTimeSizes, ElementwiseOfEveryWidth) {
  for (const DType dtype : {DType::kBool, DType::kS8, DType::kU16, DType::kF16, DType::kBF16, DType::kF32, DType::kS64, DType::kF64}) {
    ir::Graph graph;
    graph.symbol_count = 1;
    const Expression x = Expression::Parameter(graph, dtype, {S(0)}), y = Expression::Parameter(graph, dtype, {S(0)});
    graph.outputs = {Max(x, y).value(), (x < y).value(), Convert(x, DType::kF32).value()};
    ExpectMatchesReferenceAt(Text(graph), {{1}, {3}, {4}, {1021}, {70000}});
  }
}

TEST(RunTimeSizes, Reductions) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kS64, DType::kU8}) {
    for (int mask = 1; mask < 16; ++mask) {  // which of up to four dimensions are reduced
      ir::Graph graph;
      graph.symbol_count = 4;
      const Expression x = Expression::Parameter(graph, dtype, {S(0), S(1), S(2), S(3)});
      std::vector<int64_t> reduced;
      for (int d = 0; d < 4; ++d) {
        if (mask >> d & 1) reduced.push_back(d);
      }
      const Expression largest = Reduce(Op::kMaximum, x, reduced, x.Lowest());
      const Expression wide = Convert(x, IsFloat(dtype) ? DType::kF32 : DType::kS64), sum = Reduce(Op::kAdd, wide, reduced, wide.ScalarNumber(0));
      graph.outputs = {largest.value(), sum.value()};
      ExpectMatchesReferenceAt(Text(graph), {{1, 1, 1, 1}, {2, 3, 4, 5}, {1, 70, 3, 9}, {3, 1, 1, 300}}, 1e-4);
    }
  }
}

TEST(RunTimeSizes, ReductionsToOneNumber) {
  ir::Graph graph;
  graph.symbol_count = 1;
  const Expression x = Expression::Parameter(graph, DType::kF32, {S(0)});
  graph.outputs = {Reduce(Op::kAdd, x, {0}, x.ScalarNumber(0)).value(), Reduce(Op::kMinimum, x, {0}, x.Highest()).value()};
  ExpectMatchesReferenceAt(Text(graph), {{0}, {1}, {63}, {64}, {65}, {4096}, {100003}}, 1e-3);
}

TEST(RunTimeSizes, MeansDivideByTheSize) {
  ir::Graph graph;
  graph.symbol_count = 3;
  const Expression x = Expression::Parameter(graph, DType::kF32, {S(0), S(1), S(2)});
  const Expression count = Convert(x.DimensionSize(0) * x.DimensionSize(2), DType::kF32);
  graph.outputs = {(Reduce(Op::kAdd, x, {0, 2}, x.ScalarNumber(0)) / count.BroadcastTo({S(1)}, {})).value()};
  EXPECT_EQ(LaunchCount(Compile(graph, testing::Limits())), 1);
  ExpectMatchesReferenceAt(Text(graph), {{1, 1, 1}, {3, 4, 5}, {100, 7, 33}}, 1e-4);
}

TEST(RunTimeSizes, SoftmaxHasTemporariesOfRunTimeSize) {
  ir::Graph graph;
  graph.symbol_count = 2;
  const Shape shape = {S(0), S(1)};
  const Expression x = Expression::Parameter(graph, DType::kF32, shape);
  const Expression shifted = x - Reduce(Op::kMaximum, x, {1}, x.Lowest()).BroadcastTo(shape, {0}), exp = Exp(shifted);
  graph.outputs = {(exp / Reduce(Op::kAdd, exp, {1}, x.ScalarNumber(0)).BroadcastTo(shape, {0})).value()};
  ExpectMatchesReferenceAt(Text(graph), {{1, 1}, {3, 5}, {70, 1}, {2, 3000}});
}

ir::Value Dot(ir::Graph& graph, ir::Value a, ir::Value b, bool batched, bool transpose_a, bool transpose_b, const Shape& result) {
  ir::DotAttr dot;
  const int64_t first = batched ? 1 : 0;
  if (batched) dot.lhs_batch = dot.rhs_batch = {0};
  dot.lhs_contract = {first + (transpose_a ? 0 : 1)};
  dot.rhs_contract = {first + (transpose_b ? 1 : 0)};
  return graph.Add(Op::kDot, {a, b}, {{a.type().dtype, result}}, dot);
}

TEST(RunTimeSizes, MatrixProducts) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kF64, DType::kS64}) {
    for (int transposed = 0; transposed < 4; ++transposed) {
      const bool a = transposed & 1, b = transposed & 2;
      ir::Graph graph;
      graph.symbol_count = 3;
      const ir::Value left = graph.AddParameter({dtype, a ? Shape{S(2), S(0)} : Shape{S(0), S(2)}});
      const ir::Value right = graph.AddParameter({dtype, b ? Shape{S(1), S(2)} : Shape{S(2), S(1)}});
      graph.outputs = {Dot(graph, left, right, false, a, b, {S(0), S(1)})};
      ExpectMatchesReferenceAt(Text(graph), {{1, 1, 1}, {5, 7, 3}, {64, 8, 16}, {33, 65, 130}}, 1e-3);
    }
  }
}

// A row of m * k elements stands for each matrix of a batch, so that its stride is a symbol and the product reads memory without computing indices.
TEST(RunTimeSizes, BatchesOfMatrixProducts) {
  for (int transposed = 0; transposed < 4; ++transposed) {
    const bool a = transposed & 1, b = transposed & 2;
    ir::Graph graph;
    graph.symbol_count = 6;
    const auto operand = [&](int rows, const Shape& matrix) {
      const ir::Value flat = graph.AddParameter({DType::kF32, {S(3), S(rows)}});
      return graph.Add(Op::kReshape, {flat}, {{DType::kF32, {S(3), matrix[0], matrix[1]}}});
    };
    const ir::Value left = operand(4, a ? Shape{S(2), S(0)} : Shape{S(0), S(2)}), right = operand(5, b ? Shape{S(1), S(2)} : Shape{S(2), S(1)});
    graph.outputs = {Dot(graph, left, right, true, a, b, {S(3), S(0), S(1)})};
    ExpectMatchesReferenceAt(Text(graph), {{1, 1, 1, 1, 1, 1}, {5, 7, 3, 2, 15, 21}, {16, 8, 24, 5, 384, 192}}, 1e-3);
  }
}

// What is known of a symbol lets kernels load more at once; the results stay the same.
TEST(RunTimeSizes, MatrixProductsOfMultiples) {
  for (const DType dtype : {DType::kF32, DType::kF16}) {
    ir::Graph graph;
    graph.symbol_count = 3;
    const Size m = Size::Symbol(0, 8), n = Size::Symbol(1, 8), k = Size::Symbol(2, 8);
    const ir::Value left = graph.AddParameter({dtype, {m, k}}), right = graph.AddParameter({dtype, {k, n}});
    graph.outputs = {Dot(graph, left, right, false, false, false, {m, n})};
    CompileOptions options;
    options.allow_tf32 = false;
    const program::Program program = Compile(graph, testing::Limits(), options);
    for (const std::vector<int64_t>& sizes : std::vector<std::vector<int64_t>>{{8, 8, 8}, {64, 136, 72}, {8, 200, 16}}) {
      std::mt19937 random(3);
      const std::vector<reference::Tensor> arguments = {testing::RandomTensor({dtype, {sizes[0], sizes[2]}}, random),
                                                        testing::RandomTensor({dtype, {sizes[2], sizes[1]}}, random)};
      const reference::Tensor got = testing::RunProgram(program, arguments, true, sizes)[0];
      for (int64_t i = 0; i < sizes[0] * sizes[1]; ++i) {
        double wanted = 0;
        for (int64_t j = 0; j < sizes[2]; ++j)
          wanted += arguments[0].elements[i / sizes[1] * sizes[2] + j].f * arguments[1].elements[j * sizes[1] + i % sizes[1]].f;
        ASSERT_NEAR(got.elements[i].f, wanted, dtype == DType::kF16 ? 0.05 + 2e-3 * std::abs(wanted) : 1e-3) << "element " << i;
      }
    }
  }
}

TEST(RunTimeSizes, UpdatesInPlace) {
  ir::Graph graph;
  graph.symbol_count = 1;
  const Expression variable = Expression::Parameter(graph, DType::kF32, {S(0)}), slot = Expression::Parameter(graph, DType::kF32, {S(0)});
  const Expression rate = Expression::Parameter(graph, DType::kF32, {}).BroadcastTo({S(0)}, {}), gradient = Expression::Parameter(graph, DType::kF32, {S(0)});
  const Expression accumulated = slot * 0.9 + gradient;
  graph.outputs = {(variable - accumulated * rate).value(), accumulated.value()};
  graph.aliases = {0, 1};
  EXPECT_EQ(LaunchCount(Compile(graph, testing::Limits())), 1);
  ExpectMatchesReferenceAt(Text(graph), {{1}, {5}, {4096}, {10007}});
}

}  // namespace
}  // namespace tfvk::compiler
