#include "compiler/row_fusion.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "compiler/lower.h"
#include "kernels/rows.h"

namespace tfvk::compiler {
namespace {

using ir::Node;
using ir::Op;
using ir::Value;

constexpr double kMostEmissions = 4000;  // values in the code of one invocation
constexpr size_t kMostReads = 24, kMostOutputs = 12, kMostReductions = 8;

Shape WithoutUnits(const Shape& shape) {
  Shape result;
  std::copy_if(shape.begin(), shape.end(), std::back_inserter(result), [](const Size& s) { return s != Size(1); });
  return result;
}

int64_t CountOf(const Rows& rows) { return ElementCount(rows.rows); }

std::optional<Rows> RowsOfReduction(const Node& reduce, int64_t longest) {
  const Shape& shape = reduce.operand_type(0).shape;
  if (reduce.operands.size() != 2 || !IsStatic(shape) || !IsIdentityOf(*reduce.regions[0], reduce.operands[1])) return std::nullopt;
  const auto& dims = reduce.attr<ir::DimsAttr>().dims;
  Rows rows;
  bool inside = false;
  for (int64_t d = 0; d < static_cast<int64_t>(shape.size()); ++d) {
    if (shape[d] == Size(1)) continue;
    const bool reduced = std::find(dims.begin(), dims.end(), d) != dims.end();
    if (inside && !reduced) return std::nullopt;
    inside = reduced;
    if (reduced) {
      rows.columns *= shape[d].value;
    } else {
      rows.rows.push_back(shape[d]);
    }
  }
  const bool fits = rows.columns > 1 && rows.columns <= longest && CountOf(rows) > 1;
  return fits ? std::optional<Rows>(rows) : std::nullopt;
}

// Where an element of a value is, as the launch goes through a row's elements.
enum class At : uint8_t {
  kElement,    // the element of the same number
  kRow,        // the row's own
  kElsewhere,  // anything else
};

// Whether each element of the broadcast is its row's element of the operand.
bool SpreadsRows(const Node& broadcast, const Rows& rows) {
  const Shape &from = broadcast.operand_type(0).shape, &to = broadcast.type().shape;
  const auto& dims = broadcast.attr<ir::DimsAttr>().dims;
  std::vector<int64_t> of_operand;
  for (size_t k = 0; k < dims.size(); ++k) {
    if (from[k] != Size(1)) of_operand.push_back(dims[k]);
  }
  int64_t count = 1;
  size_t next = 0;
  for (int64_t d = 0; next < of_operand.size(); ++d) {
    if (d == of_operand[next]) {
      count *= to[d].value;
      ++next;
    } else if (to[d] != Size(1)) {
      return false;
    }
  }
  return count == CountOf(rows);
}

class Walk {
 public:
  Walk(const Rows& rows, const Fusion& fusion, double elements) : rows_(rows), fusion_(fusion), elements_(elements) {
    for (const Node* hero : fusion.heroes) heroes_.insert(hero);
  }

  bool Run() {
    for (Value v : fusion_.outputs) {
      const bool by_the_way = IsByTheWay(*v.node);
      const bool of_row = ElementCount(WalkedType(v).shape) == CountOf(rows_);
      if (by_the_way && of_row) return false;
      if (!Visit(by_the_way ? v.node->operands[0] : v, of_row ? At::kRow : At::kElement)) return false;
    }
    return std::all_of(fusion_.heroes.begin(), fusion_.heroes.end(), [&](const Node* hero) { return Visit(hero->operands[0], At::kElement); });
  }

  double emissions() const { return emissions_; }
  const std::set<Value>& reads() const { return reads_; }

 private:
  bool Visit(Value v, At at) {
    v = Base(v);
    const Node& node = *v.node;
    if (IsInlineConstant(node)) return true;
    if (fusion_.members.count(&node) == 0) {
      reads_.insert(v);
      return true;
    }
    if (heroes_.count(&node) != 0) return at == At::kRow;
    if (IsByTheWay(node)) return false;  // known when the launch has ended
    if (!seen_.emplace(v, at).second) return true;
    emissions_ += at == At::kRow ? 1 : elements_;
    if (emissions_ > kMostEmissions) return false;
    if (!ReadsOperands(node)) return true;
    return std::all_of(node.operands.begin(), node.operands.end(), [&](Value operand) { return Visit(operand, PlaceOf(node, operand, at)); });
  }

  At PlaceOf(const Node& node, Value operand, At at) const {
    if (at == At::kElsewhere || operand.type().shape.empty()) return At::kElsewhere;
    const bool as_many = ElementCount(operand.type().shape) == ElementCount(node.type().shape);
    if (IsElementwise(node.op)) return as_many ? at : At::kElsewhere;
    if (node.op != Op::kBroadcast) return At::kElsewhere;
    const auto& dims = node.attr<ir::DimsAttr>().dims;
    if (!std::is_sorted(dims.begin(), dims.end())) return At::kElsewhere;
    if (as_many) return WithoutUnits(operand.type().shape) == WithoutUnits(node.type().shape) ? at : At::kElsewhere;
    return at == At::kElement && SpreadsRows(node, rows_) ? At::kRow : At::kElsewhere;
  }

  const Rows& rows_;
  const Fusion& fusion_;
  const double elements_;  // of an invocation
  std::set<const Node*> heroes_;
  std::set<std::pair<Value, At>> seen_;
  std::set<Value> reads_;
  double emissions_ = 0;
};

// The number of the stage at which a value can be computed: after all reductions that it uses.
class Stages {
 public:
  explicit Stages(const Fusion& fusion) : fusion_(fusion) {}

  std::vector<std::vector<const Node*>> Run() {
    std::vector<std::vector<const Node*>> stages;
    for (const Node* hero : fusion_.heroes) {
      const size_t stage = After(hero->operands[0]);
      if (stages.size() <= stage) stages.resize(stage + 1);
      stages[stage].push_back(hero);
    }
    return stages;
  }

 private:
  size_t After(Value v) {
    const Node* node = Base(v).node;
    if (fusion_.members.count(node) == 0) return 0;
    const auto known = after_.find(node);
    if (known != after_.end()) return known->second;
    const bool hero = std::find(fusion_.heroes.begin(), fusion_.heroes.end(), node) != fusion_.heroes.end();
    size_t after = hero ? After(node->operands[0]) + 1 : 0;
    for (Value operand : node->operands) after = std::max(after, After(operand));
    return after_[node] = after;
  }

  const Fusion& fusion_;
  std::map<const Node*, size_t> after_;
};

}  // namespace

std::optional<Rows> RowFusion::RowsOf(const Fusion& fusion) const {
  if (fusion.rows) return fusion.rows;
  if (fusion.is_map() || fusion.hero()->op != Op::kReduce) return std::nullopt;
  const int64_t longest = kernels::LongestRow(limits_);
  std::optional<Rows> rows = RowsOfReduction(*fusion.hero(), longest);
  for (const Node* hero : fusion.heroes) {
    const std::optional<Rows> of_hero = RowsOfReduction(*hero, longest);
    if (!rows || !of_hero || CountOf(*of_hero) != CountOf(*rows) || of_hero->columns != rows->columns) return std::nullopt;
  }
  return rows;
}

bool RowFusion::WorksOn(const Rows& rows, const Fusion& fusion) const {
  if (!fusion.is_map()) {
    const std::optional<Rows> own = RowsOf(fusion);
    return own && CountOf(*own) == CountOf(rows) && own->columns == rows.columns;
  }
  return std::all_of(fusion.outputs.begin(), fusion.outputs.end(), [&](Value v) {
    const Shape& shape = WalkedType(v).shape;
    return IsStatic(shape) && (ElementCount(shape) == CountOf(rows) * rows.columns || ElementCount(shape) == CountOf(rows));
  });
}

bool RowFusion::Complete(const Rows& rows, Fusion& fusion) const {
  if (fusion.heroes.size() > kMostReductions || fusion.outputs.empty() || fusion.outputs.size() > kMostOutputs) return false;
  Walk walk(rows, fusion, static_cast<double>(kernels::RowElementsOf(rows.columns, limits_)));
  if (!walk.Run() || walk.reads().size() > kMostReads) return false;
  std::sort(fusion.heroes.begin(), fusion.heroes.end(), [](const Node* a, const Node* b) { return a->id < b->id; });
  fusion.access = {};
  fusion.access.evaluations = {static_cast<double>(CountOf(rows) * rows.columns)};
  fusion.access.emissions = walk.emissions();
  // Read by invocations that write other elements: nothing is overwritten by the launch that reads it.
  for (Value v : walk.reads()) fusion.access.reads[v] = {kWhole};
  fusion.rows = rows;
  fusion.rows->stages = Stages(fusion).Run();
  return true;
}

}  // namespace tfvk::compiler
