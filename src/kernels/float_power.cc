// Powers, roots, division and remainder.
#include "kernels/float_format.h"
#include "kernels/float_functions.h"

namespace tfvk::kernels {

using spirv::Builder;
using spirv::Math;
using spirv::Value;
using Pair = FloatFormat::Pair;

namespace {

// The logarithm of a positive finite number, to about half as many digits again as the width has.
Pair LogPair(const FloatFormat& f, Value x) {
  Builder& b = f.b;
  auto [m, k] = f.Decompose(x);
  Value t = m - 1.0, exponent = b.Convert(k, f.dtype);
  // s = t / (2 + t) with its remainder.
  Pair d = f.Sum(f.C(2), t);
  Value quotient = t / d.high;
  Pair back = f.Product(quotient, d.high);
  Value rest = ((t - back.high) - back.low) - quotient * d.low;
  Pair s = f.Sum(quotient, rest / d.high);
  // log(m) = 2 s + 2/3 s^3 + s^5 T(s^2)
  Pair z = f.Product(s, s);
  Pair cubic = f.Product(f.Product(z, s), Pair{f.C(0x1.555556p-1, 0x1.5555555555555p-1), f.C(-0x1.555556p-26, 0x1.5555555555555p-55)});
  Value quintic = z.high * z.high * s.high *
                  f.Polynomial(z.high, {0.40000016191929467644, 0.28561804133009340923, 0.23067007422985424976},
                               {0.40000000000000031557, 0.28571428571325973795, 0.222222222766674075, 0.18181807356026047686, 0.15385638651199519383,
                                0.13283868206397736379, 0.12939061096370628272});
  Pair sum = f.Sum(s.high * 2.0, cubic.high);
  Pair total = f.Sum(exponent * f.C(kLn2High32, kLn2High64), sum.high);
  Value small = total.low + (sum.low + (cubic.low + (s.low * 2.0 + (quintic + exponent * f.C(kLn2Low32, kLn2Low64)))));
  return f.Sum(total.high, small);
}

// e^(y log x) for positive finite x and finite y, saturated to 0 and infinity.
Value PositivePower(const FloatFormat& f, Value x, Value y) {
  Builder& b = f.b;
  Pair log = LogPair(f, x);
  Value rough = log.high * y, limit = f.C(150, 1200);
  Value saturated = !(f.Abs(rough) < limit);
  // Where the product is out of range its exact value must not be computed: it might overflow on the way.
  Value safe = b.Select(saturated, f.C(0), y);
  Pair product = f.Product(safe, log.high);
  Value low = product.low + safe * log.low;
  auto [n, r] = f.ReduceByLn2(product.high);
  Value power = f.Scale(f.ExpReduced(r + low) + 1.0, b.Convert(n, DType::kS32));
  return b.Select(saturated, b.Select(rough > 0.0, f.Infinity(), f.C(0)), power);
}

}  // namespace

Value Power(Emitter& e, Value x, Value y) {
  FloatFormat f(e, x);
  Builder& b = f.b;
  Value ax = f.Abs(x), ay = f.Abs(y), one = f.C(1), zero = f.C(0);
  Value whole = Trunc(e, y) == y;  // true for infinities
  Value odd = whole && ay < f.C(0x1p24, 0x1p53) && Trunc(e, y * 0.5) * 2.0 != y;
  Value edge = ax == 0.0 || b.IsInf(ax) || b.IsInf(ay);
  Value power = PositivePower(f, b.Select(edge, one, ax), b.Select(edge, zero, y));
  // At the edges only whether |x| is above 1 and y above 0 matters.
  Value grows = (ax > 1.0) == (y > 0.0);
  power = b.Select(edge, b.Select(ax == 1.0, one, b.Select(grows, f.Infinity(), zero)), power);
  power = b.Select(f.SignOf(x) != int64_t{0} && odd, -power, power);
  Value undefined = (x < 0.0 && !whole && !b.IsInf(x)) || b.IsNan(x) || b.IsNan(y);
  power = b.Select(undefined, f.Nan(), power);
  return b.Select(y == 0.0 || x == 1.0, one, power);
}

Value Cbrt(Emitter& e, Value x) {
  FloatFormat f(e, x);
  Builder& b = f.b;
  auto [m, k] = f.Decompose(f.Abs(x));
  Value third = (k + 3000) / b.S32(3) - 1000;
  Value scaled = m * f.PowerOfTwo(k - third * 3);  // in [0.7, 5.7)
  Value root = Exp(e, Log(e, scaled) / 3.0);
  root = root - (root * root * root - scaled) / (root * root * 3.0);
  Value result = f.CopySign(f.Scale(root, third), x);
  return b.Select(f.Bits(f.Abs(x)) == f.BitConstant(0) || b.IsInf(x) || b.IsNan(x), x, result);
}

namespace {

// Devices whose own division and square root are the processor's, correctly rounded, and which may lack a fused multiply-add.
bool RoundsCorrectly(const FloatFormat& f) {
  using Vendor = DeviceLimits::Vendor;
  return f.wide() || f.limits.vendor == Vendor::kLlvmpipe || f.limits.vendor == Vendor::kSwiftShader;
}

}  // namespace

Value Sqrt(Emitter& e, Value x) {
  FloatFormat f(e, x);
  Builder& b = f.b;
  Value root = b.Apply(Math::kSqrt, x);
  if (RoundsCorrectly(f)) return root;
  Value rest = b.Fma(-root, root, x), better = root + rest * (f.C(0.5) / root);
  return b.Select(rest == 0.0 || b.IsNan(better) || b.IsInf(better), root, better);
}

Value Divide(Emitter& e, Value a, Value d) {
  FloatFormat f(e, a);
  Builder& b = f.b;
  if (RoundsCorrectly(f)) return a / d;
  // Divisors whose reciprocal overflows or vanishes are brought nearer to 1.
  Value magnitude = f.Abs(d);
  Value factor = b.Select(magnitude > f.C(0x1p96), f.C(0x1p-30), b.Select(magnitude < f.C(0x1p-96), f.C(0x1p30), f.C(1)));
  Value numerator = a * factor, divisor = d * factor, reciprocal = f.C(1) / divisor;
  Value quotient = numerator * reciprocal, rest = b.Fma(-quotient, divisor, numerator), better = b.Fma(rest, reciprocal, quotient);
  // Zeros keep their sign; infinities and NaNs have no rest.
  Value plain = f.Bits(f.Abs(quotient)) - f.BitConstant(1) < f.BitConstant(0x7f7fffff);
  return b.Select(plain, better, quotient);
}

Value Fmod(Emitter& e, Value a, Value d) {
  FloatFormat f(e, a);
  Builder& b = f.b;
  Value hidden = f.BitConstant(uint64_t{1} << f.mantissa), fraction_mask = f.BitConstant((uint64_t{1} << f.mantissa) - 1);
  Value width = f.BitConstant(static_cast<uint64_t>(f.mantissa));
  auto whole = [&](Value v, Value& exponent) {
    Value word = f.Bits(f.Abs(v)), field = b.Convert(word >> width, DType::kS32);
    exponent = b.Max(field, b.S32(1));
    return (word & fraction_mask) | b.Select(field == 0, f.BitConstant(0), hidden);
  };
  Value ea, ed, ma = whole(a, ea), md = whole(d, ed);
  Value undefined = md == int64_t{0} || b.IsNan(a) || b.IsNan(d) || b.IsInf(a);
  Value divisor = b.Select(undefined, f.BitConstant(1), md);
  // Long division of the integers, some bits a step.
  const int step = (f.wide() ? 63 : 31) - f.mantissa;
  spirv::Variable rest = b.Declare(ma), left = b.Declare(b.Select(undefined, b.S32(0), ea - ed));
  b.If(left.Get() >= 0, [&] { rest.Set(rest.Get() % divisor); });
  b.While([&] { return left.Get() > 0; },
          [&] {
            Value shift = b.Min(left.Get(), b.S32(step));
            rest.Set((rest.Get() << b.Convert(shift, f.bits)) % divisor);
            left.Set(left.Get() - shift);
          });
  Value magnitude = f.Scale(b.Convert(rest.Get(), f.dtype), ed - (f.bias + f.mantissa));
  Value smaller = f.Abs(a) < f.Abs(d);
  Value result = b.Select(smaller, a, f.CopySign(magnitude, a));
  return b.Select(undefined, f.Nan(), result);
}

}  // namespace tfvk::kernels
