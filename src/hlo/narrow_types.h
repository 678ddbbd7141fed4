// Floats of 8 bits, which the device only moves, as the bytes that they are, and integers of 4 bits in a byte each, as TensorFlow has them.
#pragma once

#include "xla/service/hlo.pb.h"

namespace tfvk::hlo {

bool HasNarrowTypes(const xla::HloModuleProto& module);
bool HasSmallIntegers(const xla::HloModuleProto& module);

// Gives everything of type f8e4m3fn, f8e5m2 and u4 the type u8, and of s4 the type s8: KeepSmallIntegersInRange must have readied the module for that. Throws
// Error(kUnimplemented) where an instruction computes with floats of 8 bits.
void StoreNarrowTypesAsBytes(xla::HloModuleProto& module);

}  // namespace tfvk::hlo
