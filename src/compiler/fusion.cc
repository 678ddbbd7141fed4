#include "compiler/fusion.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "compiler/excess_precision.h"
#include "compiler/fusion_merge.h"
#include "types/error.h"

namespace tfvk::compiler {
namespace {

using ir::Node;
using ir::Op;
using ir::Value;

constexpr size_t kMaxOperands = 24;
constexpr double kMaxEmissions = 400;
constexpr size_t kMaxCopies = 8;                   // launches that repeat one node's computation
constexpr double kLaunchBytes = 256 * 1024;        // memory traffic that costs about as much as a launch of its own
constexpr double kBytesPerInstruction = 1.0 / 16;  // the same of arithmetic, of which devices do far more than they move
constexpr size_t kMaxContexts = 4;
constexpr double kScalarInstructions = 16;  // on scalars, which cost each invocation less than their launch costs all that wait for it

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
    if (IsByTheWay(node)) return Create(node, false);
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
    const double space = fusion.outputs.empty() ? 1 : EstimatedCount(WalkedType(fusion.outputs[0]).shape);
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

  // What the launch would have to read were nothing else computed in it. Trivial nodes will be.
  static size_t Operands(const Access& access) {
    return static_cast<size_t>(std::count_if(access.reads.begin(), access.reads.end(), [](const auto& read) { return !IsTrivial(*read.first.node); }));
  }

  // Whether the code stays small.
  static bool Fits(const Node& node, const Fusion& before, const Access& with) {
    if (IsTrivial(node)) return !with.too_large;
    const size_t operands = Operands(with);
    if (with.too_large || with.emissions > kMaxEmissions || (operands > kMaxOperands && operands > Operands(before.access))) return false;
    const size_t contexts = with.emitted.at({const_cast<Node*>(&node), 0}).size();
    return contexts <= (Cost(node) > 4 ? 1 : kMaxContexts);
  }

  // A node and the elemental nodes before it that would come along.
  struct Chain {
    double cost = 0;          // instructions an element
    std::set<Value> sources;  // what it reads
  };

  // Compares the cost of computing the node in each of its users with that of writing it once and reading it back.
  bool IsWorthRepeating(const Node& node, const Demand& demand, const std::map<int, Access>& with) const {
    const Value value{const_cast<Node*>(&node), 0};
    double evaluations = 0;
    for (const auto& [f, access] : with) evaluations += access.EvaluationsOf(value);
    const Chain chain = ChainOf(node);
    if (EstimatedCount(node.type().shape) == 1 && chain.cost <= kScalarInstructions) return true;
    // A large broadcast: whoever reads it reads what it is made of instead.
    if (chain.cost == 0 && EstimatedBytes(node.type()) >= kLaunchBytes + SourceBytes(chain)) return true;
    if (demand.fusions.size() > kMaxCopies) return false;
    const double work_bytes = std::max(0.0, evaluations - EstimatedCount(node.type().shape)) * chain.cost * kBytesPerInstruction;

    const double stored = StoringBytes(node, demand, chain) + EstimatedBytes(node.type()) * static_cast<double>(demand.fusions.size());
    if (demand.fusions.size() == 1 || work_bytes > stored) return work_bytes <= stored;
    double repeated_bytes = 0;
    for (int f : demand.fusions) {
      repeated_bytes += NewBytes(fusions_[f], node, chain);
      if (repeated_bytes + work_bytes > stored) return false;
    }
    return true;
  }

  static double SourceBytes(const Chain& chain) {
    double bytes = 0;
    for (Value source : chain.sources) bytes += EstimatedBytes(source.type());
    return bytes;
  }

  // The traffic of writing the node: a launch that reads the sources, or the epilogue of the launch that makes one of them, for which no other may wait. That
  // one need not be written then, if nothing else leads to it.
  double StoringBytes(const Node& node, const Demand& demand, const Chain& chain) const {
    double bytes = EstimatedBytes(node.type()) + kLaunchBytes;
    Value last;
    for (Value source : chain.sources) {
      bytes += EstimatedBytes(source.type());
      if (HasEpilogue(*source.node) && SpaceOf(source.type()) == SpaceOf(node.type())) last = source;
    }
    if (!last.node) return bytes;
    const auto waits = [&](Value source) { return !(source == last) && MayFollow(*source.node, *last.node); };
    if (std::any_of(chain.sources.begin(), chain.sources.end(), waits)) return bytes;
    if (demands_.count(last.node) != 0) return bytes;
    const auto leads_elsewhere = [&](int f) {
      for (const auto& [read, contexts] : fusions_[f].access.reads) {
        if (read.node != &node && IsUndecided(*read.node, node) && ChainOf(*read.node).sources.count(last)) return true;
      }
      return false;
    };
    if (std::any_of(demand.fusions.begin(), demand.fusions.end(), leads_elsewhere)) return bytes;
    return bytes - 2 * EstimatedBytes(last.type()) - kLaunchBytes;
  }

  // Whether `node` uses `first`'s result, by way of others; true too where that would take long to find out.
  static bool MayFollow(const Node& node, const Node& first) {
    constexpr size_t kLookedAt = 64;
    std::set<const Node*> seen = {&node};
    std::vector<const Node*> left = {&node};
    while (!left.empty()) {
      const Node& next = *left.back();
      left.pop_back();
      if (&next == &first) return true;
      if (next.id < first.id) continue;
      for (Value operand : next.operands) {
        if (seen.insert(operand.node).second) left.push_back(operand.node);
      }
      if (seen.size() > kLookedAt) return true;
    }
    return false;
  }

  // Whether a node that a launch reads may yet be computed in it when `now` is being placed: those behind `now` have been.
  bool IsUndecided(const Node& node, const Node& now) const { return node.id < now.id && IsElemental(node) && !NeedsMemory(node); }

  bool NeedsMemory(const Node& node) const {
    const auto demand = demands_.find(&node);
    return demand != demands_.end() && demand->second.memory;
  }

  // Bytes of the chain's sources that the launch would read because of it alone.
  double NewBytes(const Fusion& fusion, const Node& node, const Chain& chain) const {
    std::set<Value> missing;
    for (Value source : chain.sources) {
      if (!fusion.access.reads.count(source) && !fusion.access.emitted.count(source)) missing.insert(source);
    }
    // What leads to them may be read instead, as yet.
    for (auto read = fusion.access.reads.begin(); read != fusion.access.reads.end() && !missing.empty(); ++read) {
      if (read->first.node == &node || !IsUndecided(*read->first.node, node)) continue;
      for (Value source : ChainOf(*read->first.node).sources) missing.erase(source);
    }
    double bytes = 0;
    for (Value source : missing) bytes += EstimatedBytes(source.type());
    return bytes;
  }

  // Nodes of fewer elements, which are broadcast, are sources here: whether they come along is decided for themselves.
  Chain ChainOf(const Node& node) const {
    constexpr double kEnough = 1000;
    Chain chain;
    std::set<const Node*> seen = {&node};
    std::vector<const Node*> left = {&node};
    while (!left.empty() && chain.cost < kEnough) {
      const Node& next = *left.back();
      left.pop_back();
      chain.cost += Cost(next);
      for (Value operand : next.operands) {
        operand = Base(operand);
        const Node& source = *operand.node;
        if (IsTrivial(source)) continue;
        const bool along = IsElemental(source) && !IsInPlaceUpdate(source) && EstimatedCount(source.type().shape) >= EstimatedCount(node.type().shape);
        if (!along || NeedsMemory(source)) {
          chain.sources.insert(operand);
        } else if (seen.insert(&source).second) {
          left.push_back(&source);
        }
      }
    }
    return chain;
  }

  const ir::Graph& graph_;
  const bool fuse_;
  std::vector<Fusion> fusions_;
  std::map<const Node*, Demand> demands_;
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
  return SpaceOf(WalkedType(fusion.outputs[0]));
}

bool HasEpilogue(const Node& hero) {
  switch (hero.op) {
    case Op::kReduce:
    case Op::kReduceWindow:
    case Op::kSelectAndScatter:
    case Op::kDot:
    case Op::kConvolution:
      return true;
    default:
      return false;
  }
}

bool IsInPlaceUpdate(const Node& node) {
  if (node.op != Op::kDynamicUpdateSlice) return false;
  if (IsTrivial(*Base(node.operands[0]).node)) return false;
  return 2 * EstimatedCount(node.operands[1].type().shape) <= EstimatedCount(node.type().shape);
}

std::vector<Fusion> FormFusions(const ir::Graph& graph, const kernels::DeviceLimits& limits, bool fuse, bool excess_precision) {
  std::vector<Fusion> fusions = Former(graph, fuse).Run();
  if (fuse) fusions = MergeFusions(graph, std::move(fusions), limits);
  const auto exceeding = std::make_shared<const Members>(fuse && excess_precision ? ResultsWithExcessPrecision(graph) : Members());
  for (Fusion& fusion : fusions) fusion.exceeding = exceeding;
  return fusions;
}

}  // namespace tfvk::compiler
