#include "plugin/rnn_layer.h"

#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {

using xla::XlaBuilder;
using xla::XlaOp;

namespace {

// The values that a loop carries. Those that its steps change come first.
class LoopState {
 public:
  // Null ops are left out; their place must not be asked for.
  size_t Add(XlaOp value) {
    if (!value.valid()) return ~size_t{0};
    values_.push_back(value);
    return values_.size() - 1;
  }
  const std::vector<XlaOp>& values() const { return values_; }

 private:
  std::vector<XlaOp> values_;
};

XlaOp IfValid(const XlaOp& condition, const std::function<XlaOp()>& make) { return condition.valid() ? make() : XlaOp(); }

}  // namespace

RnnLayer::RnnLayer(const RnnNetwork& network, int64_t layer, bool backwards, RnnSequence sequence, xla::PrimitiveType type, XlaOp lengths)
    : sequence_(sequence),
      cell_(network.mode, network.units),
      backwards_(backwards),
      has_c_(network.mode == RnnMode::kLstm),
      has_projection_(network.has_projection()),
      skips_input_(layer == 0 && network.skips_input),
      width_(network.width(layer)),
      units_(network.units),
      state_size_(network.state_size),
      gate_columns_(network.gates() * network.units),
      type_(type),
      computed_(AccumulatorOf(type)),
      lengths_(lengths) {}

XlaOp RnnLayer::FromInput(XlaOp input, const RnnLayerWeights& weights) const {
  XlaOp given;
  if (skips_input_) {
    const int64_t gates = gate_columns_ / units_;
    given = xla::BroadcastInDim(Computed(input), {sequence_.steps, sequence_.batch, gates, units_}, {0, 1, 3});
    given = xla::Reshape(given, {sequence_.steps, sequence_.batch, gate_columns_});
  } else {
    given = sequence_.Unflat(MatrixProduct(sequence_.Flat(input, width_), 1, weights.input, 1, type_), gate_columns_);
  }
  XlaOp bias = Computed(weights.input_bias);
  if (!cell_.keeps_input_apart()) bias = bias + Computed(weights.recurrent_bias);
  return xla::Add(given, bias, {2});
}

XlaOp RnnLayer::Choose(XlaOp lengths, XlaOp time, XlaOp inside, XlaOp outside, int64_t columns) const {
  const XlaOp is_inside = xla::BroadcastInDim(xla::Gt(lengths, time), {sequence_.batch, columns}, {0});
  return xla::Select(is_inside, inside, outside);
}

absl::StatusOr<RnnLayerRun> RnnLayer::Forward(XlaOp input, const RnnState& first, const RnnLayerWeights& weights, bool keep_trace) const {
  XlaBuilder* builder = input.builder();
  const XlaOp from_input = FromInput(input, weights);
  const auto sequence_if = [&](bool wanted, int64_t columns) { return wanted ? sequence_.Zeros(builder, type_, columns) : XlaOp(); };

  LoopState state;
  const size_t h = state.Add(Computed(first.h));
  const size_t c = state.Add(IfValid(first.c, [&] { return Computed(first.c); }));
  const size_t outputs = state.Add(sequence_if(true, state_size_));
  const size_t gates = state.Add(sequence_if(keep_trace, gate_columns_));
  const size_t cells = state.Add(sequence_if(keep_trace && has_c_, units_));
  const size_t changing = state.values().size();
  const size_t given = state.Add(from_input), recurrent = state.Add(weights.recurrent), projection = state.Add(weights.projection);
  const size_t recurrent_bias = state.Add(cell_.keeps_input_apart() ? Computed(weights.recurrent_bias) : XlaOp());
  const size_t lengths = state.Add(lengths_);

  const auto step = [&](XlaOp time, absl::Span<const XlaOp> values) {
    std::vector<XlaOp> next(values.begin(), values.begin() + changing);
    const RnnState before = {values[h], has_c_ ? values[c] : XlaOp()};
    const XlaOp step_input = sequence_.At(values[given], time, gate_columns_);
    XlaOp from_state = MatrixProduct(before.h, 1, values[recurrent], 1, type_);
    if (cell_.keeps_input_apart()) from_state = xla::Add(from_state, values[recurrent_bias], {1});
    const XlaOp step_gates = cell_.Gates(step_input, from_state);
    RnnState after = cell_.Forward(step_gates, step_input, before);
    if (has_projection_) after.h = MatrixProduct(after.h, 1, values[projection], 1, type_);
    XlaOp output = after.h;
    if (lengths_.valid()) {
      output = Choose(values[lengths], time, after.h, xla::ZerosLike(after.h), state_size_);
      after.h = Choose(values[lengths], time, after.h, before.h, state_size_);
      if (has_c_) after.c = Choose(values[lengths], time, after.c, before.c, units_);
    }
    next[h] = after.h;
    next[outputs] = sequence_.With(values[outputs], time, Stored(output), state_size_);
    if (has_c_) next[c] = after.c;
    if (keep_trace) next[gates] = sequence_.With(values[gates], time, Stored(step_gates), gate_columns_);
    if (keep_trace && has_c_) next[cells] = sequence_.With(values[cells], time, Stored(after.c), units_);
    return next;
  };
  TF_ASSIGN_OR_RETURN(const std::vector<XlaOp> end, ForEachStep(builder, sequence_.steps, backwards_, state.values(), step));

  RnnLayerRun run;
  run.outputs = end[outputs];
  run.last = {Stored(end[h]), has_c_ ? Stored(end[c]) : XlaOp()};
  if (!keep_trace) return run;
  run.trace = {end[gates], cell_.keeps_input_apart() ? Stored(from_input) : XlaOp(), has_c_ ? end[cells] : XlaOp()};
  return run;
}

XlaOp RnnLayer::IsInside(int32_t shift, int64_t columns) const {
  const std::vector<int64_t> shape = {sequence_.steps, sequence_.batch, columns};
  const XlaOp time = xla::Iota(lengths_.builder(), xla::ShapeUtil::MakeShape(xla::S32, shape), 0);
  return xla::Gt(xla::BroadcastInDim(lengths_, shape, {1}), time + xla::ConstantR0<int32_t>(lengths_.builder(), shift));
}

// Whatever is there, infinities too, must not reach a gradient.
XlaOp RnnLayer::ZeroBeyond(XlaOp sequence, int64_t columns) const {
  return lengths_.valid() ? xla::Select(IsInside(0, columns), sequence, xla::ZerosLike(sequence)) : sequence;
}

// Beyond a sequence's length the outputs are zero rather than the state, so the state before the first step backwards is not the output beside it.
XlaOp RnnLayer::StatesBefore(XlaOp outputs, XlaOp first) const {
  const XlaOp before = sequence_.Previous(outputs, first, backwards_, state_size_);
  if (!backwards_ || !lengths_.valid() || sequence_.steps == 0) return before;
  return xla::Select(IsInside(1, state_size_), before, xla::BroadcastInDim(first, {sequence_.steps, sequence_.batch, state_size_}, {1, 2}));
}

absl::StatusOr<RnnLayer::StepGradients> RnnLayer::BackwardSteps(const RnnLayerWeights& weights, const RnnLayerTrace& trace, const RnnState& before,
                                                                XlaOp outputs_gradient, const RnnState& last_gradient) const {
  XlaBuilder* builder = outputs_gradient.builder();
  const bool apart = cell_.keeps_input_apart();
  const auto sequence_if = [&](bool wanted, int64_t columns) { return wanted ? sequence_.Zeros(builder, type_, columns) : XlaOp(); };
  LoopState state;
  const size_t dh = state.Add(Computed(last_gradient.h));
  const size_t dc = state.Add(IfValid(last_gradient.c, [&] { return Computed(last_gradient.c); }));
  const size_t d_input = state.Add(sequence_if(true, gate_columns_));
  const size_t d_recurrent = state.Add(sequence_if(apart, gate_columns_));
  const size_t d_outputs = state.Add(sequence_if(has_projection_, state_size_));
  const size_t changing = state.values().size();
  const size_t given = state.Add(outputs_gradient), gates = state.Add(trace.gates), input = state.Add(trace.input);
  const size_t h_before = state.Add(apart ? before.h : XlaOp()), c_before = state.Add(before.c);
  const size_t recurrent = state.Add(weights.recurrent), projection = state.Add(weights.projection), lengths = state.Add(lengths_);

  const auto step = [&](XlaOp time, absl::Span<const XlaOp> values) {
    std::vector<XlaOp> next(values.begin(), values.begin() + changing);
    const auto at = [&](size_t i, int64_t columns) { return Computed(sequence_.At(values[i], time, columns)); };
    const auto inside = [&](XlaOp x, XlaOp outside, int64_t columns) { return lengths_.valid() ? Choose(values[lengths], time, x, outside, columns) : x; };
    const auto store = [&](size_t i, XlaOp x, int64_t columns) {
      next[i] = sequence_.With(values[i], time, Stored(inside(x, xla::ZerosLike(x), columns)), columns);
    };
    const RnnState step_before = {apart ? at(h_before, units_) : XlaOp(), has_c_ ? at(c_before, units_) : XlaOp()};
    const XlaOp by_output = values[dh] + at(given, state_size_);
    const XlaOp by_h = has_projection_ ? MatrixProduct(by_output, 1, values[projection], 0, type_) : by_output;
    const RnnCell::Gradient gradient =
        cell_.Backward(at(gates, gate_columns_), apart ? at(input, gate_columns_) : XlaOp(), step_before, {by_h, has_c_ ? values[dc] : XlaOp()});
    XlaOp by_state = MatrixProduct(gradient.recurrent, 1, values[recurrent], 0, type_);
    if (apart) by_state = by_state + gradient.before.h;
    next[dh] = inside(by_state, values[dh], state_size_);
    if (has_c_) next[dc] = inside(gradient.before.c, values[dc], units_);
    store(d_input, gradient.input, gate_columns_);
    if (apart) store(d_recurrent, gradient.recurrent, gate_columns_);
    if (has_projection_) store(d_outputs, by_output, state_size_);
    return next;
  };
  TF_ASSIGN_OR_RETURN(const std::vector<XlaOp> end, ForEachStep(builder, sequence_.steps, !backwards_, state.values(), step));
  StepGradients result;
  result.first = {Stored(end[dh]), has_c_ ? Stored(end[dc]) : XlaOp()};
  result.input = end[d_input];
  result.recurrent = apart ? end[d_recurrent] : end[d_input];
  if (has_projection_) result.h = end[d_outputs];
  return result;
}

XlaOp RnnLayer::SumOfSteps(XlaOp rows) const {
  XlaBuilder* builder = rows.builder();
  return xla::Reduce(Computed(rows), xla::Zero(builder, computed_), xla::CreateScalarAddComputation(computed_, builder), {0});
}

absl::StatusOr<RnnLayerGradients> RnnLayer::Backward(XlaOp input, const RnnState& first, const RnnLayerWeights& weights, const RnnLayerRun& run,
                                                     XlaOp outputs_gradient, const RnnState& last_gradient) const {
  RnnState before = {StatesBefore(run.outputs, first.h), {}};
  if (has_c_) before.c = sequence_.Previous(run.trace.cells, first.c, backwards_, units_);
  TF_ASSIGN_OR_RETURN(const StepGradients steps, BackwardSteps(weights, run.trace, before, outputs_gradient, last_gradient));

  RnnLayerGradients gradients;
  gradients.first = steps.first;
  const XlaOp by_input = sequence_.Flat(steps.input, gate_columns_), by_recurrent = sequence_.Flat(steps.recurrent, gate_columns_);
  if (skips_input_) {
    XlaBuilder* builder = input.builder();
    const XlaOp by_gate = xla::Reshape(Computed(steps.input), {sequence_.steps, sequence_.batch, gate_columns_ / units_, units_});
    gradients.input = xla::Reduce(by_gate, xla::Zero(builder, computed_), xla::CreateScalarAddComputation(computed_, builder), {2});
  } else {
    gradients.input = sequence_.Unflat(MatrixProduct(by_input, 1, weights.input, 0, type_), width_);
    gradients.weights.input = MatrixProduct(by_input, 0, sequence_.Flat(ZeroBeyond(input, width_), width_), 0, type_);
  }
  gradients.weights.recurrent = MatrixProduct(by_recurrent, 0, sequence_.Flat(before.h, state_size_), 0, type_);
  gradients.weights.input_bias = SumOfSteps(by_input);
  gradients.weights.recurrent_bias = cell_.keeps_input_apart() ? SumOfSteps(by_recurrent) : gradients.weights.input_bias;
  if (has_projection_) {
    const XlaOp gates = Computed(sequence_.Flat(ZeroBeyond(run.trace.gates, gate_columns_), gate_columns_)),
                c_before = Computed(sequence_.Flat(before.c, units_));
    const XlaOp h = cell_.Forward(gates, {}, {{}, c_before}).h;
    gradients.weights.projection = MatrixProduct(sequence_.Flat(steps.h, state_size_), 0, h, 0, type_);
  }
  return gradients;
}

}  // namespace tfvk::plugin
