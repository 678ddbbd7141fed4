// Special functions: Bessel functions, Dawson's integral, the exponential integral, Fresnel's integrals and the dilogarithm. Each is a Chebyshev series on
// an interval (special_function_series.h) times what is singular there; the formulas' sources are in tools/fit_special_functions.py.
#include <cmath>
#include <limits>
#include <vector>

#include "plugin/mathematics_ops.h"
#include "plugin/special_function_series.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla/hlo/builder/lib/math.h"

namespace tfvk::plugin {
namespace {

using xla::XlaOp;

constexpr double kPi = 3.14159265358979323846;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

XlaOp Number(XlaOp like, double value) { return xla::ScalarLike(like, value); }
XlaOp NotANumber(XlaOp like) { return xla::FullLike(like, std::numeric_limits<double>::quiet_NaN()); }
XlaOp Choose(XlaOp condition, XlaOp yes, XlaOp no) { return xla::Select(condition, yes, no); }
XlaOp Below(XlaOp x, double bound) { return xla::Lt(x, Number(x, bound)); }

// Clenshaw's recurrence; t runs from low to high. Single precision ends the series where double precision would only add zeros to it.
template <size_t kTerms>
XlaOp Series(const double (&terms)[kTerms], XlaOp t, double low, double high) {
  const bool is_double = t.builder()->GetShape(t)->element_type() == xla::F64;
  double largest = 0;
  for (const double term : terms) largest = std::max(largest, std::abs(term));
  size_t kept = kTerms;
  while (!is_double && kept > 1 && std::abs(terms[kept - 1]) < 2e-9 * largest) --kept;
  const XlaOp twice = (t * Number(t, 4 / (high - low))) - Number(t, 2 * (high + low) / (high - low));
  XlaOp later = xla::ZerosLike(t), current = xla::FullLike(t, terms[kept - 1]);
  for (size_t k = kept - 1; k-- > 1;) {
    const XlaOp next = twice * current - later + Number(t, terms[k]);
    later = current;
    current = next;
  }
  return kept == 1 ? current : Number(t, 0.5) * twice * current - later + Number(t, terms[0]);
}

// cos or sin of (x - (order / 2 + 1/4) pi), without rounding the difference.
struct ShiftedAngle {
  XlaOp cosine, sine;
};

ShiftedAngle Shifted(XlaOp x, int order) {
  const XlaOp c = xla::Cos(x), s = xla::Sin(x), scale = Number(x, std::sqrt(0.5));
  return order == 0 ? ShiftedAngle{(c + s) * scale, (s - c) * scale} : ShiftedAngle{(s - c) * scale, -(s + c) * scale};
}

struct FarBessel {
  XlaOp j, y;
};

// Both kinds for x > 8. The square root is of two factors because their product loses digits of the small ones.
FarBessel Far(XlaOp x, int order) {
  const XlaOp ratio = Number(x, 8) / x, t = ratio * ratio;
  const XlaOp p = order == 0 ? Series(series::kHankel0P, t, 0, 1) : Series(series::kHankel1P, t, 0, 1);
  const XlaOp q = (order == 0 ? Series(series::kHankel0Q, t, 0, 1) : Series(series::kHankel1Q, t, 0, 1)) * ratio;
  const ShiftedAngle angle = Shifted(x, order);
  const XlaOp amplitude = Number(x, std::sqrt(2 / kPi)) * xla::Rsqrt(x);
  const auto at_infinity = [&](XlaOp value) { return Choose(xla::Eq(x, Number(x, kInfinity)), xla::ZerosLike(x), value); };
  return {at_infinity(amplitude * (p * angle.cosine - q * angle.sine)), at_infinity(amplitude * (p * angle.sine + q * angle.cosine))};
}

XlaOp NearJ0(XlaOp x) { return Series(series::kBesselJ0, x * x, 0, 64); }
XlaOp NearJ1(XlaOp x) { return x * Series(series::kBesselJ1, x * x, 0, 64); }

XlaOp BesselJ0(XlaOp x) {
  const XlaOp a = xla::Abs(x);
  return Choose(Below(a, 8), NearJ0(a), Far(a, 0).j);
}

XlaOp BesselJ1(XlaOp x) {
  const XlaOp a = xla::Abs(x), far = Far(a, 1).j;
  return Choose(Below(a, 8), NearJ1(x), Choose(Below(x, 0), -far, far));
}

// The singular functions: TensorFlow's CPU kernels give the pole's value below zero also.
XlaOp WithPole(XlaOp x, double pole, XlaOp value) { return Choose(xla::Le(x, Number(x, 0)), xla::FullLike(x, pole), value); }

XlaOp BesselY0(XlaOp x) {
  const XlaOp near = Number(x, 2 / kPi) * xla::Log(x) * NearJ0(x) + Series(series::kBesselY0, x * x, 0, 64);
  return WithPole(x, -kInfinity, Choose(Below(x, 8), near, Far(x, 0).y));
}

XlaOp BesselY1(XlaOp x) {
  const XlaOp near = Number(x, 2 / kPi) * (xla::Log(x) * NearJ1(x) - Number(x, 1) / x) + x * Series(series::kBesselY1, x * x, 0, 64);
  return WithPole(x, -kInfinity, Choose(Below(x, 8), near, Far(x, 1).y));
}

// e^x overflows before I does: half of it at a time.
XlaOp Unscaled(XlaOp scaled, XlaOp x) {
  const XlaOp half = xla::Exp(Number(x, 0.5) * xla::Abs(x));
  return Choose(xla::Eq(xla::Abs(x), Number(x, kInfinity)), x * x * xla::Sign(scaled), scaled * half * half);
}

XlaOp BesselI0(XlaOp x) { return Unscaled(xla::BesselI0e(x), x); }
XlaOp BesselI1(XlaOp x) {
  const XlaOp value = Unscaled(xla::BesselI1e(x), x);
  return Choose(xla::Eq(xla::Abs(x), Number(x, kInfinity)), x, value);
}

XlaOp NearK(XlaOp x, int order) {
  const XlaOp t = x * x, logarithm = xla::Log(Number(x, 0.5) * x);
  if (order == 0) return Series(series::kBesselK0, t, 0, 4) - logarithm * Series(series::kBesselI0, t, 0, 4);
  return Series(series::kBesselK1, t, 0, 4) / x + logarithm * x * Series(series::kBesselI1, t, 0, 4);
}

XlaOp BesselK(XlaOp x, int order, bool scaled) {
  const XlaOp t = Number(x, 2) / x;
  XlaOp far = (order == 0 ? Series(series::kBesselK0Far, t, 0, 1) : Series(series::kBesselK1Far, t, 0, 1)) * xla::Rsqrt(x);
  if (!scaled) far = far * xla::Exp(-x);
  XlaOp near = NearK(x, order);
  if (scaled) near = near * xla::Exp(x);
  return WithPole(x, kInfinity, Choose(xla::Le(x, Number(x, 2)), near, far));
}

XlaOp BesselK0(XlaOp x) { return BesselK(x, 0, false); }
XlaOp BesselK0e(XlaOp x) { return BesselK(x, 0, true); }
XlaOp BesselK1(XlaOp x) { return BesselK(x, 1, false); }
XlaOp BesselK1e(XlaOp x) { return BesselK(x, 1, true); }

XlaOp Dawsn(XlaOp x) {
  const XlaOp a = xla::Abs(x), s = Number(x, 5) / a;
  const XlaOp far = Series(series::kDawsonFar, s * s, 0, 1) * Number(x, 0.5) / a;
  const XlaOp middle = Choose(Below(a, 2.5), Series(series::kDawsonMiddle, a, 1, 2.5), Series(series::kDawsonOuter, a, 2.5, 5));
  const XlaOp outer = Choose(Below(a, 5), middle, far);
  return Choose(Below(a, 1), x * Series(series::kDawson, x * x, 0, 1), Choose(Below(x, 0), -outer, outer));
}

XlaOp Expint(XlaOp x) {
  constexpr double kEuler = 0.57721566490153286061;
  const XlaOp near = Number(x, kEuler) + xla::Log(x) + x * Series(series::kExpint, x, 0, 2);
  XlaOp scaled = Choose(Below(x, 24), Series(series::kExpintOutermost, x, 12, 24), Series(series::kExpintFar, Number(x, 24) / x, 0, 1));
  scaled = Choose(Below(x, 12), Series(series::kExpintOuter, x, 6, 12), scaled);
  scaled = Choose(Below(x, 6), Series(series::kExpintMiddle, x, 2, 6), scaled);
  const XlaOp half = xla::Exp(Number(x, 0.5) * x);  // e^x overflows before e^x / x does
  const XlaOp far = Choose(xla::Eq(x, Number(x, kInfinity)), x, scaled * half / x * half);
  return Choose(Below(x, 0), NotANumber(x), WithPole(x, -kInfinity, Choose(xla::Le(x, Number(x, 2)), near, far)));
}

// x^2 modulo 4, which sine and cosine of pi x^2 / 2 need: x is split so that the large part of the square is exact.
XlaOp SquareModuloFour(XlaOp x) {
  const bool is_double = x.builder()->GetShape(x)->element_type() == xla::F64;
  const XlaOp high = xla::ReducePrecision(x, is_double ? 11 : 8, is_double ? 25 : 11), low = x - high;
  const auto modulo = [&](XlaOp v) { return v - Number(x, 4) * xla::Floor(Number(x, 0.25) * v); };
  return modulo(high * high) + modulo(Number(x, 2) * high * low) + modulo(low * low);
}

struct Fresnel {
  XlaOp cosine, sine;
};

Fresnel Fresnels(XlaOp x) {
  const XlaOp a = xla::Abs(x), square = x * x, fourth = square * square, ratio = Number(x, 1.6) / a, t = ratio * ratio * (ratio * ratio);
  const XlaOp f = Series(series::kFresnelF, t, 0, 1) / (Number(x, kPi) * a);
  const XlaOp g = Series(series::kFresnelG, t, 0, 1) / (Number(x, kPi) * a) / (Number(x, kPi) * a) / a;
  const XlaOp angle = Number(x, kPi / 2) * SquareModuloFour(a), c = xla::Cos(angle), s = xla::Sin(angle), half = Number(x, 0.5);
  // Where f itself is below what can be added to a half.
  const auto far = [&](XlaOp value) {
    const XlaOp limited = Choose(xla::Gt(a, Number(x, 1e18)), xla::FullLike(x, 0.5), value);
    return Choose(Below(x, 0), -limited, limited);
  };
  const double bound = std::pow(1.6, 4);
  const XlaOp is_near = xla::Le(a, Number(x, 1.6));
  return {Choose(is_near, x * Series(series::kFresnelCos, fourth, 0, bound), far(half + f * s - g * c)),
          Choose(is_near, x * square * Series(series::kFresnelSin, fourth, 0, bound), far(half - f * c - g * s))};
}

XlaOp FresnelCos(XlaOp x) { return Fresnels(x).cosine; }
XlaOp FresnelSin(XlaOp x) { return Fresnels(x).sine; }

// -integral from 1 to x of log(t) / (t - 1): the dilogarithm of 1 - x, by its reflections at 1/2 and 1.
XlaOp Spence(XlaOp x) {
  const XlaOp one = Number(x, 1), is_large = xla::Gt(x, Number(x, 1.5));
  const XlaOp y = Choose(is_large, one / x, x), is_small = Below(y, 0.5), z = Choose(is_small, one - y, y);
  const XlaOp base = (one - z) * Series(series::kSpence, z, 0.5, 1.5);
  const XlaOp logarithms = Choose(xla::Eq(y, Number(x, 0)), xla::ZerosLike(x), xla::Log(y) * xla::Log1p(-y));
  const XlaOp reflected = Choose(is_small, Number(x, kPi * kPi / 6) - logarithms - base, base), log = xla::Log(x);
  return Choose(Below(x, 0), NotANumber(x), Choose(is_large, Number(x, -0.5) * log * log - reflected, reflected));
}

template <XlaOp (*kFunction)(XlaOp)>
class SpecialFunctionKernel : public tensorflow::XlaOpKernel {
 public:
  using XlaOpKernel::XlaOpKernel;

  void Compile(tensorflow::XlaOpKernelContext* context) override {
    const xla::PrimitiveType type = context->input_xla_type(0);
    const bool is_narrow = type == xla::F16 || type == xla::BF16;
    const XlaOp x = context->Input(0), wide = is_narrow ? xla::ConvertElementType(x, xla::F32) : x;
    const XlaOp value = Choose(xla::IsNan(wide), wide, kFunction(wide));
    context->SetOutput(0, is_narrow ? xla::ConvertElementType(value, type) : value);
  }
};

}  // namespace

void RegisterSpecialFunctionOps() {
  REGISTER_XLA_OP(Name("BesselI0").Device("XLA_GPU_JIT"), SpecialFunctionKernel<BesselI0>);
  REGISTER_XLA_OP(Name("BesselI1").Device("XLA_GPU_JIT"), SpecialFunctionKernel<BesselI1>);
  REGISTER_XLA_OP(Name("BesselJ0").Device("XLA_GPU_JIT"), SpecialFunctionKernel<BesselJ0>);
  REGISTER_XLA_OP(Name("BesselJ1").Device("XLA_GPU_JIT"), SpecialFunctionKernel<BesselJ1>);
  REGISTER_XLA_OP(Name("BesselK0").Device("XLA_GPU_JIT"), SpecialFunctionKernel<BesselK0>);
  REGISTER_XLA_OP(Name("BesselK0e").Device("XLA_GPU_JIT"), SpecialFunctionKernel<BesselK0e>);
  REGISTER_XLA_OP(Name("BesselK1").Device("XLA_GPU_JIT"), SpecialFunctionKernel<BesselK1>);
  REGISTER_XLA_OP(Name("BesselK1e").Device("XLA_GPU_JIT"), SpecialFunctionKernel<BesselK1e>);
  REGISTER_XLA_OP(Name("BesselY0").Device("XLA_GPU_JIT"), SpecialFunctionKernel<BesselY0>);
  REGISTER_XLA_OP(Name("BesselY1").Device("XLA_GPU_JIT"), SpecialFunctionKernel<BesselY1>);
  REGISTER_XLA_OP(Name("Dawsn").Device("XLA_GPU_JIT"), SpecialFunctionKernel<Dawsn>);
  REGISTER_XLA_OP(Name("Expint").Device("XLA_GPU_JIT"), SpecialFunctionKernel<Expint>);
  REGISTER_XLA_OP(Name("FresnelCos").Device("XLA_GPU_JIT"), SpecialFunctionKernel<FresnelCos>);
  REGISTER_XLA_OP(Name("FresnelSin").Device("XLA_GPU_JIT"), SpecialFunctionKernel<FresnelSin>);
  REGISTER_XLA_OP(Name("Spence").Device("XLA_GPU_JIT"), SpecialFunctionKernel<Spence>);
}

}  // namespace tfvk::plugin
