// Ops on variables for which tf2xla has no kernels. Each function registers this plugin's with tf2xla, before anything asks it for its kernels.
#pragma once

namespace tfvk::plugin {

// Updates of the rows of a table that a sparse gradient names: ResourceSparseApplyAdagrad and so on.
void RegisterSparseOptimizerOps();

// Gathers and scatters on variables, and optimizers of whole variables.
void RegisterVariableOps();

}  // namespace tfvk::plugin
