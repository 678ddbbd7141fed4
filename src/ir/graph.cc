#include "ir/graph.h"

#include <set>
#include <utility>

#include "ir/ops.h"
#include "types/error.h"

namespace tfvk::ir {
namespace {

using K = AttributeKind;

// In the order of Op.
constexpr OpInfo kOps[] = {
    {"parameter", K::kDims, 0, 0},
    {"constant", K::kConstant, 0, 0},
    {"iota", K::kDims, 0, 0},
    {"get_dimension_size", K::kDims, 1, 0},
    {"rng_bit_generator", K::kRng, 1, 0},

    {"abs", K::kNone, 1, 0},
    {"negate", K::kNone, 1, 0},
    {"sign", K::kNone, 1, 0},
    {"not", K::kNone, 1, 0},
    {"exponential", K::kNone, 1, 0},
    {"exponential_minus_one", K::kNone, 1, 0},
    {"log", K::kNone, 1, 0},
    {"log_plus_one", K::kNone, 1, 0},
    {"logistic", K::kNone, 1, 0},
    {"sqrt", K::kNone, 1, 0},
    {"rsqrt", K::kNone, 1, 0},
    {"cbrt", K::kNone, 1, 0},
    {"sine", K::kNone, 1, 0},
    {"cosine", K::kNone, 1, 0},
    {"tan", K::kNone, 1, 0},
    {"tanh", K::kNone, 1, 0},
    {"erf", K::kNone, 1, 0},
    {"erfc", K::kNone, 1, 0},
    {"floor", K::kNone, 1, 0},
    {"ceil", K::kNone, 1, 0},
    {"round_nearest_afz", K::kNone, 1, 0},
    {"round_nearest_even", K::kNone, 1, 0},
    {"is_finite", K::kNone, 1, 0},
    {"popcnt", K::kNone, 1, 0},
    {"count_leading_zeros", K::kNone, 1, 0},
    {"convert", K::kNone, 1, 0},
    {"bitcast_convert", K::kNone, 1, 0},
    {"reduce_precision", K::kDims, 1, 0},

    {"add", K::kNone, 2, 0},
    {"subtract", K::kNone, 2, 0},
    {"multiply", K::kNone, 2, 0},
    {"divide", K::kNone, 2, 0},
    {"remainder", K::kNone, 2, 0},
    {"power", K::kNone, 2, 0},
    {"atan2", K::kNone, 2, 0},
    {"maximum", K::kNone, 2, 0},
    {"minimum", K::kNone, 2, 0},
    {"and", K::kNone, 2, 0},
    {"or", K::kNone, 2, 0},
    {"xor", K::kNone, 2, 0},
    {"shift_left", K::kNone, 2, 0},
    {"shift_right_logical", K::kNone, 2, 0},
    {"shift_right_arithmetic", K::kNone, 2, 0},
    {"compare", K::kCompare, 2, 0},

    {"select", K::kNone, 3, 0},
    {"clamp", K::kNone, 3, 0},

    {"broadcast_in_dim", K::kDims, 1, 0},
    {"reshape", K::kNone, 1, 0},
    {"transpose", K::kDims, 1, 0},
    {"slice", K::kSlice, 1, 0},
    {"pad", K::kPad, 2, 0},
    {"concatenate", K::kDims, kVariadic, 0},
    {"reverse", K::kDims, 1, 0},
    {"dynamic_slice", K::kDims, kVariadic, 0},
    {"dynamic_update_slice", K::kNone, kVariadic, 0},
    {"gather", K::kGather, 2, 0},
    {"scatter", K::kScatter, kVariadic, 1},

    {"reduce", K::kDims, kVariadic, 1},
    {"reduce_window", K::kWindow, kVariadic, 1},
    {"select_and_scatter", K::kWindow, 3, 2},
    {"dot_general", K::kDot, 2, 0},
    {"convolution", K::kConvolution, 2, 0},
    {"sort", K::kSort, kVariadic, 1},
    {"largest_exponent", K::kNone, 1, 0},

    {"while", K::kNone, kVariadic, 2},
    {"case", K::kNone, kVariadic, kVariadic},
};
static_assert(sizeof(kOps) / sizeof(kOps[0]) == kOpCount, "one entry an operation");
static_assert(std::variant_size_v<Attributes> == static_cast<size_t>(K::kRng) + 1, "one AttributeKind an alternative");

template <size_t... I>
Attributes MakeAlternative(size_t index, std::index_sequence<I...>) {
  Attributes result;
  ((I == index ? static_cast<void>(result.emplace<I>()) : static_cast<void>(0)), ...);
  return result;
}

}  // namespace

const OpInfo& Info(Op op) { return kOps[static_cast<int>(op)]; }
const char* Name(Op op) { return Info(op).name; }
Attributes MakeAttributes(AttributeKind kind) {
  return MakeAlternative(static_cast<size_t>(kind), std::make_index_sequence<std::variant_size_v<Attributes>>());
}

Node* Graph::AddNode(Op op, std::vector<Value> operands, std::vector<TensorType> results, Attributes attributes, std::vector<std::unique_ptr<Graph>> regions,
                     std::string origin) {
  for (const Value& operand : operands) Require(operand.node != nullptr, "[Graph] an operand of {} is empty", Name(op));
  auto node = std::make_unique<Node>();
  node->op = op;
  node->id = static_cast<int>(nodes_.size());
  node->operands = std::move(operands);
  node->results = std::move(results);
  node->attributes = std::move(attributes);
  node->regions = std::move(regions);
  node->origin = std::move(origin);
  nodes_.push_back(std::move(node));
  return nodes_.back().get();
}

Value Graph::Add(Op op, std::vector<Value> operands, std::vector<TensorType> results, Attributes attributes, std::string origin) {
  return {AddNode(op, std::move(operands), std::move(results), std::move(attributes), {}, std::move(origin)), 0};
}

Value Graph::AddParameter(TensorType type, std::string origin) {
  Value value = Add(Op::kParameter, {}, {std::move(type)}, DimsAttr{{static_cast<int64_t>(parameters_.size())}}, std::move(origin));
  parameters_.push_back(value.node);
  return value;
}

void Graph::ReplaceUses(Value from, Value to) {
  const auto replace = [&](Value& use) {
    if (use == from) use = to;
  };
  for (auto& node : nodes_) {
    for (Value& operand : node->operands) replace(operand);
  }
  for (Value& output : outputs) replace(output);
}

void Graph::RemoveDeadNodes() {
  std::set<const Node*> live(parameters_.begin(), parameters_.end());
  for (const Value& output : outputs) live.insert(output.node);
  for (auto it = nodes_.rbegin(); it != nodes_.rend(); ++it) {
    if (live.count(it->get()) == 0) continue;
    for (const Value& operand : (*it)->operands) live.insert(operand.node);
  }
  std::vector<std::unique_ptr<Node>> kept;
  for (auto& node : nodes_) {
    if (live.count(node.get()) == 0) continue;
    node->id = static_cast<int>(kept.size());
    for (auto& region : node->regions) region->RemoveDeadNodes();
    kept.push_back(std::move(node));
  }
  nodes_ = std::move(kept);
}

}  // namespace tfvk::ir
