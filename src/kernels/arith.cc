#include "kernels/arith.h"

#include "kernels/float_functions.h"
#include "kernels/integer_functions.h"
#include "types/error.h"

namespace tfvk::kernels {

using spirv::Builder;
using spirv::Math;
using spirv::Value;

namespace {

// An s8, s16, u8 or u16 result brought back to its range; other values as they are.
Value Wrap(Builder& b, DType dtype, Value v) {
  int spare = 32 - BitSize(dtype);
  if (!IsInteger(dtype) || spare <= 0) return v;
  if (v.constant()) {
    uint64_t low = static_cast<uint64_t>(*v.constant()) << (64 - BitSize(dtype));
    int shift = 64 - BitSize(dtype);
    return b.Constant(v.dtype(), IsSigned(dtype) ? static_cast<int64_t>(low) >> shift : static_cast<int64_t>(low >> shift));
  }
  if (IsUnsigned(dtype)) return v & ((int64_t{1} << BitSize(dtype)) - 1);
  Value count = b.S32(spare);
  return (v << count) >> count;
}

DType WordOf(DType compute) { return BitSize(compute) == 64 ? DType::kU64 : DType::kU32; }

// The bits of an f32 or f64 value.
Value FloatBits(Builder& b, Value v) { return b.Bitcast(v, WordOf(v.dtype())); }
Value SignBit(Builder& b, DType compute) { return b.ConstantBits(WordOf(compute), uint64_t{1} << (BitSize(compute) - 1)); }
Value AbsoluteFloat(Builder& b, Value v) {
  Value mask = b.ConstantBits(WordOf(v.dtype()), (uint64_t{1} << (BitSize(v.dtype()) - 1)) - 1);
  return b.Bitcast(FloatBits(b, v) & mask, v.dtype());
}

Value Negate(Builder& b, Value x) { return IsFloat(x.dtype()) ? b.Bitcast(FloatBits(b, x) ^ SignBit(b, x.dtype()), x.dtype()) : -x; }

Value Sign(Builder& b, Value x) {
  DType dtype = x.dtype();
  Value one = b.Constant(dtype, int64_t{1}), zero = b.Constant(dtype, int64_t{0});
  if (IsUnsigned(dtype)) return b.Select(x == 0, zero, one);
  if (IsInteger(dtype) && BitSize(dtype) == 64) {
    // Made of shifts: NVIDIA's compiler refuses a module that selects a 64-bit sign beside a remainder.
    Value negative = x >> b.Constant(dtype, int64_t{63}), positive = b.Bitcast(b.Bitcast(-x, DType::kU64) >> b.U64(63), dtype);
    return negative | positive;
  }
  if (IsInteger(dtype)) return b.Select(x > 0, one, b.Select(x < 0, b.Constant(dtype, int64_t{-1}), zero));
  Value unit = b.Bitcast(FloatBits(b, one) | (FloatBits(b, x) & SignBit(b, dtype)), dtype);
  Value none = (FloatBits(b, x) << b.Constant(WordOf(dtype), int64_t{1})) == 0;
  return b.Select(none || b.IsNan(x), x, unit);
}

Value RoundAwayFromZero(Emitter& e, Value x) {
  Builder& b = e.b();
  bool before = b.SetExact(true);
  Value whole = Trunc(e, x), up = AbsoluteFloat(b, x - whole) >= 0.5;
  Value unit = b.Bitcast(FloatBits(b, b.Constant(x.dtype(), 1.0)) | (FloatBits(b, x) & SignBit(b, x.dtype())), x.dtype());
  Value result = b.Select(up, whole + unit, whole);
  b.SetExact(before);
  // -0.3 rounds to -0, whatever the device's truncation gives.
  return b.Bitcast(FloatBits(b, result) | (FloatBits(b, x) & SignBit(b, x.dtype())), x.dtype());
}

Value FloatUnary(Emitter& e, UnaryFunction function, DType dtype, Value x) {
  Builder& b = e.b();
  switch (function) {
    case UnaryFunction::kExp:
      return Exp(e, x);
    case UnaryFunction::kExpm1:
      return Expm1(e, x);
    case UnaryFunction::kLog:
      return Log(e, x);
    case UnaryFunction::kLog1p:
      return Log1p(e, x);
    case UnaryFunction::kLogistic:
      return Logistic(e, x);
    case UnaryFunction::kSqrt:
      return Sqrt(e, x);
    case UnaryFunction::kRsqrt:
      return Divide(e, b.Constant(x.dtype(), 1.0), Sqrt(e, x));
    case UnaryFunction::kCbrt:
      return Cbrt(e, x);
    case UnaryFunction::kSin:
      return Sin(e, x);
    case UnaryFunction::kCos:
      return Cos(e, x);
    case UnaryFunction::kTan:
      return Tan(e, x);
    case UnaryFunction::kTanh:
      return Tanh(e, x);
    case UnaryFunction::kErf:
      return Erf(e, x);
    case UnaryFunction::kErfc:
      return Erfc(e, dtype, x);
    case UnaryFunction::kFloor:
      return Floor(e, x);
    case UnaryFunction::kCeil:
      return Ceil(e, x);
    case UnaryFunction::kRoundNearestAfz:
      return RoundAwayFromZero(e, x);
    case UnaryFunction::kRoundNearestEven:
      return RoundToEven(e, x);
    case UnaryFunction::kIsFinite:
      return !(b.IsNan(x) || b.IsInf(x));
    default:
      Fail(ErrorCode::kInternal, "[Arithmetic] function {} has no meaning for {}.", static_cast<int>(function), Name(x.dtype()));
  }
}

}  // namespace

Value Apply(Emitter& e, UnaryFunction function, DType dtype, Value x) {
  Builder& b = e.b();
  Require(x.dtype() == ComputeType(dtype), "[Arithmetic] an operand of {} came as {}.", Name(dtype), Name(x.dtype()));
  switch (function) {
    case UnaryFunction::kAbs:
      if (IsFloat(dtype)) return AbsoluteFloat(b, x);
      return IsSigned(dtype) ? Wrap(b, dtype, b.Select(x < 0, -x, x)) : x;
    case UnaryFunction::kNegate:
      return Wrap(b, dtype, Negate(b, x));
    case UnaryFunction::kSign:
      return Sign(b, x);
    case UnaryFunction::kNot:
      return Wrap(b, dtype, ~x);
    case UnaryFunction::kPopcnt:
      return b.PopCount(IsSigned(dtype) && BitSize(dtype) < 32 ? x & ((int64_t{1} << BitSize(dtype)) - 1) : x);
    case UnaryFunction::kClz:
      return LeadingZeros(e, x, BitSize(dtype));
    case UnaryFunction::kIsFinite:
      if (!IsFloat(dtype)) return b.Bool(true);
      break;
    default:
      break;
  }
  Require(IsFloat(dtype), "[Arithmetic] function {} has no meaning for {}.", static_cast<int>(function), Name(dtype));
  return FloatUnary(e, function, dtype, x);
}

namespace {

// The larger (or smaller) of two floats; NaN if either is, and -0 below +0.
Value FloatExtreme(Builder& b, Value x, Value y, bool largest) {
  Value first = largest ? x > y : x < y;
  Value bits_x = FloatBits(b, x), bits_y = FloatBits(b, y);
  Value tie = b.Bitcast(largest ? bits_x & bits_y : bits_x | bits_y, x.dtype());  // equal numbers: only zeros' signs can differ
  Value result = b.Select(x == y, tie, b.Select(first, x, y));
  return b.Select(b.IsNan(x), x, b.Select(b.IsNan(y), y, result));
}

Value Extreme(Builder& b, DType dtype, Value x, Value y, bool largest) {
  if (dtype == DType::kBool) return largest ? x || y : x && y;
  if (IsFloat(dtype)) return FloatExtreme(b, x, y, largest);
  return largest ? b.Max(x, y) : b.Min(x, y);
}

Value Shift(Emitter& e, BinaryFunction function, DType dtype, Value x, Value count) {
  Builder& b = e.b();
  DType compute = x.dtype(), word = WordOf(compute);
  int bits = BitSize(dtype);
  // Counts are unsigned numbers of the dtype: a negative one is a large one.
  Value by = b.Bitcast(count, word);
  if (bits < 32) by = by & ((int64_t{1} << bits) - 1);
  Value beyond = by >= bits, safe = b.Select(beyond, b.Constant(word, int64_t{0}), by), zero = b.Constant(compute, int64_t{0});
  if (function == BinaryFunction::kShiftLeft) return Wrap(b, dtype, b.Select(beyond, zero, b.Bitcast(b.Bitcast(x, word) << safe, compute)));
  Value raw = b.Bitcast(x, word);
  if (bits < 32) raw = raw & ((int64_t{1} << bits) - 1);
  if (function == BinaryFunction::kShiftRightLogical) return Wrap(b, dtype, b.Bitcast(b.Select(beyond, b.Constant(word, int64_t{0}), raw >> safe), compute));
  // Arithmetic, of unsigned dtypes too, whose top bit then is the sign.
  DType signed_word = bits == 64 ? DType::kS64 : DType::kS32;
  Value extended = b.Bitcast(raw, signed_word);
  if (bits < 32) extended = (extended << b.S32(32 - bits)) >> b.S32(32 - bits);
  Value most = b.Constant(word, static_cast<int64_t>(bits - 1));
  return Wrap(b, dtype, b.Bitcast(extended >> b.Bitcast(b.Select(beyond, most, by), signed_word), compute));
}

}  // namespace

Value Apply(Emitter& e, BinaryFunction function, DType dtype, Value x, Value y) {
  Builder& b = e.b();
  Require(x.dtype() == ComputeType(dtype) && y.dtype() == x.dtype(), "[Arithmetic] operands of {} came as {} and {}.", Name(dtype), Name(x.dtype()),
          Name(y.dtype()));
  bool is_float = IsFloat(dtype), is_bool = dtype == DType::kBool;
  switch (function) {
    case BinaryFunction::kAdd:
      return is_bool ? x || y : Wrap(b, dtype, x + y);
    case BinaryFunction::kSubtract:
      return is_bool ? x != y : Wrap(b, dtype, x - y);
    case BinaryFunction::kMultiply:
      return is_bool ? x && y : Wrap(b, dtype, x * y);
    case BinaryFunction::kDivide:
      return is_float ? Divide(e, x, y) : Wrap(b, dtype, IntegerDivide(e, x, y));
    case BinaryFunction::kRemainder:
      return is_float ? Fmod(e, x, y) : IntegerRemainder(e, x, y);
    case BinaryFunction::kPower:
      return is_float ? Power(e, x, y) : Wrap(b, dtype, IntegerPower(e, x, y));
    case BinaryFunction::kAtan2:
      return Atan2(e, x, y);
    case BinaryFunction::kMaximum:
      return Extreme(b, dtype, x, y, true);
    case BinaryFunction::kMinimum:
      return Extreme(b, dtype, x, y, false);
    case BinaryFunction::kAnd:
      return x & y;
    case BinaryFunction::kOr:
      return x | y;
    case BinaryFunction::kXor:
      return x ^ y;
    case BinaryFunction::kShiftLeft:
    case BinaryFunction::kShiftRightLogical:
    case BinaryFunction::kShiftRightArithmetic:
      return Shift(e, function, dtype, x, y);
  }
  Fail(ErrorCode::kInternal, "[Arithmetic] unknown function {}.", static_cast<int>(function));
}

Value Compare(Emitter& e, ComparisonKind kind, bool total_order, DType dtype, Value x, Value y) {
  Builder& b = e.b();
  if (IsFloat(dtype) && total_order) {
    // As integers: numbers with the sign bit in reverse.
    DType signed_word = BitSize(x.dtype()) == 64 ? DType::kS64 : DType::kS32;
    auto key = [&](Value v) {
      Value bits = b.Bitcast(v, signed_word), magnitude = b.ConstantBits(signed_word, (uint64_t{1} << (BitSize(signed_word) - 1)) - 1);
      return b.Select(bits < 0, bits ^ magnitude, bits);
    };
    x = key(x);
    y = key(y);
  }
  if (dtype == DType::kBool) {
    x = b.Convert(x, DType::kU32);
    y = b.Convert(y, DType::kU32);
  }
  switch (kind) {
    case ComparisonKind::kEq:
      return x == y;
    case ComparisonKind::kNe:
      return x != y;
    case ComparisonKind::kLt:
      return x < y;
    case ComparisonKind::kLe:
      return x <= y;
    case ComparisonKind::kGt:
      return x > y;
    case ComparisonKind::kGe:
      return x >= y;
  }
  Fail(ErrorCode::kInternal, "[Arithmetic] unknown comparison {}.", static_cast<int>(kind));
}

Value Clamp(Emitter& e, DType dtype, Value low, Value x, Value high) { return Extreme(e.b(), dtype, Extreme(e.b(), dtype, x, low, true), high, false); }

}  // namespace tfvk::kernels
