#include "kernels/reduce.h"

#include <algorithm>
#include <optional>

#include "kernels/tuple.h"
#include "types/error.h"

namespace tfvk::kernels {
namespace {

using spirv::Value;

constexpr int64_t kRunTimeSizeEstimate = 1024;
constexpr int64_t kThreadsPerUnit = 1024;  // invocations that keep one compute unit busy
constexpr int64_t kUnitsPerLane = 8;       // what a lane should have to do before a result is shared by several workgroups
constexpr int64_t kMaxChunks = 512;
constexpr int64_t kRunTimeChunks = 64;  // of results whose number of elements is known only at run time

int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t CountOrEstimate(const Shape& shape) {
  int64_t n = 1;
  for (const Size& s : shape) n *= s.is_static() ? s.value : kRunTimeSizeEstimate;
  return n;
}

// How results and the elements of each are shared out. A workgroup is a table of `results` columns and `lanes` rows of invocations. In a row reduction the
// lanes of one result are neighbours, in a column reduction the results are, so that neighbours read neighbouring memory either way.
struct Plan {
  bool by_rows = true;
  int vector = 1;         // consecutive elements read at once: of one result by rows, of `vector` results by columns
  int unroll = 1;         // units that a lane reads before it combines them, so that their loads wait together
  uint32_t lanes = 1;     // invocations that share a result; a power of two
  uint32_t results = 1;   // results (by columns: vectors of results) of a workgroup; a power of two
  int64_t chunks = 1;     // workgroups that share a result
  uint32_t subgroup = 0;  // its size where lanes exchange values by shuffles; 0: by shared memory alone

  uint32_t invocations() const { return lanes * results; }
};

class Planner {
 public:
  Planner(const ReduceSpec& spec, const Shape& kept, const Shape& reduced, const DeviceLimits& limits) : spec_(spec), limits_(limits) {
    kept_count_ = CountOrEstimate(kept);
    reduced_count_ = CountOrEstimate(reduced);
    reduced_is_static_ = IsStatic(reduced);
    may_chunk_ = IsStatic(kept) && (reduced_is_static_ || spec.initial_is_identity);
    last_is_whole_ = !spec.input.empty() && spec.input.back().is_static() && spec.input.back().value % 4 == 0;
    const uint32_t fit = std::min({limits.max_invocations, limits.max_workgroup[0], 256u});
    while (most_ * 2 <= fit) most_ *= 2;
    const auto tuple = static_cast<uint32_t>(std::max<int64_t>(StoredBytes(spec.accumulators), 1));
    while (most_ > 1 && most_ * tuple * 4 > limits.shared_bytes) most_ /= 2;  // 4: vectors of results
    fewest_ = std::min(64u, most_);
  }

  Plan Make() const {
    const bool by_rows = spec_.input.empty() || (!spec_.dimensions.empty() && spec_.dimensions.back() == static_cast<int64_t>(spec_.input.size()) - 1);
    Plan plan = by_rows ? Rows() : Columns();
    const int64_t per_result_vector = plan.by_rows ? 1 : plan.vector;
    const int64_t invocations = CeilDivide(kept_count_, per_result_vector * plan.results) * plan.invocations();
    const int64_t wanted = CeilDivide(kThreadsPerUnit * limits_.compute_units, std::max<int64_t>(invocations, 1));
    const int64_t units = Units(plan);
    plan.unroll = plan.vector == 1 ? 4 : 2;
    if (may_chunk_ && wanted > 1) {
      const int64_t useful = reduced_is_static_ ? units / (int64_t{plan.lanes} * kUnitsPerLane) : kRunTimeChunks;
      plan.chunks = std::max<int64_t>(std::min({wanted, useful, kMaxChunks}), 1);
      if (reduced_is_static_) plan.chunks = CeilDivide(units, CeilDivide(units, plan.chunks));  // none without an element
    }
    if (units / (int64_t{plan.lanes} * plan.chunks) < int64_t{2} * plan.unroll) plan.unroll = 1;
    return plan;
  }

 private:
  int64_t Units(const Plan& plan) const { return plan.by_rows ? reduced_count_ / plan.vector : reduced_count_; }

  Plan Rows() const {
    Plan plan;
    plan.vector = last_is_whole_ && reduced_count_ >= 16 ? 4 : 1;
    const int64_t units = Units(plan), device = kThreadsPerUnit * limits_.compute_units;
    while (plan.lanes < most_ && (int64_t{plan.lanes} * 2 < units) && (plan.lanes * 4 < units || kept_count_ * plan.lanes < device)) plan.lanes *= 2;
    while (plan.invocations() < fewest_) plan.results *= 2;
    const uint32_t s = limits_.subgroup_size;
    const bool controlled = limits_.subgroup_size_control && s >= limits_.min_subgroup_size && s <= limits_.max_subgroup_size;
    if (limits_.subgroup_shuffle && controlled && s > 1 && (s & (s - 1)) == 0 && plan.invocations() % s == 0 && plan.lanes > 1) plan.subgroup = s;
    return plan;
  }

  Plan Columns() const {
    Plan plan;
    plan.by_rows = false;
    plan.vector = last_is_whole_ && kept_count_ / 4 >= 8 && spec_.accumulators.size() <= 4 ? 4 : 1;
    const int64_t columns = CeilDivide(kept_count_, plan.vector), units = Units(plan);
    // Invocations that read whole cache lines; twice as many where that leaves none without a column.
    const uint32_t line = std::min(plan.vector == 4 ? (columns % 16 == 0 ? 16u : 8u) : 32u, most_);
    while (plan.results < line && plan.results < columns) plan.results *= 2;
    while (plan.invocations() * 2 <= most_ && int64_t{plan.lanes} * 8 <= units) plan.lanes *= 2;
    while (plan.invocations() * 2 <= fewest_ && plan.results < columns) plan.results *= 2;
    return plan;
  }

  const ReduceSpec& spec_;
  const DeviceLimits& limits_;
  int64_t kept_count_ = 1, reduced_count_ = 1;
  bool reduced_is_static_ = true, may_chunk_ = false, last_is_whole_ = false;
  uint32_t most_ = 1, fewest_ = 1;
};

class Reduction {
 public:
  Reduction(const ReduceSpec& spec, const DeviceLimits& limits) : spec_(spec), limits_(limits) {
    for (size_t d = 0; d < spec.input.size(); ++d) {
      const bool is_reduced = std::find(spec.dimensions.begin(), spec.dimensions.end(), static_cast<int64_t>(d)) != spec.dimensions.end();
      (is_reduced ? reduced_ : kept_).push_back(spec.input[d]);
      is_reduced_.push_back(is_reduced);
    }
    plan_ = Planner(spec, kept_, reduced_, limits).Make();
    const bool wide = IsStatic(reduced_) && ElementCount(reduced_) > int64_t{0x7fffffff};
    counter_ = wide ? DType::kU64 : DType::kU32;
    result_type_ = IsStatic(kept_) && ElementCount(kept_) > int64_t{0x7fffffff} ? DType::kU64 : DType::kU32;
  }

  KernelSequence Make() const {
    KernelSequence sequence;
    if (IsStatic(kept_) && ElementCount(kept_) == 0) return sequence;
    if (plan_.chunks == 1) {
      sequence.kernels.push_back(Whole());
      return sequence;
    }
    const TupleScratch partial(spec_.accumulators, plan_.chunks * ElementCount(kept_), 0);
    sequence.scratch_bytes = partial.end();
    sequence.kernels.push_back(Partial(partial));
    sequence.kernels.push_back(OfPartial(partial));
    return sequence;
  }

 private:
  struct Tile {
    Value result;  // the first of the invocation's results; past the end in surplus invocations
    Value lane;    // its number among those that share them
    Value chunk;
  };
  using Write = std::function<void(Emitter&, Value result, const Index& at, Value chunk, const Values&)>;

  Kernel Whole() const {
    return Build(spec_.name, [&](Emitter& e, Value, const Index& at, Value, const Values& total) {
      WriteResults(e, at, spec_.initial_is_identity ? total : WithInitial(e, total));
    });
  }
  Kernel Partial(const TupleScratch& partial) const {
    const auto results = static_cast<uint32_t>(ElementCount(kept_));
    return Build(spec_.name + ".partial",
                 [&, results](Emitter& e, Value result, const Index&, Value chunk, const Values& total) { partial.Store(e, chunk * results + result, total); });
  }
  // The reduction of the chunks' values, with the description's epilogue.
  Kernel OfPartial(const TupleScratch& partial) const {
    ReduceSpec spec = spec_;
    spec.input = kept_;
    spec.input.insert(spec.input.begin(), Size(plan_.chunks));
    spec.dimensions = {0};
    spec.body = [&](Emitter& e, const Index& index) { return partial.Load(e, e.Linearize(spec.input, index)); };
    Reduction last(spec, limits_);
    last.plan_.chunks = 1;
    return last.Whole();
  }

  // The initial value comes in once; alone where there is no element.
  Values WithInitial(Emitter& e, const Values& total) const {
    const Values initial = spec_.initial(e);
    Values all = spec_.combiner(e, initial, total);
    const Value any = UnitCount(e) > 0;
    for (size_t i = 0; i < all.size(); ++i) all[i] = e.b().Select(any, all[i], initial[i]);
    return all;
  }

  void WriteResults(Emitter& e, const Index& at, const Values& accumulated) const {
    const Values results = spec_.epilogue ? spec_.epilogue(e, at, accumulated) : accumulated;
    for (size_t i = 0; i < spec_.results.size(); ++i) e.Write({Tensor::Role::kResult, static_cast<int>(i), spec_.results[i], kept_}, at, results[i]);
  }

  Kernel Build(const std::string& name, const Write& write) const {
    Emitter e({name, {plan_.invocations(), 1, 1}}, limits_);
    auto& b = e.b();
    const int columns = plan_.by_rows ? 1 : plan_.vector;
    std::optional<TupleShared> shared;
    if (plan_.lanes > std::max(plan_.subgroup, 1u)) shared.emplace(e, spec_.accumulators, plan_.invocations() * static_cast<uint32_t>(columns));
    const Tile tile = TileOf(e);
    const Value count = e.CountOf(kept_);
    // Surplus invocations take part in the barriers, and compute the last result once more.
    const Value inside = tile.result < b.Convert(count, result_type_);
    const Value result = b.Select(inside, tile.result, b.Convert(count, result_type_) - columns);
    const Index at = e.Delinearize(kept_, result);
    const Value active = spec_.initial_is_identity ? Value() : ActiveLanes(e, tile);
    std::vector<TupleVariable> totals;
    for (int k = 0; k < columns; ++k) totals.emplace_back(e, spec_.accumulators);
    Accumulate(e, tile, at, totals);
    Combine(e, tile, active, shared, totals);
    b.If(inside && tile.lane == 0, [&] {
      // Begun anew: the epilogue must not use what the loop has loaded.
      const std::vector<Index> indices = e.BeginConsecutive(kept_, result, columns);
      for (int k = 0; k < columns; ++k) write(e, result + k, indices[static_cast<size_t>(k)], tile.chunk, totals[static_cast<size_t>(k)].Get());
    });
    Kernel kernel = e.Finish(Workgroups());
    kernel.required_subgroup_size = plan_.subgroup;
    if (IsStatic(spec_.input)) kernel.flops = static_cast<double>(ElementCount(spec_.input));
    return kernel;
  }

  WorkgroupCount Workgroups() const {
    WorkgroupCount groups;
    groups.sizes = kept_;
    groups.divisor = int64_t{plan_.results} * (plan_.by_rows ? 1 : plan_.vector);
    groups.factor = plan_.chunks;
    return groups;
  }

  Tile TileOf(Emitter& e) const {
    auto& b = e.b();
    // Lanes that shuffle must be where the subgroup has them.
    const Value me = plan_.subgroup ? b.SubgroupId() * plan_.subgroup + b.SubgroupLocalId() : b.LocalLinearId();
    const Value group = b.LinearWorkgroupId();
    const Value column = plan_.by_rows ? me / plan_.lanes : me % plan_.results;
    Tile tile;
    tile.lane = plan_.by_rows ? me % plan_.lanes : me / plan_.results;
    const auto chunks = static_cast<uint32_t>(plan_.chunks);
    tile.chunk = group % chunks;
    tile.result = b.Convert(group / chunks * plan_.results + column, result_type_) * (plan_.by_rows ? 1 : plan_.vector);
    return tile;
  }

  // ---- Which elements a lane takes ----

  // Elements of a result, in units of the vector by rows.
  Value UnitCount(Emitter& e) const {
    auto& b = e.b();
    if (IsStatic(reduced_)) return b.Constant(counter_, ElementCount(reduced_) / (plan_.by_rows ? plan_.vector : 1));
    Value count = e.CountOf(reduced_);
    return plan_.by_rows && plan_.vector > 1 ? count / plan_.vector : count;
  }
  std::pair<Value, Value> Range(Emitter& e, const Tile& tile) const {
    auto& b = e.b();
    const Value units = UnitCount(e);
    if (plan_.chunks == 1) return {b.Constant(counter_, int64_t{0}), units};
    const Value per_chunk = (units + (plan_.chunks - 1)) / plan_.chunks;
    const Value begin = b.Min(b.Convert(tile.chunk, counter_) * per_chunk, units);
    return {begin, b.Min(begin + per_chunk, units)};
  }
  // How many lanes have an element at all; needed where there is no identity to start from.
  Value ActiveLanes(Emitter& e, const Tile& tile) const {
    const auto [begin, end] = Range(e, tile);
    return e.b().Convert(e.b().Min(end - begin, e.b().Constant(counter_, int64_t{plan_.lanes})), DType::kU32);
  }

  Index Join(const Index& kept, const Index& reduced) const {
    Index index;
    size_t k = 0, r = 0;
    for (bool is_reduced : is_reduced_) index.push_back(is_reduced ? reduced[r++] : kept[k++]);
    return index;
  }

  // The element functions of one unit: `vector` elements of one result by rows, one of each of `vector` results by columns.
  std::vector<Values> Elements(Emitter& e, const Index& at, Value unit) const {
    const Value position = plan_.by_rows && plan_.vector > 1 ? unit * plan_.vector : unit;
    const Index first = Join(at, e.Delinearize(reduced_, position));
    if (plan_.vector == 1) return {spec_.body(e, first)};
    std::vector<Values> elements;
    for (const Index& index : e.BeginConsecutive(spec_.input, first, plan_.vector)) elements.push_back(spec_.body(e, index));
    return elements;
  }

  void Accumulate(Emitter& e, const Tile& tile, const Index& at, std::vector<TupleVariable>& totals) const {
    auto& b = e.b();
    auto [begin, end] = Range(e, tile);
    const Value lane = b.Convert(tile.lane, counter_), step = b.Constant(counter_, int64_t{plan_.lanes});
    Value first = begin + lane;
    if (spec_.initial_is_identity) {
      for (TupleVariable& total : totals) total.Set(spec_.initial(e));
    } else {
      b.If(first < end, [&] { TakeFirst(e, at, first, totals); });
      first = first + step;
    }
    if (plan_.unroll > 1) {
      // Whole rounds of `unroll` units; `first` may lie behind `end`.
      const Value round = step * plan_.unroll;
      const Value rounds = b.Select(first < end, (end - first) / round, b.Constant(counter_, int64_t{0}));
      const Value whole = first + rounds * round;
      b.For(first, whole, round, [&](Value unit) {
        std::vector<std::vector<Values>> elements;
        for (int i = 0; i < plan_.unroll; ++i) elements.push_back(Elements(e, at, i == 0 ? unit : unit + step * i));
        for (const std::vector<Values>& of_unit : elements) Add(e, of_unit, totals);
      });
      first = whole;
    }
    b.For(first, end, step, [&](Value unit) { Add(e, Elements(e, at, unit), totals); });
  }
  void Add(Emitter& e, const std::vector<Values>& elements, std::vector<TupleVariable>& totals) const {
    for (size_t k = 0; k < elements.size(); ++k) {
      TupleVariable& total = totals[plan_.by_rows ? 0 : k];
      total.Set(spec_.combiner(e, total.Get(), elements[k]));
    }
  }
  void TakeFirst(Emitter& e, const Index& at, Value unit, std::vector<TupleVariable>& totals) const {
    const auto elements = Elements(e, at, unit);
    for (size_t k = 0; k < elements.size(); ++k) {
      if (!plan_.by_rows || k == 0) {
        totals[plan_.by_rows ? 0 : k].Set(elements[k]);
      } else {
        totals[0].Set(spec_.combiner(e, totals[0].Get(), elements[k]));
      }
    }
  }

  // ---- The tree over the lanes ----

  void Combine(Emitter& e, const Tile& tile, Value active, const std::optional<TupleShared>& shared, std::vector<TupleVariable>& totals) const {
    auto& b = e.b();
    const Value me = plan_.subgroup ? b.SubgroupId() * plan_.subgroup + b.SubgroupLocalId() : b.LocalLinearId();
    const auto columns = static_cast<uint32_t>(totals.size());
    for (uint32_t distance = plan_.lanes / 2; distance > 0; distance /= 2) {
      const uint32_t apart = plan_.by_rows ? distance : distance * plan_.results;
      if (plan_.subgroup && distance < plan_.subgroup) {
        Shuffle(e, tile, active, distance, totals[0]);
        continue;
      }
      for (uint32_t k = 0; k < columns; ++k) shared->Store(me * columns + k, totals[k].Get());
      b.Barrier();
      Value takes = tile.lane < distance;
      if (active.valid()) takes = takes && tile.lane + distance < active;
      b.If(takes, [&] {
        for (uint32_t k = 0; k < columns; ++k) totals[k].Set(spec_.combiner(e, totals[k].Get(), shared->Load((me + apart) * columns + k)));
      });
      if (distance > 1) b.Barrier();
    }
  }
  // Lanes beyond `distance` compute along; what they get is not used.
  void Shuffle(Emitter& e, const Tile& tile, Value active, uint32_t distance, TupleVariable& total) const {
    auto& b = e.b();
    const Values mine = total.Get();
    Values theirs;
    for (const Value& v : mine) theirs.push_back(b.SubgroupShuffleXor(v, distance));
    Values sum = spec_.combiner(e, mine, theirs);
    if (active.valid()) {
      for (size_t i = 0; i < sum.size(); ++i) sum[i] = b.Select(tile.lane + distance < active, sum[i], mine[i]);
    }
    total.Set(sum);
  }

  const ReduceSpec& spec_;
  const DeviceLimits& limits_;
  Shape kept_, reduced_;
  std::vector<bool> is_reduced_;
  Plan plan_;
  DType counter_ = DType::kU32;      // of elements of a result
  DType result_type_ = DType::kU32;  // of results' numbers
};

// Nothing to reduce over: every result comes from the initial value alone.
KernelSequence OnlyInitial(const ReduceSpec& spec, const Shape& kept, const DeviceLimits& limits) {
  ReduceSpec empty = spec;
  empty.input = kept;
  empty.input.push_back(Size(1));
  empty.dimensions = {static_cast<int64_t>(kept.size())};
  empty.body = [&](Emitter& e, const Index&) { return spec.initial(e); };
  empty.combiner = [](Emitter&, const Values&, const Values& b) { return b; };
  empty.initial_is_identity = true;
  return Reduction(empty, limits).Make();
}

}  // namespace

KernelSequence MakeReduce(const ReduceSpec& spec, const DeviceLimits& limits) {
  Shape kept;
  bool is_empty = false;
  for (size_t d = 0; d < spec.input.size(); ++d) {
    const bool reduced = std::find(spec.dimensions.begin(), spec.dimensions.end(), static_cast<int64_t>(d)) != spec.dimensions.end();
    if (!reduced) kept.push_back(spec.input[d]);
    is_empty = is_empty || (reduced && spec.input[d] == Size(0));
  }
  if (is_empty) return OnlyInitial(spec, kept, limits);
  return Reduction(spec, limits).Make();
}

}  // namespace tfvk::kernels
