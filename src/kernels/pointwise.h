// Convolutions that are matrix products in disguise.
#pragma once

#include <optional>

#include "kernels/convolution.h"

namespace tfvk::kernels {

// The same convolution without spatial dimensions, which needs no arithmetic on coordinates:
// - a window of one element that meets every position, channels last (forward or as the input's gradient): positions and samples become one dimension;
// - a window that covers the whole input, as in the gradient of such a filter: its elements and the input's features become one.
// nullopt for any other convolution, and where a size is known only at launch.
std::optional<ConvolutionSpec> WithoutSpace(const ConvolutionSpec& spec);

}  // namespace tfvk::kernels
