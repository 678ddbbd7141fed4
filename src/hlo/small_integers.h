// Integers of 4 bits, which are computed in a byte each.
#pragma once

#include "xla/hlo/ir/hlo_module.h"

namespace tfvk::hlo {

// Readies a module for its s4 to be taken for s8, and its u4 for u8: what leaves the range of 4 bits is brought back to it, as are parameters, of whose bytes
// only the low half counts. What it adds is meant for bytes: until their types are changed, the module has another meaning. Throws Error(kUnimplemented) where
// an instruction has no such form.
void KeepSmallIntegersInRange(xla::HloModule& module);

}  // namespace tfvk::hlo
