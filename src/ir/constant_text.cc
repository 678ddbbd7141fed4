#include "ir/constant_text.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "types/error.h"
#include "types/half.h"

namespace tfvk::ir {
namespace {

uint64_t BitsAt(DType dtype, const uint8_t* bytes) {
  uint64_t bits = 0;
  std::memcpy(&bits, bytes, ByteSize(dtype));  // both sides little-endian, as Vulkan devices are
  return bits;
}

int64_t SignExtend(uint64_t bits, int width) { return static_cast<int64_t>(bits << (64 - width)) >> (64 - width); }

double DoubleFromBits(uint64_t bits) {
  double d;
  std::memcpy(&d, &bits, sizeof d);
  return d;
}

template <class T>
std::string FloatText(T value, uint64_t bits) {
  return std::isnan(value) ? fmt::format("nan({:#x})", bits) : fmt::format("{}", value);
}

[[noreturn]] void Reject(DType dtype, const std::string& text) { Fail(ErrorCode::kInvalidArgument, "[FromText] '{}' is not a {}", text, Name(dtype)); }

uint64_t FloatBits(DType dtype, const std::string& text) {
  char* end = nullptr;
  if (text.rfind("nan(", 0) == 0) {
    const uint64_t bits = std::strtoull(text.c_str() + 4, &end, 16);
    if (std::string(end) != ")") Reject(dtype, text);
    return bits;
  }
  const double d = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || *end != 0) Reject(dtype, text);
  if (dtype == DType::kF64) {
    uint64_t bits;
    std::memcpy(&bits, &d, sizeof bits);
    return bits;
  }
  const float f = std::strtof(text.c_str(), nullptr);  // rounded once, not through double
  if (dtype == DType::kF32) return BitsOf(f);
  return dtype == DType::kF16 ? FloatToHalf(f) : FloatToBFloat16(f);
}

uint64_t IntegerBits(DType dtype, const std::string& text) {
  char* end = nullptr;
  errno = 0;
  const bool negative = text[0] == '-';
  const uint64_t bits = negative ? static_cast<uint64_t>(std::strtoll(text.c_str(), &end, 10)) : std::strtoull(text.c_str(), &end, 10);
  if (errno != 0 || end == text.c_str() || *end != 0) Reject(dtype, text);
  const int width = BitSize(dtype);
  const uint64_t kept = width == 64 ? bits : bits & ((uint64_t{1} << width) - 1);
  const uint64_t back = IsSigned(dtype) ? static_cast<uint64_t>(SignExtend(kept, width)) : kept;
  if (back != bits || (negative && IsUnsigned(dtype) && bits != 0)) Reject(dtype, text);
  if (!negative && IsSigned(dtype) && static_cast<int64_t>(bits) < 0) Reject(dtype, text);
  return kept;
}

}  // namespace

std::string ElementToText(DType dtype, const uint8_t* bytes) {
  const uint64_t bits = BitsAt(dtype, bytes);
  if (dtype == DType::kBool) return bits != 0 ? "true" : "false";
  if (IsSigned(dtype)) return fmt::format("{}", SignExtend(bits, BitSize(dtype)));
  if (IsUnsigned(dtype)) return fmt::format("{}", bits);
  if (dtype == DType::kF64) return FloatText(DoubleFromBits(bits), bits);
  if (dtype == DType::kF32) return FloatText(FloatFromBits(static_cast<uint32_t>(bits)), bits);
  return FloatText(dtype == DType::kF16 ? HalfToFloat(static_cast<uint16_t>(bits)) : BFloat16ToFloat(static_cast<uint16_t>(bits)), bits);
}

void ElementFromText(DType dtype, const std::string& text, std::vector<uint8_t>& bytes) {
  if (text.empty()) Reject(dtype, text);
  uint64_t bits = 0;
  if (dtype == DType::kBool) {
    if (text != "true" && text != "false") Reject(dtype, text);
    bits = text == "true";
  } else {
    bits = IsFloat(dtype) ? FloatBits(dtype, text) : IntegerBits(dtype, text);
  }
  const auto* first = reinterpret_cast<const uint8_t*>(&bits);
  bytes.insert(bytes.end(), first, first + ByteSize(dtype));
}

}  // namespace tfvk::ir
