// The scales by which fp32 operands become fp16 ones. fp16 has TF32's 10 mantissa bits, but 5 bits of exponent where fp32 has 8: an operand is multiplied by
// the power of two that takes its largest finite element to [2^14, 2^15), and the sums by the inverses. Elements down to 2^-29 of the largest keep all of the
// bits, those below lose some, and those below 2^-40 of it vanish. Infinities and NaNs stay what they are.
#pragma once

#include "kernels/gemm_contraction.h"

namespace tfvk::kernels {

// Whether the operands are tensors whose elements can be looked through, on a device that has what the kernels need.
bool CanScale(const Contraction& c, const DeviceLimits& limits);

// Bytes of scratch memory for the maxima, and where they begin: behind the partial sums.
constexpr int64_t kScaleBytes = 2 * 128 * 4;
int64_t ScratchOfScales(const Contraction& c, int64_t splits);

// Writes the largest |element| of parts of each operand, as bits, to scratch memory.
Kernel MakeOperandMaxima(const Contraction& c, int64_t scratch, const DeviceLimits& limits);

// Powers of two; multiply sums by half_inverse twice (the inverse itself may not be an fp32 number).
struct OperandScales {
  spirv::Value lhs, rhs, half_inverse;
};
// What a kernel of subgroups of `subgroup` invocations reads of the maxima; every invocation must call it.
OperandScales ReadScales(Emitter& e, int64_t scratch, uint32_t subgroup);

}  // namespace tfvk::kernels
