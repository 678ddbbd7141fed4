// Rounding to whole numbers. f64 is done on the bits: llvmpipe on processors without AVX-512 takes every f64 beyond 2^24 for a whole number.
#include "kernels/float_format.h"
#include "kernels/float_functions.h"

namespace tfvk::kernels {

using spirv::Math;
using spirv::Value;

Value Trunc(Emitter& e, Value x) {
  FloatFormat f(e, x);
  auto& b = f.b;
  if (!f.wide()) return b.Apply(Math::kTrunc, x);
  const Value word = f.Bits(x), exponent = b.Convert(f.Bits(f.Abs(x)) >> f.BitConstant(static_cast<uint64_t>(f.mantissa)), DType::kS32) - f.bias;
  const Value kept = b.Convert(b.Max(b.Min(exponent, b.S32(f.mantissa)), b.S32(0)), DType::kU64);  // bits of the fraction before the point
  const Value fraction = f.BitConstant((uint64_t{1} << f.mantissa) - 1) >> kept;
  const Value whole = b.Select(exponent < 0, f.SignOf(x), word & ~fraction);
  return b.Select(exponent >= f.mantissa, x, f.FromBits(whole));
}

Value Floor(Emitter& e, Value x) {
  FloatFormat f(e, x);
  if (!f.wide()) return f.b.Apply(Math::kFloor, x);
  const Value whole = Trunc(e, x);
  return f.b.Select(whole > x, whole - 1.0, whole);
}

Value Ceil(Emitter& e, Value x) {
  FloatFormat f(e, x);
  if (!f.wide()) return f.b.Apply(Math::kCeil, x);
  const Value whole = Trunc(e, x);
  return f.b.Select(whole < x, whole + 1.0, whole);
}

Value RoundToEven(Emitter& e, Value x) {
  FloatFormat f(e, x);
  if (!f.wide()) return f.b.Apply(Math::kRoundEven, x);
  // Above 2^52 every f64 is whole, so the sum has no bits behind the point.
  const Value magnitude = f.Abs(x), large = f.C(0x1p52), rounded = (magnitude + large) - large;
  return f.b.Select(magnitude < large, f.CopySign(rounded, x), x);
}

}  // namespace tfvk::kernels
