// Elements of tensors in host memory as numbers.
#pragma once

#include <cstdint>

#include "types/dtype.h"

namespace tfvk::hlo {

// 64-bit integers lose bits beyond 2^53.
double LoadNumber(DType dtype, const uint8_t* element);

// Floats are rounded to nearest even, integers down; `value` must be in an integer's range.
void StoreNumber(DType dtype, double value, uint8_t* element);

}  // namespace tfvk::hlo
