// What the float functions share: the layout of f32 or f64, exact building blocks, and coefficients by width. Private to kernels/float_*.cc.
#pragma once

#include <vector>

#include "kernels/emitter.h"

namespace tfvk::kernels {

// Arithmetic on one float width. While it lives, float operations are emitted exactly as written (no contraction, no reordering).
class FloatFormat {
 public:
  FloatFormat(Emitter& e, spirv::Value like);
  ~FloatFormat() { b.SetExact(was_exact_); }
  FloatFormat(const FloatFormat&) = delete;
  FloatFormat& operator=(const FloatFormat&) = delete;

  struct Decomposed {
    spirv::Value fraction;  // in [sqrt(1/2), sqrt(2))
    spirv::Value exponent;  // s32
  };
  // A value and what its rounding left over: high + low.
  struct Pair {
    spirv::Value high, low;
  };

  bool wide() const { return dtype == DType::kF64; }
  spirv::Value C(double number) const { return b.Constant(dtype, number); }
  spirv::Value C(double for_f32, double for_f64) const { return C(wide() ? for_f64 : for_f32); }
  spirv::Value Bits(spirv::Value v) const { return b.Bitcast(v, bits); }
  spirv::Value FromBits(spirv::Value v) const { return b.Bitcast(v, dtype); }
  spirv::Value BitConstant(uint64_t v) const { return b.ConstantBits(bits, v); }
  uint64_t SignMask() const { return wide() ? 0x8000000000000000u : 0x80000000u; }
  spirv::Value Abs(spirv::Value v) const { return FromBits(Bits(v) & BitConstant(SignMask() - 1)); }
  spirv::Value SignOf(spirv::Value v) const { return Bits(v) & BitConstant(SignMask()); }
  // `magnitude` (not negative) with the sign bit of `sign`.
  spirv::Value CopySign(spirv::Value magnitude, spirv::Value sign) const { return FromBits(Bits(magnitude) | SignOf(sign)); }
  spirv::Value Infinity() const { return FromBits(BitConstant(wide() ? 0x7ff0000000000000u : 0x7f800000u)); }
  spirv::Value Nan() const { return FromBits(BitConstant(wide() ? 0x7ff8000000000000u : 0x7fc00000u)); }
  // c[0] + c[1] z + ...; the coefficients of the width.
  spirv::Value Polynomial(spirv::Value z, const std::vector<double>& for_f32, const std::vector<double>& for_f64) const;
  // 2^n for an s32 n of a normal number.
  spirv::Value PowerOfTwo(spirv::Value n) const;
  // v * 2^n for s32 n; one rounding at most when the result is normal.
  spirv::Value Scale(spirv::Value v, spirv::Value n) const;
  // A positive finite number, subnormals included.
  Decomposed Decompose(spirv::Value v) const;
  // Exact sums and products.
  Pair Sum(spirv::Value a, spirv::Value b) const;
  Pair Product(spirv::Value a, spirv::Value b) const;
  Pair Product(Pair a, Pair b) const;
  // e^r - 1 for |r| <= ln(2)/2, without the rounding of r itself.
  spirv::Value ExpReduced(spirv::Value r) const;
  // The nearest integer to x / ln(2) as a float, and x minus that many ln(2).
  Pair ReduceByLn2(spirv::Value x) const;

  spirv::Builder& b;
  const DeviceLimits& limits;
  DType dtype, bits;
  int mantissa, bias;

 private:
  bool was_exact_;
};

// ln(2) in two parts; the first has so many trailing zeros that its product with an exponent is exact.
inline constexpr double kLn2High32 = 0x1.62e4p-1, kLn2Low32 = 0x1.7f7d1cf79abcap-20;
inline constexpr double kLn2High64 = 0x1.62e42fefp-1, kLn2Low64 = 0x1.473de6af278edp-34;

}  // namespace tfvk::kernels
