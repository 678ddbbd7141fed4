// Depthwise convolutions of tensors whose channels lie side by side, each channel with a filter of its own. They cost memory traffic, not arithmetic: an
// invocation takes neighbouring channels with one load, and a tile of neighbouring results, whose windows overlap.
#pragma once

#include <optional>

#include "kernels/convolution.h"

namespace tfvk::kernels {

// The convolution itself, forward or as its input's gradient: a feature group a channel, one filter a group, one or two spatial dimensions of known size, a
// window of at most 49 elements. nullopt for any other convolution.
std::optional<KernelSequence> MakeDepthwise(const ConvolutionSpec& spec, const DeviceLimits& limits);

// The gradient of its filter as XLA writes it: the input's channels are batch groups, the output's gradient is the kernel. nullopt for any other convolution.
std::optional<KernelSequence> MakeDepthwiseFilterGradient(const ConvolutionSpec& spec, const DeviceLimits& limits);

}  // namespace tfvk::kernels
