// Pooling and its gradients: reduce_window and select_and_scatter of StableHLO, for any rank, stride, padding and dilation.
#pragma once

#include "kernels/emitter.h"

namespace tfvk::kernels {

struct WindowDimension {
  int64_t size = 1, stride = 1, pad_low = 0, pad_high = 0, base_dilation = 1, window_dilation = 1;
};

struct ReduceWindowSpec {
  std::string name;
  Shape input, output;
  std::vector<WindowDimension> window;  // one a dimension
  std::vector<DType> accumulators;
  Initial initial;  // used once a window, as StableHLO's init value (padding elements are the initial value: skipped when it is an identity)
  Body body;        // at an index of the input
  Combiner combiner;
  std::vector<DType> results;
  Epilogue epilogue;  // may be null
};
KernelSequence MakeReduceWindow(const ReduceWindowSpec& spec, const DeviceLimits& limits);

// Every window of the operand selects one element (`select(a, b)`: keep a?); the source's element of that window is scattered onto it with `scatter`,
// starting from `initial`. Computed from the operand's side, deterministically: each operand element visits the windows that contain it.
struct SelectAndScatterSpec {
  std::string name;
  Shape operand, source;                // the result has the operand's shape
  std::vector<WindowDimension> window;  // size, stride, pads; no dilations
  DType dtype = DType::kF32;
  Body operand_body, source_body;
  Combiner select;  // gives one bool
  Combiner scatter;
  Initial initial;
  std::vector<DType> results;
  Epilogue epilogue;  // may be null
};
KernelSequence MakeSelectAndScatter(const SelectAndScatterSpec& spec, const DeviceLimits& limits);

}  // namespace tfvk::kernels
