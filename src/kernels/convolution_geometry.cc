#include "kernels/convolution_geometry.h"

#include <algorithm>
#include <numeric>

namespace tfvk::kernels {

namespace {

bool AlwaysInside(const PhasedDimension& d) {
  if (!d.input.is_static() || !d.positions.is_static()) return false;
  for (int64_t r = 0; r < d.phases; ++r) {
    const int64_t last = (d.positions.value - 1) * d.input_step + (d.taps[r] - 1) * d.tap_step + d.offset[r];
    if (d.taps[r] > 0 && (d.offset[r] < 0 || last >= d.input.value)) return false;
  }
  return true;
}

}  // namespace

PhasedDimension MakePhasedDimension(const ConvolutionWindow& w, const Size& input, const Size& output) {
  if (w.stride < 1 || w.base_dilation < 1 || w.window_dilation < 1 || w.size < 0) {
    Fail(ErrorCode::kInvalidArgument, "[Convolution] a window of size {}, stride {}, base dilation {} and window dilation {}", w.size, w.stride,
         w.base_dilation, w.window_dilation);
  }
  PhasedDimension d;
  d.input = input;
  d.output = output;
  d.window = w.size;
  d.reversal = w.reversal;
  d.phases = w.base_dilation / std::gcd(w.stride, w.base_dilation);
  d.kernel_step = w.base_dilation / std::gcd(w.window_dilation, w.base_dilation);
  d.input_step = d.phases * w.stride / w.base_dilation;
  d.tap_step = d.kernel_step * w.window_dilation / w.base_dilation;
  if (d.phases == 1) {
    d.positions = output;
  } else if (output.is_static()) {
    d.positions = (output.value + d.phases - 1) / d.phases;
  } else {
    Fail(ErrorCode::kUnimplemented, "[Convolution] a base dilation of {} with an output size that is known only at launch", w.base_dilation);
  }
  for (int64_t r = 0; r < d.phases; ++r) {
    int64_t first = 0, taps = 0, offset = 0;
    for (int64_t t = 0; t < w.size; ++t) {
      const int64_t at = r * w.stride + t * w.window_dilation - w.pad_low;
      if (at % w.base_dilation != 0) continue;
      if (taps++ == 0) {
        first = t;
        offset = at / w.base_dilation;
      }
    }
    d.first_tap.push_back(first);
    d.taps.push_back(taps);
    d.offset.push_back(offset);
    d.max_taps = std::max(d.max_taps, taps);
  }
  d.always_inside = AlwaysInside(d);
  return d;
}

}  // namespace tfvk::kernels
