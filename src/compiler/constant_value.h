// Elements of constants as C++ numbers.
#pragma once

#include <cstdint>

#include "types/dtype.h"

namespace tfvk::compiler {

// The element that the little-endian bytes hold; exact. `dtype` is a float.
double FloatOf(DType dtype, const uint8_t* bytes);
// `dtype` is an integer or bool; unsigned 64-bit numbers keep their bits.
int64_t IntegerOf(DType dtype, const uint8_t* bytes);

}  // namespace tfvk::compiler
