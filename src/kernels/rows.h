// Reductions of rows and what is computed from their results for the same rows, in one launch: softmax, layer normalisation, their gradients.
//
// A row is shared by as many lanes as give each a few elements, which stay in registers from one stage to the next. A stage reduces rows to totals that
// every lane of the row gets; the elements' functions may use the totals of the stages before. The order of a sum depends on the row's length alone.
#pragma once

#include <memory>

#include "kernels/emitter.h"

namespace tfvk::kernels {

// The elements of the longest row that one workgroup can hold.
int64_t LongestRow(const DeviceLimits& limits);
// How many elements of a row of `columns` one invocation computes: how often its code is repeated.
int64_t RowElementsOf(int64_t columns, const DeviceLimits& limits);

// The code of one invocation's part of a row. An index of an element is {row index..., column}.
class RowBody {
 public:
  virtual ~RowBody() = default;
  // What an element adds to the stage's totals.
  virtual std::vector<spirv::Value> Terms(size_t stage, const Index& element) = 0;
  // The row's totals, for all code that follows.
  virtual void Bind(size_t stage, const std::vector<spirv::Value>& totals) = 0;
  // The results that have an element for each of the input's, and those that have one a row; each in the order of RowsSpec::results.
  virtual std::vector<spirv::Value> OfElement(const Index& element) = 0;
  virtual std::vector<spirv::Value> OfRow(const Index& row) = 0;
};

struct RowStage {
  std::vector<DType> accumulators;
  Initial initial;    // the combiner's identity
  Combiner combiner;  // associative and commutative
};
struct RowResult {
  DType dtype = DType::kF32;
  bool of_row = false;  // one element a row
};
struct RowsSpec {
  std::string name;
  Shape rows;           // static; none of its dimensions is empty
  int64_t columns = 1;  // at most LongestRow
  std::vector<RowStage> stages;
  std::vector<RowResult> results;
  bool has_maxima = false;  // OfElement takes maxima (Emitter::TakeMaximum) too
  std::function<std::unique_ptr<RowBody>(Emitter&)> begin;
};

KernelSequence MakeRows(const RowsSpec& spec, const DeviceLimits& limits);

}  // namespace tfvk::kernels
