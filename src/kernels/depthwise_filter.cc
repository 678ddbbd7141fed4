// The gradient of a depthwise filter: for each channel and each element of the window, a sum over all samples and positions. An invocation keeps the sums of
// some channels in registers and walks over a part of the positions; a workgroup adds up its invocations, a second kernel the workgroups.
#include <algorithm>
#include <map>

#include "kernels/depthwise.h"
#include "kernels/depthwise_geometry.h"
#include "kernels/gemm_blocks.h"

namespace tfvk::kernels {
namespace {

using spirv::Builder;
using spirv::Value;

constexpr int64_t kMostSums = 50;  // of one invocation, in registers

// How the work is shared.
struct FilterPlan {
  int vector = 1;         // channels of an invocation
  int64_t positions = 1;  // of the output's gradient along its last dimension that an invocation takes at once; divides the dimension
  uint32_t columns = 1;   // invocations of a workgroup with channels of their own
  uint32_t rows = 1;      // invocations with the same channels
  int64_t chunks = 1;     // workgroups with channels of their own
  int64_t splits = 1;     // workgroups with the same channels
  uint32_t threads() const { return columns * rows; }
};

// Sizes by their part in the forward convolution.
struct FilterGradient {
  const ConvolutionSpec& s;
  std::array<DepthwiseDimension, 2> dims;  // whose window is the output's gradient and whose output is the filter

  int64_t channels() const { return s.batch_groups; }
  int64_t taps(int i) const { return dims[i].window.output.value; }
  int64_t positions(int i) const { return dims[i].window.window; }
  Size samples() const { return s.input.shape[s.input_feature]; }
};

FilterPlan MakePlan(const FilterGradient& g, const DeviceLimits& limits) {
  FilterPlan plan;
  const int64_t taps = g.taps(0) * g.taps(1);
  plan.vector = ChannelVector(g.channels(), static_cast<int>(std::max<int64_t>(1, kMostSums / taps)));
  // What is loaded at once lies in registers beside the sums; Intel's compiler spills with more than this.
  const int64_t most_loaded = limits.vendor == DeviceLimits::Vendor::kIntel ? 20 : 48;
  for (const int64_t n : {7, 4, 2}) {
    if (g.positions(1) % n == 0 && (g.taps(1) + n) * plan.vector <= most_loaded) {
      plan.positions = n;
      break;
    }
  }
  const uint32_t most = std::min<uint32_t>(256, limits.max_invocations);
  const int64_t vectors = g.channels() / plan.vector;
  while (plan.columns < 32 && plan.columns < vectors) plan.columns *= 2;
  plan.rows = most / plan.columns;
  plan.chunks = (vectors + plan.columns - 1) / plan.columns;
  // Enough workgroups for every compute unit, each with a few steps for every invocation.
  const int64_t samples = g.samples().is_static() ? g.samples().value : 16;
  const int64_t steps = samples * g.positions(0) * g.positions(1) / plan.positions / plan.rows;
  plan.splits = std::clamp<int64_t>(int64_t{4} * limits.compute_units / plan.chunks, 1, std::max<int64_t>(1, steps / 4));
  return plan;
}

class FilterSums {
 public:
  FilterSums(const FilterGradient& g, const FilterPlan& plan, const Contraction& contraction, Emitter& e)
      : g_(g), plan_(plan), contraction_(contraction), e_(e), b_(e.b()), compute_(ComputeType(g.s.accumulator)) {}

  void Compute() {
    const Value group = b_.LinearWorkgroupId();
    const int64_t taps = g_.taps(0) * g_.taps(1), sums_of_tap = int64_t{plan_.threads()} * plan_.vector;
    const int64_t at_once = std::clamp<int64_t>(e_.limits().shared_bytes / (sums_of_tap * static_cast<int64_t>(ByteSize(compute_))), 1, taps);
    const spirv::Shared shared = b_.SharedArray(compute_, static_cast<uint32_t>(at_once * sums_of_tap));
    b_.If(group < static_cast<uint32_t>(plan_.chunks * plan_.splits), [&] {
      const Value split = group / static_cast<uint32_t>(plan_.chunks), column = b_.LocalLinearId() % plan_.columns, row = b_.LocalLinearId() / plan_.columns;
      const Value first = group % static_cast<uint32_t>(plan_.chunks) * static_cast<uint32_t>(plan_.columns * plan_.vector);
      const Value channel = first + column * static_cast<uint32_t>(plan_.vector);
      for (int64_t i = 0; i < taps * plan_.vector; ++i) sums_.push_back(b_.Declare(b_.Constant(compute_, int64_t{0})));
      b_.If(channel < static_cast<uint32_t>(g_.channels()), [&] { Walk(split, row, channel); });
      for (int64_t tap = 0; tap < taps; tap += at_once) AddUp(shared, tap, std::min(at_once, taps - tap), split, first, row, column);
    });
  }

 private:
  Value U(int64_t v) { return b_.U32(static_cast<uint32_t>(v)); }

  // Adds the products of every step that is this row's.
  void Walk(Value split, Value row, Value channel) {
    const int64_t steps_of_line = g_.positions(1) / plan_.positions;
    const Value steps = e_.SizeOf(g_.samples()) * U(g_.positions(0) * steps_of_line);
    b_.For(split * plan_.rows + row, steps, U(plan_.splits * plan_.rows), [&](Value step) {
      const Index at = e_.Delinearize({g_.samples(), g_.positions(0), steps_of_line}, step);
      Step(at[0], at[1], at[2] * U(plan_.positions), channel);
    });
  }

  void Step(Value sample, Value line, Value first, Value channel) {
    const std::vector<int64_t> in = StaticStrides(g_.s.input.shape), out = StaticStrides(g_.s.kernel.shape);
    std::vector<std::vector<Value>> gradients;
    for (int64_t j = 0; j < plan_.positions; ++j) {
      const Value linear = sample * U(out[g_.s.kernel_input_feature]) + line * U(StrideOf(out, g_.dims[0].kernel)) +
                           (first + U(j)) * U(StrideOf(out, g_.dims[1].kernel)) + channel;
      gradients.push_back(LoadInside(e_, g_.s.kernel, linear, Value(), plan_.vector));
    }
    const PhasedDimension &rows = g_.dims[0].window, &columns = g_.dims[1].window;
    for (int64_t t = 0; t < g_.taps(0); ++t) {
      const Value y = line * U(rows.tap_step) + U(t * rows.input_step + rows.offset[0]);
      const Value row_inside = rows.always_inside ? Value() : y < e_.SizeOf(rows.input);
      std::map<int64_t, std::vector<Value>> elements;  // by their distance from the first position's
      for (int64_t u = 0; u < g_.taps(1); ++u) {
        for (int64_t j = 0; j < plan_.positions; ++j) {
          const int64_t distance = u * columns.input_step + j * columns.tap_step + columns.offset[0];
          std::vector<Value>& element = elements[distance];
          if (element.empty()) {
            const Value x = first * U(columns.tap_step) + U(distance);
            const Value inside = Both(row_inside, columns.always_inside ? Value() : x < e_.SizeOf(columns.input));
            const Value linear = sample * U(in[g_.s.input_feature]) + y * U(StrideOf(in, g_.dims[0].input)) + x * U(StrideOf(in, g_.dims[1].input)) + channel;
            element = LoadInside(e_, g_.s.input, linear, inside, plan_.vector);
          }
          Add((t * g_.taps(1) + u) * plan_.vector, element, gradients[j]);
        }
      }
    }
  }

  void Add(int64_t first_sum, const std::vector<Value>& elements, const std::vector<Value>& gradients) {
    for (int v = 0; v < plan_.vector; ++v) {
      const spirv::Variable& sum = sums_[first_sum + v];
      const Value x = b_.Convert(elements[v], compute_), y = b_.Convert(gradients[v], compute_);
      sum.Set(IsFloat(compute_) ? b_.Fma(x, y, sum.Get()) : sum.Get() + x * y);
    }
  }

  // The workgroup's sums of the taps [first_tap, first_tap + count), to scratch memory. In shared memory: [tap][row][channel].
  void AddUp(spirv::Shared shared, int64_t first_tap, int64_t count, Value split, Value first, Value row, Value column) {
    const uint32_t width = plan_.columns * static_cast<uint32_t>(plan_.vector), rows = plan_.rows;
    for (int64_t tap = 0; tap < count; ++tap) {
      for (int v = 0; v < plan_.vector; ++v) {
        const Value at = (row + U(tap * rows)) * width + column * static_cast<uint32_t>(plan_.vector) + U(v);
        b_.Store(shared, at, sums_[(first_tap + tap) * plan_.vector + v].Get());
      }
    }
    b_.Barrier();
    b_.For(b_.LocalLinearId(), U(count * width), b_.U32(plan_.threads()), [&](Value i) {
      const Value tap = i / width, lane = i % width, channel = first + lane;
      const spirv::Variable sum = b_.Declare(b_.Constant(compute_, int64_t{0}));
      b_.For(rows, [&](Value other) { sum.Set(sum.Get() + b_.Load(shared, (tap * rows + other) * width + lane)); });
      b_.If(channel < static_cast<uint32_t>(g_.channels()),
            [&] { b_.Store(e_.Scratch(compute_, 0), PartialIndex(e_, contraction_, split, channel, tap + U(first_tap), U(0)), sum.Get()); });
    });
    b_.Barrier();
  }

  const FilterGradient& g_;
  const FilterPlan& plan_;
  const Contraction& contraction_;
  Emitter& e_;
  Builder& b_;
  DType compute_;
  std::vector<spirv::Variable> sums_;  // [tap][channel]
};

bool IsFilterGradient(const ConvolutionSpec& s) {
  if (s.window.empty() || s.window.size() > 2 || s.input_body || s.kernel_body || s.feature_groups != 1 || s.batch_groups < 2) return false;
  if (s.input.shape[s.input_batch] != Size(s.batch_groups) || s.kernel.shape[s.kernel_output_feature] != Size(s.batch_groups)) return false;
  if (!IsStaticBehindBatch(s.input.shape) || !IsStaticBehindBatch(s.kernel.shape) || !IsStatic(s.output)) return false;
  const auto is_last = [](int64_t dimension, const Shape& shape) { return dimension == static_cast<int64_t>(shape.size()) - 1; };
  int64_t taps = 1;
  for (size_t i = 0; i < s.window.size(); ++i) {
    if (s.window[i].base_dilation != 1 || s.window[i].reversal) return false;
    taps *= s.output[s.output_spatial[i]].value;
  }
  return is_last(s.input_batch, s.input.shape) && is_last(s.kernel_output_feature, s.kernel.shape) && is_last(s.output_feature, s.output) && taps >= 1 &&
         taps <= kMostSums;
}

}  // namespace

std::optional<KernelSequence> MakeDepthwiseFilterGradient(const ConvolutionSpec& spec, const DeviceLimits& limits) {
  if (!IsFilterGradient(spec)) return std::nullopt;
  const Contraction contraction = ContractionOf(spec);
  const FilterGradient gradient{spec, DepthwiseDimensions(spec)};
  const FilterPlan plan = MakePlan(gradient, limits);
  spirv::BuilderOptions options;
  options.name = spec.name;
  options.workgroup = {plan.threads(), 1, 1};
  Emitter e(options, limits);
  FilterSums(gradient, plan, contraction, e).Compute();
  KernelSequence sequence;
  sequence.kernels.push_back(e.Finish({{}, 1, plan.chunks * plan.splits, {}}));
  sequence.scratch_bytes = PartialBytes(contraction, plan.splits);
  sequence.kernels.push_back(MakeSplitSum(contraction, plan.splits, limits));
  return sequence;
}

}  // namespace tfvk::kernels
