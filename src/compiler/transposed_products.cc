#include "compiler/transposed_products.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "ir/copy.h"

namespace tfvk::compiler {
namespace {

using ir::Node;
using ir::Op;
using ir::Value;

constexpr int64_t kShortestRow = 8;  // elements that should lie together where a product writes them

// Sizes that each dimension of `from` is split into to make `to`; none where dimensions of `to` cross those of `from`.
std::optional<std::vector<Shape>> Split(const Shape& from, const Shape& to) {
  std::vector<Shape> parts(from.size());
  size_t next = 0;
  for (size_t d = 0; d < from.size(); ++d) {
    int64_t count = 1;
    while (next < to.size() && (count < from[d].value || (d + 1 == from.size() && to[next] == Size(1)))) {
      count *= to[next].value;
      parts[d].push_back(to[next++]);
    }
    if (count != from[d].value) return std::nullopt;
  }
  if (next != to.size()) return std::nullopt;
  return parts;
}

// One operand of a product whose dimensions are split into parts.
struct PartedOperand {
  Shape shape;
  std::vector<int64_t> batch, contract;
};

PartedOperand InParts(const Shape& shape, const std::vector<int64_t>& batch, const std::vector<int64_t>& contract, const std::vector<Shape>& batch_parts,
                      const std::vector<Shape>& free_parts) {
  PartedOperand parted;
  std::vector<std::vector<int64_t>> batch_at(batch.size()), contract_at(contract.size());
  size_t free = 0;
  for (int64_t d = 0; d < static_cast<int64_t>(shape.size()); ++d) {
    const auto in_batch = std::find(batch.begin(), batch.end(), d) - batch.begin();
    const auto in_contract = std::find(contract.begin(), contract.end(), d) - contract.begin();
    std::vector<int64_t>* at = nullptr;
    Shape parts = {shape[d]};
    if (in_batch < static_cast<std::ptrdiff_t>(batch.size())) {
      at = &batch_at[in_batch];
      parts = batch_parts[in_batch];
    } else if (in_contract < static_cast<std::ptrdiff_t>(contract.size())) {
      at = &contract_at[in_contract];
    } else {
      parts = free_parts[free++];
    }
    for (const Size& part : parts) {
      if (at) at->push_back(static_cast<int64_t>(parted.shape.size()));
      parted.shape.push_back(part);
    }
  }
  for (const auto& at : batch_at) parted.batch.insert(parted.batch.end(), at.begin(), at.end());
  for (const auto& at : contract_at) parted.contract.insert(parted.contract.end(), at.begin(), at.end());
  return parted;
}

// A product, and the transpose that takes its place.
struct Pair {
  const Node *product, *transpose;
  std::vector<Shape> batch, left, right;  // the sizes that the product's batch and free dimensions are split into
};

size_t CountOf(const std::vector<Shape>& parts) {
  return std::accumulate(parts.begin(), parts.end(), size_t{0}, [](size_t n, const Shape& part) { return n + part.size(); });
}

class Folder {
 public:
  Folder(const ir::Graph& from, ir::Graph& to) : from_(from), to_(to), copy_(from, to) {}

  // Whether there was anything to fold.
  bool Run() {
    CountUses();
    std::map<const Node*, Pair> pairs;  // by the product
    for (const auto& node : from_.nodes()) {
      if (std::optional<Pair> pair = PairOf(*node)) pairs.emplace(pair->product, *pair);
    }
    if (pairs.empty()) return false;
    for (const auto& node : from_.nodes()) {
      const auto pair = pairs.find(node.get());
      copy_.Copy(*node);  // the product too, for a reshape behind it; nobody uses them in the end
      if (pair != pairs.end()) copy_.Replace({const_cast<Node*>(pair->second.transpose), 0}, Product(pair->second));
    }
    copy_.CopyOutputs();
    to_.RemoveDeadNodes();
    return true;
  }

 private:
  void CountUses() {
    for (const auto& node : from_.nodes()) {
      for (const Value& operand : node->operands) ++uses_[operand];
    }
    for (const Value& output : from_.outputs) uses_[output] += 2;
  }

  std::optional<Pair> PairOf(const Node& transpose) const {
    const Shape& shape = transpose.type().shape;
    if (transpose.op != Op::kTranspose || shape.empty() || !IsStatic(shape) || ElementCount(shape) == 0) return std::nullopt;
    Value source = transpose.operands[0];
    const Shape& split = source.type().shape;
    if (source.node->op == Op::kReshape && uses_.at(source) == 1) source = source.node->operands[0];
    if (source.node->op != Op::kDot || uses_.at(source) != 1 || !source.node->attr<ir::DotAttr>().result_order.empty()) return std::nullopt;
    const std::optional<std::vector<Shape>> parts = Split(source.type().shape, split);
    if (!parts) return std::nullopt;
    const auto& dot = source.node->attr<ir::DotAttr>();
    const size_t batch = dot.lhs_batch.size(), left = source.node->operand_type(0).shape.size() - batch - dot.lhs_contract.size();
    const auto begin = parts->begin(), left_begin = begin + static_cast<std::ptrdiff_t>(batch), right_begin = left_begin + static_cast<std::ptrdiff_t>(left);
    Pair pair{source.node, &transpose, {begin, left_begin}, {left_begin, right_begin}, {right_begin, parts->end()}};
    const auto last = static_cast<size_t>(transpose.attr<ir::DimsAttr>().dims.back());
    const size_t outer = CountOf(pair.batch) + CountOf(pair.left), all = split.size();
    const bool keeps_row = (last + 1 == all && all > outer) || (last + 1 == outer && CountOf(pair.left) > 0);
    if (!keeps_row || split[last].value < kShortestRow) return std::nullopt;
    return pair;
  }

  // The product with its results in the transpose's order. The operand whose free dimension is the last one becomes the right one.
  Value Product(const Pair& pair) {
    const Node& node = *pair.product;
    const auto& dot = node.attr<ir::DotAttr>();
    const PartedOperand left = InParts(node.operand_type(0).shape, dot.lhs_batch, dot.lhs_contract, pair.batch, pair.left);
    const PartedOperand right = InParts(node.operand_type(1).shape, dot.rhs_batch, dot.rhs_contract, pair.batch, pair.right);
    const auto batch = static_cast<int64_t>(CountOf(pair.batch)), of_left = static_cast<int64_t>(CountOf(pair.left)),
               of_right = static_cast<int64_t>(CountOf(pair.right));
    std::vector<int64_t> order = pair.transpose->attr<ir::DimsAttr>().dims;
    const bool swapped = order.back() < batch + of_left;
    if (swapped) {
      for (int64_t& d : order) {
        if (d >= batch) d = d < batch + of_left ? d + of_right : d - of_left;
      }
    }
    std::vector<int64_t> natural(order.size());
    std::iota(natural.begin(), natural.end(), 0);
    if (order == natural) order.clear();
    const Value a = Reshaped(node.operands[0], left.shape), b = Reshaped(node.operands[1], right.shape);
    const ir::DotAttr attribute = swapped ? ir::DotAttr{right.batch, left.batch, right.contract, left.contract, dot.precision, order}
                                          : ir::DotAttr{left.batch, right.batch, left.contract, right.contract, dot.precision, order};
    return to_.Add(Op::kDot, swapped ? std::vector<Value>{b, a} : std::vector<Value>{a, b}, {{node.type().dtype, pair.transpose->type().shape}}, attribute,
                   node.origin);
  }

  Value Reshaped(Value operand, const Shape& shape) {
    const Value value = copy_.Of(operand);
    return shape == value.type().shape ? value : to_.Add(Op::kReshape, {value}, {{value.type().dtype, shape}});
  }

  const ir::Graph& from_;
  ir::Graph& to_;
  ir::GraphCopy copy_;
  std::map<Value, int> uses_;
};

}  // namespace

std::unique_ptr<ir::Graph> TransposeProducts(const ir::Graph& graph) {
  auto folded = std::make_unique<ir::Graph>();
  return Folder(graph, *folded).Run() ? std::move(folded) : nullptr;
}

}  // namespace tfvk::compiler
