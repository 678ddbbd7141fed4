// Scatter with a combiner, deterministic: updates to one element are applied in the order of the update index, with no atomics.
#pragma once

#include "kernels/emitter.h"

namespace tfvk::kernels {

// XLA's scatter: a window that does not lie inside the input is dropped whole. Results may share memory with the inputs (the compiler copies the inputs there
// first, or aliases them).
struct ScatterSpec {
  std::string name;
  Shape input, indices, updates;
  std::vector<int64_t> update_window_dims, inserted_window_dims, scatter_dims_to_operand_dims;
  int64_t index_vector_dim = 0;
  bool unique_indices = false;
  std::vector<DType> dtypes;   // of inputs and results
  std::vector<Tensor> inputs;  // operands that are read where no update falls; may be the results' own memory
  bool in_place = false;       // the results already hold the inputs: elements without updates need not be written
  Body index_body;             // at an index of `indices`: one s32, s64, u32 or u64 value
  Body update_body;            // at an index of `updates`: one value an input
  Combiner combiner;           // (current, update) -> new
  // Whether combiner(combiner(c, a), b) == combiner(c, combiner(a, b)) up to rounding: sums, products, extrema, the update alone; not c - a. Allows many
  // updates of one element to be combined in parallel.
  bool associative = false;
};
KernelSequence MakeScatter(const ScatterSpec& spec, const DeviceLimits& limits);

}  // namespace tfvk::kernels
