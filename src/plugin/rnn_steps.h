// Sequences and gates in XLA's operations: what all recurrent ops are written with. A sequence is [time, batch, n], a step of it [batch, n].
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "xla/hlo/builder/xla_builder.h"

namespace tfvk::plugin {

// The sizes of the sequences of one op.
struct RnnSequence {
  xla::XlaOp Zeros(xla::XlaBuilder* builder, xla::PrimitiveType type, int64_t n) const;
  xla::XlaOp At(xla::XlaOp sequence, xla::XlaOp time, int64_t n) const;
  xla::XlaOp With(xla::XlaOp sequence, xla::XlaOp time, xla::XlaOp step, int64_t n) const;
  xla::XlaOp Flat(xla::XlaOp sequence, int64_t n) const;  // [time * batch, n]
  xla::XlaOp Unflat(xla::XlaOp rows, int64_t n) const;    // back
  // What precedes each step: `first` [batch, n] and all steps but the last; from the end, where `backwards`, all but the first and `first`.
  xla::XlaOp Previous(xla::XlaOp sequence, xla::XlaOp first, bool backwards, int64_t n) const;

  int64_t steps = 0, batch = 0;
};

// Columns [i * units, (i + 1) * units) of a step whose gates lie side by side.
xla::XlaOp GateOf(xla::XlaOp gates, int64_t i, int64_t units);

// Products and states of 16-bit numbers are accumulated and computed in 32 bits.
xla::PrimitiveType AccumulatorOf(xla::PrimitiveType type);

// Of matrices, contracting `a_dim` of a and `b_dim` of b. The operands are rounded to `type`; the result has its accumulator's.
xla::XlaOp MatrixProduct(xla::XlaOp a, int64_t a_dim, xla::XlaOp b, int64_t b_dim, xla::PrimitiveType type);

// The state of a loop after `body` has been called for all steps of the sequence in order or, where `backwards`, from the last to the first. The body returns
// the new values of the first of the states; the others stay as they are.
using RnnStepFunction = std::function<std::vector<xla::XlaOp>(xla::XlaOp time, absl::Span<const xla::XlaOp> state)>;
absl::StatusOr<std::vector<xla::XlaOp>> ForEachStep(xla::XlaBuilder* builder, int64_t steps, bool backwards, const std::vector<xla::XlaOp>& state,
                                                    const RnnStepFunction& body);

}  // namespace tfvk::plugin
