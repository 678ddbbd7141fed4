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

void WriteResults(Emitter& e, const std::vector<DType>& dtypes, const Shape& shape, const Epilogue& epilogue, const Index& index, const Values& values) {
  const Values results = epilogue ? epilogue(e, index, values) : values;
  for (size_t i = 0; i < dtypes.size(); ++i) e.Write({Tensor::Role::kResult, static_cast<int>(i), dtypes[i], shape}, index, results[i]);
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
    const Value linear = b.GlobalLinearId();
    b.If(linear < e.CountOf(spec_.output), [&] {
      const Index output = e.Delinearize(spec_.output, linear);
      TupleVariable total(e, spec_.accumulators);
      total.Set(spec_.initial(e));
      Visit(e, output, 0, Index(), total);
      WriteResults(e, spec_.results, spec_.output, spec_.epilogue, output, total.Get());
    });
    return e.Finish({spec_.output, kThreads, 1, {}});
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
  void Visit(Emitter& e, const Index& output, size_t d, const Index& prefix, TupleVariable& total) const {
    if (d == spec_.window.size()) {
      total.Set(spec_.combiner(e, total.Get(), spec_.body(e, prefix)));
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
        Visit(e, output, d + 1, longer, total);
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
    const Value linear = b.GlobalLinearId();
    b.If(linear < e.CountOf(spec_.source), [&] {
      const Value winner = Winner(e, e.Delinearize(spec_.source, linear));
      b.Store(e.Scratch(DType::kU32, 0), linear, winner);
    });
    return e.Finish({spec_.source, kThreads, 1, {}});
  }

  Kernel ScatterKernel(bool kept) const {
    Emitter e({spec_.name, {kThreads, 1, 1}}, limits_);
    auto& b = e.b();
    const Value linear = b.GlobalLinearId();
    b.If(linear < e.CountOf(spec_.operand), [&] {
      const Index index = e.Delinearize(spec_.operand, linear);
      TupleVariable total(e, {spec_.dtype});
      total.Set(spec_.initial(e));
      VisitWindows(e, index, 0, Index(), [&](const Index& source) {
        const Value winner = kept ? b.Load(e.Scratch(DType::kU32, 0), e.Linearize(spec_.source, source)) : Winner(e, source);
        b.If(winner == linear, [&] { total.Set(spec_.scatter(e, total.Get(), spec_.source_body(e, source))); });
      });
      WriteResults(e, spec_.results, spec_.operand, spec_.epilogue, index, total.Get());
    });
    return e.Finish({spec_.operand, kThreads, 1, {}});
  }

  // The linear index of the operand's element that a window selects; 2^32 - 1 when the window lies outside.
  Value Winner(Emitter& e, const Index& source) const {
    auto& b = e.b();
    const auto winner = b.Declare(b.U32(0xffffffff));
    TupleVariable best(e, {spec_.dtype});
    best.Set(spec_.initial(e));
    VisitElements(e, source, 0, Index(), [&](const Index& index) {
      const Values element = spec_.operand_body(e, index);
      const Value keep = winner.Get() != 0xffffffffu && spec_.select(e, best.Get(), element)[0];
      b.If(!keep, [&] {
        best.Set(element);
        winner.Set(e.Linearize(spec_.operand, index));
      });
    });
    return winner.Get();
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
