#include "hlo/element_numbers.h"

#include <cmath>
#include <cstring>

#include "types/half.h"

namespace tfvk::hlo {
namespace {

template <class T>
T Get(const uint8_t* element) {
  T value;
  std::memcpy(&value, element, sizeof value);
  return value;
}

template <class T>
void Put(T value, uint8_t* element) {
  std::memcpy(element, &value, sizeof value);
}

}  // namespace

double LoadNumber(DType dtype, const uint8_t* element) {
  switch (dtype) {
    case DType::kBool:
    case DType::kU8:
      return *element;
    case DType::kS8:
      return Get<int8_t>(element);
    case DType::kS16:
      return Get<int16_t>(element);
    case DType::kS32:
      return Get<int32_t>(element);
    case DType::kS64:
      return static_cast<double>(Get<int64_t>(element));
    case DType::kU16:
      return Get<uint16_t>(element);
    case DType::kU32:
      return Get<uint32_t>(element);
    case DType::kU64:
      return static_cast<double>(Get<uint64_t>(element));
    case DType::kF16:
      return HalfToFloat(Get<uint16_t>(element));
    case DType::kBF16:
      return BFloat16ToFloat(Get<uint16_t>(element));
    case DType::kF32:
      return Get<float>(element);
    case DType::kF64:
      return Get<double>(element);
  }
  return 0;
}

void StoreNumber(DType dtype, double value, uint8_t* element) {
  switch (dtype) {
    case DType::kF16:
      return Put(FloatToHalf(static_cast<float>(value)), element);
    case DType::kBF16:
      return Put(FloatToBFloat16(static_cast<float>(value)), element);
    case DType::kF32:
      return Put(static_cast<float>(value), element);
    case DType::kF64:
      return Put(value, element);
    default:
      break;
  }
  const auto integer = static_cast<int64_t>(std::floor(value));
  std::memcpy(element, &integer, ByteSize(dtype));
}

}  // namespace tfvk::hlo
