// A tensor seen in another tensor's memory through strides.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ir/graph.h"

namespace tfvk::compiler {

// Element i of the value is element sum(i[d] * strides[d]) of the row-major tensor `base`.
struct StridedView {
  ir::Value base;
  Shape shape;
  std::vector<Size> strides;  // empty (for a shape that is not): no Size expresses them
  bool expressible() const { return strides.size() == shape.size(); }
};

// The value as it is laid out in its Base.
StridedView RowMajorView(ir::Value value);
// Looks through reshapes and transposes as far as strides can express.
StridedView ViewOf(ir::Value value);

// A dimension, or several that nest.
struct StridedDimension {
  Size size, stride;
};
// The dimensions `dims` of an expressible view, in this order, as the fewest that they make; without unit ones.
std::vector<StridedDimension> Nested(const StridedView& view, const std::vector<int64_t>& dims);

// One dimension standing for several: the stride when dimensions `dims` of the view, in this order, are walked as one; none when they do not nest.
// No dimensions, or only unit ones: stride 0.
std::optional<Size> CollapsedStride(const StridedView& view, const std::vector<int64_t>& dims);

// A dot's operand with its dimensions by role; `outer` are the free ones. The strides of outer and contracted dimensions are none when they do not nest in
// memory.
struct DotOperand {
  StridedView view;
  std::vector<int64_t> batch, outer, contract;  // `contract` is in the same order for both operands of a dot
  std::optional<Size> outer_stride, k_stride;
  bool strided() const { return view.expressible() && outer_stride && k_stride; }
};
DotOperand DotOperandOf(const ir::Node& dot, int operand);

}  // namespace tfvk::compiler
