// Floats of 8 bits and integers of 4, which the device only moves, as the bytes that they are in.
#pragma once

#include "xla/service/hlo.pb.h"

namespace tfvk::hlo {

bool HasNarrowTypes(const xla::HloModuleProto& module);

// Gives everything of type f8e4m3fn, f8e5m2, s4 and u4 the type u8. Between u8 and an integer of 4 bits a conversion then means the byte that it is in, as
// bitcast-convert, which would take two to a byte, cannot. Throws Error(kUnimplemented) where an instruction computes with such numbers.
void StoreNarrowTypesAsBytes(xla::HloModuleProto& module);

}  // namespace tfvk::hlo
