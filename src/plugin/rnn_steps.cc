#include "plugin/rnn_steps.h"

#include "xla/hlo/builder/lib/constants.h"
#include "xla/hlo/builder/lib/loops.h"

namespace tfvk::plugin {

using xla::XlaBuilder;
using xla::XlaOp;

namespace {

std::vector<XlaOp> StartsAt(XlaOp time) {
  const XlaOp zero = xla::ConstantR0<int32_t>(time.builder(), 0);
  return {time, zero, zero};
}

}  // namespace

XlaOp RnnSequence::Zeros(XlaBuilder* builder, xla::PrimitiveType type, int64_t n) const { return xla::Broadcast(xla::Zero(builder, type), {steps, batch, n}); }

XlaOp RnnSequence::At(XlaOp sequence, XlaOp time, int64_t n) const {
  return xla::Reshape(xla::DynamicSlice(sequence, StartsAt(time), {1, batch, n}), {batch, n});
}

XlaOp RnnSequence::With(XlaOp sequence, XlaOp time, XlaOp step, int64_t n) const {
  return xla::DynamicUpdateSlice(sequence, xla::Reshape(step, {1, batch, n}), StartsAt(time));
}

XlaOp RnnSequence::Flat(XlaOp sequence, int64_t n) const { return xla::Reshape(sequence, {steps * batch, n}); }
XlaOp RnnSequence::Unflat(XlaOp rows, int64_t n) const { return xla::Reshape(rows, {steps, batch, n}); }

XlaOp RnnSequence::Previous(XlaOp sequence, XlaOp first, bool backwards, int64_t n) const {
  if (steps == 0) return sequence;
  const XlaOp end = xla::Reshape(first, {1, batch, n});
  if (backwards) return xla::ConcatInDim(sequence.builder(), {xla::SliceInDim(sequence, 1, steps, 1, 0), end}, 0);
  return xla::ConcatInDim(sequence.builder(), {end, xla::SliceInDim(sequence, 0, steps - 1, 1, 0)}, 0);
}

XlaOp GateOf(XlaOp gates, int64_t i, int64_t units) { return xla::SliceInDim(gates, i * units, (i + 1) * units, 1, 1); }

xla::PrimitiveType AccumulatorOf(xla::PrimitiveType type) { return type == xla::F16 || type == xla::BF16 ? xla::F32 : type; }

XlaOp MatrixProduct(XlaOp a, int64_t a_dim, XlaOp b, int64_t b_dim, xla::PrimitiveType type) {
  xla::DotDimensionNumbers numbers;
  numbers.add_lhs_contracting_dimensions(a_dim);
  numbers.add_rhs_contracting_dimensions(b_dim);
  return xla::DotGeneral(xla::ConvertElementType(a, type), xla::ConvertElementType(b, type), numbers, nullptr, AccumulatorOf(type));
}

absl::StatusOr<std::vector<XlaOp>> ForEachStep(XlaBuilder* builder, int64_t steps, bool backwards, const std::vector<XlaOp>& state,
                                               const RnnStepFunction& body) {
  if (steps == 0) return state;
  const auto next = [&](XlaOp i, absl::Span<const XlaOp> before, XlaBuilder* inner) -> absl::StatusOr<std::vector<XlaOp>> {
    const XlaOp time = backwards ? xla::ConstantR0<int32_t>(inner, static_cast<int32_t>(steps - 1)) - i : i;
    std::vector<XlaOp> after = body(time, before);
    after.insert(after.end(), before.begin() + after.size(), before.end());
    return after;
  };
  return xla::ForEachIndex(steps, xla::S32, next, state, backwards ? "steps from the last" : "steps", builder);
}

}  // namespace tfvk::plugin
