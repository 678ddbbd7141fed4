// Ops of mathematics for which tf2xla has no kernels. Each function registers this plugin's with tf2xla, before anything asks it for its kernels.
#pragma once

namespace tfvk::plugin {

// MatrixDeterminant, LogMatrixDeterminant, Lu.
void RegisterLuOps();
// Bessel functions, Dawson's, Fresnel's and exponential integrals, the dilogarithm.
void RegisterSpecialFunctionOps();
// EuclideanNorm and the Fourier transforms of any number of dimensions.
void RegisterNormAndFourierOps();
// Ops of old graphs: another op's old name, or its meaning with other arguments.
void RegisterOlderOps();
// DebugNumericSummaryV2.
void RegisterDebugSummaryOps();
// CheckNumerics and CheckNumericsV2; for the device alone, as compiled functions leave checks out.
void RegisterCheckNumericsOps();

}  // namespace tfvk::plugin
