#include "compiler/strided_view.h"

#include <algorithm>
#include <utility>

#include "compiler/access.h"

namespace tfvk::compiler {
namespace {

using ir::Op;
using ir::Value;

bool IsUnit(const Size& size) { return size.is_static() && size.value == 1; }

// size * stride, when a Size can express it.
std::optional<Size> Times(const Size& size, const Size& stride) {
  if (size.is_static() && stride.is_static()) return Size(size.value * stride.value);
  if (IsUnit(size)) return stride;
  if (IsUnit(stride)) return size;
  return std::nullopt;
}

std::optional<std::vector<Size>> RowMajorStrides(const Shape& shape) {
  std::vector<Size> strides(shape.size(), Size(1));
  Size stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    if (i == 0) break;
    std::optional<Size> next = Times(shape[i], stride);
    if (!next) return std::nullopt;
    stride = *next;
  }
  return strides;
}

// With run-time sizes: leading dimensions that stay, and one row of consecutive elements that is split.
std::optional<StridedView> ReshapedRows(const StridedView& view, const Shape& shape) {
  size_t same = 0;
  while (same < view.shape.size() && same < shape.size() && view.shape[same] == shape[same]) ++same;
  if (same + 1 != view.shape.size() || view.strides[same] != Size(1)) return std::nullopt;
  const std::optional<std::vector<Size>> inner = RowMajorStrides(Shape(shape.begin() + static_cast<std::ptrdiff_t>(same), shape.end()));
  if (!inner) return std::nullopt;
  StridedView result{view.base, shape, {view.strides.begin(), view.strides.begin() + static_cast<std::ptrdiff_t>(same)}};
  result.strides.insert(result.strides.end(), inner->begin(), inner->end());
  return result;
}

// The view in another shape of as many elements: groups of dimensions with equal products are merged and split. None when a group does not nest.
std::optional<StridedView> Reshaped(const StridedView& view, const Shape& shape) {
  if (!IsStatic(view.shape) || !IsStatic(shape)) return ReshapedRows(view, shape);
  if (ElementCount(shape) == 0) return std::nullopt;
  StridedView result{view.base, shape, std::vector<Size>(shape.size(), Size(0))};
  size_t from = 0, to = 0;
  while (from < view.shape.size() || to < shape.size()) {
    const size_t from_begin = from, to_begin = to;
    int64_t from_count = from < view.shape.size() ? view.shape[from++].value : 1;
    int64_t to_count = to < shape.size() ? shape[to++].value : 1;
    while (from_count != to_count) {
      if (from_count < to_count) {
        from_count *= view.shape[from++].value;
      } else {
        to_count *= shape[to++].value;
      }
    }
    std::vector<int64_t> group;
    for (size_t d = from_begin; d < from; ++d) group.push_back(static_cast<int64_t>(d));
    std::optional<Size> stride = CollapsedStride(view, group);
    if (!stride || !stride->is_static()) return std::nullopt;
    int64_t running = stride->value;
    for (size_t d = to; d-- > to_begin;) {
      result.strides[d] = running;
      running *= shape[d].value;
    }
  }
  return result;
}

}  // namespace

StridedView RowMajorView(Value value) {
  std::optional<std::vector<Size>> strides = RowMajorStrides(value.type().shape);
  StridedView view{Base(value), value.type().shape, {}};
  if (strides) view.strides = std::move(*strides);
  return view;
}

std::vector<StridedDimension> Nested(const StridedView& view, const std::vector<int64_t>& dims) {
  std::vector<StridedDimension> nested;
  for (size_t i = dims.size(); i-- > 0;) {
    const Size size = view.shape[dims[i]], stride = view.strides[dims[i]];
    if (IsUnit(size)) continue;
    if (!nested.empty()) {
      const std::optional<Size> expected = Times(nested.front().size, nested.front().stride), count = Times(size, nested.front().size);
      if (expected && count && *expected == stride) {
        nested.front().size = *count;
        continue;
      }
    }
    nested.insert(nested.begin(), {size, stride});
  }
  return nested;
}

std::optional<Size> CollapsedStride(const StridedView& view, const std::vector<int64_t>& dims) {
  if (!view.expressible()) return std::nullopt;
  const std::vector<StridedDimension> nested = Nested(view, dims);
  if (nested.size() > 1) return std::nullopt;
  return nested.empty() ? Size(0) : nested[0].stride;
}

StridedView ViewOf(Value value) {
  const ir::Node& node = *value.node;
  if (node.op != Op::kReshape && node.op != Op::kTranspose) return RowMajorView(value);
  StridedView inner = ViewOf(node.operands[0]);
  if (!inner.expressible()) return RowMajorView(value);
  if (node.op == Op::kTranspose) {
    StridedView result{inner.base, node.type().shape, {}};
    for (int64_t d : node.attr<ir::DimsAttr>().dims) result.strides.push_back(inner.strides[d]);
    return result;
  }
  if (std::optional<StridedView> reshaped = Reshaped(inner, node.type().shape)) return *reshaped;
  return RowMajorView(value);
}

namespace {

// The contracted dimensions as pairs in the order in which the left operand's memory has them, so that they nest there when they can.
std::vector<size_t> ContractionOrder(const StridedView& lhs, const ir::DotAttr& attr) {
  std::vector<size_t> order(attr.lhs_contract.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  if (!lhs.expressible()) return order;
  auto stride = [&](size_t i) { return lhs.strides[attr.lhs_contract[i]]; };
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return stride(a).is_static() && stride(b).is_static() && stride(a).value > stride(b).value; });
  return order;
}

DotOperand Express(const StridedView& view, const DotOperand& dims) {
  DotOperand result = dims;
  result.view = view;
  result.outer_stride = CollapsedStride(view, dims.outer);
  result.k_stride = CollapsedStride(view, dims.contract);
  return result;
}

}  // namespace

DotOperand DotOperandOf(const ir::Node& dot, int operand) {
  const auto& attr = dot.attr<ir::DotAttr>();
  const Value value = dot.operands[operand];
  DotOperand dims;
  dims.batch = operand == 0 ? attr.lhs_batch : attr.rhs_batch;
  const auto& contract = operand == 0 ? attr.lhs_contract : attr.rhs_contract;
  for (size_t i : ContractionOrder(ViewOf(dot.operands[0]), attr)) dims.contract.push_back(contract[i]);
  for (int64_t d = 0; d < static_cast<int64_t>(value.type().shape.size()); ++d) {
    const bool used = std::count(dims.batch.begin(), dims.batch.end(), d) || std::count(contract.begin(), contract.end(), d);
    if (!used) dims.outer.push_back(d);
  }
  DotOperand through = Express(ViewOf(value), dims);
  return through.strided() ? through : Express(RowMajorView(value), dims);
}

}  // namespace tfvk::compiler
