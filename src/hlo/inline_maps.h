// Maps as what they apply.
#pragma once

namespace xla {
class HloModule;
}

namespace tfvk::hlo {

// Replaces every map by the elementwise instructions of its computation on whole arrays. XLA's simplifier ends the process when it meets a map where it expects
// a binary operation. Throws Error(kUnimplemented) naming an instruction that is not elementwise.
void InlineMaps(xla::HloModule& module);

}  // namespace tfvk::hlo
