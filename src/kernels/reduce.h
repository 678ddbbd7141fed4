// Reductions over any set of dimensions, of several operands at once, with producers fused into the element function and consumers into the epilogue.
// Strategies: a subgroup or workgroup a row when the innermost dimensions are reduced, a column tile when they are kept, two launches with scratch memory
// when there are too few results to fill the device. Floating-point results do not depend on scheduling: the tree's shape is fixed by the sizes.
#pragma once

#include "kernels/emitter.h"

namespace tfvk::kernels {

struct ReduceSpec {
  std::string name;
  Shape input;                      // the iteration space
  std::vector<int64_t> dimensions;  // reduced away (sorted, unique); the kept ones in order are the result's shape
  std::vector<DType> accumulators;  // their compute types are what initial, body and combiner give and take
  Initial initial;                  // an identity of the combiner, or any value that takes part exactly once
  Body body;                        // one value an accumulator
  Combiner combiner;                // associative and commutative
  bool initial_is_identity = true;  // false: combine `initial` in once, at the end
  std::vector<DType> results;
  Epilogue epilogue;  // from the accumulated values to the results; null: the accumulators are the results
};

KernelSequence MakeReduce(const ReduceSpec& spec, const DeviceLimits& limits);

}  // namespace tfvk::kernels
