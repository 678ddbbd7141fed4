// Which constants leave a combiner's other operand unchanged.
#include <cmath>
#include <limits>

#include "compiler/constant_value.h"
#include "compiler/lower.h"

namespace tfvk::compiler {
namespace {

using ir::Op;

bool IsFloatIdentity(Op op, double value) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  switch (op) {
    case Op::kAdd:
      return value == 0;
    case Op::kMultiply:
      return value == 1;
    case Op::kMaximum:
      return value == -kInfinity;
    case Op::kMinimum:
      return value == kInfinity;
    default:
      return false;
  }
}

bool IsIntegerIdentity(Op op, DType dtype, int64_t value) {
  const int bits = dtype == DType::kBool ? 1 : BitSize(dtype);
  const uint64_t ones = bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
  const uint64_t raw = static_cast<uint64_t>(value) & ones;
  const uint64_t sign = uint64_t{1} << (bits - 1);
  switch (op) {
    case Op::kAdd:
    case Op::kOr:
    case Op::kXor:
      return raw == 0;
    case Op::kMultiply:
      return raw == 1;
    case Op::kAnd:
      return raw == ones;
    case Op::kMaximum:
      return raw == (IsSigned(dtype) ? sign : 0);
    case Op::kMinimum:
      return raw == (IsSigned(dtype) ? ones ^ sign : ones);
    default:
      return false;
  }
}

}  // namespace

const ir::Node* SingleOperation(const ir::Graph& region) {
  if (region.parameters().size() != 2 || region.outputs.size() != 1) return nullptr;
  const ir::Node* node = region.outputs[0].node;
  if (node->operands.size() != 2) return nullptr;
  const ir::Node *a = node->operands[0].node, *b = node->operands[1].node;
  const ir::Node *p = region.parameters()[0], *q = region.parameters()[1];
  return (a == p && b == q) || (a == q && b == p) ? node : nullptr;
}

bool IsIdentityOf(const ir::Graph& region, ir::Value initial) {
  const ir::Node* operation = SingleOperation(region);
  const ir::Node* constant = Base(initial).node;
  if (constant->op == Op::kBroadcast) constant = Base(constant->operands[0]).node;
  if (!operation || !IsInlineConstant(*constant)) return false;
  const DType dtype = constant->type().dtype;
  const uint8_t* bytes = constant->attr<ir::ConstantAttr>().bytes->data();
  return IsFloat(dtype) ? IsFloatIdentity(operation->op, FloatOf(dtype, bytes)) : IsIntegerIdentity(operation->op, dtype, IntegerOf(dtype, bytes));
}

bool IsSum(const ir::Node& node) {
  if (node.op != Op::kReduce || node.operands.size() != 2) return false;
  const ir::Node* operation = SingleOperation(*node.regions[0]);
  return operation && operation->op == Op::kAdd && IsIdentityOf(*node.regions[0], node.operands[1]);
}

}  // namespace tfvk::compiler
