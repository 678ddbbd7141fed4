#include "plugin/sparse_rules.h"

#include "xla/hlo/builder/lib/constants.h"
#include "xla/hlo/builder/lib/math.h"

namespace tfvk::plugin {
namespace {

using xla::Abs;
using xla::Max;
using xla::Pow;
using xla::Rsqrt;
using xla::ScalarLike;
using xla::Select;
using xla::Sign;
using xla::Sqrt;
using xla::Square;
using xla::XlaOp;

using Values = std::vector<XlaOp>;
using Options = SparseRuleOptions;

XlaOp OneMinus(XlaOp x) { return ScalarLike(x, 1) - x; }

Values Adadelta(const Values& in, const Options&) {
  const XlaOp rate = in[3], rho = in[4], epsilon = in[5], gradient = in[6];
  const XlaOp accumulated = in[1] * rho + Square(gradient) * OneMinus(rho);
  const XlaOp step = Sqrt(in[2] + epsilon) * Rsqrt(accumulated + epsilon) * gradient;
  return {in[0] - step * rate, accumulated, in[2] * rho + Square(step) * OneMinus(rho)};
}

Values Adagrad(const Values& in, const Options& options) {
  const XlaOp rate = in[2], gradient = in[3], accumulated = options.update_slots ? in[1] + Square(gradient) : in[1];
  return {in[0] - rate * gradient * Rsqrt(accumulated), accumulated};
}

Values AdagradV2(const Values& in, const Options& options) {
  const XlaOp rate = in[2], epsilon = in[3], gradient = in[4], accumulated = options.update_slots ? in[1] + Square(gradient) : in[1];
  return {in[0] - rate * gradient / (Sqrt(accumulated) + epsilon), accumulated};
}

// Minimises gradient * x + l1 |x| + l2/2 x^2: the soft threshold, for l1 > 0.
XlaOp SoftThreshold(XlaOp x, XlaOp l1, XlaOp threshold) {
  const XlaOp zero = xla::ZerosLike(x);
  return Select(xla::Gt(l1, zero), Sign(x) * Max(Abs(x) - threshold, zero), x);
}

// Duchi, Hazan and Singer, "Adaptive Subgradient Methods" (2011): dual averaging.
Values AdagradDa(const Values& in, const Options&) {
  const XlaOp rate = in[4], l1 = in[5], l2 = in[6], step = in[7];
  const XlaOp gradients = in[1] + in[3], squares = in[2] + Square(in[3]);
  const XlaOp direction = SoftThreshold(gradients, l1, l1 * step);
  return {-rate * direction / (l2 * step * rate + Sqrt(squares)), gradients, squares};
}

Values ProximalAdagrad(const Values& in, const Options&) {
  const XlaOp rate = in[2], l1 = in[3], l2 = in[4], gradient = in[5];
  const XlaOp accumulated = in[1] + Square(gradient), step = rate * Rsqrt(accumulated);
  return {SoftThreshold(in[0] - gradient * step, l1, step * l1) / (ScalarLike(l2, 1) + l2 * step), accumulated};
}

Values ProximalGradientDescent(const Values& in, const Options&) {
  const XlaOp rate = in[1], l1 = in[2], l2 = in[3], gradient = in[4];
  return {SoftThreshold(in[0] - gradient * rate, l1, rate * l1) / (ScalarLike(l2, 1) + l2 * rate)};
}

// McMahan et al., "Ad Click Prediction: a View from the Trenches" (2013).
Values FollowTheLeader(const Values& in, const Options& options, XlaOp shrunk_gradient, XlaOp power) {
  const XlaOp variable = in[0], accumulator = in[1], gradient = in[3], rate = in[4], l1 = in[5], l2 = in[6];
  const bool scaled = options.multiply_linear_by_lr;  // `linear` is kept times the learning rate
  const XlaOp accumulated = accumulator + Square(gradient);
  const XlaOp root = Pow(accumulated, -power), growth = (root - Pow(accumulator, -power)) * variable;
  const XlaOp linear = in[2] + (scaled ? shrunk_gradient * rate - growth : shrunk_gradient - growth / rate);
  const XlaOp bound = scaled ? l1 * rate : l1, two = ScalarLike(l2, 2);
  const XlaOp divisor = scaled ? root + two * l2 * rate : root / rate + two * l2;
  return {(xla::Clamp(-bound, linear, bound) - linear) / divisor, accumulated, linear};
}

Values Ftrl(const Values& in, const Options& options) { return FollowTheLeader(in, options, in[3], in[7]); }

Values FtrlV2(const Values& in, const Options& options) { return FollowTheLeader(in, options, in[3] + ScalarLike(in[3], 2) * in[7] * in[0], in[8]); }

Values Momentum(const Values& in, const Options& options) {
  const XlaOp variable = in[0], rate = in[2], gradient = in[3], momentum = in[4];
  const XlaOp accumulated = in[1] * momentum + gradient;
  const XlaOp step = options.use_nesterov ? gradient * rate + accumulated * momentum * rate : accumulated * rate;
  return {variable - step, accumulated};
}

Values KerasMomentum(const Values& in, const Options& options) {
  const XlaOp rate = in[2], gradient = in[3], momentum = in[4];
  const XlaOp accumulated = in[1] * momentum - gradient * rate;
  return {in[0] + (options.use_nesterov ? accumulated * momentum - gradient * rate : accumulated), accumulated};
}

Values RmsProp(const Values& in, const Options&) {
  const XlaOp rate = in[3], rho = in[4], momentum = in[5], epsilon = in[6], gradient = in[7];
  const XlaOp squares = in[1] * rho + Square(gradient) * OneMinus(rho);
  const XlaOp step = in[2] * momentum + Rsqrt(squares + epsilon) * rate * gradient;
  return {in[0] - step, squares, step};
}

Values CenteredRmsProp(const Values& in, const Options&) {
  const XlaOp rate = in[4], rho = in[5], momentum = in[6], epsilon = in[7], gradient = in[8];
  const XlaOp mean = in[1] * rho + gradient * OneMinus(rho), squares = in[2] * rho + Square(gradient) * OneMinus(rho);
  const XlaOp step = in[3] * momentum + Rsqrt(squares + epsilon - Square(mean)) * rate * gradient;
  return {in[0] - step, mean, squares, step};
}

}  // namespace

const std::vector<SparseRuleRow>& SparseRules() {
  static const auto* const rows = new std::vector<SparseRuleRow>{
      {"ResourceSparseApplyAdadelta", Adadelta, true},
      {"ResourceSparseApplyAdagrad", Adagrad, true},
      {"ResourceSparseApplyAdagradDA", AdagradDa, false},
      {"ResourceSparseApplyAdagradV2", AdagradV2, true},
      {"ResourceSparseApplyCenteredRMSProp", CenteredRmsProp, true},
      {"ResourceSparseApplyFtrl", Ftrl, false},
      {"ResourceSparseApplyFtrlV2", FtrlV2, false},
      {"ResourceSparseApplyKerasMomentum", KerasMomentum, true},
      {"ResourceSparseApplyMomentum", Momentum, true},
      {"ResourceSparseApplyProximalAdagrad", ProximalAdagrad, false},
      {"ResourceSparseApplyProximalGradientDescent", ProximalGradientDescent, false},
      {"ResourceSparseApplyRMSProp", RmsProp, true},
  };
  return *rows;
}

}  // namespace tfvk::plugin
