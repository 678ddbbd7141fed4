// What the kernels of depthwise convolutions share: one or two spatial dimensions as two, and row-major strides.
#pragma once

#include <array>
#include <vector>

#include "kernels/convolution_geometry.h"

namespace tfvk::kernels {

// A spatial dimension and where it lies; a missing one has size 1 and lies nowhere.
struct DepthwiseDimension {
  PhasedDimension window;
  int64_t input = -1, kernel = -1, output = -1;  // the tensors' dimensions
};

// The last two dimensions; the first of them is made up for a convolution of one dimension. Throws as MakePhasedDimension.
std::array<DepthwiseDimension, 2> DepthwiseDimensions(const ConvolutionSpec& spec);

// Row-major strides in elements; a batch that is known only at launch must be the first dimension.
std::vector<int64_t> StaticStrides(const Shape& shape);
// strides[dimension], 0 for a dimension that lies nowhere.
int64_t StrideOf(const std::vector<int64_t>& strides, int64_t dimension);

// Whether all sizes but the first are known, and none is 0.
bool IsStaticBehindBatch(const Shape& shape);

// The widest load (4, 2 or 1 elements) that divides `channels`, at most `most`.
int ChannelVector(int64_t channels, int most);

}  // namespace tfvk::kernels
