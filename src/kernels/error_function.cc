// The error function and its complement.
#include "kernels/float_format.h"
#include "kernels/float_functions.h"

namespace tfvk::kernels {

using spirv::Builder;
using spirv::Math;
using spirv::Value;

Value Erf(Emitter& e, Value x) {
  FloatFormat f(e, x);
  Builder& b = f.b;
  Value magnitude = f.Abs(x), z = x * x;
  Value small =
      x * f.Polynomial(z,
                       {1.1283791659141034997, -0.37612627138640329785, 0.11283600207365135246, -0.026854445873451403658, 0.0051895377010678102202,
                        -0.00080208613733963168585, 0.000078891839495614409012},
                       {1.1283791670955125739, -0.37612638903183752381, 0.1128379167095512036, -0.026866170645129868152, 0.0052239776254236103963,
                        -0.00085483270219560250351, 0.0001205533290381260112, -0.00001492564759449785383, 1.6462045980557631378e-6, -1.63646495514651601e-7,
                        1.4792469644520129023e-8, -1.2164968617165561075e-9, 8.7104653366504727423e-11, -4.2331295286795806355e-12});
  // 1 - e^(-a^2) G(u): G(u) = erfc(a) e^(a^2) is smooth in u = (a - 2) / (a + 2).
  Value a = b.Select(magnitude > f.C(4.2, 6.1), f.C(4.2, 6.1), magnitude), u = (a - 2.0) / (a + 2.0);
  Value g =
      f.Polynomial(u,
                   {0.2553956762929011586, -0.42718585088210157161, 0.24165820439132458532, -0.078978273228390365683, 0.0037322996889330521259,
                    0.0069901689585605807628, -0.00083751958184549901508, -0.00091934746228083719931},
                   {0.25539567631050574393, -0.42718584741395839371, 0.24165819424246629155, -0.078978581015732990617, 0.0037328924043559622238,
                    0.006997461739266203045, -0.00084714325271164938848, -0.00098197702811600140832, 0.000043555658922733356267, 0.00017436115677859190406,
                    0.000027524499610793220838, -0.000027578940730123499634, -0.000013958823267832030893, 1.3774852155645981119e-6, 3.747231638943607198e-6,
                    1.2820581171873129624e-6, -4.893484704278336906e-7, -6.8751457296649619331e-7, 1.813023274049525032e-7});
  Value large = f.CopySign(f.C(1) - Exp(e, -(a * a)) * g, x);
  return b.Select(magnitude <= 1.0, small, b.Select(b.IsNan(x), x, large));
}

namespace {

constexpr double kLog2E = 1.4426950408889634074;

Value Horner(const FloatFormat& f, Value z, const std::vector<double>& c) {
  Value sum = f.C(c.back());
  for (size_t k = c.size() - 1; k-- > 0;) sum = f.b.Fma(sum, z, f.C(c[k]));
  return sum;
}

// What makes a whole number of a sum: numbers of this size have no bits behind the point, and their last bits count from zero.
Value Shifter(const FloatFormat& f) { return f.C(0x1.8p23, 0x1.8p52); }

// 2^-n for n = shifted - Shifter, as far as that is a normal number.
Value InversePowerOfTwo(const FloatFormat& f, Value shifted) {
  return f.FromBits(f.BitConstant(static_cast<uint64_t>(f.bias) << f.mantissa) - (f.Bits(shifted) << f.BitConstant(static_cast<uint64_t>(f.mantissa))));
}

// erfc(x) where `result` is erfc(a), a = |x|, up to the smallest normal number; what is less is 0. NaN passes.
Value ErfcOfBothSigns(const FloatFormat& f, Value x, Value a, Value result) {
  Builder& b = f.b;
  const Value inside = b.Select(a >= f.C(0x1.2639cp+3, 0x1.a8b12fc6e4892p+4), f.C(0), result);
  return b.Select(x < 0.0, f.C(2) - inside, inside);
}

// With the digits of f16 and bf16: relative error below 2e-5, which makes the rounded result's at most 0.52 units in the last place. e^(-a^2) is 2^(r - n), n
// whole and |r| <= 1/2; e^(a^2) erfc(a) is a polynomial in q times q.
Value ErfcOfFewDigits(Emitter& e, Value x) {
  FloatFormat f(e, x);
  const Value a = f.b.Apply(Math::kAbs, x), exponent = a * a * kLog2E, shifted = exponent + Shifter(f), n = shifted - Shifter(f);
  const Value power = Horner(f, n - exponent, {1.0, 0.69311360533124221805, 0.24020711751015457477, 0.055976879138053949634, 0.0097828811171369769195});
  const Value q = f.C(1) / (a + 1.6);
  const Value ratio = Horner(
      f, q, {0.56315655561623397863, 0.93228020854555942879, 0.83682044759328830231, 2.7009141532799646483, -4.8137592372690973827, 2.12235793454907755});
  return ErfcOfBothSigns(f, x, a, ratio * q * power * InversePowerOfTwo(f, shifted));
}

}  // namespace

// The polynomials have the least relative error (Remez with 60 digits, against e^(a^2) erfc(a)): 1.3e-8 for G and 1.2e-8 for the power in f32, 1.5e-17 in f64.
// Measured where quotients are rounded correctly: f32 is within 4.5 units in the last place everywhere and 3.5 up to x = 2 (3.7 with fused multiply-adds),
// f64 within 4.5. A quotient that is off by a unit adds two.
Value Erfc(Emitter& e, DType dtype, Value x) {
  if (BitSize(dtype) == 16) return ErfcOfFewDigits(e, x);
  FloatFormat f(e, x);
  Builder& b = f.b;
  const Value a = b.Apply(Math::kAbs, x);
  // erfc(a) = e^(-a^2) G(a). a^2 = h^2 + (a - h) (a + h), where h^2 is exact, and so is what is left of it without its multiple of ln(2): the rounding of a^2
  // itself would cost a result near the smallest ones 6 bits.
  const Value h = f.FromBits(f.Bits(a) & f.BitConstant(f.wide() ? ~((uint64_t{1} << 27) - 1) : 0xfffff000u)), square = h * h;
  const Value shifted = b.Fma(square, f.C(kLog2E), Shifter(f)), n = shifted - Shifter(f);
  const Value r = b.Fma(n, f.C(kLn2Low32, kLn2Low64), b.Fma(h - a, h + a, n * f.C(kLn2High32, kLn2High64) - square));  // f32: from -0.42 to 0.35
  const Value power = f.wide() ? f.ExpReduced(r) + 1.0
                               : Horner(f, r,
                                        {1.0, 1.0000001902708366154, 0.50000017840420037994, 0.16665877330082986125, 0.041660270329588255896,
                                         0.0084117286583004762212, 0.0014364421195721355852});
  // G(a) = e^(a^2) erfc(a) = q (1 + w T(w - 1)) for q = c / (a + c) and w = a q: exactly 1 at 0, and smooth on the whole half-line.
  const Value c = f.C(1.5, 2), q = c / (a + c), w = a * q;
  const Value t =
      Horner(f, w - 1.0,
             f.wide() ? std::vector<double>{-0.48920864737898850453,    0.14562830517208317255,     -0.0058922588940586899793,  -0.012328856859375012123,
                                            0.0015735259148094005011,   0.0016660666188120892199,   -0.00012076059347381253281, -0.00029788743309750537372,
                                            -0.00003364926661121054041, 0.000050834937173857789999, 0.000021400044082302601348, -4.3253072001471217917e-6,
                                            -6.5209117631033234205e-6,  -1.5406399640587981605e-6,  9.7165935836719866418e-7,   8.5282344958988161635e-7,
                                            1.6230654052919174014e-7,   -1.6490501905634782894e-7,  -1.4321587682520003558e-7,  -1.66520209468957951e-8,
                                            3.9209184761227159949e-8,   1.6698733691907815487e-8,   -4.4773736328272511711e-9,  -2.9622397758621317366e-9}
                      : std::vector<double>{-0.46299654549783366315, 0.068952288975512990633, 0.066759438917576137143, -0.024436213194404731537,
                                            -0.022516747721281988199, 0.0068216196493758927219, 0.011623960120285263843, 0.0010849358264604228323,
                                            -0.0036868353176586972464, -0.0015282352174693290296});
  return ErfcOfBothSigns(f, x, a, q * power * b.Fma(w, t, f.C(1)) * InversePowerOfTwo(f, shifted));
}

}  // namespace tfvk::kernels
