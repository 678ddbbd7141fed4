// From HLO to our IR.
#pragma once

#include <memory>

#include "ir/graph.h"

namespace xla {
class HloModule;
}

namespace tfvk::hlo {

// The entry computation as a Graph: tuples flattened (parameters, results, loop states), calls and fusions inlined, copies and barriers dropped, input/output
// aliases kept. Node::origin is "TensorFlowOp:name/in/graph (hlo-instruction)". Tensors are row-major whatever layouts the module names, as Evaluate's are.
// Expects a module that RunPasses has been run on. Throws Error(kUnimplemented) naming the instruction, its shapes and the TensorFlow op it came from when
// the IR has no operation or element type for it.
std::unique_ptr<ir::Graph> Import(const xla::HloModule& module);

}  // namespace tfvk::hlo
