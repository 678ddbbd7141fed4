// Tensors on the host for the tests of kernels: values as doubles, encoded to and decoded from the bytes of any dtype.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "types/dtype.h"

namespace tfvk::testing {

inline uint16_t HalfFromDouble(double v) {
  if (std::isnan(v)) return 0x7e00;
  const uint16_t sign = std::signbit(v) ? 0x8000 : 0;
  const double a = std::fabs(v);
  if (a >= 65520) return sign | 0x7c00;
  if (a < std::ldexp(1.0, -14)) return sign | static_cast<uint16_t>(std::nearbyint(std::ldexp(a, 24)));
  int exponent = 0;
  const double fraction = std::frexp(a, &exponent);  // in [0.5, 1)
  const int mantissa = static_cast<int>(std::nearbyint(std::ldexp(fraction, 11)));
  return static_cast<uint16_t>(sign | (((exponent + 13) << 10) + mantissa));
}
inline double DoubleFromHalf(uint16_t h) {
  const int exponent = (h >> 10) & 31, mantissa = h & 0x3ff;
  const double a = exponent == 31 ? (mantissa ? NAN : INFINITY) : exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(mantissa + 1024, exponent - 25);
  return h & 0x8000 ? -a : a;
}
inline uint16_t BrainFromDouble(double v) {
  const float f = static_cast<float>(v);
  uint32_t bits;
  std::memcpy(&bits, &f, 4);
  if (std::isnan(f)) return 0x7fc0;
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}
inline double DoubleFromBrain(uint16_t h) {
  const uint32_t bits = uint32_t{h} << 16;
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}

template <class T>
void Append(std::vector<uint8_t>* bytes, T v) {
  const size_t at = bytes->size();
  bytes->resize(at + sizeof(T));
  std::memcpy(bytes->data() + at, &v, sizeof(T));
}

inline std::vector<uint8_t> Encode(DType t, const std::vector<double>& values) {
  std::vector<uint8_t> bytes;
  for (double v : values) {
    switch (t) {
      case DType::kBool:
        Append<uint8_t>(&bytes, v != 0);
        break;
      case DType::kS8:
        Append(&bytes, static_cast<int8_t>(v));
        break;
      case DType::kS16:
        Append(&bytes, static_cast<int16_t>(v));
        break;
      case DType::kS32:
        Append(&bytes, static_cast<int32_t>(v));
        break;
      case DType::kS64:
        Append(&bytes, static_cast<int64_t>(v));
        break;
      case DType::kU8:
        Append(&bytes, static_cast<uint8_t>(v));
        break;
      case DType::kU16:
        Append(&bytes, static_cast<uint16_t>(v));
        break;
      case DType::kU32:
        Append(&bytes, static_cast<uint32_t>(v));
        break;
      case DType::kU64:
        Append(&bytes, static_cast<uint64_t>(v));
        break;
      case DType::kF16:
        Append(&bytes, HalfFromDouble(v));
        break;
      case DType::kBF16:
        Append(&bytes, BrainFromDouble(v));
        break;
      case DType::kF32:
        Append(&bytes, static_cast<float>(v));
        break;
      case DType::kF64:
        Append(&bytes, v);
        break;
    }
  }
  return bytes;
}

template <class T>
double Element(const std::vector<uint8_t>& bytes, size_t i) {
  T v;
  std::memcpy(&v, bytes.data() + i * sizeof(T), sizeof(T));
  return static_cast<double>(v);
}

inline std::vector<double> Decode(DType t, const std::vector<uint8_t>& bytes) {
  std::vector<double> values(bytes.size() / ByteSize(t));
  for (size_t i = 0; i < values.size(); ++i) {
    switch (t) {
      case DType::kBool:
      case DType::kU8:
        values[i] = Element<uint8_t>(bytes, i);
        break;
      case DType::kS8:
        values[i] = Element<int8_t>(bytes, i);
        break;
      case DType::kS16:
        values[i] = Element<int16_t>(bytes, i);
        break;
      case DType::kS32:
        values[i] = Element<int32_t>(bytes, i);
        break;
      case DType::kS64:
        values[i] = Element<int64_t>(bytes, i);
        break;
      case DType::kU16:
        values[i] = Element<uint16_t>(bytes, i);
        break;
      case DType::kU32:
        values[i] = Element<uint32_t>(bytes, i);
        break;
      case DType::kU64:
        values[i] = Element<uint64_t>(bytes, i);
        break;
      case DType::kF16:
        values[i] = DoubleFromHalf(static_cast<uint16_t>(Element<uint16_t>(bytes, i)));
        break;
      case DType::kBF16:
        values[i] = DoubleFromBrain(static_cast<uint16_t>(Element<uint16_t>(bytes, i)));
        break;
      case DType::kF32:
        values[i] = Element<float>(bytes, i);
        break;
      case DType::kF64:
        values[i] = Element<double>(bytes, i);
        break;
    }
  }
  return values;
}

// Small whole numbers (none below 0 for unsigned dtypes), whose sums of products are exact in every dtype.
inline std::vector<double> WholeNumbers(DType t, size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<double> values(count);
  for (double& v : values) v = static_cast<double>(random() % 7) - (IsUnsigned(t) || t == DType::kBool ? 0 : 3);
  return values;
}
inline std::vector<double> RealNumbers(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> values(count);
  for (double& v : values) v = static_cast<float>(normal(random));
  return values;
}

}  // namespace tfvk::testing
