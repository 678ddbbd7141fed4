#include "compiler/excess_precision.h"

namespace tfvk::compiler {
namespace {

using ir::Op;

// Continuous functions: a result that is off by less than a rounding makes theirs off by no more than roundings do.
bool IsSmoothArithmetic(Op op) {
  switch (op) {
    case Op::kAdd:
    case Op::kSubtract:
    case Op::kMultiply:
    case Op::kDivide:
    case Op::kNegate:
    case Op::kExp:
    case Op::kExpm1:
    case Op::kLog:
    case Op::kLog1p:
    case Op::kLogistic:
    case Op::kSqrt:
    case Op::kRsqrt:
    case Op::kTanh:
    case Op::kErf:
    case Op::kErfc:
      return true;
    default:
      return false;
  }
}

}  // namespace

Members ResultsWithExcessPrecision(const ir::Graph& graph) {
  Members rounded, used;
  for (const ir::Value output : graph.outputs) rounded.insert(Base(output).node);
  for (const auto& node : graph.nodes()) {
    for (const ir::Value operand : node->operands) {
      const ir::Node* base = Base(operand).node;
      used.insert(base);
      if (!IsSmoothArithmetic(node->op) || base != operand.node) rounded.insert(base);
    }
  }
  Members exceeding;
  for (const auto& node : graph.nodes()) {
    const bool brain = !node->operands.empty() && node->results.size() == 1 && node->type().dtype == DType::kBF16;
    if (brain && used.count(node.get()) != 0 && rounded.count(node.get()) == 0) exceeding.insert(node.get());
  }
  return exceeding;
}

}  // namespace tfvk::compiler
