#include "plugin/rnn_cell.h"

#include <vector>

#include "plugin/rnn_steps.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {

using xla::Logistic;
using xla::Tanh;
using xla::XlaOp;

namespace {

XlaOp One(XlaOp like) { return xla::ScalarLike(like, 1); }
XlaOp LogisticSlope(XlaOp y) { return y * (One(y) - y); }
XlaOp TanhSlope(XlaOp y) { return One(y) - y * y; }

enum LstmGate { kInput, kForget, kCandidate, kOutput };
enum GruGate { kReset, kUpdate, kNew };

}  // namespace

RnnCell::RnnCell(RnnMode mode, int64_t units) : mode_(mode), units_(units), places_(RnnGatePlaces(mode)) {}

XlaOp RnnCell::Gate(XlaOp gates, int which) const { return GateOf(gates, places_[which], units_); }

XlaOp RnnCell::Joined(std::initializer_list<XlaOp> gates) const {
  std::vector<XlaOp> ordered(gates.size());
  for (size_t i = 0; i < gates.size(); ++i) ordered[places_[i]] = gates.begin()[i];
  return xla::ConcatInDim(ordered[0].builder(), ordered, 1);
}

RnnState RnnCell::Forward(XlaOp gates, XlaOp input, const RnnState& before) const {
  switch (mode_) {
    case RnnMode::kRelu:
      return {xla::Max(gates, xla::ZerosLike(gates)), {}};
    case RnnMode::kTanh:
      return {Tanh(gates), {}};
    case RnnMode::kLstm: {
      const XlaOp kept = Logistic(Gate(gates, kForget)) * before.c;
      const XlaOp c = kept + Logistic(Gate(gates, kInput)) * Tanh(Gate(gates, kCandidate));
      return {Logistic(Gate(gates, kOutput)) * Tanh(c), c};
    }
    case RnnMode::kGru: {
      const XlaOp reset = Logistic(Gate(input, kReset) + Gate(gates, kReset));
      const XlaOp update = Logistic(Gate(input, kUpdate) + Gate(gates, kUpdate));
      const XlaOp fresh = Tanh(Gate(input, kNew) + reset * Gate(gates, kNew));
      return {(One(update) - update) * fresh + update * before.h, {}};
    }
  }
  return before;
}

RnnCell::Gradient RnnCell::Backward(XlaOp gates, XlaOp input, const RnnState& before, const RnnState& after_gradient) const {
  const XlaOp dh = after_gradient.h;
  switch (mode_) {
    case RnnMode::kRelu: {
      const XlaOp slope = xla::Select(xla::Gt(gates, xla::ZerosLike(gates)), dh, xla::ZerosLike(dh));
      return {slope, slope, {}};
    }
    case RnnMode::kTanh: {
      const XlaOp slope = dh * TanhSlope(Tanh(gates));
      return {slope, slope, {}};
    }
    case RnnMode::kLstm: {
      const XlaOp i = Logistic(Gate(gates, kInput)), f = Logistic(Gate(gates, kForget)), o = Logistic(Gate(gates, kOutput));
      const XlaOp g = Tanh(Gate(gates, kCandidate)), squashed = Tanh(f * before.c + i * g);
      const XlaOp dc = after_gradient.c + dh * o * TanhSlope(squashed);
      const XlaOp d_gates = Joined({dc * g * LogisticSlope(i), dc * before.c * LogisticSlope(f), dc * i * TanhSlope(g), dh * squashed * LogisticSlope(o)});
      return {d_gates, d_gates, {{}, dc * f}};
    }
    case RnnMode::kGru: {
      const XlaOp recurrent_new = Gate(gates, kNew);
      const XlaOp reset = Logistic(Gate(input, kReset) + Gate(gates, kReset));
      const XlaOp update = Logistic(Gate(input, kUpdate) + Gate(gates, kUpdate));
      const XlaOp fresh = Tanh(Gate(input, kNew) + reset * recurrent_new);
      const XlaOp d_new = dh * (One(update) - update) * TanhSlope(fresh);
      const XlaOp d_reset = d_new * recurrent_new * LogisticSlope(reset), d_update = dh * (before.h - fresh) * LogisticSlope(update);
      return {Joined({d_reset, d_update, d_new}), Joined({d_reset, d_update, d_new * reset}), {dh * update, {}}};
    }
  }
  return {};
}

}  // namespace tfvk::plugin
