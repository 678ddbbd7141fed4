#include "kernels/integer_functions.h"

namespace tfvk::kernels {

using spirv::Builder;
using spirv::Value;

namespace {

DType Unsigned(DType dtype) { return BitSize(dtype) == 64 ? DType::kU64 : DType::kU32; }

Value Magnitude(Builder& b, Value v) {
  Value word = b.Bitcast(v, Unsigned(v.dtype()));
  return IsSigned(v.dtype()) ? b.Select(v < 0, -word, word) : word;
}

}  // namespace

// Signed division goes by way of magnitudes: some drivers' own 64-bit signed one is wrong, and none defines the lowest number / -1.
Value IntegerDivide(Emitter& e, Value x, Value y) {
  Builder& b = e.b();
  if (x.id() == y.id()) return b.Select(x == 0, b.Constant(x.dtype(), int64_t{-1}), b.Constant(x.dtype(), int64_t{1}));
  const bool wide_signed = IsSigned(x.dtype()) && BitSize(x.dtype()) == 64;
  if (!wide_signed && y.constant() && *y.constant() != 0 && *y.constant() != -1) return x / y;
  DType word = Unsigned(x.dtype());
  Value none = y == 0, divisor = b.Select(none, b.Constant(word, int64_t{1}), Magnitude(b, y));
  Value quotient = Magnitude(b, x) / divisor;
  if (IsSigned(x.dtype())) quotient = b.Select((x < 0) != (y < 0), -quotient, quotient);
  return b.Bitcast(b.Select(none, b.Constant(word, int64_t{-1}), quotient), x.dtype());
}

// That x % x is no division is more than a short cut: NVIDIA's compiler fails at the 64-bit one beside the sign of ~x.
Value IntegerRemainder(Emitter& e, Value x, Value y) {
  Builder& b = e.b();
  DType word = Unsigned(x.dtype());
  if (x.id() == y.id()) return b.Constant(x.dtype(), int64_t{0});
  if (!IsSigned(x.dtype()) && y.constant() && *y.constant() != 0) return x % y;
  Value none = y == 0, divisor = b.Select(none, b.Constant(word, int64_t{1}), Magnitude(b, y));
  Value dividend = Magnitude(b, x), rest = dividend - dividend / divisor * divisor;
  if (IsSigned(x.dtype())) rest = b.Select(x < 0, -rest, rest);
  return b.Select(none, x, b.Bitcast(rest, x.dtype()));
}

Value IntegerPower(Emitter& e, Value base, Value exponent) {
  Builder& b = e.b();
  DType dtype = base.dtype(), word = Unsigned(dtype);
  Value negative = IsSigned(dtype) ? exponent < 0 : b.Bool(false);
  spirv::Variable result = b.Declare(b.Constant(word, int64_t{1})), factor = b.Declare(b.Bitcast(base, word));
  spirv::Variable left = b.Declare(b.Select(negative, b.Constant(word, int64_t{0}), b.Bitcast(exponent, word)));
  b.While([&] { return left.Get() != 0; },
          [&] {
            b.If((left.Get() & 1) != 0, [&] { result.Set(result.Get() * factor.Get()); });
            factor.Set(factor.Get() * factor.Get());
            left.Set(left.Get() >> b.Constant(word, int64_t{1}));
          });
  Value power = b.Bitcast(result.Get(), dtype);
  if (!IsSigned(dtype)) return power;
  Value one = b.Constant(dtype, int64_t{1}), minus = b.Constant(dtype, int64_t{-1}), zero = b.Constant(dtype, int64_t{0});
  Value sign = b.Select((exponent & 1) != 0, minus, one);
  return b.Select(negative, b.Select(base == 1, one, b.Select(base == -1, sign, zero)), power);
}

Value LeadingZeros(Emitter& e, Value v, int bits) {
  Builder& b = e.b();
  auto zeros = [&](Value word) { return b.U32(31) - b.FindMsb(word); };  // 32 for 0, whose highest bit is -1
  if (bits == 64) {
    Value word = b.Bitcast(v, DType::kU64), high = b.Convert(word >> b.U64(32), DType::kU32), low = b.Convert(word, DType::kU32);
    return b.Convert(b.Select(high == 0, zeros(low) + 32, zeros(high)), v.dtype());
  }
  Value word = b.Bitcast(v, DType::kU32) & ((int64_t{1} << bits) - 1);
  return b.Convert(zeros(word) - (32 - bits), v.dtype());
}

}  // namespace tfvk::kernels
