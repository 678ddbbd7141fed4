// Transpose and ConjugateTranspose with numbers of dimensions from the last on.
#pragma once

namespace tfvk::plugin {

// Adds the kernels, as the families of added_types.h do.
void AddTransposes();

}  // namespace tfvk::plugin
