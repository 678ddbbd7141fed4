// Sources and elementwise operations.
#include "ir/verify.h"

namespace tfvk::ir {
namespace {

enum class Kinds : uint8_t { kFloat, kSignedOrFloat, kNumber, kInteger, kLogical, kAny };

bool Accepts(Kinds kinds, DType t) {
  switch (kinds) {
    case Kinds::kFloat:
      return IsFloat(t);
    case Kinds::kSignedOrFloat:
      return IsFloat(t) || IsSigned(t);
    case Kinds::kNumber:
      return t != DType::kBool;
    case Kinds::kInteger:
      return IsInteger(t);
    case Kinds::kLogical:
      return IsInteger(t) || t == DType::kBool;
    case Kinds::kAny:
      return true;
  }
  return false;
}

Kinds OperandKinds(Op op) {
  switch (op) {
    case Op::kAbs:
    case Op::kSign:
      return Kinds::kSignedOrFloat;
    case Op::kNegate:
    case Op::kSubtract:
    case Op::kDivide:
    case Op::kRemainder:
    case Op::kPower:
      return Kinds::kNumber;
    case Op::kNot:
    case Op::kAnd:
    case Op::kOr:
    case Op::kXor:
      return Kinds::kLogical;
    case Op::kPopcnt:
    case Op::kClz:
    case Op::kShiftLeft:
    case Op::kShiftRightLogical:
    case Op::kShiftRightArithmetic:
      return Kinds::kInteger;
    case Op::kConvert:
    case Op::kBitcastConvert:
    case Op::kAdd:
    case Op::kMultiply:
    case Op::kMaximum:
    case Op::kMinimum:
    case Op::kCompare:
    case Op::kSelect:
    case Op::kClamp:
      return Kinds::kAny;
    default:
      return Kinds::kFloat;
  }
}

void VerifyBitcast(const Checker& c) {
  const int from = BitSize(c.in(0).dtype), to = BitSize(c.out().dtype);
  c.Expect((c.in(0).dtype == DType::kBool) == (c.out().dtype == DType::kBool), "a bool has no bits to reinterpret");
  Shape expected = c.in(0).shape;
  if (from > to) expected.push_back(from / to);
  if (from < to) {
    c.Expect(!expected.empty() && expected.back() == Size(to / from), "the last dimension must be {}", to / from);
    expected.pop_back();
  }
  c.ExpectResult({c.out().dtype, expected});
}

void VerifyUnary(const Checker& c) {
  const Op op = c.node.op;
  if (op == Op::kBitcastConvert) return VerifyBitcast(c);
  if (op == Op::kReducePrecision) {
    const auto& bits = c.node.attr<DimsAttr>().dims;
    c.Expect(bits.size() == 2 && bits[0] >= 1 && bits[1] >= 0, "its attribute must be {{exponent bits, mantissa bits}}");
  }
  DType dtype = c.in(0).dtype;
  if (op == Op::kIsFinite) dtype = DType::kBool;
  if (op == Op::kConvert) dtype = c.out().dtype;
  c.ExpectResult({dtype, c.in(0).shape});
}

void VerifyBinary(const Checker& c) {
  c.Expect(c.in(0) == c.in(1), "the operands' types differ");
  const bool compares = c.node.op == Op::kCompare;
  if (compares) c.Expect(!c.node.attr<CompareAttr>().total_order || IsFloat(c.in(0).dtype), "only floats have a total order");
  c.ExpectResult({compares ? DType::kBool : c.in(0).dtype, c.in(0).shape});
}

void ExpectScalarOr(const Checker& c, const TensorType& type, const Shape& shape, const char* what) {
  c.Expect(type.shape.empty() || type.shape == shape, "{} is {}, neither a scalar nor of shape {}", what, ToText(type), ToText(shape));
}

void VerifyTernary(const Checker& c) {
  if (c.node.op == Op::kSelect) {
    c.Expect(c.in(0).dtype == DType::kBool, "the predicate is {}", ToText(c.in(0)));
    ExpectScalarOr(c, c.in(0), c.in(1).shape, "the predicate");
    c.Expect(c.in(1) == c.in(2), "the two choices' types differ");
  } else {
    c.Expect(c.in(0).dtype == c.in(1).dtype && c.in(2).dtype == c.in(1).dtype, "the operands' dtypes differ");
    ExpectScalarOr(c, c.in(0), c.in(1).shape, "the lower bound");
    ExpectScalarOr(c, c.in(2), c.in(1).shape, "the upper bound");
  }
  c.ExpectResult(c.in(1));
}

void VerifyConstant(const Checker& c) {
  const auto& attribute = c.node.attr<ConstantAttr>();
  c.Expect(attribute.bytes != nullptr, "the constant has no bytes");
  c.Expect(attribute.splat || IsStatic(c.out().shape), "a constant with a run-time size must be a splat");
  const size_t bytes = ByteSize(c.out().dtype) * (attribute.splat ? 1 : ElementCount(c.out().shape));
  c.Expect(attribute.bytes->size() == bytes, "the constant has {} bytes, not {}", attribute.bytes->size(), bytes);
}

void VerifyRng(const Checker& c) {
  c.ExpectResults(2);
  const Shape& state = c.in(0).shape;
  const bool philox = c.node.attr<RngAttr>().algorithm == RngAlgorithm::kPhilox;
  c.Expect(c.in(0).dtype == DType::kU64 && state.size() == 1 && (state[0] == Size(2) || (philox && state[0] == Size(3))), "the state of {} must be u64[2]{}",
           philox ? "Philox" : "ThreeFry", philox ? " or u64[3]" : "");
  c.ExpectResult(c.in(0), 0);
  c.Expect(IsUnsigned(c.out(1).dtype), "the bits must be of an unsigned dtype");
}

}  // namespace

void VerifySource(const Checker& c) {
  if (c.node.op == Op::kRngBitGenerator) return VerifyRng(c);
  c.ExpectResults(1);
  if (c.node.op == Op::kConstant) return VerifyConstant(c);
  const auto& dims = c.node.attr<DimsAttr>().dims;
  c.Expect(dims.size() == 1, "its attribute must be one number");
  if (c.node.op == Op::kParameter) return;
  if (c.node.op == Op::kDimensionSize) {
    c.ExpectDimensions(dims, Rank(c.in(0)), "get_dimension_size");
    return c.ExpectResult({DType::kS32, {}});
  }
  c.ExpectDimensions(dims, Rank(c.out()), "iota");
  c.Expect(c.out().dtype != DType::kBool, "iota gives numbers");
}

void VerifyElementwise(const Checker& c) {
  c.ExpectResults(1);
  const DType dtype = c.in(c.node.op == Op::kSelect ? 1 : 0).dtype;
  c.Expect(Accepts(OperandKinds(c.node.op), dtype), "{} is not defined for {}", Name(c.node.op), Name(dtype));
  if (c.operand_count() == 1) return VerifyUnary(c);
  if (c.operand_count() == 2) return VerifyBinary(c);
  VerifyTernary(c);
}

}  // namespace tfvk::ir
