#include "plugin/ctc_loss.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "plugin/table_rows.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla/hlo/builder/lib/loops.h"
#include "xla/hlo/builder/lib/math.h"
#include "xla/hlo/builder/lib/slicing.h"

namespace tfvk::plugin {
namespace {

using xla::XlaOp;

XlaOp Never(xla::XlaBuilder* builder) { return xla::ConstantR0<float>(builder, -std::numeric_limits<float>::infinity()); }

// What may be subtracted from logarithms of which it is the largest.
XlaOp FiniteOr0(XlaOp x) { return xla::Select(xla::Eq(x, Never(x.builder())), xla::ZerosLike(x), x); }

XlaOp LogOfSum(const std::vector<XlaOp>& logs) {
  XlaOp most = logs[0];
  for (const XlaOp log : logs) most = xla::Max(most, log);
  const XlaOp base = FiniteOr0(most);
  XlaOp sum = xla::ZerosLike(most);
  for (const XlaOp log : logs) sum = sum + xla::Exp(log - base);
  return xla::Log(sum) + base;
}

// Along one dimension.
XlaOp LogOfSum(XlaOp logs, int64_t dimension) {
  xla::XlaBuilder* builder = logs.builder();
  const xla::Shape shape = *builder->GetShape(logs);
  std::vector<int64_t> others;
  for (int64_t d = 0; d < static_cast<int64_t>(shape.dimensions().size()); ++d) {
    if (d != dimension) others.push_back(d);
  }
  const XlaOp most = FiniteOr0(xla::Reduce(logs, Never(builder), xla::CreateScalarMaxComputation(xla::F32, builder), {dimension}));
  const XlaOp shifted = xla::Exp(logs - xla::BroadcastInDim(most, shape.dimensions(), others));
  return xla::Log(xla::Reduce(shifted, xla::Zero(builder, xla::F32), xla::CreateScalarAddComputation(xla::F32, builder), {dimension})) + most;
}

// The states of a sequence are its labels with a blank before each and after the last.
class Lattice {
 public:
  Lattice(XlaOp logits, XlaOp labels) {
    const xla::Shape shape = *logits.builder()->GetShape(logits);
    time_ = shape.dimensions(0);
    batch_ = shape.dimensions(1);
    classes_ = shape.dimensions(2);
    states_ = 2 * labels.builder()->GetShape(labels)->dimensions(1) + 1;
  }

  absl::StatusOr<CtcLoss> Build(XlaOp logits, XlaOp labels, XlaOp label_lengths, XlaOp lengths) const {
    xla::XlaBuilder* builder = logits.builder();
    const std::vector<int64_t> dims = {batch_, states_};
    xla::PaddingConfig between = xla::MakeNoPaddingConfig(2);
    between.mutable_dimensions(1)->set_edge_padding_low(1);
    between.mutable_dimensions(1)->set_edge_padding_high(1);
    between.mutable_dimensions(1)->set_interior_padding(1);
    const XlaOp classes = xla::Pad(labels, xla::Zero(builder, xla::S32), between);
    const XlaOp state = IndexAlong(builder, xla::S32, dims, 1), last = Spread(label_lengths * Constant(label_lengths, 2), dims, {0});
    // Only between different labels there need be no blank.
    const XlaOp before = Shifted(classes, 2, xla::Zero(builder, xla::S32)), is_label = xla::Ne(classes, xla::ZerosLike(classes));
    const XlaOp skips = xla::And(is_label, xla::Ne(classes, before));
    const XlaOp is_end = xla::Or(xla::Eq(state, last), xla::Eq(state, last - Constant(last, 1)));

    const XlaOp log_sums = LogOfSum(logits, 2), logs = logits - Spread(log_sums, {time_, batch_, classes_}, {0, 1});
    const XlaOp observed = xla::Transpose(xla::TorchIndexSelect(xla::Transpose(logs, {1, 2, 0}), classes, 1, /*batch_dims=*/1), {2, 0, 1});
    TF_ASSIGN_OR_RETURN(const std::vector<XlaOp> forward, Forward(observed, skips, lengths));
    TF_ASSIGN_OR_RETURN(const XlaOp backward, Backward(observed, skips, is_end, lengths));
    const XlaOp likelihood = LogOfSum(xla::Select(is_end, forward[1], xla::Broadcast(Never(builder), dims)), 1);

    const XlaOp is_possible = xla::Gt(likelihood, xla::Broadcast(Never(builder), {batch_}));
    const XlaOp paths = forward[0] + backward - Spread(FiniteOr0(likelihood), {time_, batch_, states_}, {1});
    const XlaOp expected = OfClasses(xla::Exp(paths), classes);
    const XlaOp step = IndexAlong(builder, xla::S32, {time_, batch_, classes_}, 0);
    const XlaOp counts = xla::And(xla::Lt(step, Spread(lengths, {time_, batch_, classes_}, {1})), Spread(is_possible, {time_, batch_, classes_}, {1}));
    return CtcLoss{-likelihood, xla::Select(counts, xla::Exp(logs) - expected, xla::ZerosLike(logs))};
  }

 private:
  // [batch, states] with what was `by` states before (by > 0) or after, `empty` where nothing was.
  static XlaOp Shifted(XlaOp x, int64_t by, XlaOp empty) {
    const int64_t size = x.builder()->GetShape(x)->dimensions(1);
    const XlaOp padded = xla::PadInDim(x, empty, 1, std::max<int64_t>(by, 0), std::max<int64_t>(-by, 0));
    return by > 0 ? xla::SliceInDim(padded, 0, size, 1, 1) : xla::SliceInDim(padded, -by, size - by, 1, 1);
  }

  XlaOp StepOf(XlaOp steps, XlaOp t) const {
    const XlaOp zero = xla::ZerosLike(t);
    return xla::Reshape(xla::DynamicSlice(steps, {t, zero, zero}, {1, batch_, states_}), {batch_, states_});
  }

  XlaOp WithStep(XlaOp steps, XlaOp t, XlaOp step) const {
    const XlaOp zero = xla::ZerosLike(t);
    return xla::DynamicUpdateSlice(steps, xla::Reshape(step, {1, batch_, states_}), {t, zero, zero});
  }

  // The logarithms of the probabilities of being in each state at each time after what was observed: [time, batch, states], and those at the end of each
  // example.
  absl::StatusOr<std::vector<XlaOp>> Forward(XlaOp observed, XlaOp skips, XlaOp lengths) const {
    xla::XlaBuilder* builder = observed.builder();
    const std::vector<int64_t> dims = {batch_, states_};
    const XlaOp never = xla::Broadcast(Never(builder), dims), state = IndexAlong(builder, xla::S32, dims, 1);
    // Before the first step, in a state from which the first blank and the first label are reached.
    const XlaOp start = xla::Select(xla::Eq(state, xla::ZerosLike(state)), xla::ZerosLike(never), never);
    const auto step = [&](XlaOp t, absl::Span<const XlaOp> v, xla::XlaBuilder* inner) -> absl::StatusOr<std::vector<XlaOp>> {
      const XlaOp now = v[1], none = Never(inner), skipped = xla::Select(v[3], Shifted(now, 2, none), xla::Broadcast(none, dims));
      const XlaOp next = LogOfSum({now, Shifted(now, 1, none), skipped}) + StepOf(v[2], t);
      const XlaOp goes_on = Spread(xla::Lt(t + xla::ZerosLike(v[4]), v[4]), dims, {0});
      const XlaOp kept = xla::Select(goes_on, next, now);
      return std::vector<XlaOp>{WithStep(v[0], t, kept), kept, v[2], v[3], v[4]};
    };
    return xla::ForEachIndex(time_, xla::S32, step, {xla::ZerosLike(observed), start, observed, skips, lengths}, "ctc_forward", builder);
  }

  // Those of what is observed later, from each state at each time.
  absl::StatusOr<XlaOp> Backward(XlaOp observed, XlaOp skips, XlaOp is_end, XlaOp lengths) const {
    xla::XlaBuilder* builder = observed.builder();
    const std::vector<int64_t> dims = {batch_, states_};
    const XlaOp never = xla::Broadcast(Never(builder), dims), end = xla::Select(is_end, xla::ZerosLike(never), never);
    const auto step = [&](XlaOp from_end, absl::Span<const XlaOp> v, xla::XlaBuilder* inner) -> absl::StatusOr<std::vector<XlaOp>> {
      // v[1]: the values at the step after t, with that step's observation.
      const XlaOp t = Constant(from_end, static_cast<double>(time_ - 1)) - from_end, none = Never(inner);
      const XlaOp skipped = Shifted(xla::Select(v[3], v[1], xla::Broadcast(none, dims)), -2, none);
      const XlaOp before = LogOfSum({v[1], Shifted(v[1], -1, none), skipped});
      const XlaOp left = v[4] - t, one = Spread(xla::Eq(left, Constant(left, 1) + xla::ZerosLike(left)), dims, {0});
      const XlaOp is_over = Spread(xla::Le(left, xla::ZerosLike(left)), dims, {0});
      const XlaOp now = xla::Select(is_over, xla::Broadcast(none, dims), xla::Select(one, v[5], before));
      return std::vector<XlaOp>{WithStep(v[0], t, now), now + StepOf(v[2], t), v[2], v[3], v[4], v[5]};
    };
    TF_ASSIGN_OR_RETURN(const std::vector<XlaOp> values,
                        xla::ForEachIndex(time_, xla::S32, step, {xla::ZerosLike(observed), never, observed, skips, lengths, end}, "ctc_backward", builder));
    return values[0];
  }

  // From [time, batch, states] the sums of each class's states, [time, batch, classes].
  XlaOp OfClasses(XlaOp values, XlaOp classes) const {
    const XlaOp example = IndexAlong(values.builder(), xla::S32, {batch_, states_}, 0),
                rows = example * Constant(example, static_cast<double>(classes_)) + classes;
    const XlaOp sums = SumIntoRows(xla::Transpose(values, {1, 2, 0}), rows, batch_ * classes_);
    return xla::Transpose(xla::Reshape(sums, {batch_, classes_, time_}), {2, 0, 1});
  }

  int64_t time_, batch_, classes_, states_;
};

}  // namespace

absl::StatusOr<CtcLoss> BuildCtcLoss(XlaOp logits, XlaOp labels, XlaOp label_lengths, XlaOp lengths) {
  return Lattice(logits, labels).Build(logits, labels, label_lengths, lengths);
}

}  // namespace tfvk::plugin
