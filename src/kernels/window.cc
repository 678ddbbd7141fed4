#include "kernels/window.h"

#include <algorithm>
#include <optional>

#include "kernels/scan.h"
#include "kernels/tuple.h"
#include "types/error.h"

namespace tfvk::kernels {
namespace {

using spirv::Builder;
using spirv::Value;

constexpr uint32_t kThreads = 128;
constexpr int64_t kUnrolledWindow = 16;  // windows up to here are unrolled

bool IsIdentity(const WindowDimension& w) {
  return w.size == 1 && w.stride == 1 && w.pad_low == 0 && w.pad_high == 0 && w.base_dilation == 1 && w.window_dilation == 1;
}

int64_t WindowElements(const std::vector<WindowDimension>& window) {
  int64_t n = 1;
  for (const auto& w : window) n *= w.size;
  return n;
}

// Positions are u32 and wrap below zero, where they exceed every size; sizes are below 2^31.
Value Constant(Emitter& e, int64_t value) { return e.b().U32(static_cast<uint32_t>(value)); }

// How many neighbours along the last dimension an invocation computes: its windows are one element wide there.
int LanesOf(const std::vector<WindowDimension>& window, const Shape& inner, const Shape& outer) {
  constexpr int kLanes = 4;
  const bool whole = !window.empty() && IsIdentity(window.back()) && IsStatic(inner) && IsStatic(outer) && outer.back().value % kLanes == 0;
  const bool few = whole && std::max(ElementCount(inner), ElementCount(outer)) < int64_t{1} << 31;
  return few && ElementCount(outer) > 0 ? kLanes : 1;
}

// The indices of an invocation's elements, from `linear` on.
std::vector<Index> ElementsAt(Emitter& e, const Shape& shape, Value linear, int lanes) {
  return lanes == 1 ? std::vector<Index>{e.Delinearize(shape, linear)} : e.BeginConsecutive(shape, linear, lanes);
}
// The same for neighbours of a row.
std::vector<Index> NeighboursOf(Emitter& e, const Shape& shape, const Index& first, int lanes) {
  return lanes == 1 ? std::vector<Index>{first} : e.BeginConsecutive(shape, first, lanes);
}

WorkgroupCount GroupsFor(const Shape& shape, int lanes) { return {shape, int64_t{kThreads} * lanes, 1, {}}; }

// Writes what becomes of each element's accumulated values.
void WriteResults(Emitter& e, const std::vector<DType>& dtypes, const Shape& shape, const Epilogue& epilogue, const Index& first,
                  const std::vector<TupleVariable>& totals) {
  const auto lanes = static_cast<int>(totals.size());
  std::vector<Values> of_result(dtypes.size());
  const std::vector<Index> indices = NeighboursOf(e, shape, first, lanes);
  for (int k = 0; k < lanes; ++k) {
    const Values values = totals[static_cast<size_t>(k)].Get();
    const Values results = epilogue ? epilogue(e, indices[static_cast<size_t>(k)], values) : values;
    for (size_t i = 0; i < dtypes.size(); ++i) of_result[i].push_back(results[i]);
  }
  for (size_t i = 0; i < dtypes.size(); ++i) {
    const Tensor tensor{Tensor::Role::kResult, static_cast<int>(i), dtypes[i], shape};
    lanes == 1 ? e.Write(tensor, first, of_result[i][0]) : e.WriteConsecutive(tensor, e.Linearize(shape, indices[0]), of_result[i]);
  }
}

std::vector<TupleVariable> Started(Emitter& e, const std::vector<DType>& dtypes, const Initial& initial, int lanes) {
  const Values start = initial(e);
  std::vector<TupleVariable> totals;
  for (int k = 0; k < lanes; ++k) {
    totals.emplace_back(e, dtypes);
    totals.back().Set(start);
  }
  return totals;
}

// ---- reduce_window ----

// Whether the window covers a whole dimension and its padding lies on one side, so that results are prefixes or suffixes of it.
std::optional<ScanSpec> AsScan(const ReduceWindowSpec& spec) {
  std::optional<ScanSpec> scan;
  for (size_t d = 0; d < spec.window.size(); ++d) {
    const WindowDimension& w = spec.window[d];
    if (IsIdentity(w)) continue;
    const bool whole = spec.input[d].is_static() && w.size == spec.input[d].value && w.size > 1;
    if (scan || !whole || w.stride != 1 || w.base_dilation != 1 || w.window_dilation != 1 || !spec.output[d].is_static()) return std::nullopt;
    const bool prefix = (w.pad_low == w.size - 1 || w.pad_low == w.size) && w.pad_high <= 0;
    const bool suffix = (w.pad_high == w.size - 1 || w.pad_high == w.size) && w.pad_low == 0;
    if (!prefix && !suffix) return std::nullopt;
    scan.emplace();
    scan->dimension = static_cast<int64_t>(d);
    scan->reverse = suffix;
    // A suffix scan's results count down to the empty suffix, which only an exclusive scan has.
    scan->exclusive = std::max(w.pad_low, w.pad_high) == w.size;
    scan->output_size = spec.output[d].value;
  }
  if (!scan) return std::nullopt;
  scan->name = spec.name;
  scan->shape = spec.input;
  scan->accumulators = spec.accumulators;
  scan->initial = spec.initial;
  scan->body = spec.body;
  scan->combiner = spec.combiner;
  scan->results = spec.results;
  scan->epilogue = spec.epilogue;
  return scan;
}

class ReduceWindow {
 public:
  ReduceWindow(const ReduceWindowSpec& spec, const DeviceLimits& limits) : spec_(spec), limits_(limits) {}

  Kernel Make() const {
    Emitter e({spec_.name, {kThreads, 1, 1}}, limits_);
    auto& b = e.b();
    const int lanes = spec_.accumulators.size() <= 2 ? LanesOf(spec_.window, spec_.input, spec_.output) : 1;
    const Value linear = b.GlobalLinearId() * lanes;
    b.If(linear < e.CountOf(spec_.output), [&] {
      const Index output = ElementsAt(e, spec_.output, linear, lanes)[0];
      std::vector<TupleVariable> totals = Started(e, spec_.accumulators, spec_.initial, lanes);
      Visit(e, output, 0, Index(), totals);
      WriteResults(e, spec_.results, spec_.output, spec_.epilogue, output, totals);
    });
    return e.Finish(GroupsFor(spec_.output, lanes));
  }

 private:
  // Whether every position of the window is an element, which then needs no test.
  bool AlwaysInside(size_t d) const {
    const WindowDimension& w = spec_.window[d];
    if (IsIdentity(w)) return true;
    if (w.base_dilation != 1 || w.pad_low > 0 || !spec_.input[d].is_static() || !spec_.output[d].is_static()) return false;
    return (spec_.output[d].value - 1) * w.stride + (w.size - 1) * w.window_dilation - w.pad_low < spec_.input[d].value;
  }

  // Adds the elements whose index begins with `prefix`, for dimensions d and following.
  void Visit(Emitter& e, const Index& output, size_t d, const Index& prefix, std::vector<TupleVariable>& totals) const {
    if (d == spec_.window.size()) {
      const std::vector<Index> elements = NeighboursOf(e, spec_.input, prefix, static_cast<int>(totals.size()));
      for (size_t k = 0; k < totals.size(); ++k) totals[k].Set(spec_.combiner(e, totals[k].Get(), spec_.body(e, elements[k])));
      return;
    }
    auto& b = e.b();
    const WindowDimension& w = spec_.window[d];
    const Value first = output[d] * w.stride - Constant(e, w.pad_low);
    const bool unroll = WindowElements(spec_.window) <= kUnrolledWindow;
    const auto step = [&](Value k) {
      const Value position = first + k * w.window_dilation;
      Value inside = b.Bool(true), index = position;
      if (w.base_dilation != 1) {
        index = position / w.base_dilation;
        // Wrapped positions stay above every size, for (size - 1) * base_dilation is below 2^31.
        inside = index * w.base_dilation == position;
      }
      if (!AlwaysInside(d)) inside = inside && index < e.SizeOf(spec_.input[d]);
      b.If(inside, [&] {
        Index longer = prefix;
        longer.push_back(index);
        Visit(e, output, d + 1, longer, totals);
      });
    };
    b.For(static_cast<uint32_t>(w.size), step, unroll ? Builder::Unroll::kFull : Builder::Unroll::kNo);
  }

  const ReduceWindowSpec& spec_;
  const DeviceLimits& limits_;
};

// ---- select_and_scatter ----

class SelectAndScatter {
 public:
  SelectAndScatter(const SelectAndScatterSpec& spec, const DeviceLimits& limits) : spec_(spec), limits_(limits) {
    for (const auto& w : spec.window) {
      Require(w.base_dilation == 1 && w.window_dilation == 1, "[{}] select_and_scatter has no dilations", spec.name);
      overlap_ = overlap_ || w.size > w.stride;
    }
    lanes_ = LanesOf(spec.window, spec.operand, spec.source);
  }

  KernelSequence Make() const {
    KernelSequence sequence;
    // Overlapping windows would each be searched by all of their elements: the winners are found once, and kept in scratch memory.
    const bool kept = overlap_ && IsStatic(spec_.source) && IsStatic(spec_.operand);
    if (kept) {
      sequence.scratch_bytes = std::max<int64_t>(4 * ElementCount(spec_.source), 4);
      sequence.kernels.push_back(SelectKernel());
    }
    sequence.kernels.push_back(ScatterKernel(kept));
    return sequence;
  }

 private:
  Kernel SelectKernel() const {
    Emitter e({spec_.name + ".select", {kThreads, 1, 1}}, limits_);
    auto& b = e.b();
    const Value linear = b.GlobalLinearId() * lanes_;
    b.If(linear < e.CountOf(spec_.source), [&] {
      const Values winners = Winners(e, ElementsAt(e, spec_.source, linear, lanes_)[0]);
      b.Store(e.Scratch(DType::kU32, 0), linear, lanes_ == 1 ? winners[0] : b.Composite(winners), static_cast<uint32_t>(4 * lanes_));
    });
    return e.Finish(GroupsFor(spec_.source, lanes_));
  }

  Kernel ScatterKernel(bool kept) const {
    Emitter e({spec_.name, {kThreads, 1, 1}}, limits_);
    auto& b = e.b();
    const Value linear = b.GlobalLinearId() * lanes_;
    b.If(linear < e.CountOf(spec_.operand), [&] {
      const Index index = ElementsAt(e, spec_.operand, linear, lanes_)[0];
      std::vector<TupleVariable> totals = Started(e, {spec_.dtype}, spec_.initial, lanes_);
      VisitWindows(e, index, 0, Index(), [&](const Index& source) {
        const Values winners = kept ? KeptWinners(e, source) : Winners(e, source);
        const std::vector<Index> sources = NeighboursOf(e, spec_.source, source, lanes_);
        for (int k = 0; k < lanes_; ++k) {
          TupleVariable& total = totals[static_cast<size_t>(k)];
          const auto add = [&] { total.Set(spec_.scatter(e, total.Get(), spec_.source_body(e, sources[static_cast<size_t>(k)]))); };
          const Value won = winners[static_cast<size_t>(k)] == linear + k;
          if (lanes_ == 1) {
            b.If(won, add);
          } else {  // without a branch, so that the loads of all lanes are one
            const Value before = total.Get()[0];
            add();
            total.Set({b.Select(won, total.Get()[0], before)});
          }
        }
      });
      WriteResults(e, spec_.results, spec_.operand, spec_.epilogue, index, totals);
    });
    return e.Finish(GroupsFor(spec_.operand, lanes_));
  }

  Values KeptWinners(Emitter& e, const Index& source) const {
    auto& b = e.b();
    const Value loaded = b.Load(e.Scratch(DType::kU32, 0), e.Linearize(spec_.source, source), lanes_, static_cast<uint32_t>(4 * lanes_));
    if (lanes_ == 1) return {loaded};
    Values winners;
    for (int k = 0; k < lanes_; ++k) winners.push_back(b.Extract(loaded, k));
    return winners;
  }

  // The linear index of the operand's element that a window selects, for neighbouring windows; 2^32 - 1 when a window lies outside.
  Values Winners(Emitter& e, const Index& source) const {
    auto& b = e.b();
    std::vector<spirv::Variable> winners;
    for (int k = 0; k < lanes_; ++k) winners.push_back(b.Declare(b.U32(0xffffffff)));
    std::vector<TupleVariable> best = Started(e, {spec_.dtype}, spec_.initial, lanes_);
    VisitElements(e, source, 0, Index(), [&](const Index& first) {
      const std::vector<Index> elements = NeighboursOf(e, spec_.operand, first, lanes_);
      const Value place = e.Linearize(spec_.operand, elements[0]);
      for (size_t k = 0; k < best.size(); ++k) {
        const Value element = spec_.operand_body(e, elements[k])[0], before = best[k].Get()[0], winner = winners[k].Get();
        const Value keep = winner != 0xffffffffu && spec_.select(e, {before}, {element})[0];
        best[k].Set({b.Select(keep, before, element)});
        winners[k].Set(b.Select(keep, winner, place + static_cast<int64_t>(k)));
      }
    });
    Values result;
    for (const spirv::Variable& winner : winners) result.push_back(winner.Get());
    return result;
  }

  using Visitor = std::function<void(const Index&)>;

  void VisitElements(Emitter& e, const Index& source, size_t d, const Index& prefix, const Visitor& visit) const {
    if (d == spec_.window.size()) return visit(prefix);
    const WindowDimension& w = spec_.window[d];
    const Value first = source[d] * w.stride - Constant(e, w.pad_low);
    const auto step = [&](Value k) {
      Index longer = prefix;
      longer.push_back(first + k);
      const Value inside = IsIdentity(w) ? e.b().Bool(true) : longer.back() < e.SizeOf(spec_.operand[d]);
      e.b().If(inside, [&] { VisitElements(e, source, d + 1, longer, visit); });
    };
    e.b().For(static_cast<uint32_t>(w.size), step, UnrollFor(WindowElements(spec_.window)));
  }

  // The windows that contain an element, first to last.
  void VisitWindows(Emitter& e, const Index& index, size_t d, const Index& prefix, const Visitor& visit) const {
    if (d == spec_.window.size()) return visit(prefix);
    const WindowDimension& w = spec_.window[d];
    const int64_t most = (w.size + w.stride - 1) / w.stride;
    const Value position = index[d] + Constant(e, w.pad_low), last = position / w.stride;
    const auto step = [&](Value k) {
      Index longer = prefix;
      longer.push_back(IsIdentity(w) ? index[d] : last + k - Constant(e, most - 1));
      Value inside = e.b().Bool(true);
      if (!IsIdentity(w)) inside = longer.back() < e.SizeOf(spec_.source[d]) && position - longer.back() * w.stride < w.size;
      e.b().If(inside, [&] { VisitWindows(e, index, d + 1, longer, visit); });
    };
    e.b().For(static_cast<uint32_t>(most), step, UnrollFor(WindowElements(spec_.window)));
  }

  static Builder::Unroll UnrollFor(int64_t elements) { return elements <= kUnrolledWindow ? Builder::Unroll::kFull : Builder::Unroll::kNo; }

  const SelectAndScatterSpec& spec_;
  const DeviceLimits& limits_;
  bool overlap_ = false;
  int lanes_ = 1;  // neighbours that an invocation computes
};

}  // namespace

KernelSequence MakeReduceWindow(const ReduceWindowSpec& spec, const DeviceLimits& limits) {
  if (const auto scan = AsScan(spec)) return MakeScan(*scan, limits);
  KernelSequence sequence;
  sequence.kernels.push_back(ReduceWindow(spec, limits).Make());
  return sequence;
}

KernelSequence MakeSelectAndScatter(const SelectAndScatterSpec& spec, const DeviceLimits& limits) { return SelectAndScatter(spec, limits).Make(); }

}  // namespace tfvk::kernels
