// Updates of variables as hot ops: assign_add, assign_sub and the optimizers of TensorFlow 1 and 2. One launch, in place where nobody else holds the
// variable's memory.
#include "ir/expression.h"
#include "plugin/element_types.h"
#include "plugin/hot_ops.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_def.pb.h"

namespace tfvk::plugin {
namespace {

using absl::InvalidArgumentError;
using absl::StrCat;
using ir::Abs;
using ir::Expression;
using ir::Rsqrt;
using ir::Sqrt;
using ir::Square;
using tensorflow::Tensor;

// From all inputs, of one shape, to the variables' new values in order.
using Update = std::vector<Expression> (*)(const std::vector<Expression>& in, bool nesterov);
struct OptimizerRow {
  const char* op;
  Update update;
};

std::vector<Expression> GradientDescent(const std::vector<Expression>& in, bool) { return {in[0] - in[1] * in[2]}; }

std::vector<Expression> Momentum(const std::vector<Expression>& in, bool nesterov) {
  const Expression &variable = in[0], &rate = in[2], &gradient = in[3], &momentum = in[4];
  const Expression accumulated = in[1] * momentum + gradient;
  return {nesterov ? variable - (gradient * rate + accumulated * momentum * rate) : variable - accumulated * rate, accumulated};
}

std::vector<Expression> KerasMomentum(const std::vector<Expression>& in, bool nesterov) {
  const Expression &variable = in[0], &rate = in[2], &gradient = in[3], &momentum = in[4];
  const Expression accumulated = in[1] * momentum - gradient * rate;
  return {nesterov ? variable + (accumulated * momentum - gradient * rate) : variable + accumulated, accumulated};
}

std::vector<Expression> Adagrad(const std::vector<Expression>& in, bool) {
  const Expression &rate = in[2], &gradient = in[3], accumulated = in[1] + Square(gradient);
  return {in[0] - gradient * rate * Rsqrt(accumulated), accumulated};
}

std::vector<Expression> AdagradV2(const std::vector<Expression>& in, bool) {
  const Expression &rate = in[2], &epsilon = in[3], &gradient = in[4], accumulated = in[1] + Square(gradient);
  return {in[0] - gradient * rate / (Sqrt(accumulated) + epsilon), accumulated};
}

std::vector<Expression> Adadelta(const std::vector<Expression>& in, bool) {
  const Expression &rate = in[3], &rho = in[4], &epsilon = in[5], &gradient = in[6];
  const Expression accumulated = in[1] * rho + Square(gradient) * (1.0 - rho);
  const Expression step = Sqrt(in[2] + epsilon) * Rsqrt(accumulated + epsilon) * gradient;
  return {in[0] - step * rate, accumulated, in[2] * rho + Square(step) * (1.0 - rho)};
}

// Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015), with the bias corrections in the step's size.
std::vector<Expression> Adam(const std::vector<Expression>& in, bool nesterov) {
  const Expression &power1 = in[3], &power2 = in[4], &rate = in[5], &beta1 = in[6], &beta2 = in[7], &epsilon = in[8], &gradient = in[9];
  const Expression step = rate * Sqrt(1.0 - power2) / (1.0 - power1);
  const Expression m = in[1] + (gradient - in[1]) * (1.0 - beta1), v = in[2] + (Square(gradient) - in[2]) * (1.0 - beta2);
  const Expression direction = nesterov ? m * beta1 + gradient * (1.0 - beta1) : m;
  return {in[0] - direction * step / (Sqrt(v) + epsilon), m, v};
}

// Reddi, Kale and Kumar, "On the Convergence of Adam and Beyond" (2018): the step never grows.
std::vector<Expression> AdamWithAmsgrad(const std::vector<Expression>& in, bool) {
  const Expression &power1 = in[4], &power2 = in[5], &rate = in[6], &beta1 = in[7], &beta2 = in[8], &epsilon = in[9], &gradient = in[10];
  const Expression step = rate * Sqrt(1.0 - power2) / (1.0 - power1);
  const Expression m = in[1] + (gradient - in[1]) * (1.0 - beta1), v = in[2] + (Square(gradient) - in[2]) * (1.0 - beta2), most = Max(in[3], v);
  return {in[0] - m * step / (Sqrt(most) + epsilon), m, v, most};
}

std::vector<Expression> AdaMax(const std::vector<Expression>& in, bool) {
  const Expression &power1 = in[3], &rate = in[4], &beta1 = in[5], &beta2 = in[6], &epsilon = in[7], &gradient = in[8];
  const Expression m = in[1] + (gradient - in[1]) * (1.0 - beta1), v = Max(beta2 * in[2], Abs(gradient));
  return {in[0] - rate / (1.0 - power1) * (m / (v + epsilon)), m, v};
}

std::vector<Expression> RmsProp(const std::vector<Expression>& in, bool) {
  const Expression &rate = in[3], &rho = in[4], &momentum = in[5], &epsilon = in[6], &gradient = in[7];
  const Expression squares = in[1] + (Square(gradient) - in[1]) * (1.0 - rho);
  const Expression step = in[2] * momentum + gradient * rate * Rsqrt(squares + epsilon);
  return {in[0] - step, squares, step};
}

std::vector<Expression> CenteredRmsProp(const std::vector<Expression>& in, bool) {
  const Expression &rate = in[4], &rho = in[5], &momentum = in[6], &epsilon = in[7], &gradient = in[8];
  const Expression mean = in[1] + (gradient - in[1]) * (1.0 - rho), squares = in[2] + (Square(gradient) - in[2]) * (1.0 - rho);
  const Expression step = in[3] * momentum + gradient * rate * Rsqrt(squares - Square(mean) + epsilon);
  return {in[0] - step, mean, squares, step};
}

const OptimizerRow kOptimizers[] = {
    {"AssignAddVariableOp", [](const std::vector<Expression>& in, bool) { return std::vector<Expression>{in[0] + in[1]}; }},
    {"AssignSubVariableOp", [](const std::vector<Expression>& in, bool) { return std::vector<Expression>{in[0] - in[1]}; }},
    {"ResourceApplyAdaMax", AdaMax},
    {"ResourceApplyAdadelta", Adadelta},
    {"ResourceApplyAdagrad", Adagrad},
    {"ResourceApplyAdagradV2", AdagradV2},
    {"ResourceApplyAdam", Adam},
    {"ResourceApplyAdamWithAmsgrad", AdamWithAmsgrad},
    {"ResourceApplyCenteredRMSProp", CenteredRmsProp},
    {"ResourceApplyGradientDescent", GradientDescent},
    {"ResourceApplyKerasMomentum", KerasMomentum},
    {"ResourceApplyMomentum", Momentum},
    {"ResourceApplyRMSProp", RmsProp},
};

// How an input stands to the first variable.
enum class Role : uint8_t { kVariable, kGradient, kScalar };

class HotUpdate : public HotOp {
 public:
  HotUpdate(const OptimizerRow& row, const tensorflow::OpDef& op, DType dtype, bool nesterov) : row_(row), dtype_(dtype), nesterov_(nesterov) {
    for (const auto& argument : op.input_arg()) {
      const std::string& name = argument.name();
      names_.push_back(name);
      const bool gradient = name == "grad" || name == "delta" || name == "value";
      roles_.push_back(argument.type() == tensorflow::DT_RESOURCE ? Role::kVariable : gradient ? Role::kGradient : Role::kScalar);
    }
  }

  std::vector<int> updated() const override {
    std::vector<int> inputs;
    for (size_t i = 0; i < roles_.size(); ++i) {
      if (roles_[i] == Role::kVariable) inputs.push_back(static_cast<int>(i));
    }
    return inputs;
  }

  absl::Status Describe(HotInputs inputs, HotCall& call) const override {
    const Tensor& variable = *inputs[0];
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (DTypeOf(inputs[i]->dtype()) != dtype_) {
        return InvalidArgumentError(StrCat(names_[i], " has type ", tensorflow::DataTypeString(inputs[i]->dtype()), ", which is not the op's"));
      }
      if (roles_[i] == Role::kScalar && inputs[i]->dims() != 0) {
        return InvalidArgumentError(StrCat(names_[i], " is not a scalar: ", inputs[i]->shape().DebugString()));
      }
      if (roles_[i] != Role::kScalar && inputs[i]->shape() != variable.shape()) return ShapesDiffer(variable, *inputs[i], names_[i]);
    }
    if (variable.NumElements() == 0) call.route = HotCall::Route::kNothing;
    if (variable.NumElements() > kMostHotElements) call.route = HotCall::Route::kGenericDoor;
    call.sizes.push_back(variable.NumElements());
    return absl::OkStatus();
  }

  void Build(uint64_t, ir::Graph& graph) const override {
    graph.symbol_count = 1;
    const Shape shape = {Size::Symbol(0)};
    std::vector<Expression> inputs;
    for (const Role role : roles_) {
      const bool scalar = role == Role::kScalar;
      inputs.push_back(scalar ? Expression::Parameter(graph, dtype_, {}).BroadcastTo(shape, {}) : Expression::Parameter(graph, dtype_, shape));
    }
    const std::vector<Expression> values = row_.update(inputs, nesterov_);
    for (size_t i = 0; i < values.size(); ++i) {
      graph.outputs.push_back(values[i].value());
      graph.aliases.push_back(static_cast<int>(i));  // the variables come first
    }
  }

 private:
  static absl::Status ShapesDiffer(const Tensor& variable, const Tensor& other, const std::string& name) {
    if (name == "value") {
      return InvalidArgumentError(StrCat("Cannot update variable with shape ", variable.shape().DebugString(), " using a Tensor with shape ",
                                         other.shape().DebugString(), ", shapes must be equal."));
    }
    return InvalidArgumentError(StrCat("var and ", name, " do not have the same shape", variable.shape().DebugString(), " ", other.shape().DebugString()));
  }

  const OptimizerRow& row_;
  const DType dtype_;
  const bool nesterov_;
  std::vector<std::string> names_;
  std::vector<Role> roles_;
};

std::unique_ptr<HotOp> Make(tensorflow::OpKernelConstruction* construction) {
  const std::string& name = construction->def().op();
  const tensorflow::OpDef* op = nullptr;
  if (!tensorflow::OpRegistry::Global()->LookUpOpDef(name, &op).ok()) return nullptr;
  bool update_slots = true, nesterov = false;
  if (construction->HasAttr("update_slots") && (!construction->GetAttr("update_slots", &update_slots).ok() || !update_slots)) return nullptr;
  if (construction->HasAttr("use_nesterov") && !construction->GetAttr("use_nesterov", &nesterov).ok()) return nullptr;
  const DType dtype = DTypeOf(construction->input_type(construction->num_inputs() - 1)).value();
  for (const OptimizerRow& row : kOptimizers) {
    if (name == row.op) return std::make_unique<HotUpdate>(row, *op, dtype, nesterov);
  }
  return nullptr;
}

}  // namespace

const std::vector<HotOpRow>& HotOptimizerOps() {
  static const auto* const rows = [] {
    auto* made = new std::vector<HotOpRow>;
    for (const OptimizerRow& row : kOptimizers) made->push_back({row.op, Make});
    return made;
  }();
  return *rows;
}

}  // namespace tfvk::plugin
