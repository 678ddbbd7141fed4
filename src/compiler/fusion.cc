#include "compiler/fusion.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "compiler/fusion_merge.h"
#include "types/error.h"

namespace tfvk::compiler {
namespace {

using ir::Node;
using ir::Op;
using ir::Value;

constexpr size_t kMaxOperands = 24;
constexpr double kMaxEmissions = 400;
constexpr size_t kMaxCopies = 8;             // launches that repeat one node's computation
constexpr double kRepeatedWork = 4e6;        // instructions that cost about as much as a launch of its own
constexpr double kLaunchBytes = 256 * 1024;  // memory traffic that does
constexpr size_t kMaxContexts = 4;

// Who needs a node's results.
struct Demand {
  bool memory = false;    // some launch or output needs it in memory
  std::set<int> fusions;  // launches that use it element by element
};

// Goes backwards through the graph and puts every node into launches.
class Former {
 public:
  Former(const ir::Graph& graph, bool fuse) : graph_(graph), fuse_(fuse) {}

  std::vector<Fusion> Run() {
    for (Value v : graph_.outputs) demands_[Base(v).node].memory = true;
    const auto& nodes = graph_.nodes();
    for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) Place(**it);
    std::reverse(fusions_.begin(), fusions_.end());
    return std::move(fusions_);
  }

 private:
  void Place(const Node& node) {
    if (node.op == Op::kParameter || node.op == Op::kReshape || (node.op == Op::kConstant && !IsInlineConstant(node))) return;
    auto found = demands_.find(&node);
    if (found == demands_.end()) return;
    const Demand demand = found->second;
    if (!IsElemental(node) || IsInPlaceUpdate(node)) return Create(node, true);
    const bool inlined = !demand.fusions.empty() && (!demand.memory || IsTrivial(node)) && fuse_ && TryInline(node, demand);
    if (demand.memory || !inlined) Create(node, false);
  }

  void Create(const Node& node, bool hero) {
    Fusion fusion;
    if (hero) fusion.heroes = {&node};
    fusion.members = {&node};
    for (size_t i = 0; i < node.results.size(); ++i) fusion.outputs.push_back({const_cast<Node*>(&node), static_cast<int>(i)});
    Update(fusion);
    fusions_.push_back(std::move(fusion));
    Demands(static_cast<int>(fusions_.size()) - 1, node);
  }

  static void Update(Fusion& fusion) {
    const double space = fusion.outputs.empty() ? 1 : EstimatedCount(fusion.outputs[0].type().shape);
    fusion.access = Analyze(fusion.outputs, fusion.heroes, fusion.members, space);
  }

  // What fusion `index` needs now that `node` is part of it.
  void Demands(int index, const Node& node) {
    const Fusion& fusion = fusions_[index];
    const bool hero = fusion.hero() == &node;
    if (!ReadsOperands(node)) return;
    for (size_t i = 0; i < node.operands.size(); ++i) {
      if (hero && SlotOf(node, static_cast<int>(i)) == Slot::kMemory) {
        demands_[MemorySource(node, static_cast<int>(i)).node].memory = true;
      } else if (!IsInlineConstant(*Base(node.operands[i]).node)) {
        demands_[Base(node.operands[i]).node].fusions.insert(index);
      }
    }
  }

  bool TryInline(const Node& node, const Demand& demand) {
    std::map<int, Access> with;
    for (int f : demand.fusions) {
      Members members = fusions_[f].members;
      members.insert(&node);
      const Fusion& fusion = fusions_[f];
      with[f] = Analyze(fusion.outputs, fusion.heroes, members, fusion.access.evaluations[kIdentity]);
      if (!Fits(node, fusion, with[f])) return false;
    }
    if (!IsTrivial(node) && !IsWorthRepeating(node, demand, with)) return false;
    for (auto& [f, access] : with) {
      fusions_[f].members.insert(&node);
      fusions_[f].access = std::move(access);
      Demands(f, node);
    }
    return true;
  }

  // Whether the code stays small.
  static bool Fits(const Node& node, const Fusion& before, const Access& with) {
    if (IsTrivial(node)) return !with.too_large;
    const bool more_operands = with.reads.size() > before.access.reads.size();
    if (with.too_large || with.emissions > kMaxEmissions || (more_operands && with.reads.size() > kMaxOperands)) return false;
    const size_t contexts = with.emitted.at({const_cast<Node*>(&node), 0}).size();
    return contexts <= (Cost(node) > 4 ? 1 : kMaxContexts);
  }

  // Compares the cost of computing the node in each of its users with that of writing it once and reading it back.
  bool IsWorthRepeating(const Node& node, const Demand& demand, const std::map<int, Access>& with) {
    const Value value{const_cast<Node*>(&node), 0};
    double evaluations = 0;
    for (const auto& [f, access] : with) evaluations += access.EvaluationsOf(value);
    const double elements = EstimatedCount(node.type().shape);
    const double repeated_work = std::max(0.0, evaluations - elements) * ChainCost(node);
    if (repeated_work > kRepeatedWork) return false;
    if (demand.fusions.size() == 1) return true;
    if (demand.fusions.size() > kMaxCopies) return false;

    double operand_bytes = 0, repeated_bytes = 0;
    for (Value operand : node.operands) {
      operand = Base(operand);
      if (IsTrivial(*operand.node)) continue;
      const double bytes = EstimatedBytes(operand.type());
      operand_bytes += bytes;
      for (int f : demand.fusions) {
        const Access& access = fusions_[f].access;
        if (!access.reads.count(operand) && !access.emitted.count(operand)) repeated_bytes += bytes;
      }
    }
    const double node_bytes = EstimatedBytes(node.type());
    const double stored = operand_bytes + node_bytes * static_cast<double>(1 + demand.fusions.size()) + kLaunchBytes;
    return repeated_bytes + repeated_work / kRepeatedWork * kLaunchBytes <= stored;
  }

  // The instructions of a node and of the elemental nodes before it that would come along.
  double ChainCost(const Node& node) {
    constexpr double kEnough = 1000;
    auto [it, added] = chain_cost_.try_emplace(&node, 0);
    if (!added) return it->second;
    double cost = Cost(node);
    if (IsElemental(node) || node.op == Op::kReshape) {
      for (Value operand : node.operands) cost += ChainCost(*operand.node);
    }
    return chain_cost_[&node] = std::min(cost, kEnough);
  }

  const ir::Graph& graph_;
  const bool fuse_;
  std::vector<Fusion> fusions_;
  std::map<const Node*, Demand> demands_;
  std::map<const Node*, double> chain_cost_;
};

}  // namespace

Shape SpaceOf(const ir::TensorType& type) {
  if (IsStatic(type.shape)) return {Size(ElementCount(type.shape))};
  Shape space;
  for (const Size& s : type.shape) {
    if (s != Size(1)) space.push_back(s);
  }
  return space;
}

Shape SpaceOf(const Fusion& fusion) {
  Require(!fusion.outputs.empty(), "a launch has no results");
  return SpaceOf(fusion.outputs[0].type());
}

bool IsInPlaceUpdate(const Node& node) {
  if (node.op != Op::kDynamicUpdateSlice) return false;
  if (IsTrivial(*Base(node.operands[0]).node)) return false;
  return 2 * EstimatedCount(node.operands[1].type().shape) <= EstimatedCount(node.type().shape);
}

std::vector<Fusion> FormFusions(const ir::Graph& graph, bool fuse) {
  std::vector<Fusion> fusions = Former(graph, fuse).Run();
  if (fuse) fusions = MergeFusions(graph, std::move(fusions));
  return fusions;
}

}  // namespace tfvk::compiler
