// The elementwise operations on single elements in compute types: the bridge from graph nodes to kernels/arith.h.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/graph.h"
#include "kernels/emitter.h"

namespace tfvk::compiler {

// The element that `bytes` hold, in its compute type.
spirv::Value ConstantElement(spirv::Builder& b, DType dtype, const uint8_t* bytes);
// An elementwise node (IsElementwise) applied to its operands' elements. Results of f16 and bf16 are not rounded. Bitcasts keep the width.
spirv::Value EmitElementwise(kernels::Emitter& emitter, const ir::Node& node, const std::vector<spirv::Value>& operands);
// Whether an f16 or bf16 result of the operation can have more digits than its dtype.
bool RoundsResult(ir::Op op);

}  // namespace tfvk::compiler
