// The operators on Values, with the folding of integer constants that lets generators write every test and every index computation once.
#include "spirv/builder_state.h"

namespace tfvk::spirv {

using Kind = Operators::Kind;

namespace {

bool IsComparison(Kind kind) { return kind >= Kind::kLt; }

spv::Op FloatOp(Kind kind) {
  switch (kind) {
    case Kind::kAdd:
      return spv::Op::OpFAdd;
    case Kind::kSub:
      return spv::Op::OpFSub;
    case Kind::kMul:
      return spv::Op::OpFMul;
    case Kind::kDiv:
      return spv::Op::OpFDiv;
    case Kind::kRem:
      return spv::Op::OpFRem;
    case Kind::kLt:
      return spv::Op::OpFOrdLessThan;
    case Kind::kLe:
      return spv::Op::OpFOrdLessThanEqual;
    case Kind::kGt:
      return spv::Op::OpFOrdGreaterThan;
    case Kind::kGe:
      return spv::Op::OpFOrdGreaterThanEqual;
    case Kind::kEq:
      return spv::Op::OpFOrdEqual;
    case Kind::kNe:
      return spv::Op::OpFUnordNotEqual;
    default:
      Fail(ErrorCode::kInternal, "[SPIR-V] operator {} has no meaning for floats.", static_cast<int>(kind));
  }
}

spv::Op BoolOp(Kind kind) {
  switch (kind) {
    case Kind::kAnd:
      return spv::Op::OpLogicalAnd;
    case Kind::kOr:
      return spv::Op::OpLogicalOr;
    case Kind::kXor:
    case Kind::kNe:
      return spv::Op::OpLogicalNotEqual;
    case Kind::kEq:
      return spv::Op::OpLogicalEqual;
    default:
      Fail(ErrorCode::kInternal, "[SPIR-V] operator {} has no meaning for bools.", static_cast<int>(kind));
  }
}

spv::Op IntegerOp(Kind kind, bool is_signed) {
  switch (kind) {
    case Kind::kAdd:
      return spv::Op::OpIAdd;
    case Kind::kSub:
      return spv::Op::OpISub;
    case Kind::kMul:
      return spv::Op::OpIMul;
    case Kind::kDiv:
      return is_signed ? spv::Op::OpSDiv : spv::Op::OpUDiv;
    case Kind::kRem:
      return spv::Op::OpUMod;
    case Kind::kAnd:
      return spv::Op::OpBitwiseAnd;
    case Kind::kOr:
      return spv::Op::OpBitwiseOr;
    case Kind::kXor:
      return spv::Op::OpBitwiseXor;
    case Kind::kShl:
      return spv::Op::OpShiftLeftLogical;
    case Kind::kShr:
      return is_signed ? spv::Op::OpShiftRightArithmetic : spv::Op::OpShiftRightLogical;
    case Kind::kLt:
      return is_signed ? spv::Op::OpSLessThan : spv::Op::OpULessThan;
    case Kind::kLe:
      return is_signed ? spv::Op::OpSLessThanEqual : spv::Op::OpULessThanEqual;
    case Kind::kGt:
      return is_signed ? spv::Op::OpSGreaterThan : spv::Op::OpUGreaterThan;
    case Kind::kGe:
      return is_signed ? spv::Op::OpSGreaterThanEqual : spv::Op::OpUGreaterThanEqual;
    case Kind::kEq:
      return spv::Op::OpIEqual;
    case Kind::kNe:
      return spv::Op::OpINotEqual;
  }
  Fail(ErrorCode::kInternal, "[SPIR-V] unknown operator {}.", static_cast<int>(kind));
}

template <class T>
std::optional<int64_t> FoldAs(Kind kind, T a, T b, int width) {
  switch (kind) {
    case Kind::kDiv:
      if (b == 0 || (b == static_cast<T>(-1) && std::is_signed_v<T>)) return std::nullopt;
      return static_cast<int64_t>(a / b);
    case Kind::kRem:
      if (b == 0 || (b == static_cast<T>(-1) && std::is_signed_v<T>)) return std::nullopt;
      return static_cast<int64_t>(a % b);
    case Kind::kShr:
      if (static_cast<uint64_t>(b) >= static_cast<uint64_t>(width)) return std::nullopt;
      return static_cast<int64_t>(a >> b);
    case Kind::kLt:
      return a < b;
    case Kind::kLe:
      return a <= b;
    case Kind::kGt:
      return a > b;
    case Kind::kGe:
      return a >= b;
    case Kind::kEq:
      return a == b;
    case Kind::kNe:
      return a != b;
    default:
      return std::nullopt;
  }
}

}  // namespace

// The exact result's bits before wrapping to the width; no value for what SPIR-V leaves undefined.
std::optional<int64_t> Operators::Fold(Kind kind, DType dtype, int64_t a, int64_t b) {
  auto ua = static_cast<uint64_t>(a), ub = static_cast<uint64_t>(b);
  switch (kind) {
    case Kind::kAdd:
      return static_cast<int64_t>(ua + ub);
    case Kind::kSub:
      return static_cast<int64_t>(ua - ub);
    case Kind::kMul:
      return static_cast<int64_t>(ua * ub);
    case Kind::kAnd:
      return a & b;
    case Kind::kOr:
      return a | b;
    case Kind::kXor:
      return a ^ b;
    case Kind::kShl:
      if (ub >= static_cast<uint64_t>(BitSize(dtype))) return std::nullopt;
      return static_cast<int64_t>(ua << ub);
    default:
      return IsSigned(dtype) ? FoldAs<int64_t>(kind, a, b, BitSize(dtype)) : FoldAs<uint64_t>(kind, ua, ub, BitSize(dtype));
  }
}

// x + 0 and its like; an invalid Value when nothing can be saved. Scalars of integers and bools only.
Value Operators::Identity(Kind kind, Value a, Value b) {
  Builder& builder = *a.builder();
  bool is_bool = a.dtype() == DType::kBool;
  auto left = a.constant(), right = b.constant();
  int64_t ones = is_bool ? 1 : ExtendBits(a.dtype(), ~uint64_t{0});
  if (left && !right && (kind == Kind::kAdd || kind == Kind::kMul || kind == Kind::kAnd || kind == Kind::kOr || kind == Kind::kXor)) {
    std::swap(a, b);
    std::swap(left, right);
  }
  if (!right) {
    if (left && *left == 0 && !is_bool && (kind == Kind::kShl || kind == Kind::kShr)) return a;
    return {};
  }
  int64_t c = *right;
  switch (kind) {
    case Kind::kAdd:
    case Kind::kSub:
    case Kind::kShl:
    case Kind::kShr:
      return c == 0 ? a : Value();
    case Kind::kOr:
      return c == 0 ? a : c == ones ? b : Value();
    case Kind::kXor:
      return c == 0 ? a : Value();
    case Kind::kAnd:
      return c == ones ? a : c == 0 ? b : Value();
    case Kind::kMul:
      return c == 1 ? a : c == 0 ? b : Value();
    case Kind::kDiv:
      return c == 1 ? a : Value();
    case Kind::kRem:
      return c == 1 ? builder.Constant(a.dtype(), int64_t{0}) : Value();
    case Kind::kLt:
      return c == 0 && !IsSigned(a.dtype()) && !is_bool ? builder.Bool(false) : Value();
    case Kind::kGe:
      return c == 0 && !IsSigned(a.dtype()) && !is_bool ? builder.Bool(true) : Value();
    case Kind::kEq:
      return is_bool && c == 1 ? a : Value();
    case Kind::kNe:
      return is_bool && c == 0 ? a : Value();
    default:
      return {};
  }
}

// Vulkan leaves the remainder of negative operands undefined, so it is made of the quotient.
Value Operators::SignedRemainder(Builder::State& s, Value a, Value b) {
  Id type = s.TypeOf(a);
  Id quotient = s.Emit(spv::Op::OpSDiv, type, {a.id(), b.id()});
  Id product = s.Emit(spv::Op::OpIMul, type, {quotient, b.id()});
  return s.Make(s.Emit(spv::Op::OpISub, type, {a.id(), product}), a.dtype(), a.lanes());
}

Value Operators::Binary(Kind kind, Value a, Value b) {
  Require(a.valid() && b.valid(), "[SPIR-V] operator {} was given an empty value.", static_cast<int>(kind));
  Builder& builder = *a.builder();
  Builder::State& s = *builder.s_;
  bool shift = kind == Kind::kShl || kind == Kind::kShr;
  Require((a.dtype() == b.dtype() || shift) && a.lanes() == b.lanes(), "[SPIR-V] kernel {}: operator {} of {} x {} and {} x {}.", s.options.name,
          static_cast<int>(kind), a.lanes(), Name(a.dtype()), b.lanes(), Name(b.dtype()));
  DType dtype = a.dtype(), result = IsComparison(kind) ? DType::kBool : dtype;
  Require(dtype != DType::kBF16, "[SPIR-V] kernel {} computes with bf16; convert it to f32 first.", s.options.name);
  if (!IsFloat(dtype)) {
    if (a.constant() && b.constant()) {
      if (auto folded = Fold(kind, dtype, *a.constant(), *b.constant())) return builder.ConstantBits(result, static_cast<uint64_t>(*folded));
    }
    Value same = Identity(kind, a, b);
    if (same.valid()) return same;
  }
  s.UseArithmetic(dtype);
  if (kind == Kind::kRem && IsSigned(dtype)) return SignedRemainder(s, a, b);
  spv::Op op = IsFloat(dtype) ? FloatOp(kind) : dtype == DType::kBool ? BoolOp(kind) : IntegerOp(kind, IsSigned(dtype));
  Id id = s.Emit(op, s.TypeOf(result, a.lanes()), {a.id(), b.id()});
  if (IsFloat(dtype) && !IsComparison(kind)) s.Exact(id);
  return s.Make(id, result, a.lanes());
}

Value Operators::Negate(Value a) {
  Builder& builder = *a.builder();
  Builder::State& s = *builder.s_;
  if (a.constant() && IsInteger(a.dtype())) return builder.ConstantBits(a.dtype(), uint64_t{0} - static_cast<uint64_t>(*a.constant()));
  if (a.constant() && IsFloat(a.dtype())) {
    return builder.ConstantBits(a.dtype(), static_cast<uint64_t>(*a.constant()) ^ uint64_t{1} << (BitSize(a.dtype()) - 1));
  }
  s.UseArithmetic(a.dtype());
  return s.Make(s.Emit(IsFloat(a.dtype()) ? spv::Op::OpFNegate : spv::Op::OpSNegate, s.TypeOf(a), {a.id()}), a.dtype(), a.lanes());
}

Value Operators::Not(Value a) {
  Builder& builder = *a.builder();
  Builder::State& s = *builder.s_;
  Require(!IsFloat(a.dtype()), "[SPIR-V] bitwise not of {}.", Name(a.dtype()));
  if (a.constant()) return builder.ConstantBits(a.dtype(), ~static_cast<uint64_t>(*a.constant()));
  s.UseArithmetic(a.dtype());
  return s.Make(s.Emit(a.dtype() == DType::kBool ? spv::Op::OpLogicalNot : spv::Op::OpNot, s.TypeOf(a), {a.id()}), a.dtype(), a.lanes());
}

Value Operators::Number(Value like, int64_t number) { return like.builder()->Splat(like.builder()->Constant(like.dtype(), number), like.lanes()); }

Value Operators::Number(Value like, double number) { return like.builder()->Splat(like.builder()->Constant(like.dtype(), number), like.lanes()); }

#define TFVK_BINARY(op, kind)                                                                                 \
  Value operator op(Value a, Value b) { return Operators::Binary(Kind::kind, a, b); }                         \
  Value operator op(Value a, int64_t b) { return Operators::Binary(Kind::kind, a, Operators::Number(a, b)); } \
  Value operator op(int64_t a, Value b) { return Operators::Binary(Kind::kind, Operators::Number(b, a), b); } \
  Value operator op(Value a, double b) { return Operators::Binary(Kind::kind, a, Operators::Number(a, b)); }  \
  Value operator op(double a, Value b) { return Operators::Binary(Kind::kind, Operators::Number(b, a), b); }
TFVK_BINARY(+, kAdd)
TFVK_BINARY(-, kSub)
TFVK_BINARY(*, kMul)
TFVK_BINARY(/, kDiv)
TFVK_BINARY(%, kRem)
TFVK_BINARY(&, kAnd)
TFVK_BINARY(|, kOr)
TFVK_BINARY(^, kXor)
TFVK_BINARY(<<, kShl)
TFVK_BINARY(>>, kShr)
TFVK_BINARY(<, kLt)
TFVK_BINARY(<=, kLe)
TFVK_BINARY(>, kGt)
TFVK_BINARY(>=, kGe)
TFVK_BINARY(==, kEq)
TFVK_BINARY(!=, kNe)
#undef TFVK_BINARY

Value operator-(Value a) { return Operators::Negate(a); }
Value operator~(Value a) { return Operators::Not(a); }
Value operator!(Value a) { return Operators::Not(a); }
Value operator&&(Value a, Value b) { return Operators::Binary(Kind::kAnd, a, b); }
Value operator||(Value a, Value b) { return Operators::Binary(Kind::kOr, a, b); }

}  // namespace tfvk::spirv
