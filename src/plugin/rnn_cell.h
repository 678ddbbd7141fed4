// The cells of recurrent networks, one time step forwards and backwards, as XLA's operations. All is [batch, ...] in the type that is computed in.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "plugin/rnn_network.h"
#include "xla/hlo/builder/xla_builder.h"

namespace tfvk::plugin {

struct RnnState {
  xla::XlaOp h, c;  // c of LSTM alone
};

// Formulas: cuDNN's documentation of cudnnRNNMode_t. For GRU it applies the reset gate after the recurrent matrix and its bias.
class RnnCell {
 public:
  RnnCell(RnnMode mode, int64_t units);

  // A GRU needs apart what input and state give to its gates, the others their sum alone. The biases are within: a GRU's recurrent one in `recurrent`.
  bool keeps_input_apart() const { return mode_ == RnnMode::kGru; }
  xla::XlaOp Gates(xla::XlaOp input, xla::XlaOp recurrent) const { return keeps_input_apart() ? recurrent : input + recurrent; }

  // The state after the step, before any projection; `input` is used where it is kept apart.
  RnnState Forward(xla::XlaOp gates, xla::XlaOp input, const RnnState& before) const;

  struct Gradient {
    xla::XlaOp input, recurrent;  // by what input and state give to the gates; the same but for GRU
    RnnState before;              // without what goes by the recurrent matrix; h of GRU alone
  };
  // From the gradients by the state after the step.
  Gradient Backward(xla::XlaOp gates, xla::XlaOp input, const RnnState& before, const RnnState& after_gradient) const;

 private:
  xla::XlaOp Gate(xla::XlaOp gates, int which) const;  // cuDNN's number of it
  xla::XlaOp Joined(std::initializer_list<xla::XlaOp> gates) const;

  RnnMode mode_;
  int64_t units_;
  std::vector<int> places_;
};

}  // namespace tfvk::plugin
