// Prefix combinations along one dimension (cumulative sums, products, maxima).
#pragma once

#include "kernels/emitter.h"

namespace tfvk::kernels {

struct ScanSpec {
  std::string name;
  Shape shape;  // of the input; shape[dimension] is static
  int64_t dimension = 0;
  bool reverse = false;  // from the end
  // Inclusive: result[i] = initial . x[0] . ... . x[i]. Exclusive: result[i] = initial . x[0] . ... . x[i-1].
  bool exclusive = false;
  int64_t output_size = 0;  // of the dimension: its size or less, one more when exclusive (the whole combination comes last; first in reverse)
  std::vector<DType> accumulators;
  Initial initial;    // used exactly once a result
  Body body;          // at an index of the input
  Combiner combiner;  // associative; the first operand is what came before (in the scan's direction)
  std::vector<DType> results;
  Epilogue epilogue;  // may be null
};
KernelSequence MakeScan(const ScanSpec& spec, const DeviceLimits& limits);

}  // namespace tfvk::kernels
