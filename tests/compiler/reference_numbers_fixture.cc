// Numbers of all dtypes, and the elementwise operations on them.
#include <cmath>
#include <cstring>
#include <limits>

#include "compiler/reference_evaluator.h"
#include "types/error.h"

namespace tfvk::reference {
namespace {

using ir::Op;

double RoundToBits(double value, int mantissa_bits, int min_exponent, double largest) {
  if (!std::isfinite(value) || value == 0) return value;
  int exponent;
  std::frexp(value, &exponent);  // value = m * 2^exponent, 0.5 <= |m| < 1
  const int ulp = std::max(exponent - 1, min_exponent) - mantissa_bits;
  const double rounded = std::ldexp(std::nearbyint(std::ldexp(value, -ulp)), ulp);
  return std::abs(rounded) > largest ? std::copysign(std::numeric_limits<double>::infinity(), rounded) : rounded;
}

uint64_t LowBits(int64_t value, int bits) { return bits == 64 ? static_cast<uint64_t>(value) : static_cast<uint64_t>(value) & ((uint64_t{1} << bits) - 1); }

uint16_t HalfBits(double value) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double magnitude = std::abs(value);
  if (std::isnan(value)) return sign | 0x7e00;
  if (std::isinf(value)) return sign | 0x7c00;
  if (magnitude == 0) return sign;
  int exponent;
  std::frexp(magnitude, &exponent);
  if (exponent - 1 < -14) return sign | static_cast<uint16_t>(std::ldexp(magnitude, 24));
  return sign | static_cast<uint16_t>(((exponent - 1 + 15) << 10) + static_cast<int>(std::ldexp(magnitude, 11 - exponent)) - 1024);
}

uint64_t BitsOf(DType dtype, Number n) {
  uint8_t bytes[8] = {};
  ToBytes(dtype, n, bytes);
  uint64_t bits;
  std::memcpy(&bits, bytes, 8);
  return bits;
}

double FloatUnary(Op op, double x) {
  switch (op) {
    case Op::kAbs:
      return std::abs(x);
    case Op::kNegate:
      return -x;
    case Op::kSign:
      return std::isnan(x) || x == 0 ? x : std::copysign(1.0, x);
    case Op::kExp:
      return std::exp(x);
    case Op::kExpm1:
      return std::expm1(x);
    case Op::kLog:
      return std::log(x);
    case Op::kLog1p:
      return std::log1p(x);
    case Op::kLogistic:
      return 1 / (1 + std::exp(-x));
    case Op::kSqrt:
      return std::sqrt(x);
    case Op::kRsqrt:
      return 1 / std::sqrt(x);
    case Op::kCbrt:
      return std::cbrt(x);
    case Op::kSin:
      return std::sin(x);
    case Op::kCos:
      return std::cos(x);
    case Op::kTan:
      return std::tan(x);
    case Op::kTanh:
      return std::tanh(x);
    case Op::kErf:
      return std::erf(x);
    case Op::kErfc:
      return std::erfc(x);
    case Op::kFloor:
      return std::floor(x);
    case Op::kCeil:
      return std::ceil(x);
    case Op::kRoundNearestAfz:
      return std::round(x);
    case Op::kRoundNearestEven:
      return std::nearbyint(x);
    default:
      Fail(ErrorCode::kInternal, "no float operation {}", ir::Name(op));
  }
}

double FloatBinary(Op op, double x, double y) {
  switch (op) {
    case Op::kAdd:
      return x + y;
    case Op::kSubtract:
      return x - y;
    case Op::kMultiply:
      return x * y;
    case Op::kDivide:
      return x / y;
    case Op::kRemainder:
      return std::fmod(x, y);
    case Op::kPower:
      return std::pow(x, y);
    case Op::kAtan2:
      return std::atan2(x, y);
    case Op::kMaximum:
      return std::isnan(x) || std::isnan(y) ? NAN : std::max(x, y);
    case Op::kMinimum:
      return std::isnan(x) || std::isnan(y) ? NAN : std::min(x, y);
    default:
      Fail(ErrorCode::kInternal, "no float operation {}", ir::Name(op));
  }
}

int64_t IntegerUnary(Op op, DType dtype, int64_t x) {
  const int bits = BitSize(dtype);
  const uint64_t raw = LowBits(x, bits);
  switch (op) {
    case Op::kAbs:
      return IsSigned(dtype) && x < 0 ? static_cast<int64_t>(-static_cast<uint64_t>(x)) : x;
    case Op::kNegate:
      return static_cast<int64_t>(-static_cast<uint64_t>(x));
    case Op::kSign:
      return IsSigned(dtype) ? (x > 0) - (x < 0) : x != 0;
    case Op::kNot:
      return dtype == DType::kBool ? !x : ~x;
    case Op::kPopcnt:
      return __builtin_popcountll(raw);
    case Op::kClz:
      return raw == 0 ? bits : __builtin_clzll(raw) - (64 - bits);
    default:
      Fail(ErrorCode::kInternal, "no integer operation {}", ir::Name(op));
  }
}

bool Less(DType dtype, int64_t x, int64_t y) { return IsSigned(dtype) ? x < y : static_cast<uint64_t>(x) < static_cast<uint64_t>(y); }

int64_t Quotient(DType dtype, int64_t x, int64_t y) {
  if (y == 0) return -1;
  if (!IsSigned(dtype)) return static_cast<int64_t>(static_cast<uint64_t>(x) / static_cast<uint64_t>(y));
  return y == -1 ? static_cast<int64_t>(-static_cast<uint64_t>(x)) : x / y;
}

int64_t RemainderOf(DType dtype, int64_t x, int64_t y) {
  if (y == 0) return x;
  if (!IsSigned(dtype)) return static_cast<int64_t>(static_cast<uint64_t>(x) % static_cast<uint64_t>(y));
  return y == -1 ? 0 : x % y;
}

int64_t Power(int64_t x, int64_t y, bool is_signed) {
  if (is_signed && y < 0) return x == 1 ? 1 : x == -1 ? (y % 2 ? -1 : 1) : 0;
  uint64_t result = 1, base = static_cast<uint64_t>(x);
  for (uint64_t e = static_cast<uint64_t>(y); e; e >>= 1, base *= base) {
    if (e & 1) result *= base;
  }
  return static_cast<int64_t>(result);
}

int64_t Shift(Op op, DType dtype, int64_t x, int64_t y) {
  const int bits = BitSize(dtype);
  const uint64_t amount = LowBits(y, bits);
  const bool whole = amount >= static_cast<uint64_t>(bits);
  const uint64_t raw = LowBits(x, bits);
  if (op == Op::kShiftLeft) return whole ? 0 : static_cast<int64_t>(raw << amount);
  if (op == Op::kShiftRightLogical) return whole ? 0 : static_cast<int64_t>(raw >> amount);
  const int64_t value = static_cast<int64_t>(raw << (64 - bits)) >> (64 - bits);
  return whole ? (value < 0 ? -1 : 0) : value >> amount;
}

int64_t IntegerBinary(Op op, DType dtype, int64_t x, int64_t y) {
  const auto u = [](int64_t v) { return static_cast<uint64_t>(v); };
  switch (op) {
    case Op::kAdd:
      return dtype == DType::kBool ? x | y : static_cast<int64_t>(u(x) + u(y));
    case Op::kSubtract:
      return static_cast<int64_t>(u(x) - u(y));
    case Op::kMultiply:
      return dtype == DType::kBool ? x & y : static_cast<int64_t>(u(x) * u(y));
    case Op::kDivide:
      return Quotient(dtype, x, y);
    case Op::kRemainder:
      return RemainderOf(dtype, x, y);
    case Op::kPower:
      return Power(x, y, IsSigned(dtype));
    case Op::kMaximum:
      return Less(dtype, x, y) ? y : x;
    case Op::kMinimum:
      return Less(dtype, y, x) ? y : x;
    case Op::kAnd:
      return x & y;
    case Op::kOr:
      return x | y;
    case Op::kXor:
      return x ^ y;
    case Op::kShiftLeft:
    case Op::kShiftRightLogical:
    case Op::kShiftRightArithmetic:
      return Shift(op, dtype, x, y);
    default:
      Fail(ErrorCode::kInternal, "no integer operation {}", ir::Name(op));
  }
}

// -NaN < -inf < ... < -0 < +0 < ... < NaN
double TotalOrderKey(double x) {
  if (std::isnan(x)) return std::signbit(x) ? -1e308 : 1e308;
  return x;
}

bool Compared(const ir::CompareAttr& attr, DType dtype, Number a, Number b) {
  int order = 0;  // sign of a - b; 2: unordered
  if (!IsFloat(dtype)) {
    order = Less(dtype, a.i, b.i) ? -1 : Less(dtype, b.i, a.i) ? 1 : 0;
  } else if (attr.total_order) {
    const double x = TotalOrderKey(a.f), y = TotalOrderKey(b.f);
    order = x < y ? -1 : x > y ? 1 : static_cast<int>(std::signbit(b.f)) - static_cast<int>(std::signbit(a.f));
  } else {
    order = std::isnan(a.f) || std::isnan(b.f) ? 2 : a.f < b.f ? -1 : a.f > b.f;
  }
  switch (attr.direction) {
    case ir::Comparison::kEq:
      return order == 0;
    case ir::Comparison::kNe:
      return order != 0;
    case ir::Comparison::kLt:
      return order == -1;
    case ir::Comparison::kLe:
      return order == -1 || order == 0;
    case ir::Comparison::kGt:
      return order == 1;
    case ir::Comparison::kGe:
      return order == 1 || order == 0;
  }
  return false;
}

Number Converted(DType from, DType to, Number n) {
  if (IsFloat(from) && IsFloat(to)) return n;
  if (IsFloat(to)) return {from == DType::kU64 ? static_cast<double>(static_cast<uint64_t>(n.i)) : static_cast<double>(n.i), 0};
  if (to == DType::kBool) return {0, IsFloat(from) ? n.f != 0 : n.i != 0};
  if (!IsFloat(from)) return n;
  if (std::isnan(n.f)) return {0, 0};
  const int bits = BitSize(to);
  const double low = IsSigned(to) ? -std::ldexp(1.0, bits - 1) : 0, high = std::ldexp(1.0, IsSigned(to) ? bits - 1 : bits);
  if (n.f <= low) return {0, IsSigned(to) ? static_cast<int64_t>(~uint64_t{0} << (bits - 1)) : 0};
  if (n.f >= high) return {0, IsSigned(to) ? static_cast<int64_t>((uint64_t{1} << (bits - 1)) - 1) : -1};
  return {0, to == DType::kU64 ? static_cast<int64_t>(static_cast<uint64_t>(n.f)) : static_cast<int64_t>(n.f)};
}

Number ReducedPrecision(const ir::Node& node, Number n) {
  const auto& bits = node.attr<ir::DimsAttr>().dims;
  const int bias = (1 << (bits[0] - 1)) - 1;
  const double largest = std::ldexp(2 - std::ldexp(1.0, static_cast<int>(-bits[1])), bias);
  double value = RoundToBits(n.f, static_cast<int>(bits[1]), -2000, largest);
  if (std::isfinite(value) && std::abs(value) < std::ldexp(1.0, 1 - bias)) value = std::copysign(0.0, value);  // denormals are flushed
  return {value, 0};
}

}  // namespace

Number FromBytes(DType dtype, const uint8_t* bytes) {
  uint64_t raw = 0;
  std::memcpy(&raw, bytes, ByteSize(dtype));
  if (dtype == DType::kF64) {
    double value;
    std::memcpy(&value, bytes, 8);
    return {value, 0};
  }
  if (dtype == DType::kF16) {
    const int exponent = (raw >> 10) & 31, mantissa = raw & 1023;
    double value = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    if (exponent == 31) value = mantissa ? NAN : INFINITY;
    return {raw & 0x8000 ? -value : value, 0};
  }
  if (IsFloat(dtype)) {
    const uint32_t wide = dtype == DType::kBF16 ? static_cast<uint32_t>(raw << 16) : static_cast<uint32_t>(raw);
    float value;
    std::memcpy(&value, &wide, 4);
    return {value, 0};
  }
  return Rounded(dtype, {0, static_cast<int64_t>(raw)});
}

void ToBytes(DType dtype, Number n, uint8_t* bytes) {
  uint64_t raw = static_cast<uint64_t>(n.i);
  if (dtype == DType::kF64) {
    std::memcpy(&raw, &n.f, 8);
  } else if (dtype == DType::kF16) {
    raw = HalfBits(n.f);
  } else if (IsFloat(dtype)) {
    const float value = static_cast<float>(n.f);
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    raw = dtype == DType::kBF16 ? bits >> 16 : bits;
  }
  std::memcpy(bytes, &raw, ByteSize(dtype));
}

Number Rounded(DType dtype, Number n) {
  switch (dtype) {
    case DType::kF16:
      return {RoundToBits(n.f, 10, -14, 65504), 0};
    case DType::kBF16:
      return {RoundToBits(n.f, 7, -126, 3.3895313892515355e38), 0};
    case DType::kF32:
      return {static_cast<float>(n.f), 0};
    case DType::kF64:
      return n;
    case DType::kBool:
      return {0, n.i & 1};
    default:
      break;
  }
  const int unused = 64 - BitSize(dtype);
  const uint64_t shifted = static_cast<uint64_t>(n.i) << unused;
  return {0, IsSigned(dtype) ? static_cast<int64_t>(shifted) >> unused : static_cast<int64_t>(shifted >> unused)};
}

Number EvaluateElementwise(const ir::Node& node, const std::vector<Number>& x) {
  const DType from = node.operand_type(0).dtype, to = node.type().dtype;
  switch (node.op) {
    case Op::kConvert:
      return Rounded(to, Converted(from, to, x[0]));
    case Op::kBitcastConvert: {
      const uint64_t bits = BitsOf(from, x[0]);
      uint8_t bytes[8];
      std::memcpy(bytes, &bits, 8);
      return FromBytes(to, bytes);
    }
    case Op::kReducePrecision:
      return Rounded(to, ReducedPrecision(node, x[0]));
    case Op::kIsFinite:
      return {0, std::isfinite(x[0].f)};
    case Op::kCompare:
      return {0, Compared(node.attr<ir::CompareAttr>(), from, x[0], x[1])};
    case Op::kSelect:
      return x[0].i ? x[1] : x[2];
    case Op::kClamp:
      if (IsFloat(to)) return {FloatBinary(Op::kMinimum, FloatBinary(Op::kMaximum, x[0].f, x[1].f), x[2].f), 0};
      return {0, IntegerBinary(Op::kMinimum, to, IntegerBinary(Op::kMaximum, to, x[0].i, x[1].i), x[2].i)};
    default:
      break;
  }
  Number result;
  if (IsFloat(from)) {
    result.f = x.size() == 1 ? FloatUnary(node.op, x[0].f) : FloatBinary(node.op, x[0].f, x[1].f);
  } else {
    result.i = x.size() == 1 ? IntegerUnary(node.op, from, x[0].i) : IntegerBinary(node.op, from, x[0].i, x[1].i);
  }
  return Rounded(to, result);
}

}  // namespace tfvk::reference
