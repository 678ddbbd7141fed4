#include "kernels/convolution.h"

#include "kernels/convolution_geometry.h"

namespace tfvk::kernels {

KernelSequence MakeConvolution(const ConvolutionSpec& spec, const DeviceLimits& limits) { return MakeContraction(ContractionOf(spec), limits); }

}  // namespace tfvk::kernels
