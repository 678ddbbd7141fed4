#include "compiler/elementwise.h"

#include <cstring>

#include "compiler/constant_value.h"
#include "kernels/arith.h"
#include "types/error.h"

namespace tfvk::compiler {
namespace {

using ir::Op;
using spirv::Value;

// The functions of kernels/arith.h are in the order of the operations.
template <class Function>
constexpr Function FunctionOf(Op op, Op first) {
  return static_cast<Function>(static_cast<int>(op) - static_cast<int>(first));
}
constexpr kernels::UnaryFunction Unary(Op op) { return FunctionOf<kernels::UnaryFunction>(op, Op::kAbs); }
constexpr kernels::BinaryFunction Binary(Op op) { return FunctionOf<kernels::BinaryFunction>(op, Op::kAdd); }
static_assert(Unary(Op::kExp) == kernels::UnaryFunction::kExp && Unary(Op::kRsqrt) == kernels::UnaryFunction::kRsqrt);
static_assert(Unary(Op::kTanh) == kernels::UnaryFunction::kTanh && Unary(Op::kClz) == kernels::UnaryFunction::kClz);
static_assert(Binary(Op::kPower) == kernels::BinaryFunction::kPower && Binary(Op::kXor) == kernels::BinaryFunction::kXor);
static_assert(Binary(Op::kShiftRightArithmetic) == kernels::BinaryFunction::kShiftRightArithmetic);

kernels::ComparisonKind KindOf(ir::Comparison direction) { return static_cast<kernels::ComparisonKind>(direction); }
static_assert(static_cast<int>(ir::Comparison::kGe) == static_cast<int>(kernels::ComparisonKind::kGe));

}  // namespace

Value ConstantElement(spirv::Builder& b, DType dtype, const uint8_t* bytes) {
  if (dtype == DType::kF64) {
    uint64_t bits;
    std::memcpy(&bits, bytes, sizeof(bits));
    return b.ConstantBits(dtype, bits);
  }
  if (IsFloat(dtype)) {
    const float value = static_cast<float>(FloatOf(dtype, bytes));
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    return b.ConstantBits(DType::kF32, bits);
  }
  return b.Constant(kernels::ComputeType(dtype), IntegerOf(dtype, bytes));
}

Value EmitElementwise(kernels::Emitter& e, const ir::Node& node, const std::vector<Value>& x) {
  const DType from = node.operand_type(0).dtype, to = node.type().dtype;
  switch (node.op) {
    case Op::kConvert:
      return kernels::ConvertElement(e, from, to, x[0]);
    case Op::kBitcastConvert:
      return kernels::BitcastElement(e, from, to, x[0]);
    case Op::kReducePrecision: {
      const auto& bits = node.attr<ir::DimsAttr>().dims;
      return kernels::ReducePrecision(e, from, static_cast<int>(bits[0]), static_cast<int>(bits[1]), x[0]);
    }
    case Op::kCompare: {
      const auto& compare = node.attr<ir::CompareAttr>();
      return kernels::Compare(e, KindOf(compare.direction), compare.total_order, from, x[0], x[1]);
    }
    case Op::kSelect:
      return e.b().Select(x[0], x[1], x[2]);
    case Op::kClamp:
      return kernels::Clamp(e, to, x[0], x[1], x[2]);
    default:
      return x.size() == 1 ? kernels::Apply(e, Unary(node.op), from, x[0]) : kernels::Apply(e, Binary(node.op), from, x[0], x[1]);
  }
}

bool RoundsResult(Op op) {
  switch (op) {
    case Op::kAbs:
    case Op::kNegate:
    case Op::kSign:
    case Op::kNot:
    case Op::kConvert:
    case Op::kBitcastConvert:
    case Op::kMaximum:
    case Op::kMinimum:
    case Op::kSelect:
    case Op::kClamp:
    case Op::kCompare:
    case Op::kIsFinite:
    case Op::kPopcnt:
    case Op::kClz:
    case Op::kAnd:
    case Op::kOr:
    case Op::kXor:
      return false;
    default:
      return true;
  }
}

}  // namespace tfvk::compiler
