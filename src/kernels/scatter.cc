#include "kernels/scatter.h"

#include <algorithm>

#include "kernels/scatter_layout.h"
#include "kernels/sort.h"
#include "kernels/tuple.h"
#include "types/error.h"

namespace tfvk::kernels {
namespace {

using spirv::Value;

constexpr uint32_t kThreads = 128;
constexpr uint32_t kScanThreads = 256;    // a power of two
constexpr int64_t kScannedUpdates = 512;  // longer lists of updates are sorted instead, where their number is known
constexpr int64_t kScanWork = 1 << 20;    // keys read by all workgroups together

// All strategies work on results that already hold the inputs.
class Scatter {
 public:
  Scatter(const ScatterSpec& spec, const DeviceLimits& limits) : spec_(spec), limits_(limits), layout_(spec) {}

  KernelSequence Make() const {
    KernelSequence sequence;
    if (!spec_.in_place) sequence.kernels.push_back(CopyKernel());
    if (Empty(layout_.updates()) || Empty(layout_.window())) return sequence;
    if (spec_.unique_indices || layout_.one_index()) {
      sequence.kernels.push_back(UniqueKernel());
    } else if (SortPays()) {
      AppendSorted(sequence);
    } else {
      sequence.kernels.push_back(ScanKernel());
    }
    return sequence;
  }

 private:
  static bool Empty(const Shape& shape) { return IsStatic(shape) && ElementCount(shape) == 0; }

  Tensor Result(size_t i) const { return {Tensor::Role::kResult, static_cast<int>(i), spec_.dtypes[i], spec_.input}; }
  Values ReadResults(Emitter& e, const Index& target) const {
    Values values;
    for (size_t i = 0; i < spec_.dtypes.size(); ++i) values.push_back(e.Read(Result(i), target));
    return values;
  }
  void WriteResults(Emitter& e, const Index& target, const Values& values) const {
    for (size_t i = 0; i < spec_.dtypes.size(); ++i) e.Write(Result(i), target, values[i]);
  }

  Kernel CopyKernel() const {
    Emitter e({spec_.name + ".copy", {kThreads, 1, 1}}, limits_);
    auto& b = e.b();
    const Value linear = b.GlobalLinearId();
    b.If(linear < e.CountOf(spec_.input), [&] {
      for (size_t i = 0; i < spec_.dtypes.size(); ++i) e.WriteLinear(Result(i), linear, e.ReadLinear(spec_.inputs[i], linear));
    });
    return e.Finish({spec_.input, kThreads, 1, {}});
  }

  // One invocation an element of the updates, which meet nowhere.
  Kernel UniqueKernel() const {
    Emitter e({spec_.name + ".unique", {kThreads, 1, 1}}, limits_);
    auto& b = e.b();
    const Value linear = b.GlobalLinearId();
    b.If(linear < e.CountOf(layout_.updates()) * e.CountOf(layout_.window()), [&] {
      const Value window = e.CountOf(layout_.window()), update = linear / window, element = linear % window;
      const Value slot = layout_.Slot(e, update);
      b.If(slot != kNoSlot, [&] { Apply(e, slot, update, element); });
    });
    return e.Finish({Concatenated(layout_.updates(), layout_.window()), kThreads, 1, {}});
  }

  static Shape Concatenated(Shape a, const Shape& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  }

  // Combines one element of an update into the result.
  void Apply(Emitter& e, Value slot, Value update, Value element) const {
    const Index target = layout_.Target(e, slot, element);
    WriteResults(e, target, spec_.combiner(e, ReadResults(e, target), spec_.update_body(e, layout_.UpdateIndex(e, update, element))));
  }

  // ---- Scan: a workgroup owns some slots and looks through all updates for theirs ----

  int64_t SlotsInWorkgroup() const {
    if (!IsStatic(layout_.window())) return 16;
    return std::clamp<int64_t>(4096 / std::max<int64_t>(ElementCount(layout_.window()), 1), 8, 1024);
  }

  bool SortPays() const {
    if (!IsStatic(layout_.updates()) || !IsStatic(layout_.window())) return false;
    const int64_t updates = ElementCount(layout_.updates());
    if (updates > kScannedUpdates || !IsStatic(layout_.slots())) return updates > kScannedUpdates;
    return updates * (ElementCount(layout_.slots()) / SlotsInWorkgroup() + 1) > kScanWork;
  }

  Kernel ScanKernel() const {
    uint32_t threads = kScanThreads;
    while (threads > std::min(limits_.max_invocations, limits_.max_workgroup[0])) threads /= 2;
    Emitter e({spec_.name + ".scan", {threads, 1, 1}}, limits_);
    auto& b = e.b();
    const auto keys = b.SharedArray(DType::kU32, threads);
    const int64_t owned = SlotsInWorkgroup();
    const Value me = b.LocalLinearId(), updates = e.CountOf(layout_.updates()), window = e.CountOf(layout_.window());
    const Value first_slot = b.LinearWorkgroupId() * owned;
    b.If(first_slot < e.CountOf(layout_.slots()), [&] {
      b.For(b.U32(0), updates, b.U32(threads), [&](Value first) {
        const Value mine = first + me;
        b.Store(keys, me, b.U32(kNoSlot));
        b.If(mine < updates, [&] { b.Store(keys, me, layout_.Slot(e, mine)); });
        b.Barrier();
        b.For(b.U32(0), b.Min(updates - first, b.U32(threads)), b.U32(1), [&](Value j) {
          const Value slot = b.Load(keys, j), local = slot - first_slot;
          b.If(slot != kNoSlot && local < owned, [&] {
            // An element of a slot always has the same invocation, so that its updates happen one after the other.
            b.For((me - local * window) & (threads - 1), window, b.U32(threads), [&](Value element) { Apply(e, slot, first + j, element); });
          });
        });
        b.Barrier();
      });
    });
    return e.Finish({layout_.slots(), owned, 1, {}});
  }

  // ---- Sort: updates of one slot become neighbours ----

  // Where the sorted keys and their updates' numbers stand in scratch memory, and the partial combinations of segments that cross a block of sorted places.
  struct Sorted {
    int64_t keys = 0, order = 0, length = 0, block = 0;
    std::vector<TupleScratch> partials;  // of the segment that comes in from the left, and of the one that goes out to the right; empty when never split
    Value Key(Emitter& e, Value place) const { return e.b().Load(e.Scratch(DType::kU32, keys), place); }
    Value Update(Emitter& e, Value place) const { return e.b().Load(e.Scratch(DType::kU32, order), place); }
  };

  void AppendSorted(KernelSequence& sequence) const {
    Sorted sorted;
    sorted.length = ElementCount(layout_.updates());
    const int64_t list = (4 * sorted.length + 255) / 256 * 256;
    sorted.keys = sequence.scratch_bytes;
    sorted.order = sorted.keys + list;
    sequence.scratch_bytes = sorted.order + list;
    sorted.block = sorted.length <= 16384 ? 16 : 64;
    if (spec_.associative) {
      const int64_t blocks = (sorted.length + sorted.block - 1) / sorted.block;
      for (int side = 0; side < 2; ++side) {
        sorted.partials.emplace_back(spec_.dtypes, blocks * ElementCount(layout_.window()), sequence.scratch_bytes);
        sequence.scratch_bytes = sorted.partials.back().end();
      }
    }
    AppendSort(KeySort(sorted), limits_, sequence);
    sequence.kernels.push_back(FoldKernel(sorted));
    if (spec_.associative) sequence.kernels.push_back(JoinKernel(sorted));
  }

  SortPlan KeySort(const Sorted& sorted) const {
    SortPlan plan;
    plan.name = spec_.name + ".sort";
    plan.length = sorted.length;
    plan.dtypes = {DType::kU32};
    plan.load = [this](Emitter& e, const Index&, Value update) { return Values{layout_.Slot(e, update)}; };
    plan.before = [](Emitter&, const Values& a, const Values& b) { return a[0] < b[0]; };
    plan.store = [&sorted](Emitter& e, const Index&, Value place, const Values& key, Value update) {
      e.b().Store(e.Scratch(DType::kU32, sorted.keys), place, key[0]);
      e.b().Store(e.Scratch(DType::kU32, sorted.order), place, update);
    };
    return plan;
  }

  // One invocation a sorted place and window element. Where a segment of equal keys begins, it folds the segment into the result. Segments of an associative
  // combiner are cut at the blocks' boundaries, and an invocation that cannot see both ends leaves a partial combination.
  Kernel FoldKernel(const Sorted& sorted) const {
    Emitter e({spec_.name + ".fold", {kThreads, 1, 1}}, limits_);
    auto& b = e.b();
    const Value linear = b.GlobalLinearId(), window = e.CountOf(layout_.window());
    b.If(linear < window * sorted.length, [&] {
      const Value place = linear / window, element = linear % window, key = sorted.Key(e, place);
      const Value before = sorted.Key(e, b.Max(place, b.U32(1)) - 1);
      const Value begins = place == 0 || before != key;
      const Value cut = spec_.associative ? place % sorted.block == 0 : b.Bool(false);
      b.If(key != kNoSlot && (begins || cut), [&] {
        if (spec_.associative) {
          FoldBlock(e, sorted, place, element, key, begins);
        } else {
          FoldSegment(e, sorted, place, element, key);
        }
      });
    });
    return e.Finish({Concatenated({sorted.length}, layout_.window()), kThreads, 1, {}});
  }

  Values Update(Emitter& e, const Sorted& sorted, Value place, Value element) const {
    return spec_.update_body(e, layout_.UpdateIndex(e, sorted.Update(e, place), element));
  }

  // Folds updates from `place` while their key is `key`, up to `end`. Returns the first place that was not taken.
  Value Fold(Emitter& e, const Sorted& sorted, Value place, Value end, Value element, Value key, TupleVariable& total) const {
    auto& b = e.b();
    const auto next = b.Declare(place);
    const auto same = b.Declare(b.U32(1));
    b.While([&] { return same.Get() != 0; },
            [&] {
              total.Set(spec_.combiner(e, total.Get(), Update(e, sorted, next.Get(), element)));
              next.Set(next.Get() + 1);
              same.Set(b.U32(0));
              b.If(next.Get() < end, [&] { same.Set(b.Select(sorted.Key(e, next.Get()) == key, b.U32(1), b.U32(0))); });
            });
    return next.Get();
  }

  void FoldSegment(Emitter& e, const Sorted& sorted, Value place, Value element, Value key) const {
    const Index target = layout_.Target(e, key, element);
    TupleVariable total(e, spec_.dtypes);
    total.Set(ReadResults(e, target));
    Fold(e, sorted, place, e.b().U32(static_cast<uint32_t>(sorted.length)), element, key, total);
    WriteResults(e, target, total.Get());
  }

  void FoldBlock(Emitter& e, const Sorted& sorted, Value place, Value element, Value key, Value begins) const {
    auto& b = e.b();
    const Value end = b.Min((place / sorted.block + 1) * sorted.block, b.U32(static_cast<uint32_t>(sorted.length)));
    TupleVariable total(e, spec_.dtypes);
    total.Set(Update(e, sorted, place, element));
    const auto next = b.Declare(place + 1);
    const auto runs = [&](Value at) {
      const auto same = b.Declare(b.U32(0));
      b.If(at < end, [&] { same.Set(b.Select(sorted.Key(e, at) == key, b.U32(1), b.U32(0))); });
      return same.Get() != 0;
    };
    b.While([&] { return runs(next.Get()); },
            [&] {
              total.Set(spec_.combiner(e, total.Get(), Update(e, sorted, next.Get(), element)));
              next.Set(next.Get() + 1);
            });
    const Value last = b.U32(static_cast<uint32_t>(sorted.length - 1));
    const Value goes_on = next.Get() <= last && sorted.Key(e, b.Min(next.Get(), last)) == key;
    b.If(
        begins && !goes_on,
        [&] {
          const Index target = layout_.Target(e, key, element);
          WriteResults(e, target, spec_.combiner(e, ReadResults(e, target), total.Get()));
        },
        [&] {
          const Value slot = place / sorted.block * e.CountOf(layout_.window()) + element;
          b.If(
              begins, [&] { sorted.partials[1].Store(e, slot, total.Get()); }, [&] { sorted.partials[0].Store(e, slot, total.Get()); });
        });
  }

  // One invocation a block of sorted places and window element: joins the segment that begins in the block and goes on behind it.
  Kernel JoinKernel(const Sorted& sorted) const {
    Emitter e({spec_.name + ".join", {kThreads, 1, 1}}, limits_);
    auto& b = e.b();
    const int64_t blocks = (sorted.length + sorted.block - 1) / sorted.block;
    const Value linear = b.GlobalLinearId(), window = e.CountOf(layout_.window());
    // The last block's segments go on nowhere.
    b.If(linear < window * (blocks - 1), [&] {
      const Value block = linear / window, element = linear % window, first = block * sorted.block, next = first + sorted.block;
      const Value key = sorted.Key(e, next - 1);
      const Value begins_here = sorted.Key(e, first) != key || block == 0 || sorted.Key(e, b.Max(first, b.U32(1)) - 1) != key;
      b.If(key != kNoSlot && begins_here && sorted.Key(e, next) == key, [&] {
        TupleVariable total(e, spec_.dtypes);
        const Index target = layout_.Target(e, key, element);
        total.Set(spec_.combiner(e, ReadResults(e, target), sorted.partials[1].Load(e, linear)));
        const auto at = b.Declare(block + 1);
        const auto more = b.Declare(b.U32(1));
        b.While([&] { return more.Get() != 0; },
                [&] {
                  total.Set(spec_.combiner(e, total.Get(), sorted.partials[0].Load(e, at.Get() * window + element)));
                  at.Set(at.Get() + 1);
                  more.Set(b.U32(0));
                  b.If(at.Get() < blocks, [&] { more.Set(b.Select(sorted.Key(e, at.Get() * sorted.block) == key, b.U32(1), b.U32(0))); });
                });
        WriteResults(e, target, total.Get());
      });
    });
    return e.Finish({Concatenated({blocks}, layout_.window()), kThreads, 1, {}});
  }

  const ScatterSpec& spec_;
  const DeviceLimits& limits_;
  ScatterLayout layout_;
};

}  // namespace

KernelSequence MakeScatter(const ScatterSpec& spec, const DeviceLimits& limits) {
  Require(spec.in_place || spec.inputs.size() == spec.dtypes.size(), "[{}] {} inputs for {} results", spec.name, spec.inputs.size(), spec.dtypes.size());
  return Scatter(spec, limits).Make();
}

}  // namespace tfvk::kernels
