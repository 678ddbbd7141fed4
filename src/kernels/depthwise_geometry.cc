#include "kernels/depthwise_geometry.h"

namespace tfvk::kernels {

std::array<DepthwiseDimension, 2> DepthwiseDimensions(const ConvolutionSpec& spec) {
  std::array<DepthwiseDimension, 2> dims;
  const size_t count = spec.window.size();
  for (size_t i = 0; i < 2; ++i) {
    if (i + count < 2) {
      dims[i].window = MakePhasedDimension({1}, Size(1), Size(1));
      continue;
    }
    const size_t d = i + count - 2;
    dims[i].input = spec.input_spatial[d];
    dims[i].kernel = spec.kernel_spatial[d];
    dims[i].output = spec.output_spatial[d];
    dims[i].window = MakePhasedDimension(spec.window[d], spec.input.shape[dims[i].input], spec.output[dims[i].output]);
  }
  return dims;
}

std::vector<int64_t> StaticStrides(const Shape& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i].value;
  return strides;
}

int64_t StrideOf(const std::vector<int64_t>& strides, int64_t dimension) { return dimension < 0 ? 0 : strides[dimension]; }

bool IsStaticBehindBatch(const Shape& shape) {
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i].is_static() ? shape[i].value == 0 : i > 0) return false;
  }
  return true;
}

int ChannelVector(int64_t channels, int most) {
  for (int vector = 4; vector > 1; vector /= 2) {
    if (vector <= most && channels % vector == 0) return vector;
  }
  return 1;
}

}  // namespace tfvk::kernels
