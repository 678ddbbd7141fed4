// Conversions between dtypes, by value and by bits.
#include <cmath>

#include "kernels/arith.h"
#include "types/error.h"

namespace tfvk::kernels {

using spirv::Builder;
using spirv::Value;

namespace {

// The range of an integer dtype as doubles: [low, high), both exact.
double LowestOf(DType t) { return IsSigned(t) ? -std::ldexp(1.0, BitSize(t) - 1) : 0.0; }
double BeyondOf(DType t) { return std::ldexp(1.0, IsSigned(t) ? BitSize(t) - 1 : BitSize(t)); }
uint64_t HighestBits(DType t) { return ~uint64_t{0} >> (64 - BitSize(t) + (IsSigned(t) ? 1 : 0)); }

// Drivers leave floats beyond an integer's range undefined.
Value FloatToInteger(Builder& b, DType to, Value x) {
  DType compute = ComputeType(to);
  Value low = b.Constant(x.dtype(), LowestOf(to)), beyond = b.Constant(x.dtype(), BeyondOf(to));
  Value under = x < low, over = x >= beyond, nan = b.IsNan(x);
  Value safe = b.Select(under || over || nan, b.Constant(x.dtype(), 0.0), x);
  Value whole = b.Convert(safe, compute);
  whole = b.Select(over, b.ConstantBits(compute, HighestBits(to)), whole);
  return b.Select(under, b.Constant(compute, static_cast<int64_t>(LowestOf(to))), whole);
}

Value NarrowInteger(Builder& b, DType to, Value x) {
  DType compute = ComputeType(to);
  Value v = b.Convert(x, compute);
  int spare = 32 - BitSize(to);
  if (spare <= 0) return v;
  if (IsUnsigned(to)) return v & ((int64_t{1} << BitSize(to)) - 1);
  return (v << b.S32(spare)) >> b.S32(spare);
}

// 64-bit integers to f32, rounded once, ties to even: drivers' own conversions round as they like.
Value WideIntegerToSingle(Builder& b, Value x) {
  bool is_signed = IsSigned(x.dtype());
  Value bits = b.Bitcast(x, DType::kU64), negative = is_signed ? x < 0 : b.Bool(false);
  bits = b.Select(negative, -bits, bits);
  // Below 2^24 a 32-bit conversion is exact. Above, the bits that f32 cannot hold are folded into one sticky bit and the high word is scaled.
  Value high = b.Convert(bits >> b.U64(32), DType::kU32), low = b.Convert(bits, DType::kU32);
  Value msb = b.FindMsb(high), top = high != 0;
  // Normalized: the highest set bit of `high` moved to bit 31, the bits below following from `low`.
  Value shift = b.Select(top, b.U32(31) - msb, b.U32(0));
  Value moved = (high << shift) | ((low >> 1) >> (b.U32(31) - shift));
  Value sticky = b.Convert((low << shift) != 0, DType::kU32);
  Value mantissa = b.Select(top, moved | sticky, low);
  // Round the 32-bit number to 24 bits by hand.
  Value length = b.FindMsb(mantissa), spare = b.Select(mantissa >= 0x1000000, length - 23, b.U32(0));
  Value half = b.Select(spare == 0, b.U32(0), (b.U32(1) << spare) >> 1), cut = (b.U32(1) << spare) - 1;
  Value below = mantissa & cut, kept = mantissa >> spare;
  Value up = (spare != 0) && (below > half || (below == half && (kept & 1) != 0));
  Value rounded = kept + b.Convert(up, DType::kU32);
  Value exponent = spare + b.Select(top, b.U32(32) - shift, b.U32(0));
  Value scale = b.Bitcast((exponent + 127) << 23, DType::kF32);
  Value result = b.Convert(rounded, DType::kF32) * scale;
  return b.Select(negative, -result, result);
}

Value IntegerToFloat(Builder& b, DType from, DType to, Value x) {
  if (ComputeType(to) == DType::kF32 && BitSize(from) == 64) return WideIntegerToSingle(b, x);
  return b.Convert(x, ComputeType(to));
}

}  // namespace

Value RoundTo(Emitter& e, DType dtype, Value x) {
  Builder& b = e.b();
  if (dtype != DType::kF16 && dtype != DType::kBF16) return x;
  // Drivers take an f32 that was converted to f16 and back for the number itself (NVIDIA's, newer Mesa's): it is rounded on its bits.
  return dtype == DType::kF16 ? b.FromHalfBits(b.HalfBits(x)) : b.Convert(b.Convert(x, dtype), DType::kF32);
}

Value ConvertElement(Emitter& e, DType from, DType to, Value x) {
  Builder& b = e.b();
  Require(x.dtype() == ComputeType(from), "[Arithmetic] an operand of {} came as {}.", Name(from), Name(x.dtype()));
  if (from == to) return x;
  if (from == DType::kBool || to == DType::kBool) return b.Convert(x, ComputeType(to));
  if (IsInteger(to)) return IsFloat(from) ? FloatToInteger(b, to, x) : NarrowInteger(b, to, x);
  if (IsInteger(from)) return RoundTo(e, to, IntegerToFloat(b, from, to, x));
  if (BitSize(to) == 16) return x.dtype() == DType::kF32 ? RoundTo(e, to, x) : b.Convert(b.Convert(x, to), DType::kF32);
  return b.Convert(x, ComputeType(to));
}

Value ElementBits(Emitter& e, DType dtype, Value x) {
  Builder& b = e.b();
  switch (dtype) {
    case DType::kF32:
      return b.Bitcast(x, DType::kU32);
    case DType::kF64:
    case DType::kS64:
    case DType::kU64:
      return b.Bitcast(x, DType::kU64);
    case DType::kBF16:
      return b.Convert(b.Bitcast(b.Convert(x, DType::kBF16), DType::kU16), DType::kU32);
    case DType::kF16:
      return b.HalfBits(x);
    default:
      return BitSize(dtype) == 32 ? b.Convert(x, DType::kU32) : b.Convert(x, DType::kU32) & ((int64_t{1} << BitSize(dtype)) - 1);
  }
}

Value ElementFromBits(Emitter& e, DType dtype, Value bits) {
  Builder& b = e.b();
  switch (dtype) {
    case DType::kF32:
      return b.Bitcast(bits, DType::kF32);
    case DType::kF64:
    case DType::kS64:
    case DType::kU64:
      return b.Bitcast(bits, dtype);
    case DType::kBF16:
      return b.Bitcast(bits << 16, DType::kF32);
    case DType::kF16:
      return b.FromHalfBits(bits);
    case DType::kBool:
      return bits != 0;
    default:
      return NarrowInteger(b, dtype, bits);
  }
}

Value BitcastElement(Emitter& e, DType from, DType to, Value x) {
  Require(ByteSize(from) == ByteSize(to), "[Arithmetic] a bitcast of {} to {} changes the shape.", Name(from), Name(to));
  return from == to ? x : ElementFromBits(e, to, ElementBits(e, from, x));
}

Value ReducePrecision(Emitter& e, DType dtype, int exponent_bits, int mantissa_bits, Value x) {
  Builder& b = e.b();
  Require(IsFloat(dtype) && exponent_bits >= 1 && mantissa_bits >= 0, "[Arithmetic] reduce_precision of {} to {} exponent and {} mantissa bits.", Name(dtype),
          exponent_bits, mantissa_bits);
  DType word = BitSize(x.dtype()) == 64 ? DType::kU64 : DType::kU32;
  int mantissa = word == DType::kU64 ? 52 : 23, exponents = word == DType::kU64 ? 11 : 8, bias = (1 << (exponents - 1)) - 1;
  auto constant = [&](uint64_t v) { return b.ConstantBits(word, v); };
  Value bits = b.Bitcast(x, word), sign = bits & constant(uint64_t{1} << (BitSize(word) - 1)), magnitude = bits ^ sign;
  if (mantissa_bits < mantissa) {
    uint64_t cut = static_cast<uint64_t>(mantissa - mantissa_bits), half = uint64_t{1} << (cut - 1);
    Value last = (magnitude >> constant(cut)) & constant(1);
    magnitude = (magnitude + (last + constant(half - 1))) & constant(~((uint64_t{1} << cut) - 1));
  }
  uint64_t infinity = ((uint64_t{1} << exponents) - 1) << mantissa;
  if (exponent_bits < exponents) {
    int reduced_bias = (1 << (exponent_bits - 1)) - 1;
    uint64_t largest = static_cast<uint64_t>(bias + reduced_bias) << mantissa | ((uint64_t{1} << mantissa) - 1);
    uint64_t smallest = static_cast<uint64_t>(bias - reduced_bias + 1) << mantissa;
    magnitude = b.Select(magnitude > constant(largest), constant(infinity), magnitude);
    magnitude = b.Select(magnitude < constant(smallest), constant(0), magnitude);
  }
  Value reduced = b.Bitcast(sign | magnitude, x.dtype());
  return b.Select(b.IsNan(x), mantissa_bits > 0 ? x : b.Bitcast(constant(infinity), x.dtype()), reduced);
}

}  // namespace tfvk::kernels
