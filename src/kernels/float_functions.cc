#include "kernels/float_functions.h"

#include "kernels/float_format.h"
#include "types/error.h"

namespace tfvk::kernels {

using spirv::Builder;
using spirv::Math;
using spirv::Value;

FloatFormat::FloatFormat(Emitter& e, Value like) : b(e.b()), limits(e.limits()), dtype(like.dtype()) {
  Require(dtype == DType::kF32 || dtype == DType::kF64, "[Kernel] a float function of {}.", Name(dtype));
  bits = wide() ? DType::kU64 : DType::kU32;
  mantissa = wide() ? 52 : 23;
  bias = wide() ? 1023 : 127;
  was_exact_ = b.SetExact(true);
}

Value FloatFormat::Polynomial(Value z, const std::vector<double>& for_f32, const std::vector<double>& for_f64) const {
  const auto& c = wide() ? for_f64 : for_f32;
  Value sum = C(c.back());
  for (size_t k = c.size() - 1; k-- > 0;) sum = sum * z + C(c[k]);
  return sum;
}

Value FloatFormat::PowerOfTwo(Value n) const { return FromBits(b.Convert(n + bias, bits) << BitConstant(static_cast<uint64_t>(mantissa))); }

Value FloatFormat::Scale(Value v, Value n) const {
  Value half = n >> 1;
  return v * PowerOfTwo(half) * PowerOfTwo(n - half);
}

FloatFormat::Decomposed FloatFormat::Decompose(Value v) const {
  Value word = Bits(v);
  // A subnormal's bits are its value in units of the smallest one; as an integer it survives devices that flush subnormals.
  Value subnormal = word < BitConstant(uint64_t{1} << mantissa);
  word = b.Select(subnormal, Bits(b.Convert(word, dtype)), word);
  Value shift = b.Select(subnormal, b.S32(bias - 1 + mantissa), b.S32(0));
  DType signed_bits = wide() ? DType::kS64 : DType::kS32;
  Value from_root = b.Bitcast(word - BitConstant(wide() ? 0x3fe6a09e667f3bcdu : 0x3f3504f3u), signed_bits);
  Value exponent = from_root >> b.Constant(signed_bits, static_cast<int64_t>(mantissa));
  Value fraction = FromBits(word - (b.Bitcast(exponent, bits) << BitConstant(static_cast<uint64_t>(mantissa))));
  return {fraction, b.Convert(exponent, DType::kS32) - shift};
}

FloatFormat::Pair FloatFormat::Sum(Value x, Value y) const {
  Value high = x + y, part = high - x;
  return {high, (x - (high - part)) + (y - part)};
}

FloatFormat::Pair FloatFormat::Product(Value x, Value y) const {
  // Halves of the digits, whose products are exact; a fused multiply-add would do it in one, where a device has it.
  Value mask = BitConstant(wide() ? ~((uint64_t{1} << 27) - 1) : 0xfffff000u);
  Value xh = FromBits(Bits(x) & mask), yh = FromBits(Bits(y) & mask), xl = x - xh, yl = y - yh;
  Value high = x * y;
  return {high, ((xh * yh - high) + xh * yl + xl * yh) + xl * yl};
}

FloatFormat::Pair FloatFormat::Product(Pair x, Pair y) const {
  Pair p = Product(x.high, y.high);
  return Sum(p.high, p.low + (x.high * y.low + x.low * y.high));
}

FloatFormat::Pair FloatFormat::ReduceByLn2(Value x) const {
  Value n = b.Apply(Math::kRoundEven, x * C(0x1.71547652b82fep+0));
  return {n, (x - n * C(kLn2High32, kLn2High64)) - n * C(kLn2Low32, kLn2Low64)};
}

Value FloatFormat::ExpReduced(Value r) const {
  Value tail = Polynomial(
      r, {0.16666666698410883731, 0.041666550062685856852, 0.0083332996560460235461, 0.0013926931796307735189, 0.00019900443821049257993},
      {0.16666666666666666666, 0.041666666666666670075, 0.0083333333333333345932, 0.00138888888888833259, 0.00019841269841259390617, 0.000024801587327009462403,
       2.7557319256339522555e-6, 2.7557271807743396978e-7, 2.5052062407318412588e-8, 2.091544319605629504e-9, 1.6089523664839432737e-10});
  return r + r * r * (C(0.5) + r * tail);
}

namespace {

// Arguments outside of [low, high] moved to the border; NaN stays.
Value Limit(const FloatFormat& f, Value x, double low, double high) {
  x = f.b.Select(x < low, f.C(low), x);
  return f.b.Select(x > high, f.C(high), x);
}

}  // namespace

Value Exp(Emitter& e, Value x) {
  FloatFormat f(e, x);
  Value inside = f.wide() ? Limit(f, x, -746, 710) : Limit(f, x, -104, 89);
  auto [n, r] = f.ReduceByLn2(inside);
  Value result = f.Scale(f.ExpReduced(r) + 1.0, f.b.Convert(n, DType::kS32));
  return f.b.Select(f.b.IsNan(x), x, result);
}

Value Expm1(Emitter& e, Value x) {
  FloatFormat f(e, x);
  Builder& b = f.b;
  Value inside = f.wide() ? Limit(f, x, -50, 710) : Limit(f, x, -50, 89);
  auto [n, r] = f.ReduceByLn2(inside);
  Value p = f.ExpReduced(r), whole = b.Convert(n, DType::kS32);
  // 2^n (1 + p) - 1 without cancellation, as long as 2^n can be told from 2^n - 1.
  Value power = f.PowerOfTwo(b.Min(whole, b.S32(64)));
  Value small = p * power + (power - 1.0), large = f.Scale(p + 1.0, whole) - 1.0;
  Value result = b.Select(whole > 60, large, b.Select(whole == 0, p, small));
  return b.Select(b.IsNan(x) || f.Abs(x) < f.C(1e-9, 1e-17), x, result);
}

Value Log(Emitter& e, Value x) {
  FloatFormat f(e, x);
  Builder& b = f.b;
  auto [m, k] = f.Decompose(x);
  Value t = m - 1.0, s = t / (t + 2.0), z = s * s, half = t * t * 0.5, exponent = b.Convert(k, f.dtype);
  Value tail = z * f.Polynomial(z, {0.66666686423183985517, 0.39988253504319075476, 0.2960287601580558403},
                                {0.66666666666666701894, 0.3999999999988546666, 0.28571428632210395351, 0.22222210135807987048, 0.1818296068743511531,
                                 0.15329379903781419748, 0.14644970993029188178});
  // log(1 + t) = 2 s + s z R(z) with 2 s = t - t^2 / 2 + s t^2 / 2: the large term t is exact.
  Value result = exponent * f.C(kLn2High32, kLn2High64) - ((half - (s * (half + tail) + exponent * f.C(kLn2Low32, kLn2Low64))) - t);
  Value word = f.Bits(x), infinity = f.Bits(f.Infinity());
  result = b.Select(word == infinity, x, result);
  result = b.Select(word > infinity, f.Nan(), result);  // NaNs and all numbers with the sign bit
  return b.Select(f.Bits(f.Abs(x)) == f.BitConstant(0), -f.Infinity(), result);
}

Value Log1p(Emitter& e, Value x) {
  Value shifted, correction;
  {
    FloatFormat f(e, x);
    shifted = x + 1.0;
    correction = (x - (shifted - 1.0)) / shifted;  // what the sum's rounding lost
  }
  Value log = Log(e, shifted);
  FloatFormat f(e, x);
  Builder& b = f.b;
  Value plain = shifted == 0.0 || b.IsInf(x) || b.IsNan(x) || b.IsNan(log);
  Value result = b.Select(plain, log, log + correction);
  return b.Select(f.Abs(x) < f.C(1e-9, 1e-18), x, result);
}

Value Logistic(Emitter& e, Value x) {
  FloatFormat f(e, x);
  // With e^-|x| nothing overflows, and a small result keeps its digits.
  Value power = Exp(e, -f.Abs(x));
  Value result = f.b.Select(x < 0.0, power, f.C(1)) / (power + 1.0);
  return f.b.Select(f.b.IsNan(x), x, result);
}

Value Tanh(Emitter& e, Value x) {
  FloatFormat f(e, x);
  Builder& b = f.b;
  Value magnitude = f.Abs(x), t = Expm1(e, magnitude * 2.0);
  Value result = b.Select(magnitude > f.C(9.1, 19.1), f.C(1), t / (t + 2.0));
  result = f.CopySign(result, x);
  return b.Select(b.IsNan(x) || magnitude < f.C(1e-4, 1e-9), x, result);
}

}  // namespace tfvk::kernels
