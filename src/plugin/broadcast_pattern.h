// How operands of several shapes walk through one result: its dimensions without those of size 1, and with neighbours merged that the same operands have.
// [8,1,5,6] and [5,1] in a result of [8,1,5,6]: dimensions of 8, 5 and 6, of which the first operand has all and the second the middle one.
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "ir/expression.h"
#include "plugin/hot_ops.h"

namespace tfvk::plugin {

// Fills the call's pattern and sizes from the shapes of operands that broadcast to `result`; of more than three, those beyond must have its shape. The call's
// route becomes kNothing for an empty result, and kGenericDoor for one with too many elements or dimensions.
void DescribeBroadcast(const tensorflow::TensorShape& result, absl::Span<const tensorflow::TensorShape* const> operands, HotCall& call);

// The operands as parameters of the graph, broadcast to the result's merged dimensions, which are the graph's symbols.
struct BroadcastOperands {
  std::vector<ir::Expression> values;
  int whole = -1;  // the first operand that has all dimensions and the element type `result`: its memory may become the result's
};
BroadcastOperands AddBroadcastParameters(uint64_t pattern, const std::vector<DType>& dtypes, DType result, ir::Graph& graph);

}  // namespace tfvk::plugin
