// Runs HLO on the host with XLA's HloEvaluator: the oracle of the tests and the executor of the reference back end. Far too slow for large tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace xla {
class HloModule;
}

namespace tfvk::hlo {

// A caller's dense row-major elements; a bool is one byte, 0 or 1. Not owned.
struct HostBytes {
  const void* data = nullptr;
  size_t size = 0;
};

struct HostResult {
  std::vector<int64_t> shape;  // the actual sizes, also of a result with dynamic dimensions
  std::vector<uint8_t> bytes;  // dense row-major
};

// One buffer a flattened parameter and one result a flattened output, in the order of SignatureOf (module.h); here every element type works, complex too.
// A module that RunPasses or Expand (passes.h) has not been run on may hold instructions that the evaluator lacks. `module` is not changed, and several
// threads may evaluate one module. Throws Error(kInvalidArgument) when the number or size of inputs is wrong, Error(kUnimplemented) or Error(kInternal)
// with XLA's message when the evaluator fails.
std::vector<HostResult> Evaluate(const xla::HloModule& module, const std::vector<HostBytes>& inputs);

}  // namespace tfvk::hlo
