#include "kernels/convolution.h"

#include "kernels/convolution_geometry.h"
#include "kernels/depthwise.h"

namespace tfvk::kernels {

KernelSequence MakeConvolution(const ConvolutionSpec& spec, const DeviceLimits& limits) {
  if (std::optional<KernelSequence> depthwise = MakeDepthwise(spec, limits)) return *std::move(depthwise);
  if (std::optional<KernelSequence> gradient = MakeDepthwiseFilterGradient(spec, limits)) return *std::move(gradient);
  return MakeContraction(ContractionOf(spec), limits);
}

}  // namespace tfvk::kernels
