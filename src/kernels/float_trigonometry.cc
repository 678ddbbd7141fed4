// Sine, cosine, tangent and arc tangent. Arguments of any size are reduced exactly: small ones by pi/2 in three parts, large ones with the bits of 2/pi.
#include "kernels/float_format.h"
#include "kernels/float_functions.h"

namespace tfvk::kernels {

using spirv::Builder;
using spirv::Math;
using spirv::Value;

namespace {

// An argument as quadrant * pi/2 + angle, |angle| <= pi/4.
struct Reduced {
  Value angle, quadrant;  // quadrant: u32, of which two bits count
};

// The bits of 2/pi after the binary point, behind a word of zeros.
const std::vector<uint32_t>& TwoOverPi() {
  static const std::vector<uint32_t> words = {0,          0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab,
                                              0xdebbc561, 0xb7246e3a, 0x424dd2e0, 0x06492eea, 0x09d1921c, 0xfe1deb1c, 0xb129a73e, 0xe88235f5,
                                              0x2ebb4484, 0xe99c7026, 0xb45f7e41, 0x3991d639, 0x835339f4, 0x9c845f8b, 0xbdf9283b, 0x1ff897ff,
                                              0xde05980f, 0xef2f118b, 0x5a0a6d1f, 0x6d367ecf, 0x27cb09b7, 0x4f463f66, 0x9e5fea2d, 0x7527bac7,
                                              0xebe5f17b, 0x3d0739f7, 0x8a5292ea, 0x6bfb5fb1, 0x1f8d5d08, 0x56033046, 0xfc7b6bab, 0xf0cfbc20};
  return words;
}

Reduced ReduceSmall(const FloatFormat& f, Value x) {
  Value n = f.b.Apply(Math::kRoundEven, x * f.C(0.63661977236758134308));
  Value angle = x - n * f.C(0x1.921fp+0, 0x1.921fb544p+0);
  angle = angle - n * f.C(0x1.6a88p-17, 0x1.0b4611a6p-34);
  angle = angle - n * f.C(0x1.0b4611a626331p-34, 0x1.3198a2e037073p-69);
  return {angle, f.b.Bitcast(f.b.Convert(n, DType::kS32), DType::kU32)};
}

// Words of zeros before the binary point: a product's first bit may lie as far to the left of it.
int64_t ZeroBits(const FloatFormat& f) { return f.wide() ? 64 : 32; }

// `count` words of 2/pi that start at bit `offset` - ZeroBits after the binary point.
std::vector<Value> Window(const FloatFormat& f, Value offset, int count) {
  Builder& b = f.b;
  std::vector<uint32_t> table(TwoOverPi().begin(), TwoOverPi().begin() + (f.wide() ? 40 : 9));
  if (f.wide()) table.insert(table.begin(), 0);
  Value first = offset >> 5, bit = offset & 31;
  std::vector<Value> words, window;
  for (int k = 0; k <= count; ++k) words.push_back(b.Lookup(table, first + k));
  for (int k = 0; k < count; ++k) {
    auto i = static_cast<size_t>(k);
    window.push_back((words[i] << bit) | ((words[i + 1] >> 1) >> (b.U32(31) - bit)));
  }
  return window;
}

// limbs += factor * window, both big-endian, modulo the limbs' size; the window's word j + shift meets limb j.
void MultiplyAdd(Builder& b, std::vector<Value>& limbs, const std::vector<Value>& window, Value factor, size_t shift) {
  Value carry = b.U64(0), wide = b.Convert(factor, DType::kU64);
  for (size_t j = limbs.size() - shift; j-- > 0;) {
    Value t = wide * b.Convert(window[j + shift], DType::kU64) + (carry + b.Convert(limbs[j], DType::kU64));
    limbs[j] = b.Convert(t, DType::kU32);
    carry = t >> b.U64(32);
  }
}

// x = M 2^E with M of 32 (f32) or 64 (f64) bits: of M times the bits of 2/pi after the first E - 2, the part behind the binary point counts quarter turns,
// four a unit.
Reduced ReduceLarge(const FloatFormat& f, Value x) {
  Builder& b = f.b;
  Value word = f.Bits(f.Abs(x));
  int top = f.wide() ? 64 : 32, spare = top - 1 - f.mantissa;
  Value exponent = b.Convert(word >> f.BitConstant(static_cast<uint64_t>(f.mantissa)), DType::kU32);
  Value fraction = (word << f.BitConstant(static_cast<uint64_t>(spare))) | f.BitConstant(f.SignMask());
  Value offset = exponent - static_cast<int64_t>(f.bias + top - 1 + 2 - ZeroBits(f));
  std::vector<Value> window = Window(f, offset, f.wide() ? 6 : 3), limbs(window.size(), b.U32(0));
  MultiplyAdd(b, limbs, window, b.Convert(fraction, DType::kU32), 0);
  if (f.wide()) MultiplyAdd(b, limbs, window, b.Convert(fraction >> b.U64(32), DType::kU32), 1);

  auto pair = [&](size_t j) { return (b.Convert(limbs[j], DType::kU64) << b.U64(32)) | b.Convert(limbs[j + 1], DType::kU64); };
  Value high = pair(0), low = f.wide() ? pair(2) : (b.Convert(limbs[2], DType::kU64) << b.U64(32));
  Value quadrant = b.Convert(high >> b.U64(62), DType::kU32);
  high = (high << b.U64(2)) | (low >> b.U64(62));
  low = low << b.U64(2);
  // Beyond half a quarter turn: the next quadrant's, negative.
  Value beyond = (high >> b.U64(63)) != 0, flip = b.Select(beyond, b.U64(~uint64_t{0}), b.U64(0));
  quadrant = quadrant + b.Convert(beyond, DType::kU32);
  high = high ^ flip;
  low = low ^ flip;
  Value turns = b.Convert(high, f.dtype) * f.C(0x1p-64);
  if (f.wide()) turns = turns + b.Convert(low, f.dtype) * f.C(0x1p-128);
  Value angle = turns * f.C(0x1.921fb54442d18p+0);
  Value negative = f.SignOf(x) != int64_t{0};
  angle = b.Select(beyond != negative, -angle, angle);
  return {angle, b.Select(negative, b.U32(0) - quadrant, quadrant)};
}

Reduced Reduce(const FloatFormat& f, Value x) {
  Builder& b = f.b;
  spirv::Variable angle = b.Declare(f.dtype), quadrant = b.Declare(DType::kU32);
  Value magnitude = f.Abs(x);
  auto set = [&](const Reduced& r) {
    angle.Set(r.angle);
    quadrant.Set(r.quadrant);
  };
  Value finite = b.Select(b.IsNan(x) || b.IsInf(x), f.C(0), x);
  b.If(
      magnitude > f.C(190, 1e6) && magnitude < f.Infinity(), [&] { set(ReduceLarge(f, x)); }, [&] { set(ReduceSmall(f, finite)); });
  return {angle.Get(), quadrant.Get()};
}

Value SinReduced(const FloatFormat& f, Value r) {
  Value z = r * r;
  return r + r * z *
                 f.Polynomial(z, {-0.16666666663630157653, 0.0083333317874260651608, -0.00019840039856392412152, 2.7243890731599561365e-6},
                              {-0.16666666666666666665, 0.0083333333333333312615, -0.00019841269841264571075, 2.7557319218958493222e-6,
                               -2.5052106101466570385e-8, 1.6058511055806807684e-10, -7.5854965484345792177e-13});
}

Value CosReduced(const FloatFormat& f, Value r) {
  Value z = r * r, half = z * 0.5, near = f.C(1) - half;
  Value tail = z * z *
               f.Polynomial(z, {0.041666664542018626898, -0.0013888280094194620257, 0.000024542998755693361218},
                            {0.041666666666666665229, -0.0013888888888887243358, 0.00002480158729853494937, -2.7557317153132008577e-7, 2.0876121779649841162e-9,
                             -1.1380884626244867919e-11});
  return near + (((f.C(1) - near) - half) + tail);
}

// The sine of the angle `quarters` quarter turns further.
Value SineWithPhase(Emitter& e, Value x, uint32_t quarters) {
  FloatFormat f(e, x);
  Builder& b = f.b;
  Reduced r = Reduce(f, x);
  Value quadrant = r.quadrant + quarters;
  Value magnitude = b.Select((quadrant & 1) != 0, CosReduced(f, r.angle), SinReduced(f, r.angle));
  Value result = b.Select((quadrant & 2) != 0, -magnitude, magnitude);
  return b.Select(b.IsNan(x) || b.IsInf(x), f.Nan(), result);
}

}  // namespace

Value Sin(Emitter& e, Value x) {
  Value result = SineWithPhase(e, x, 0);
  FloatFormat f(e, x);
  return f.b.Select(f.Abs(x) < f.C(1e-5, 1e-9), x, result);
}

Value Cos(Emitter& e, Value x) { return SineWithPhase(e, x, 1); }

Value Tan(Emitter& e, Value x) {
  FloatFormat f(e, x);
  Builder& b = f.b;
  Reduced r = Reduce(f, x);
  Value sine = SinReduced(f, r.angle), cosine = CosReduced(f, r.angle);
  Value odd = (r.quadrant & 1) != 0;
  Value result = b.Select(odd, -cosine, sine) / b.Select(odd, sine, cosine);
  result = b.Select(f.Abs(x) < f.C(1e-5, 1e-9), x, result);
  return b.Select(b.IsNan(x) || b.IsInf(x), f.Nan(), result);
}

Value Atan2(Emitter& e, Value y, Value x) {
  FloatFormat f(e, x);
  Builder& b = f.b;
  Value ax = f.Abs(x), ay = f.Abs(y);
  Value steep = ay > ax, large = b.Select(steep, ay, ax), small = b.Select(steep, ax, ay);
  // Scaled so that sums do not overflow and quotients do not underflow early.
  Value factor = b.Select(large > f.C(0x1p100), f.C(0x1p-30), f.C(0x1p20));
  Value up = large * factor, low = small * factor;
  Value diagonal = low > up * f.C(0.41421356237309504880) || b.IsInf(small);
  Value numerator = b.Select(diagonal, low - up, low), denominator = b.Select(diagonal, low + up, up);
  numerator = b.Select(b.IsInf(small), f.C(0), numerator);
  denominator = b.Select(large == 0.0, f.C(1), denominator);
  Value t = numerator / denominator, z = t * t;
  Value arc = t + t * z *
                      f.Polynomial(z,
                                   {-0.33333333280013062137, 0.19999977293508838028, -0.14284144568120681334, 0.11071125026134907102, -0.086222124113435716335,
                                    0.050404041684642307928},
                                   {-0.33333333333333333329, 0.19999999999999991127, -0.14285714285711383063, 0.11111111110737817446, -0.090909090659395111608,
                                    0.07692306696580816706, -0.066666411100882561971, 0.058819115507438849757, -0.052579049469475805364,
                                    0.047185011945372565905, -0.041007475270393145434, 0.030548664586695736076, -0.013828743536318317158});
  // pi in two parts of the width.
  Value pi_high = f.C(0x1.921fb6p+1, 0x1.921fb54442d18p+1), pi_low = f.C(-0x1.777a5cf72cecep-24, 0x1.1a62633145c07p-53);
  arc = b.Select(diagonal, pi_high * 0.25 + (arc + pi_low * 0.25), arc);
  arc = b.Select(steep, pi_high * 0.5 - (arc - pi_low * 0.5), arc);
  arc = b.Select(f.SignOf(x) != int64_t{0}, pi_high - (arc - pi_low), arc);
  return b.Select(b.IsNan(x) || b.IsNan(y), f.Nan(), f.CopySign(arc, y));
}

}  // namespace tfvk::kernels
