#include "plugin/broadcast_pattern.h"

namespace tfvk::plugin {
namespace {

// A pattern has four bits a dimension, the outermost lowest: which of the first three operands have it, and a mark.
constexpr uint64_t kMark = 8, kAllOperands = 7, kNibble = 15;
constexpr int kMostDimensions = 8;

int64_t SizeAt(const tensorflow::TensorShape& shape, int from_last) { return from_last < shape.dims() ? shape.dim_size(shape.dims() - 1 - from_last) : 1; }

bool Has(uint64_t pattern, int dimension, size_t operand) { return operand >= 3 || ((pattern >> (4 * dimension)) >> operand & 1) != 0; }

}  // namespace

void DescribeBroadcast(const tensorflow::TensorShape& result, absl::Span<const tensorflow::TensorShape* const> operands, HotCall& call) {
  if (result.num_elements() == 0) call.route = HotCall::Route::kNothing;
  if (result.num_elements() > kMostHotElements) call.route = HotCall::Route::kGenericDoor;
  if (call.route != HotCall::Route::kProgram) return;
  uint64_t previous = 0;
  for (int from_last = result.dims(); from_last-- > 0;) {
    const int64_t size = SizeAt(result, from_last);
    if (size == 1) continue;
    uint64_t present = kMark;
    for (size_t o = 0; o < operands.size() && o < 3; ++o) present |= static_cast<uint64_t>(SizeAt(*operands[o], from_last) == size) << o;
    if (present == previous) {
      call.sizes.back() *= size;
    } else if (call.sizes.size() == kMostDimensions) {
      call.route = HotCall::Route::kGenericDoor;
      return;
    } else {
      call.pattern |= present << (4 * call.sizes.size());
      call.sizes.push_back(size);
      previous = present;
    }
  }
  if (call.sizes.empty()) {
    call.pattern = kMark | kAllOperands;
    call.sizes.push_back(1);
  }
}

BroadcastOperands AddBroadcastParameters(uint64_t pattern, const std::vector<DType>& dtypes, DType result, ir::Graph& graph) {
  Shape full;
  while ((pattern >> (4 * full.size()) & kNibble) != 0) full.push_back(Size::Symbol(static_cast<int>(full.size())));
  graph.symbol_count = static_cast<int>(full.size());
  BroadcastOperands operands;
  for (size_t o = 0; o < dtypes.size(); ++o) {
    Shape shape;
    std::vector<int64_t> dims;
    for (size_t d = 0; d < full.size(); ++d) {
      if (!Has(pattern, static_cast<int>(d), o)) continue;
      shape.push_back(full[d]);
      dims.push_back(static_cast<int64_t>(d));
    }
    if (shape == full && dtypes[o] == result && operands.whole < 0) operands.whole = static_cast<int>(o);
    operands.values.push_back(ir::Expression::Parameter(graph, dtypes[o], shape).BroadcastTo(full, std::move(dims)));
  }
  return operands;
}

}  // namespace tfvk::plugin
