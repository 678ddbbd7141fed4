#include "compiler/moments.h"

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "compiler/access.h"
#include "compiler/constant_value.h"
#include "compiler/lower.h"
#include "ir/copy.h"
#include "ir/expression.h"

namespace tfvk::compiler {
namespace {

using ir::Expression;
using ir::Node;
using ir::Op;
using ir::Value;

constexpr int64_t kLarge = int64_t{1} << 18;  // elements

// A sum over all dimensions but the last of a large tensor.
bool IsSumOfColumns(const Node& node) {
  if (!IsSum(node) || node.type().dtype != DType::kF32) return false;
  const Shape& shape = node.operand_type(0).shape;
  const size_t rank = shape.size();
  const auto& dims = node.attr<ir::DimsAttr>().dims;
  return rank >= 2 && IsStatic(shape) && ElementCount(shape) >= kLarge && dims.size() == rank - 1 && shape.back().value > 1 &&
         std::find(dims.begin(), dims.end(), static_cast<int64_t>(rank) - 1) == dims.end();
}

// The scalar that all elements are; none where they are not known to be one.
std::optional<double> NumberOf(Value value) {
  while (value.node->op == Op::kBroadcast || value.node->op == Op::kReshape) value = value.node->operands[0];
  if (!IsInlineConstant(*value.node)) return std::nullopt;
  return FloatOf(value.type().dtype, value.node->attr<ir::ConstantAttr>().bytes->data());
}

// Whether `value` is the sum divided by the number of its terms, as a column's element at each of the tensor's.
bool IsMeanOf(Value value, const Node& sum, double count) {
  if (value.node->op != Op::kBroadcast) return false;
  const auto& dims = value.node->attr<ir::DimsAttr>().dims;
  const Shape& spread = value.node->operands[0].type().shape;
  if (dims.empty() || dims.back() != static_cast<int64_t>(value.type().shape.size()) - 1 || spread.back() != value.type().shape.back()) return false;
  Value mean = Base(value.node->operands[0]);
  if (ElementCount(mean.type().shape) != ElementCount(sum.type().shape)) return false;
  if (mean.node->op != Op::kMultiply && mean.node->op != Op::kDivide) return false;
  const Value a = Base(mean.node->operands[0]), b = Base(mean.node->operands[1]);
  const bool divides = mean.node->op == Op::kDivide;
  const Value other = a.node == &sum ? b : a;
  if (a.node != &sum && (divides || b.node != &sum)) return false;
  const std::optional<double> number = NumberOf(other);
  // The inverse of the count was rounded.
  return number && (divides ? *number == count : static_cast<float>(*number) == static_cast<float>(1 / count));
}

// The sum whose mean the squares' base has been freed of: of sum((x - mean)^2) the sum of x. Null where `squares` is not such a sum.
const Node* SumBelow(const Node& squares) {
  const Node& square = *Base(squares.operands[0]).node;
  if (square.op != Op::kMultiply || !(square.operands[0] == square.operands[1])) return nullptr;
  const Node& difference = *Base(square.operands[0]).node;
  if (difference.op != Op::kSubtract || difference.type().shape != squares.operand_type(0).shape) return nullptr;
  const Value x = difference.operands[0], mean = difference.operands[1];
  Value sum = mean;
  while (sum.node->op == Op::kBroadcast || sum.node->op == Op::kReshape) sum = sum.node->operands[0];
  if (sum.node->op != Op::kMultiply && sum.node->op != Op::kDivide) return nullptr;
  for (Value operand : sum.node->operands) {
    const Node& candidate = *Base(operand).node;
    const double count = static_cast<double>(ElementCount(x.type().shape) / x.type().shape.back().value);
    if (IsSumOfColumns(candidate) && candidate.operands[0] == x && IsMeanOf(mean, candidate, count)) return &candidate;
  }
  return nullptr;
}

class Joiner {
 public:
  Joiner(const ir::Graph& from, ir::Graph& to) : from_(from), to_(to), copy_(from, to) {}

  // Whether there was anything to join.
  bool Run() {
    std::map<const Node*, const Node*> squares;  // by the sum of the numbers themselves
    for (const auto& node : from_.nodes()) {
      if (!IsSumOfColumns(*node)) continue;
      if (const Node* sum = SumBelow(*node)) squares.emplace(sum, node.get());
    }
    if (squares.empty()) return false;
    for (const auto& node : from_.nodes()) {
      const auto found = squares.find(node.get());
      if (found == squares.end()) {
        copy_.Copy(*node);
      } else {
        Join(*node, *found->second);
      }
    }
    copy_.CopyOutputs();
    to_.RemoveDeadNodes();
    return true;
  }

 private:
  void Join(const Node& sum, const Node& squares) {
    const Expression x(to_, copy_.Of(sum.operands[0])), zero(to_, copy_.Of(sum.operands[1]));
    const Shape& shape = x.shape();
    const auto& dims = sum.attr<ir::DimsAttr>().dims;
    const double count = static_cast<double>(ElementCount(shape) / shape.back().value);
    const Expression a = Row(x, 1), b = Row(x, 2), c = Row(x, 3), pivot = Max(Min(a, b), Min(Max(a, b), c));
    const Expression off = x - pivot.BroadcastTo(shape, {static_cast<int64_t>(shape.size()) - 1});
    const Expression s1 = Reduce(Op::kAdd, off, dims, zero), s2 = Reduce(Op::kAdd, off * off, dims, zero);
    for (const Expression& e : {s1, s2}) e.value().node->origin = sum.origin;
    copy_.Replace({const_cast<Node*>(&sum), 0}, (s1 + pivot * count).value());
    copy_.Replace({const_cast<Node*>(&squares), 0}, Max(s2 - s1 * s1 * (1 / count), 0.0).value());
  }

  // The columns' elements at so many quarters of every other dimension.
  static Expression Row(const Expression& x, int64_t quarters) {
    ir::SliceAttr at;
    Shape shape;
    for (const Size& size : x.shape()) {
      const int64_t start = size.value * quarters / 4;
      at.start.push_back(start);
      at.limit.push_back(start + 1);
      at.stride.push_back(1);
      shape.emplace_back(1);
    }
    shape.back() = x.shape().back();
    at.start.back() = 0;
    at.limit.back() = shape.back().value;
    return Expression(x.graph(), x.graph().Add(Op::kSlice, {x.value()}, {{DType::kF32, shape}}, at)).ReshapeTo({shape.back()});
  }

  const ir::Graph& from_;
  ir::Graph& to_;
  ir::GraphCopy copy_;
};

}  // namespace

std::unique_ptr<ir::Graph> JoinMoments(const ir::Graph& graph) {
  auto joined = std::make_unique<ir::Graph>();
  return Joiner(graph, *joined).Run() ? std::move(joined) : nullptr;
}

}  // namespace tfvk::compiler
