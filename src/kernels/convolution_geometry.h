// The index arithmetic of one spatial dimension of a convolution, with the holes of a dilated base taken out.
//
// Output position o and window element w meet at coordinate o * stride + w * window_dilation - pad_low of the dilated input, of which only the multiples of
// base_dilation hold elements. Output positions fall in `phases` classes, o = q * phases + r, in each of which the window elements that meet an element are
// w = first_tap[r] + t * kernel_step for t < taps[r], and they meet input element q * input_step + t * tap_step + offset[r]: a convolution without holes.
#pragma once

#include <vector>

#include "kernels/convolution.h"
#include "kernels/gemm_contraction.h"

namespace tfvk::kernels {

struct PhasedDimension {
  Size input, output;  // sizes
  Size positions;      // of q: ceil(output / phases)
  int64_t phases = 1;
  int64_t input_step = 1, tap_step = 1, kernel_step = 1;
  std::vector<int64_t> first_tap, taps, offset;  // of each phase
  int64_t max_taps = 0;
  int64_t window = 1;  // elements of the window
  bool reversal = false;
  bool always_inside = false;  // no position meets an element outside of the input
};

// Throws Error(kInvalidArgument) for steps below 1, Error(kUnimplemented) for several phases of an output size known only at launch.
PhasedDimension MakePhasedDimension(const ConvolutionWindow& window, const Size& input, const Size& output);

// The convolution as a contraction: batch = groups x phases, m = output batch x positions, n = output features of a group, k = taps x input features of a
// group (m and n exchanged where the output has its features outside of its positions).
Contraction ContractionOf(const ConvolutionSpec& spec);

}  // namespace tfvk::kernels
