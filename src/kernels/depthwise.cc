#include "kernels/depthwise.h"

#include <algorithm>
#include <map>
#include <utility>

#include "kernels/depthwise_geometry.h"

namespace tfvk::kernels {
namespace {

using spirv::Builder;
using spirv::Value;

constexpr uint32_t kThreads = 128;
constexpr int64_t kMostTaps = 49;  // every tap is written out
constexpr int kMostSums = 32;      // of one invocation, in registers

// For each distance of an input element from a tile's first one: the results of the tile that it reaches, and through which element of the window.
struct Reach {
  int64_t result, window;
};
using Reaches = std::map<int64_t, std::vector<Reach>>;

Reaches ReachesOf(const PhasedDimension& d, int64_t tile) {
  Reaches reaches;
  for (int64_t i = 0; i < tile; ++i) {
    const int64_t r = i % d.phases;
    for (int64_t t = 0; t < d.taps[r]; ++t) {
      const int64_t w = d.first_tap[r] + t * d.kernel_step;
      reaches[i / d.phases * d.input_step + t * d.tap_step + d.offset[r]].push_back({i, d.reversal ? d.window - 1 - w : w});
    }
  }
  return reaches;
}

// The results that one invocation computes.
struct Tile {
  std::array<int64_t, 2> results = {1, 1};
  int vector = 1;  // channels
};

int64_t CeilOfRatio(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Loads for each result, with those that are computed in vain beyond the edges.
double CostOf(const std::array<DepthwiseDimension, 2>& dims, const std::array<int64_t, 2>& results) {
  double cost = 1;
  for (int i = 0; i < 2; ++i) {
    const double tiles = static_cast<double>(CeilOfRatio(dims[i].window.output.value, results[i]));
    cost *= tiles * static_cast<double>(ReachesOf(dims[i].window, results[i]).size()) / static_cast<double>(dims[i].window.output.value);
  }
  return cost;
}

// The tile with the fewest loads among those that leave every compute unit enough invocations.
Tile ChooseTile(const ConvolutionSpec& spec, const std::array<DepthwiseDimension, 2>& dims, const DeviceLimits& limits) {
  const int64_t channels = spec.output[spec.output_feature].value, taps = dims[0].window.window * dims[1].window.window;
  const Size& batch = spec.output[spec.output_batch];
  Tile best;
  best.vector = ChannelVector(channels, taps > 25 ? 2 : 4);
  best.results = {dims[0].window.phases, dims[1].window.phases};
  double best_cost = CostOf(dims, best.results);
  for (const int64_t rows : {1, 2}) {
    for (const int64_t columns : {1, 2, 4}) {
      const std::array<int64_t, 2> results = {rows * dims[0].window.phases, columns * dims[1].window.phases};
      const int64_t tiles = CeilOfRatio(dims[0].window.output.value, results[0]) * CeilOfRatio(dims[1].window.output.value, results[1]);
      const int64_t invocations = (batch.is_static() ? batch.value : 16) * tiles * channels / best.vector;
      if (results[0] * results[1] * best.vector > kMostSums || invocations < int64_t{512} * limits.compute_units) continue;
      const double cost = CostOf(dims, results);
      if (cost < best_cost) best_cost = cost, best.results = results;
    }
  }
  return best;
}

// The code of one invocation.
class DepthwiseTile {
 public:
  DepthwiseTile(const ConvolutionSpec& spec, const std::array<DepthwiseDimension, 2>& dims, const Tile& tile, Emitter& e)
      : s_(spec), dims_(dims), tile_(tile), e_(e), b_(e.b()), compute_(ComputeType(spec.accumulator)) {
    sums_.assign(static_cast<size_t>(tile.results[0] * tile.results[1]), std::vector<Value>(tile.vector, b_.Constant(compute_, int64_t{0})));
  }

  // The results from (sample, first[0], first[1], channel) on.
  void Compute(Value sample, const std::array<Value, 2>& first, Value channel) {
    const std::vector<int64_t> strides = StaticStrides(s_.input.shape);
    const Value start = sample * Stride(strides, s_.input_batch) + channel;
    for (const auto& [row, rows] : ReachesOf(dims_[0].window, tile_.results[0])) {
      const auto [y, row_inside] = Coordinate(0, first[0], row);
      const Value line = start + y * Stride(strides, dims_[0].input);
      for (const auto& [column, columns] : ReachesOf(dims_[1].window, tile_.results[1])) {
        const auto [x, column_inside] = Coordinate(1, first[1], column);
        Add(LoadInside(e_, s_.input, line + x * Stride(strides, dims_[1].input), Both(row_inside, column_inside), tile_.vector), rows, columns, channel);
      }
    }
    for (int64_t i = 0; i < tile_.results[0]; ++i) {
      for (int64_t j = 0; j < tile_.results[1]; ++j) Write(sample, {first[0] + i, first[1] + j}, channel, sums_[i * tile_.results[1] + j]);
    }
  }

 private:
  Value Stride(const std::vector<int64_t>& strides, int64_t dimension) { return b_.U32(static_cast<uint32_t>(StrideOf(strides, dimension))); }

  // The coordinate of the input at a distance from that of the tile's first result, and whether it exists; those below 0 wrap around.
  std::pair<Value, Value> Coordinate(int dimension, Value first, int64_t distance) {
    const PhasedDimension& d = dims_[dimension].window;
    const Value at = first / static_cast<uint32_t>(d.phases) * static_cast<uint32_t>(d.input_step) + b_.U32(static_cast<uint32_t>(distance));
    const bool inside = d.always_inside && d.output.value % tile_.results[dimension] == 0;
    return {at, inside ? Value() : at < e_.SizeOf(d.input)};
  }

  void Add(const std::vector<Value>& elements, const std::vector<Reach>& rows, const std::vector<Reach>& columns, Value channel) {
    for (const Reach& row : rows) {
      for (const Reach& column : columns) {
        const std::vector<Value>& filter = Filter(row.window, column.window, channel);
        std::vector<Value>& sums = sums_[row.result * tile_.results[1] + column.result];
        for (int v = 0; v < tile_.vector; ++v) {
          const Value x = b_.Convert(elements[v], compute_);
          sums[v] = IsFloat(compute_) ? b_.Fma(x, filter[v], sums[v]) : sums[v] + x * filter[v];
        }
      }
    }
  }

  const std::vector<Value>& Filter(int64_t row, int64_t column, Value channel) {
    std::vector<Value>& filter = filters_[{row, column}];
    if (filter.empty()) {
      const std::vector<int64_t> strides = StaticStrides(s_.kernel.shape);
      const int64_t offset = row * StrideOf(strides, dims_[0].kernel) + column * StrideOf(strides, dims_[1].kernel);
      filter = LoadInside(e_, s_.kernel, channel + b_.U32(static_cast<uint32_t>(offset)), Value(), tile_.vector);
      for (Value& v : filter) v = b_.Convert(v, compute_);
    }
    return filter;
  }

  void Write(Value sample, const std::array<Value, 2>& at, Value channel, const std::vector<Value>& sums) {
    Value exists;
    Index first(s_.output.size());
    first[s_.output_batch] = sample;
    first[s_.output_feature] = channel;
    for (int i = 0; i < 2; ++i) {
      if (dims_[i].output >= 0) first[dims_[i].output] = at[i];
      if (dims_[i].window.output.value % tile_.results[i] != 0) exists = Both(exists, at[i] < e_.SizeOf(dims_[i].window.output));
    }
    IfInside(e_, exists, [&] { WriteChannels(e_, s_, first, sums); });
  }

  static void WriteChannels(Emitter& e, const ConvolutionSpec& s, const Index& first, const std::vector<Value>& sums) {
    std::vector<std::vector<Value>> results(s.results.size());
    const std::vector<Index> indices = e.BeginConsecutive(s.output, first, static_cast<int>(sums.size()));
    for (size_t v = 0; v < sums.size(); ++v) {
      const std::vector<Value> values =
          s.epilogue ? s.epilogue(e, indices[v], {sums[v]}) : std::vector<Value>{e.b().Convert(sums[v], ComputeType(s.results[0]))};
      Require(values.size() == results.size(), "[Convolution] the epilogue of {} gives {} values for {} results", s.name, values.size(), results.size());
      for (size_t r = 0; r < values.size(); ++r) results[r].push_back(values[r]);
    }
    const Value linear = e.Linearize(s.output, first);
    for (size_t r = 0; r < results.size(); ++r) {
      const Tensor tensor{Tensor::Role::kResult, static_cast<int>(r), s.results[r], s.output};
      if (results[r].size() == 1) {
        e.WriteLinear(tensor, linear, results[r][0]);
      } else {
        e.WriteConsecutive(tensor, linear, results[r]);
      }
    }
  }

  const ConvolutionSpec& s_;
  const std::array<DepthwiseDimension, 2>& dims_;
  const Tile& tile_;
  Emitter& e_;
  Builder& b_;
  DType compute_;
  std::vector<std::vector<Value>> sums_;  // of each result of the tile
  std::map<std::pair<int64_t, int64_t>, std::vector<Value>> filters_;
};

bool IsDepthwise(const ConvolutionSpec& s) {
  if (s.window.empty() || s.window.size() > 2 || s.input_body || s.kernel_body || s.batch_groups != 1 || s.feature_groups < 2) return false;
  if (s.kernel.shape[s.kernel_input_feature] != Size(1) || s.kernel.shape[s.kernel_output_feature] != Size(s.feature_groups)) return false;
  if (!IsStaticBehindBatch(s.input.shape) || !IsStaticBehindBatch(s.output) || !IsStatic(s.kernel.shape)) return false;
  const bool channels_last = s.input_feature == static_cast<int64_t>(s.input.shape.size()) - 1 && s.output_feature == static_cast<int64_t>(s.output.size()) - 1;
  int64_t taps = 1;
  for (const ConvolutionWindow& w : s.window) taps *= w.size;
  return channels_last && StaticStrides(s.kernel.shape)[s.kernel_output_feature] == 1 && taps >= 1 && taps <= kMostTaps;
}

}  // namespace

std::optional<KernelSequence> MakeDepthwise(const ConvolutionSpec& spec, const DeviceLimits& limits) {
  if (!IsDepthwise(spec)) return std::nullopt;
  for (const Shape* shape : {&spec.input.shape, &spec.output}) RequireIndexable("Convolution", *shape);
  const std::array<DepthwiseDimension, 2> dims = DepthwiseDimensions(spec);
  const Tile tile = ChooseTile(spec, dims, limits);
  spirv::BuilderOptions options;
  options.name = spec.name;
  options.workgroup = {kThreads, 1, 1};
  Emitter e(options, limits);
  Builder& b = e.b();
  const Size& batch = spec.output[spec.output_batch];
  const std::array<int64_t, 2> tiles = {CeilOfRatio(dims[0].window.output.value, tile.results[0]), CeilOfRatio(dims[1].window.output.value, tile.results[1])};
  const int64_t vectors = spec.feature_groups / tile.vector, of_sample = vectors * tiles[0] * tiles[1];
  const Value id = b.GlobalLinearId();
  b.If(id < e.SizeOf(batch) * b.U32(static_cast<uint32_t>(of_sample)), [&] {
    const Index at = e.Delinearize({batch, tiles[0], tiles[1], vectors}, id);
    const std::array<Value, 2> first = {at[1] * static_cast<uint32_t>(tile.results[0]), at[2] * static_cast<uint32_t>(tile.results[1])};
    DepthwiseTile(spec, dims, tile, e).Compute(at[0], first, at[3] * static_cast<uint32_t>(tile.vector));
  });
  KernelSequence sequence;
  sequence.kernels.push_back(e.Finish({{batch, of_sample}, kThreads, 1, {}}));
  return sequence;
}

}  // namespace tfvk::kernels
