#include "kernels/convolution.h"

#include "kernels/convolution_geometry.h"
#include "kernels/depthwise.h"
#include "kernels/pointwise.h"

namespace tfvk::kernels {

KernelSequence MakeConvolution(const ConvolutionSpec& spec, const DeviceLimits& limits) {
  if (std::optional<KernelSequence> depthwise = MakeDepthwise(spec, limits)) return *std::move(depthwise);
  if (std::optional<KernelSequence> gradient = MakeDepthwiseFilterGradient(spec, limits)) return *std::move(gradient);
  if (const std::optional<ConvolutionSpec> flat = WithoutSpace(spec)) return MakeContraction(ContractionOf(*flat), limits);
  return MakeContraction(ContractionOf(spec), limits);
}

}  // namespace tfvk::kernels
