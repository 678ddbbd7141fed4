// One layer of a recurrent network in one direction over whole sequences, and its gradients. What does not depend on the step before is one product for all
// steps.
#pragma once

#include "absl/status/statusor.h"
#include "plugin/rnn_cell.h"
#include "plugin/rnn_steps.h"

namespace tfvk::plugin {

// RnnWeightRegions cut out of the buffer; those without elements are unset.
struct RnnLayerWeights {
  xla::XlaOp input, recurrent, projection, input_bias, recurrent_bias;
};

// What the gradients need of the run, [time, batch, ...] in the type of the data; what the mode does not need is unset.
struct RnnLayerTrace {
  xla::XlaOp gates, input, cells;  // RnnCell's gates and input, and c after each step
};

struct RnnLayerRun {
  xla::XlaOp outputs;  // [time, batch, state_size], zero beyond a sequence's length
  RnnState last;
  RnnLayerTrace trace;
};

struct RnnLayerGradients {
  xla::XlaOp input;  // [time, batch, width], in the type that is computed in
  RnnState first;
  RnnLayerWeights weights;
};

class RnnLayer {
 public:
  // `lengths` [batch] s32 may be unset: then every sequence has all steps.
  RnnLayer(const RnnNetwork& network, int64_t layer, bool backwards, RnnSequence sequence, xla::PrimitiveType type, xla::XlaOp lengths);

  // Columns of the trace's sequences; 0 for what it does not have.
  int64_t gate_columns() const { return gate_columns_; }
  int64_t input_columns() const { return cell_.keeps_input_apart() ? gate_columns_ : 0; }
  int64_t cell_columns() const { return has_c_ ? units_ : 0; }

  // `input` [time, batch, width], `first` [batch, ...], all of the type of the data. Without `keep_trace` the result has none.
  absl::StatusOr<RnnLayerRun> Forward(xla::XlaOp input, const RnnState& first, const RnnLayerWeights& weights, bool keep_trace) const;

  // From the gradients by the run's outputs and last state.
  absl::StatusOr<RnnLayerGradients> Backward(xla::XlaOp input, const RnnState& first, const RnnLayerWeights& weights, const RnnLayerRun& run,
                                             xla::XlaOp outputs_gradient, const RnnState& last_gradient) const;

 private:
  struct StepGradients {
    RnnState first;
    xla::XlaOp input, recurrent, h;  // sequences: by what input and state give to the gates, and by h (only with projection)
  };

  xla::XlaOp Computed(xla::XlaOp x) const { return xla::ConvertElementType(x, computed_); }
  xla::XlaOp Stored(xla::XlaOp x) const { return xla::ConvertElementType(x, type_); }
  xla::XlaOp FromInput(xla::XlaOp input, const RnnLayerWeights& weights) const;
  // At the steps of each sequence `inside`, elsewhere `outside`; [batch, columns].
  xla::XlaOp Choose(xla::XlaOp lengths, xla::XlaOp time, xla::XlaOp inside, xla::XlaOp outside, int64_t columns) const;
  // Does the sequence have the step `shift` after this one? [time, batch, columns]; needs lengths.
  xla::XlaOp IsInside(int32_t shift, int64_t columns) const;
  xla::XlaOp ZeroBeyond(xla::XlaOp sequence, int64_t columns) const;
  xla::XlaOp StatesBefore(xla::XlaOp outputs, xla::XlaOp first) const;
  absl::StatusOr<StepGradients> BackwardSteps(const RnnLayerWeights& weights, const RnnLayerTrace& trace, const RnnState& before, xla::XlaOp outputs_gradient,
                                              const RnnState& last_gradient) const;
  xla::XlaOp SumOfSteps(xla::XlaOp rows) const;

  RnnSequence sequence_;
  RnnCell cell_;
  bool backwards_, has_c_, has_projection_, skips_input_;
  int64_t width_, units_, state_size_, gate_columns_;
  xla::PrimitiveType type_, computed_;
  xla::XlaOp lengths_;
};

}  // namespace tfvk::plugin
