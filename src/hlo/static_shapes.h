// Arrays whose sizes depend on the data.
#pragma once

namespace xla {
class HloModule;
}

namespace tfvk::hlo {

// Makes them whole arrays with their sizes beside them, by XLA's padder. Throws Error(kUnimplemented) naming an instruction that the padder gets wrong, or a
// result of the module whose size depends on the data.
void MakeShapesStatic(xla::HloModule& module);

}  // namespace tfvk::hlo
