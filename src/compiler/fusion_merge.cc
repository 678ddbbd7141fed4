#include "compiler/fusion_merge.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "compiler/row_fusion.h"
#include "types/error.h"

namespace tfvk::compiler {
namespace {

using ir::Node;
using ir::Op;
using ir::Value;

constexpr size_t kMaxOperands = 24, kMaxScalarOperands = 48, kMaxContractionOperands = 16;
constexpr size_t kMaxOutputs = 12, kMaxContractionOutputs = 4;
constexpr double kMaxEmissions = 400;
constexpr double kSmall = 32768;  // elements, below which a launch costs more than its work
constexpr size_t kSiblingsLookedAt = 16;

bool IsContraction(const Fusion& fusion) { return !fusion.is_map() && (fusion.hero()->op == Op::kDot || fusion.hero()->op == Op::kConvolution); }

bool IsReduction(const Fusion& fusion) { return !fusion.is_map() && fusion.hero()->op == Op::kReduce; }

bool SharesRead(const Fusion& a, const Fusion& b) {
  return std::any_of(a.access.reads.begin(), a.access.reads.end(),
                     [&](const auto& read) { return b.access.reads.count(read.first) && EstimatedCount(read.first.type().shape) > 1; });
}

class Merger {
 public:
  Merger(const ir::Graph& graph, std::vector<Fusion> fusions, const kernels::DeviceLimits& limits) : row_fusion_(limits) {
    for (Value v : graph.outputs) graph_outputs_.insert(Base(v));
    for (Fusion& f : fusions) fusions_.push_back(std::move(f));
    for (size_t i = 0; i < fusions_.size(); ++i) {
      for (Value v : fusions_[i]->outputs) producer_[v] = static_cast<int>(i);
      for (const auto& [v, contexts] : fusions_[i]->access.reads) readers_[v].insert(static_cast<int>(i));
    }
  }

  std::vector<Fusion> Run() {
    MergeSiblings(IsReduction);
    MergeEpilogues();
    MergeMapsIntoConsumers();
    MergeSiblings([](const Fusion& f) { return f.is_map(); });
    MergeEpilogues();
    MergeSiblings(IsReduction);
    MergeRows();
    return InOrder();
  }

 private:
  int count() const { return static_cast<int>(fusions_.size()); }

  void MergeEpilogues() {
    for (int h = count() - 1; h >= 0; --h) {
      if (!fusions_[h] || fusions_[h]->is_map() || !HasEpilogue(*fusions_[h]->hero())) continue;
      while (AbsorbConsumer(h)) {
      }
    }
  }

  bool AbsorbConsumer(int h) {
    for (int m : Consumers(h)) {
      if (fusions_[m]->is_map() && TryMergeEdge(h, m)) return true;
    }
    return false;
  }

  void MergeMapsIntoConsumers() {
    for (int p = count() - 1; p >= 0; --p) {
      if (!fusions_[p] || !fusions_[p]->is_map()) continue;
      while (AbsorbConsumer(p)) {
      }
    }
  }

  // Makes launches over rows of reductions and what uses their results, or gives them their operands, element by element.
  void MergeRows() {
    for (int f = 0; f < count(); ++f) {
      while (fusions_[f] && row_fusion_.RowsOf(*fusions_[f]) && TryMergeRows(f)) {
      }
    }
  }

  bool TryMergeRows(int f) {
    const Rows rows = *row_fusion_.RowsOf(*fusions_[f]);
    for (int other : Consumers(f)) {
      if (fusions_[other]->is_map() || IsReduction(*fusions_[other])) {
        if (TryMergeRows(rows, f, other)) return true;
      }
    }
    for (int other : Producers(f)) {
      if (fusions_[other]->is_map() && TryMergeRows(rows, other, f)) return true;
    }
    return false;
  }

  bool TryMergeRows(const Rows& rows, int producer, int consumer) {
    const Fusion &p = *fusions_[producer], &c = *fusions_[consumer];
    if (!row_fusion_.WorksOn(rows, p) || !row_fusion_.WorksOn(rows, c) || !PassesRows(rows, p, c) || HasPath(producer, consumer, true)) return false;
    std::optional<Fusion> merged = Union(producer, consumer);
    return merged && row_fusion_.Complete(rows, *merged) && Replace(producer, consumer, std::move(merged));
  }

  // Whether a tensor of the rows' elements is read once less.
  static bool PassesRows(const Rows& rows, const Fusion& p, const Fusion& c) {
    const double elements = EstimatedCount(rows.rows) * static_cast<double>(rows.columns);
    const auto is_large = [&](Value v) { return EstimatedCount(v.type().shape) >= elements; };
    return std::any_of(c.access.reads.begin(), c.access.reads.end(), [&](const auto& read) {
      const bool made = std::find(p.outputs.begin(), p.outputs.end(), read.first) != p.outputs.end();
      return is_large(read.first) && (made || p.access.reads.count(read.first) != 0);
    });
  }

  // Merges launches of one kind and space that do not depend on each other and share an operand (or are small).
  template <class Wanted>
  void MergeSiblings(const Wanted& wanted) {
    std::map<std::vector<int64_t>, std::vector<int>> groups;
    for (int f = 0; f < count(); ++f) {
      if (!fusions_[f] || !wanted(*fusions_[f])) continue;
      std::vector<int>& group = groups[SiblingKey(*fusions_[f])];
      bool merged = false;
      for (size_t k = group.size(); k-- > 0 && group.size() - k <= kSiblingsLookedAt && !merged;) merged = TryMergeSiblings(group[k], f);
      if (!merged) group.push_back(f);
    }
  }

  static std::vector<int64_t> SiblingKey(const Fusion& fusion) {
    std::vector<int64_t> key;
    auto add_shape = [&](const Shape& shape) {
      for (const Size& s : shape) key.push_back(s.is_static() ? s.value : -1 - s.symbol);
      key.push_back(INT64_MIN);
    };
    add_shape(SpaceOf(fusion));
    if (IsReduction(fusion)) {
      add_shape(fusion.hero()->operands[0].type().shape);
      std::vector<int64_t> dims = fusion.hero()->attr<ir::DimsAttr>().dims;
      std::sort(dims.begin(), dims.end());
      key.insert(key.end(), dims.begin(), dims.end());
    }
    return key;
  }

  bool TryMergeSiblings(int a, int b) {
    const Fusion &x = *fusions_[a], &y = *fusions_[b];
    const double elements = EstimatedCount((x.is_map() ? WalkedType(x.outputs[0]) : x.hero()->operands[0].type()).shape);
    if (elements > kSmall && !SharesRead(x, y)) return false;
    if (HasPath(a, b) || HasPath(b, a)) return false;
    return TryMerge(a, b);
  }

  // Merges `consumer` into `producer` when it reads the producer's results only at its own index and nothing between them waits on both.
  bool TryMergeEdge(int producer, int consumer) {
    const Fusion &p = *fusions_[producer], &c = *fusions_[consumer];
    if (SpaceOf(p) != SpaceOf(c)) return false;
    for (Value v : p.outputs) {
      if (!c.access.ReadsOnlyAtIdentity(v) || (IsByTheWay(*v.node) && c.access.reads.count(v))) return false;
    }
    return !HasPath(producer, consumer, true) && TryMerge(producer, consumer);
  }

  bool TryMerge(int a, int b) {
    std::optional<Fusion> merged = Merged(a, b);
    return merged && Replace(a, b, std::move(merged));
  }

  // The merged launch takes the place of `a`.
  bool Replace(int a, int b, std::optional<Fusion> merged) {
    for (int f : {a, b}) {
      for (const auto& [v, contexts] : fusions_[f]->access.reads) readers_[v].erase(f);
      for (Value v : fusions_[f]->outputs) producer_.erase(v);
      fusions_[f].reset();
    }
    for (const auto& [v, contexts] : merged->access.reads) readers_[v].insert(a);
    for (Value v : merged->outputs) producer_[v] = a;
    fusions_[a] = std::move(merged);
    return true;
  }

  // Both together; none where nothing but numbers made by the way would be left to write.
  std::optional<Fusion> Union(int a, int b) const {
    const Fusion &x = *fusions_[a], &y = *fusions_[b];
    Fusion merged;
    merged.heroes = x.heroes;
    merged.heroes.insert(merged.heroes.end(), y.heroes.begin(), y.heroes.end());
    merged.members = x.members;
    merged.members.insert(y.members.begin(), y.members.end());
    for (const Fusion* f : {&x, &y}) {
      for (Value v : f->outputs) {
        if (IsReadOutside(v, a, b)) merged.outputs.push_back(v);
      }
    }
    const auto by_the_way = std::stable_partition(merged.outputs.begin(), merged.outputs.end(), [](const Value& v) { return !IsByTheWay(*v.node); });
    if (by_the_way == merged.outputs.begin() && !(merged.is_map() && by_the_way != merged.outputs.end())) return std::nullopt;
    return merged;
  }

  std::optional<Fusion> Merged(int a, int b) const {
    const Fusion &x = *fusions_[a], &y = *fusions_[b];
    std::optional<Fusion> both = Union(a, b);
    if (!both) return std::nullopt;
    Fusion& merged = *both;
    merged.access = Analyze(merged.outputs, merged.heroes, merged.members, x.access.evaluations[kIdentity]);
    if (!Fits(merged) || !KeepsContexts(merged, x) || !KeepsContexts(merged, y)) return std::nullopt;
    return both;
  }

  // A value computed once must not become one that is computed at several indices, which a union of members can cause.
  static bool KeepsContexts(const Fusion& merged, const Fusion& part) {
    for (Value v : part.outputs) {
      auto it = merged.access.emitted.find(v);
      if (it != merged.access.emitted.end() && (it->second.size() > 1 || *it->second.begin() != kIdentity)) return false;
    }
    return true;
  }

  static bool Fits(const Fusion& f) {
    const bool contraction = IsContraction(f);
    const bool scalar = f.access.evaluations[kIdentity] <= 1;
    const size_t operands = contraction ? kMaxContractionOperands : scalar ? kMaxScalarOperands : kMaxOperands;
    const size_t outputs = contraction ? kMaxContractionOutputs : kMaxOutputs;
    return !f.access.too_large && f.access.emissions <= kMaxEmissions && f.access.reads.size() <= operands && f.outputs.size() <= outputs;
  }

  bool IsReadOutside(Value v, int a, int b) const {
    if (graph_outputs_.count(v)) return true;
    auto it = readers_.find(v);
    if (it == readers_.end()) return false;
    return std::any_of(it->second.begin(), it->second.end(), [&](int r) { return r != a && r != b; });
  }

  std::set<int> Consumers(int f) const {
    std::set<int> consumers;
    for (Value v : fusions_[f]->outputs) {
      auto it = readers_.find(v);
      if (it != readers_.end()) consumers.insert(it->second.begin(), it->second.end());
    }
    return consumers;
  }

  std::set<int> Producers(int f) const {
    std::set<int> producers;
    for (const auto& [v, contexts] : fusions_[f]->access.reads) {
      auto it = producer_.find(v);
      if (it != producer_.end()) producers.insert(it->second);
    }
    return producers;
  }

  // Whether `to` depends on `from`; with `indirectly`, through some third launch.
  bool HasPath(int from, int to, bool indirectly = false) const {
    std::vector<char> seen(fusions_.size(), 0);
    std::vector<int> stack;
    auto push = [&](int f) {
      if (!seen[f]) stack.push_back(f);
      seen[f] = 1;
    };
    for (int f : Consumers(from)) {
      if (f != to) push(f);
      if (f == to && !indirectly) return true;
    }
    while (!stack.empty()) {
      const int f = stack.back();
      stack.pop_back();
      for (int next : Consumers(f)) {
        if (next == to) return true;
        push(next);
      }
    }
    return false;
  }

  // Depth first from the last launches, so that producers come first.
  std::vector<Fusion> InOrder() {
    std::vector<int> order;
    std::vector<char> state(fusions_.size(), 0);
    for (int f = 0; f < count(); ++f) {
      if (fusions_[f]) Visit(f, state, order);
    }
    std::vector<Fusion> result;
    for (int f : order) result.push_back(std::move(*fusions_[f]));
    return result;
  }

  void Visit(int f, std::vector<char>& state, std::vector<int>& order) {
    if (state[f] == 2) return;
    Require(state[f] == 0, "fusion made a cycle of launches through {}", ir::Name(fusions_[f]->root().op));
    state[f] = 1;
    for (const auto& [v, contexts] : fusions_[f]->access.reads) {
      auto it = producer_.find(v);
      if (it != producer_.end()) Visit(it->second, state, order);
    }
    state[f] = 2;
    order.push_back(f);
  }

  const RowFusion row_fusion_;
  std::vector<std::optional<Fusion>> fusions_;
  std::map<Value, int> producer_;
  std::map<Value, std::set<int>> readers_;
  std::set<Value> graph_outputs_;
};

}  // namespace

std::vector<Fusion> MergeFusions(const ir::Graph& graph, std::vector<Fusion> fusions, const kernels::DeviceLimits& limits) {
  return Merger(graph, std::move(fusions), limits).Run();
}

}  // namespace tfvk::compiler
