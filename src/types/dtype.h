// Element types of tensors and of the values that kernels compute with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tfvk {

enum class DType : uint8_t { kBool, kS8, kS16, kS32, kS64, kU8, kU16, kU32, kU64, kF16, kBF16, kF32, kF64 };
inline constexpr int kDTypeCount = 13;

// Bytes of one element in memory. A bool is one byte, 0 or 1.
constexpr size_t ByteSize(DType t) {
  constexpr size_t kBytes[kDTypeCount] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8};
  return kBytes[static_cast<int>(t)];
}
constexpr int BitSize(DType t) { return static_cast<int>(ByteSize(t)) * 8; }

constexpr bool IsSigned(DType t) { return t >= DType::kS8 && t <= DType::kS64; }
constexpr bool IsUnsigned(DType t) { return t >= DType::kU8 && t <= DType::kU64; }
constexpr bool IsInteger(DType t) { return t >= DType::kS8 && t <= DType::kU64; }
constexpr bool IsFloat(DType t) { return t >= DType::kF16; }

// HLO's spelling: "pred", "s32", "bf16", ...
constexpr std::string_view Name(DType t) {
  constexpr std::string_view kNames[kDTypeCount] = {"pred", "s8", "s16", "s32", "s64", "u8", "u16", "u32", "u64", "f16", "bf16", "f32", "f64"};
  return kNames[static_cast<int>(t)];
}

}  // namespace tfvk
