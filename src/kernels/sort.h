// Stable sorting along one dimension, of several operands at once, by any comparator that is a strict weak order.
//
// Rows are cut into blocks that a workgroup sorts in shared memory (a bitonic network over (element, position), hence stable); longer rows are then merged
// pair by pair through scratch memory: each element finds its place by a binary search in the other run. O(n log^2 block + n log^2 n) comparisons.
#pragma once

#include "kernels/emitter.h"

namespace tfvk::kernels {

// Whether tuple a comes before tuple b: a bool.
using Comparator = std::function<spirv::Value(Emitter&, const std::vector<spirv::Value>& a, const std::vector<spirv::Value>& b)>;

struct SortSpec {
  std::string name;
  Shape shape;
  int64_t dimension = 0;      // shape[dimension] is static; when it is longer than a block, so are the others
  std::vector<DType> dtypes;  // of operands and results
  Body body;                  // one value an operand
  Comparator before;
};
KernelSequence MakeSort(const SortSpec& spec, const DeviceLimits& limits);

// The same for other generators: rows of tuples that come from and go to anywhere.
struct SortPlan {
  std::string name;
  Shape rows;          // any number of rows
  int64_t length = 0;  // elements of a row
  std::vector<DType> dtypes;
  // The tuple at (row, position); `row` is an index into `rows`.
  std::function<std::vector<spirv::Value>(Emitter&, const Index& row, spirv::Value position)> load;
  Comparator before;
  // Takes the tuple that belongs at (row, position), and the position (u32) it came from.
  std::function<void(Emitter&, const Index& row, spirv::Value position, const std::vector<spirv::Value>& values, spirv::Value source)> store;
};
// Appends the kernels; their scratch memory begins at sequence.scratch_bytes, which grows.
void AppendSort(const SortPlan& plan, const DeviceLimits& limits, KernelSequence& sequence);

}  // namespace tfvk::kernels
