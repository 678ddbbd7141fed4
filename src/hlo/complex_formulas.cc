// Sources: W. Kahan, "Branch cuts for complex elementary functions, or much ado about nothing's sign bit" (1987), for sqrt, tanh and log; ISO C, annex G.
#include "hlo/complex_formulas.h"

#include <limits>

namespace tfvk::hlo {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Complex Select(const Formula& condition, const Complex& on_true, const Complex& on_false) {
  return {Select(condition, on_true.re, on_false.re), Select(condition, on_true.im, on_false.im)};
}

Complex TimesI(const Complex& z) { return {-z.im, z.re}; }
Complex TimesMinusI(const Complex& z) { return {z.im, -z.re}; }

// The larger of the parts' magnitudes, and the smaller divided by it: 0 where that would be 0 / 0 or infinity / infinity.
struct Scaled {
  Formula larger, ratio;
};
Scaled Scale(const Complex& z) {
  const Formula a = Abs(z.re), b = Abs(z.im), larger = Max(a, b);
  return {larger, Select((larger == 0.0) | IsInfinite(larger), larger.Constant(0), Min(a, b) / larger)};
}

Formula Sinh(const Formula& x) {
  const Formula e = Expm1(x);
  // e / (e + 1) is infinity / infinity where e overflows.
  return Select(IsInfinite(e), e, e + e / (e + 1.0)) * 0.5;
}
Formula Cosh(const Formula& x) { return Exp(x) * 0.5 + Exp(-x) * 0.5; }

// A product that is 0 where a is, also for an infinite b.
Formula Product(const Formula& a, const Formula& b) { return Select(a == 0.0, a, a * b); }

// e ^ x * cosine and sine of y without overflow of e ^ x alone; exactly real where y is 0, also for an infinite x, and 0 where e ^ x is.
Complex Polar(const Formula& x, const Formula& y) {
  const Formula half = Exp(x * 0.5), whole = Exp(x), large = IsInfinite(whole);
  const auto times = [&](const Formula& factor) { return Select(large, half * factor * half, whole * factor); };
  const Formula none = whole == 0.0;
  return {Select((y == 0.0) | none, whole, times(Cos(y))), Select(y == 0.0, y, Select(none, whole, times(Sin(y))))};
}

}  // namespace

Complex operator+(const Complex& a, const Complex& b) { return {a.re + b.re, a.im + b.im}; }
Complex operator-(const Complex& a, const Complex& b) { return {a.re - b.re, a.im - b.im}; }
Complex operator-(const Complex& a) { return {-a.re, -a.im}; }
Complex operator*(const Complex& a, const Complex& b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }

Complex operator/(const Complex& a, const Complex& b) {
  const Formula scale = Max(Abs(b.re), Abs(b.im)), infinite = IsInfinite(scale);
  const auto scaled = [&](const Formula& part) { return Select(infinite, Select(IsInfinite(part), Sign(part), part * 0.0), part / scale); };
  const Formula c = scaled(b.re), d = scaled(b.im), square = c * c + d * d;
  const Complex quotient = {(a.re * c + a.im * d) / square / scale, (a.im * c - a.re * d) / square / scale};
  const Formula pole = CopySign(scale.Constant(kInfinity), b.re);
  return Select(scale == 0.0, Complex{pole * a.re, pole * a.im}, quotient);
}

Formula Abs(const Complex& z) {
  const Scaled s = Scale(z);
  const Formula finite = s.larger * Sqrt(s.ratio * s.ratio + 1.0);
  return Select(IsInfinite(z.re) | IsInfinite(z.im), finite.Constant(kInfinity), finite);
}

Formula Phase(const Complex& z) { return Atan2(z.im, z.re); }

Complex Exp(const Complex& z) { return Polar(z.re, z.im); }

Complex Expm1(const Complex& z) {
  const Formula half_sine = Sin(z.im * 0.5);
  const Formula re = Expm1(z.re) * Cos(z.im) - half_sine * half_sine * 2.0;
  return {Select(z.im == 0.0, Expm1(z.re), re), Polar(z.re, z.im).im};
}

Complex Log(const Complex& z) {
  const Scaled s = Scale(z);
  const Formula magnitude = Log(s.larger) + Log1p(s.ratio * s.ratio) * 0.5;
  return {Select(IsInfinite(z.re) | IsInfinite(z.im), magnitude.Constant(kInfinity), magnitude), Phase(z)};
}

Complex Log1p(const Complex& z) {
  const Complex shifted = {z.re + 1.0, z.im}, direct = Log(shifted);
  const Formula near = Log1p(z.re * (z.re + 2.0) + z.im * z.im) * 0.5;
  return {Select((Abs(z.re) < 0.5) & (Abs(z.im) < 0.5), near, direct.re), direct.im};
}

Complex Sqrt(const Complex& z) {
  const Formula x = Abs(z.re), root = Sqrt(x * 0.5 + Abs(z) * 0.5), other = Abs(z.im) * 0.5 / root;
  const Formula left = SignBit(z.re), zero = root == 0.0;
  const Complex finite = {Select(left, other, root), CopySign(Select(left, root, other), z.im)};
  const Complex at_zero = {root.Constant(0), z.im};
  return Select(IsInfinite(z.im), Complex{Abs(z.im), z.im}, Select(zero, at_zero, finite));
}

Complex Rsqrt(const Complex& z) { return Complex{z.re.Constant(1), z.re.Constant(0)} / Sqrt(z); }

Complex Power(const Complex& a, const Complex& b) {
  const Complex log = Log(a), product = b * log;
  const Formula zero = (a.re == 0.0) & (a.im == 0.0), one = a.re.Constant(1), none = a.re.Constant(0);
  const Formula exponent_zero = (b.re == 0.0) & (b.im == 0.0);
  const Complex general = Select(zero & (b.re > 0.0), Complex{none, none}, Exp(product));
  return Select(exponent_zero, Complex{one, none}, general);
}

Complex Sin(const Complex& z) { return {Product(Sin(z.re), Cosh(z.im)), Product(Sinh(z.im), Cos(z.re))}; }
Complex Cos(const Complex& z) { return {Cos(z.re) * Cosh(z.im), -Product(Sin(z.re), Sinh(z.im))}; }
Complex Tan(const Complex& z) { return TimesMinusI(Tanh(TimesI(z))); }

Complex Tanh(const Complex& z) {
  const Formula t = Tan(z.im), beta = t * t + 1.0, s = Sinh(z.re), rho = Sqrt(s * s + 1.0), scale = beta * s * s + 1.0;
  const Complex near = {beta * rho * s / scale, t / scale};
  const Complex far = {Sign(z.re), Sin(z.im) * Cos(z.im) * 4.0 * Exp(Abs(z.re) * -2.0)};
  return Select(Abs(z.re) > (z.re.shape().element_type() == xla::F64 ? 20.0 : 10.0), far, near);
}

Complex Logistic(const Complex& z) {
  const Complex e = Exp(-z);
  return Complex{z.re.Constant(1), z.re.Constant(0)} / Complex{e.re + 1.0, e.im};
}

Complex Sign(const Complex& z) {
  const Formula magnitude = Abs(z), zero = magnitude == 0.0;
  return Select(zero, z, Complex{z.re / magnitude, z.im / magnitude});
}

Complex Atan2(const Complex& y, const Complex& x) {
  // -i log((x + i y) / sqrt(x^2 + y^2))
  return TimesMinusI(Log((x + TimesI(y)) / Sqrt(x * x + y * y)));
}

}  // namespace tfvk::hlo
