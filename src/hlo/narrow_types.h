// Floats of 8 bits, which the device only moves, as the bytes that they are.
#pragma once

#include "xla/service/hlo.pb.h"

namespace tfvk::hlo {

bool HasNarrowTypes(const xla::HloModuleProto& module);

// Gives everything of type f8e4m3fn and f8e5m2 the type u8. Throws Error(kUnimplemented) where an instruction computes with such numbers.
void StoreNarrowTypesAsBytes(xla::HloModuleProto& module);

}  // namespace tfvk::hlo
