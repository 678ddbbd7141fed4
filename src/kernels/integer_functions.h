// Division, powers and bit counts of integers with XLA's meaning. Private to kernels/arith.cc.
#pragma once

#include "kernels/emitter.h"

namespace tfvk::kernels {

// All take values of s32, u32, s64 or u64.
spirv::Value IntegerDivide(Emitter& e, spirv::Value a, spirv::Value b);
spirv::Value IntegerRemainder(Emitter& e, spirv::Value a, spirv::Value b);
spirv::Value IntegerPower(Emitter& e, spirv::Value base, spirv::Value exponent);
// Leading zeros of a number of `bits` bits, zero-extended in its compute type.
spirv::Value LeadingZeros(Emitter& e, spirv::Value v, int bits);

}  // namespace tfvk::kernels
