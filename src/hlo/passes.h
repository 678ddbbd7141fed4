// XLA's target-independent passes, in the order that suits Vulkan.
#pragma once

namespace xla {
class HloModule;
}

namespace tfvk::hlo {

// Rewrites instructions that neither Import nor the evaluator knows (batch normalisation, random numbers, linear algebra, top-k) in terms of those they do.
// Throws Error with the code and message of XLA's status.
void Expand(xla::HloModule& module);

// Expand, then simplification to a fixed point: what Import takes. Verifies the module first and last. Returns whether the entry computation got one more
// parameter, the last: the random state of random_state.h.
bool RunPasses(xla::HloModule& module);

}  // namespace tfvk::hlo
