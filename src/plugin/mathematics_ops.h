// Ops of mathematics for which tf2xla has no kernels. Each function registers this plugin's with tf2xla, before anything asks it for its kernels.
#pragma once

namespace tfvk::plugin {

// MatrixDeterminant, LogMatrixDeterminant, Lu.
void RegisterLuOps();
// Bessel functions, Dawson's, Fresnel's and exponential integrals, the dilogarithm.
void RegisterSpecialFunctionOps();

}  // namespace tfvk::plugin
