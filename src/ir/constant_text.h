// The text of constants' elements: decimal numbers that read back to the same bits, true and false, inf, -inf, and nan(0x...) with a NaN's bits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "types/dtype.h"

namespace tfvk::ir {

// One element of `dtype` at `bytes`.
std::string ElementToText(DType dtype, const uint8_t* bytes);
// Appends the element's bytes. Throws Error(kInvalidArgument) when the text is no such number.
void ElementFromText(DType dtype, const std::string& text, std::vector<uint8_t>& bytes);

}  // namespace tfvk::ir
