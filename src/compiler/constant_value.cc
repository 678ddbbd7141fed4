#include "compiler/constant_value.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "types/error.h"

namespace tfvk::compiler {
namespace {

template <class T>
T Read(const uint8_t* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

double HalfOf(uint16_t bits) {
  const int exponent = (bits >> 10) & 31, mantissa = bits & 1023;
  double magnitude = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  if (exponent == 31) magnitude = mantissa ? std::numeric_limits<double>::quiet_NaN() : std::numeric_limits<double>::infinity();
  return bits & 0x8000 ? -magnitude : magnitude;
}

double BFloatOf(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof(value));
  return value;
}

}  // namespace

double FloatOf(DType dtype, const uint8_t* bytes) {
  switch (dtype) {
    case DType::kF16:
      return HalfOf(Read<uint16_t>(bytes));
    case DType::kBF16:
      return BFloatOf(Read<uint16_t>(bytes));
    case DType::kF32:
      return Read<float>(bytes);
    case DType::kF64:
      return Read<double>(bytes);
    default:
      Fail(ErrorCode::kInternal, "{} is not a floating-point dtype", Name(dtype));
  }
}

int64_t IntegerOf(DType dtype, const uint8_t* bytes) {
  switch (dtype) {
    case DType::kBool:
      return bytes[0] != 0;
    case DType::kS8:
      return Read<int8_t>(bytes);
    case DType::kS16:
      return Read<int16_t>(bytes);
    case DType::kS32:
      return Read<int32_t>(bytes);
    case DType::kU8:
      return Read<uint8_t>(bytes);
    case DType::kU16:
      return Read<uint16_t>(bytes);
    case DType::kU32:
      return Read<uint32_t>(bytes);
    case DType::kS64:
    case DType::kU64:
      return Read<int64_t>(bytes);
    default:
      Fail(ErrorCode::kInternal, "{} is not an integer dtype", Name(dtype));
  }
}

}  // namespace tfvk::compiler
