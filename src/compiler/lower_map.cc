// Maps, and the shape in which they walk through their elements.
#include <limits>
#include <set>
#include <utility>

#include "compiler/lower.h"
#include "kernels/map.h"

namespace tfvk::compiler {
namespace {

using ir::Node;
using ir::Op;
using ir::Value;

// Collects where an element's row-major number has to be taken apart: at which numbers of trailing elements the data movements at the launch's own index
// part dimensions. A walk in exactly these dimensions needs the fewest divisions.
class Boundaries {
 public:
  explicit Boundaries(const Fusion& fusion) : fusion_(fusion) {
    for (Value v : fusion.outputs) Visit(Base(IsByTheWay(*v.node) ? v.node->operands[0] : v));
  }
  const std::set<int64_t>& trailing() const { return trailing_; }

 private:
  void Visit(Value v) {
    const Node& node = *v.node;
    if (!fusion_.members.count(&node) || IsInlineConstant(node) || !seen_.insert(&node).second) return;
    if (!IsElementwise(node.op)) return Part(node);
    for (Value operand : node.operands) {
      if (operand.type().shape.size() == node.type().shape.size()) Visit(Base(operand));
    }
  }

  // A boundary between dimensions d and d + 1 unless they stay neighbours as they are.
  void Part(const Node& node) {
    const Shape& shape = node.type().shape;
    int64_t trailing = 1;
    for (size_t d = shape.size(); d-- > 1;) {
      trailing *= shape[d].value;
      if (!TogetherAt(node, d - 1)) trailing_.insert(trailing);
    }
  }

  static bool TogetherAt(const Node& node, size_t d) {
    const Shape& shape = node.type().shape;
    switch (node.op) {
      case Op::kTranspose: {
        const auto& dims = node.attr<ir::DimsAttr>().dims;
        return dims[d + 1] == dims[d] + 1;
      }
      case Op::kBroadcast: {
        const auto source = [&](size_t result_dim) {
          const auto& dims = node.attr<ir::DimsAttr>().dims;
          for (size_t k = 0; k < dims.size(); ++k) {
            if (dims[k] == static_cast<int64_t>(result_dim) && node.operand_type(0).shape[k] == shape[result_dim]) return static_cast<int64_t>(k);
          }
          return int64_t{-1};
        };
        const int64_t here = source(d), next = source(d + 1);
        return (here < 0 && next < 0) || (here >= 0 && next == here + 1);
      }
      case Op::kSlice:
      case Op::kPad:
      case Op::kDynamicSlice:
      case Op::kDynamicUpdateSlice: {
        const Shape& inner = node.operand_type(node.op == Op::kDynamicUpdateSlice ? 1 : 0).shape;
        return inner[d + 1] == shape[d + 1] && !(node.op == Op::kPad && node.attr<ir::PadAttr>().low[d + 1] != 0);
      }
      case Op::kConcatenate:
      case Op::kIota: {
        const int64_t dim = node.attr<ir::DimsAttr>().dims[0];
        return dim != static_cast<int64_t>(d) + 1 && !(node.op == Op::kIota && dim == static_cast<int64_t>(d));
      }
      default:
        return false;
    }
  }

  const Fusion& fusion_;
  std::set<const Node*> seen_;
  std::set<int64_t> trailing_;
};

Shape IterationShape(const Fusion& fusion) {
  Shape space = SpaceOf(fusion);
  if (space.empty()) return {Size(1)};
  if (!space[0].is_static() || space.size() > 1) return space;
  const int64_t count = space[0].value;
  if (count > std::numeric_limits<uint32_t>::max()) return WalkedType(fusion.outputs[0]).shape;
  Shape reversed;
  int64_t inner = 1;
  const Boundaries boundaries(fusion);
  for (int64_t trailing : boundaries.trailing()) {
    if (trailing == inner || trailing <= 1 || trailing >= count) continue;
    if (trailing % inner != 0) return space;
    reversed.push_back(Size(trailing / inner));
    inner = trailing;
  }
  if (count == 0 || count % inner != 0) return space;
  reversed.push_back(Size(count / inner));
  return {reversed.rbegin(), reversed.rend()};
}

// Whether most of what is read lies as the results do. Operands that are small beside the results (a value a channel) stay in the caches, wherever they lie.
bool ReadsConsecutively(const Fusion& fusion, const Shape& space) {
  size_t consecutive = 0, large = 0;
  for (const auto& [value, contexts] : fusion.access.reads) {
    const Shape& shape = value.type().shape;
    if (IsStatic(shape) && IsStatic(space) && 4 * ElementCount(shape) <= ElementCount(space)) continue;
    ++large;
    consecutive += contexts.count(kIdentity);
  }
  return 2 * consecutive >= large;
}

}  // namespace

kernels::KernelSequence LowerMap(const LoweringInput& input) {
  const Fusion& fusion = input.fusion;
  kernels::MapSpec spec;
  spec.name = KernelName(fusion);
  spec.shape = IterationShape(fusion);
  spec.results = ResultDTypes(fusion);
  spec.body = MapBodyOf(input, spec.shape);
  spec.contiguous = ReadsConsecutively(fusion, spec.shape);
  return kernels::MakeMap(spec, input.limits);
}

}  // namespace tfvk::compiler
