// Convolution in XLA's general form, which covers the forward pass and, through dilations, reversal and permuted roles, both gradients: implicit GEMM with
// M = output batch x output space, N = output features, K = input features x window.
#pragma once

#include "kernels/gemm.h"

namespace tfvk::kernels {

struct ConvolutionWindow {
  int64_t size = 1, stride = 1, pad_low = 0, pad_high = 0, base_dilation = 1, window_dilation = 1;
  bool reversal = false;
};
// Dimension numbers as HLO's: which dimension of each tensor is batch, feature, spatial i.
struct ConvolutionSpec {
  std::string name;
  Tensor input, kernel;  // read from memory in any layout that the dimension numbers tell
  Shape output;
  std::vector<ConvolutionWindow> window;
  int64_t input_batch = 0, input_feature = 0, kernel_input_feature = 0, kernel_output_feature = 0, output_batch = 0, output_feature = 0;
  std::vector<int64_t> input_spatial, kernel_spatial, output_spatial;
  int64_t feature_groups = 1, batch_groups = 1;
  DType accumulator = DType::kF32;
  GemmPrecision precision = GemmPrecision::kFull;
  size_t plan_rank = 0;          // as GemmSpec's; depthwise kernels have no plans
  Body input_body, kernel_body;  // when set, the element at an index of the tensor's shape replaces the load (a fused producer)
  std::vector<DType> results;
  Epilogue epilogue;  // at an index of the output from {sum}; null: the sum itself
};

// Chooses between implicit GEMM (SIMT or cooperative matrices, split-K for the filter gradient), depthwise and direct kernels.
KernelSequence MakeConvolution(const ConvolutionSpec& spec, const DeviceLimits& limits);

}  // namespace tfvk::kernels
