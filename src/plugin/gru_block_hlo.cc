// GRUBlockCell and its gradient: one step of a GRU that applies the reset gate before the matrix of the candidate.
#include <utility>

#include "plugin/block_shapes.h"
#include "plugin/recurrent_ops.h"
#include "plugin/rnn_steps.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::XlaOpKernelContext;
using xla::XlaOp;

XlaOp One(XlaOp like) { return xla::ScalarLike(like, 1); }
XlaOp LogisticSlope(XlaOp y) { return y * (One(y) - y); }

class GruBlockCellKernel : public tensorflow::XlaOpKernel {
 public:
  using XlaOpKernel::XlaOpKernel;

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 protected:
  struct Call {
    int64_t batch, inputs, units;
    xla::PrimitiveType type;
    XlaOp x, h_before;
  };

  static absl::StatusOr<Call> Read(XlaOpKernelContext* context) {
    TF_ASSIGN_OR_RETURN(const xla::Shape x, context->InputXlaShape("x"));
    TF_ASSIGN_OR_RETURN(const xla::Shape h, context->InputXlaShape("h_prev"));
    for (const auto& [name, shape] : {std::pair("x", x), std::pair("h_prev", h)}) {
      if (shape.dimensions().size() != 2) return absl::InvalidArgumentError(absl::StrCat(name, " must be rank 2 but is rank ", shape.dimensions().size()));
    }
    const Call call = {x.dimensions(0), x.dimensions(1), h.dimensions(1), context->InputXlaType("x"), context->Input("x"), context->Input("h_prev")};
    const BlockDimension rows = {call.inputs + call.units, "input_size + cell_size"}, units = {call.units, "cell_size"};
    const BlockDimension two = {2 * call.units, "cell_size * 2"};
    TF_RETURN_IF_ERROR(ExpectBlockShape(context, "h_prev", {{call.batch, "batch_size"}, units}));
    TF_RETURN_IF_ERROR(ExpectBlockShape(context, "w_ru", {rows, two}));
    TF_RETURN_IF_ERROR(ExpectBlockShape(context, "w_c", {rows, units}));
    TF_RETURN_IF_ERROR(ExpectBlockShape(context, "b_ru", {two}));
    TF_RETURN_IF_ERROR(ExpectBlockShape(context, "b_c", {units}));
    return call;
  }

  virtual absl::Status Build(XlaOpKernelContext* context) {
    TF_ASSIGN_OR_RETURN(const Call call, Read(context));
    const auto product = [&](XlaOp state, const char* weights, const char* bias) {
      const XlaOp both = xla::ConcatInDim(context->builder(), {call.x, state}, 1);
      return xla::Add(MatrixProduct(both, 1, context->Input(weights), 0, call.type), context->Input(bias), {1});
    };
    const XlaOp gates = xla::Logistic(product(call.h_before, "w_ru", "b_ru"));
    const XlaOp r = GateOf(gates, 0, call.units), u = GateOf(gates, 1, call.units);
    const XlaOp c = xla::Tanh(product(call.h_before * r, "w_c", "b_c"));
    context->SetOutput(0, r);
    context->SetOutput(1, u);
    context->SetOutput(2, c);
    context->SetOutput(3, u * call.h_before + (One(u) - u) * c);
    return absl::OkStatus();
  }
};

class GruBlockCellGradientKernel : public GruBlockCellKernel {
 public:
  using GruBlockCellKernel::GruBlockCellKernel;

 protected:
  absl::Status Build(XlaOpKernelContext* context) override {
    TF_ASSIGN_OR_RETURN(const Call call, Read(context));
    for (const char* input : {"r", "u", "c", "d_h"}) {
      TF_RETURN_IF_ERROR(ExpectBlockShape(context, input, {{call.batch, "batch_size"}, {call.units, "cell_size"}}));
    }
    const XlaOp r = context->Input("r"), u = context->Input("u"), c = context->Input("c"), d_h = context->Input("d_h");
    const XlaOp d_c = d_h * (One(u) - u) * (One(c) - c * c), d_u = d_h * (call.h_before - c) * LogisticSlope(u);
    // Of input and state, side by side.
    const XlaOp by_candidate = MatrixProduct(d_c, 1, context->Input("w_c"), 1, call.type);
    const XlaOp d_reset_state = xla::SliceInDim(by_candidate, call.inputs, call.inputs + call.units, 1, 1);
    const XlaOp d_r = d_reset_state * call.h_before * LogisticSlope(r);
    const XlaOp d_gates = xla::ConcatInDim(context->builder(), {d_r, d_u}, 1);
    const XlaOp by_gates = MatrixProduct(d_gates, 1, context->Input("w_ru"), 1, call.type);
    context->SetOutput(0, xla::SliceInDim(by_candidate, 0, call.inputs, 1, 1) + xla::SliceInDim(by_gates, 0, call.inputs, 1, 1));
    context->SetOutput(1, xla::SliceInDim(by_gates, call.inputs, call.inputs + call.units, 1, 1) + d_reset_state * r + d_h * u);
    context->SetOutput(2, d_c);
    context->SetOutput(3, d_gates);
    return absl::OkStatus();
  }
};

}  // namespace

void RegisterGruBlockOps() {
  REGISTER_XLA_OP(Name("GRUBlockCell").Device("XLA_GPU_JIT"), GruBlockCellKernel);
  REGISTER_XLA_OP(Name("GRUBlockCellGrad").Device("XLA_GPU_JIT"), GruBlockCellGradientKernel);
}

}  // namespace tfvk::plugin
