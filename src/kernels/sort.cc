#include "kernels/sort.h"

#include <algorithm>

#include "kernels/tuple.h"
#include "types/error.h"

namespace tfvk::kernels {
namespace {

using spirv::Value;

constexpr int64_t kLongestBlock = 2048;
constexpr int64_t kWorkgroup = 128;  // invocations that short rows are gathered to

int64_t NextPowerOfTwo(int64_t n) {
  int64_t power = 1;
  while (power < n) power *= 2;
  return power;
}

class Sort {
 public:
  Sort(const SortPlan& plan, const DeviceLimits& limits) : plan_(plan), limits_(limits), n_(plan.length) {
    dtypes_ = plan.dtypes;
    dtypes_.push_back(DType::kU32);  // the source position: breaks ties, and tells callers the permutation
    block_ = std::clamp<int64_t>(NextPowerOfTwo(n_), 2, kLongestBlock);
    while (block_ > 2 && block_ * StoredBytes(dtypes_) > limits.shared_bytes) block_ /= 2;
    rows_in_workgroup_ = std::max<int64_t>(1, 2 * kWorkgroup / block_);
    while (rows_in_workgroup_ > 1 && rows_in_workgroup_ * block_ * StoredBytes(dtypes_) > limits.shared_bytes) rows_in_workgroup_ /= 2;
    blocks_ = (n_ + block_ - 1) / block_;
    if (blocks_ > 1) rows_in_workgroup_ = 1;
    threads_ = static_cast<uint32_t>(std::min<int64_t>(rows_in_workgroup_ * block_ / 2, std::min({limits.max_invocations, limits.max_workgroup[0], 512u})));
  }

  void Append(KernelSequence& sequence) const {
    if (n_ == 0) return;
    if (blocks_ == 1) {
      sequence.kernels.push_back(BlockKernel(plan_.store));
      return;
    }
    if (!IsStatic(plan_.rows)) Fail(ErrorCode::kUnimplemented, "[{}] sorting rows of {} elements needs a static number of rows", plan_.name, n_);
    const int64_t elements = ElementCount(plan_.rows) * n_;
    if (elements > UINT32_MAX) Fail(ErrorCode::kUnimplemented, "[{}] sorting {} elements in rows of {} at once", plan_.name, elements, n_);
    const TupleScratch first(dtypes_, elements, (sequence.scratch_bytes + 255) / 256 * 256), second(dtypes_, elements, first.end());
    sequence.scratch_bytes = block_ * 2 < n_ ? second.end() : first.end();
    sequence.kernels.push_back(BlockKernel(Into(first)));
    const TupleScratch *from = &first, *to = &second;
    for (int64_t run = block_; run < n_; run *= 2, std::swap(from, to)) {
      sequence.kernels.push_back(MergeKernel(run, *from, run * 2 < n_ ? Into(*to) : plan_.store));
    }
  }

 private:
  using Sink = decltype(SortPlan::store);

  Sink Into(const TupleScratch& scratch) const {
    return [this, &scratch](Emitter& e, const Index& row, Value position, const Values& values, Value source) {
      Values all = values;
      all.push_back(source);
      scratch.Store(e, e.Linearize(plan_.rows, row) * n_ + position, all);
    };
  }

  static Values Payload(Values tuple) {
    tuple.pop_back();
    return tuple;
  }

  // The total order that makes the sort stable; the last component is the source position.
  Value Before(Emitter& e, const Values& a, const Values& b) const {
    const Values x = Payload(a), y = Payload(b);
    return plan_.before(e, x, y) || (a.back() < b.back() && !plan_.before(e, y, x));
  }

  Kernel BlockKernel(const Sink& store) const {
    Emitter e({plan_.name + ".block", {threads_, 1, 1}}, limits_);
    auto& b = e.b();
    const uint32_t elements = static_cast<uint32_t>(rows_in_workgroup_ * block_);
    const TupleShared shared(e, dtypes_, elements);
    const Value group = b.LinearWorkgroupId(), rows = e.CountOf(plan_.rows);
    const Value first_row = group / blocks_ * rows_in_workgroup_, first = group % blocks_ * block_;
    // Calls back for every element of the workgroup that exists.
    const auto for_elements = [&](const std::function<void(Value, const Index&, Value)>& visit) {
      b.For(b.LocalLinearId(), b.U32(elements), b.U32(threads_), [&](Value i) {
        const Value row = first_row + i / block_, position = first + i % block_;
        b.If(row < rows && position < n_, [&] { visit(i, e.Delinearize(plan_.rows, row), position); });
      });
    };
    b.If(first_row < rows, [&] {
      for_elements([&](Value i, const Index& row, Value position) {
        Values tuple = plan_.load(e, row, position);
        tuple.push_back(position);
        shared.Store(i, tuple);
      });
      b.Barrier();
      Network(e, shared, first);
      for_elements([&](Value i, const Index& row, Value position) {
        const Values tuple = shared.Load(i);
        store(e, row, position, Payload(tuple), tuple.back());
      });
    });
    return e.Finish({plan_.rows, rows_in_workgroup_, blocks_, {}});
  }

  // Bitonic merges of runs of 1, 2, 4, ... elements, all ascending: the first step of a merge pairs mirrored places, the others places `distance` apart.
  // Places beyond the row's end count as greater than everything and stay where they are.
  void Network(Emitter& e, const TupleShared& shared, Value first) const {
    auto& b = e.b();
    const auto run = b.Declare(b.U32(1));
    b.While([&] { return run.Get() < block_; },
            [&] {
              Step(e, shared, first, run.Get(), b.Bool(true));
              const auto distance = b.Declare(run.Get() / 2);
              b.While([&] { return distance.Get() > 0; },
                      [&] {
                        Step(e, shared, first, distance.Get(), b.Bool(false));
                        distance.Set(distance.Get() / 2);
                      });
              run.Set(run.Get() * 2);
            });
  }

  void Step(Emitter& e, const TupleShared& shared, Value first, Value distance, Value mirrored) const {
    auto& b = e.b();
    const uint32_t pairs = static_cast<uint32_t>(rows_in_workgroup_ * block_ / 2);
    b.For(b.LocalLinearId(), b.U32(pairs), b.U32(threads_), [&](Value i) {
      const Value within = i & (distance - 1), low = ((i - within) << b.U32(1)) + within;
      const Value high = b.Select(mirrored, low - within + (distance * 2 - 1) - within, low + distance);
      b.If(first + (high & b.U32(static_cast<uint32_t>(block_ - 1))) < n_, [&] {
        const Values x = shared.Load(low), y = shared.Load(high);
        b.If(Before(e, y, x), [&] {
          shared.Store(low, y);
          shared.Store(high, x);
        });
      });
    });
    b.Barrier();
  }

  Kernel MergeKernel(int64_t run, const TupleScratch& from, const Sink& store) const {
    constexpr uint32_t kThreads = 128;
    Emitter e({plan_.name + ".merge", {kThreads, 1, 1}}, limits_);
    auto& b = e.b();
    const int64_t elements = ElementCount(plan_.rows) * n_;
    const Value linear = b.GlobalLinearId();
    b.If(linear < elements, [&] {
      const Value row = linear / n_, position = linear % n_, row_begin = row * n_;
      const Value my_run = position / run, in_run = position % run;
      const Value left = (my_run & 1) == 0;
      const Value sibling = (my_run ^ 1) * run;
      const Values mine = from.Load(e, linear);
      const Value length = b.Select(sibling < n_, b.Min(b.U32(static_cast<uint32_t>(run)), b.U32(static_cast<uint32_t>(n_)) - sibling), b.U32(0));
      const auto low = b.Declare(b.U32(0)), high = b.Declare(length);
      b.While([&] { return low.Get() < high.Get(); },
              [&] {
                const Value middle = (low.Get() + high.Get()) / 2;
                const Values other = from.Load(e, row_begin + sibling + middle);
                // Equal elements of the left run come first.
                const Value precedes = Precedes(e, left, other, mine);
                low.Set(b.Select(precedes, middle + 1, low.Get()));
                high.Set(b.Select(precedes, high.Get(), middle));
              });
      const Value place = (my_run / 2) * (2 * run) + in_run + low.Get();
      store(e, e.Delinearize(plan_.rows, row), place, Payload(mine), mine.back());
    });
    return e.Finish({{elements}, kThreads, 1, {}});
  }

  // Whether `other`, of the run beside mine, comes before mine: with mine on the left it must be less, with mine on the right not greater.
  Value Precedes(Emitter& e, Value mine_is_left, const Values& other, const Values& mine) const {
    const size_t n = plan_.dtypes.size();
    Values a, b;
    for (size_t i = 0; i < n; ++i) {
      a.push_back(e.b().Select(mine_is_left, other[i], mine[i]));
      b.push_back(e.b().Select(mine_is_left, mine[i], other[i]));
    }
    return plan_.before(e, a, b) == mine_is_left;
  }

  const SortPlan& plan_;
  const DeviceLimits& limits_;
  int64_t n_;
  std::vector<DType> dtypes_;
  int64_t block_ = 2, rows_in_workgroup_ = 1, blocks_ = 1;
  uint32_t threads_ = 1;
};

}  // namespace

void AppendSort(const SortPlan& plan, const DeviceLimits& limits, KernelSequence& sequence) { Sort(plan, limits).Append(sequence); }

KernelSequence MakeSort(const SortSpec& spec, const DeviceLimits& limits) {
  Require(spec.shape[spec.dimension].is_static(), "[{}] sorting needs a static size along dimension {}", spec.name, spec.dimension);
  SortPlan plan;
  plan.name = spec.name;
  plan.rows = spec.shape;
  plan.rows.erase(plan.rows.begin() + spec.dimension);
  plan.length = spec.shape[spec.dimension].value;
  plan.dtypes = spec.dtypes;
  plan.before = spec.before;
  const auto at = [&spec](const Index& row, Value position) {
    Index index = row;
    index.insert(index.begin() + spec.dimension, position);
    return index;
  };
  plan.load = [&](Emitter& e, const Index& row, Value position) { return spec.body(e, at(row, position)); };
  plan.store = [&](Emitter& e, const Index& row, Value position, const Values& values, Value) {
    for (size_t i = 0; i < values.size(); ++i) e.Write({Tensor::Role::kResult, static_cast<int>(i), spec.dtypes[i], spec.shape}, at(row, position), values[i]);
  };
  KernelSequence sequence;
  AppendSort(plan, limits, sequence);
  return sequence;
}

}  // namespace tfvk::kernels
