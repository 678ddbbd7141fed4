// LSTMBlockCell, BlockLSTM, BlockLSTMV2 and their gradients: LSTMs whose gates share one matrix over input and state, with peepholes and a clipped cell.
#include <limits>
#include <string>
#include <vector>

#include "plugin/block_shapes.h"
#include "plugin/recurrent_ops.h"
#include "plugin/rnn_steps.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::XlaOpKernelContext;
using xla::XlaOp;

// Where each gate is in the matrix: i, ci, f, o, or i, f, ci, o in BlockLSTMV2.
struct GatePlaces {
  int i = 0, candidate = 1, f = 2, o = 3;
};

// What the ops give of every step, in their order; [batch, cell] of the type that is computed in.
struct StepValues {
  XlaOp i, cs, f, o, candidate, co, h;
  std::vector<XlaOp> all() const { return {i, cs, f, o, candidate, co, h}; }
};

struct Peepholes {
  XlaOp i, f, o;  // [cell]; unset without
};

struct StepGradients {
  XlaOp gates, cs_before;
};

XlaOp One(XlaOp like) { return xla::ScalarLike(like, 1); }
XlaOp LogisticSlope(XlaOp y) { return y * (One(y) - y); }
XlaOp TanhSlope(XlaOp y) { return One(y) - y * y; }
XlaOp Scaled(XlaOp step, XlaOp by_column) { return xla::Mul(step, by_column, {1}); }

XlaOp SumOfRows(XlaOp rows, xla::PrimitiveType type) {
  return xla::Reduce(rows, xla::Zero(rows.builder(), type), xla::CreateScalarAddComputation(type, rows.builder()), {0});
}

// ---- The cell ----

class LstmBlockCell {
 public:
  static absl::StatusOr<LstmBlockCell> Read(tensorflow::OpKernelConstruction* construction) {
    LstmBlockCell cell;
    TF_RETURN_IF_ERROR(construction->GetAttr("use_peephole", &cell.has_peepholes_));
    if (construction->HasAttr("forget_bias")) TF_RETURN_IF_ERROR(construction->GetAttr("forget_bias", &cell.forget_bias_));
    if (construction->HasAttr("cell_clip")) TF_RETURN_IF_ERROR(construction->GetAttr("cell_clip", &cell.clip_));
    const std::string& op = construction->def().op();
    if (op == "BlockLSTMV2" || op == "BlockLSTMGradV2") cell.places_ = {0, 2, 1, 3};
    return cell;
  }

  bool has_peepholes() const { return has_peepholes_; }
  const GatePlaces& places() const { return places_; }
  void set_units(int64_t units) { units_ = units; }

  StepValues Forward(XlaOp gates, XlaOp cs_before, const Peepholes& peepholes) const {
    XlaOp to_i = GateOf(gates, places_.i, units_), to_f = GateOf(gates, places_.f, units_), to_o = GateOf(gates, places_.o, units_);
    if (has_peepholes_) {
      to_i = to_i + Scaled(cs_before, peepholes.i);
      to_f = to_f + Scaled(cs_before, peepholes.f);
    }
    StepValues v;
    v.i = xla::Logistic(to_i);
    v.f = xla::Logistic(to_f + xla::ScalarLike(to_f, forget_bias_));
    v.candidate = xla::Tanh(GateOf(gates, places_.candidate, units_));
    v.cs = v.candidate * v.i + cs_before * v.f;
    if (clip_ > 0) v.cs = xla::Clamp(xla::ScalarLike(v.cs, -clip_), v.cs, xla::ScalarLike(v.cs, clip_));
    v.o = xla::Logistic(has_peepholes_ ? to_o + Scaled(v.cs, peepholes.o) : to_o);
    v.co = xla::Tanh(v.cs);
    v.h = v.o * v.co;
    return v;
  }

  // As in TensorFlow's kernels, clipping does not stop a gradient.
  StepGradients Backward(const StepValues& v, XlaOp cs_before, XlaOp cs_gradient, XlaOp h_gradient, const Peepholes& peepholes) const {
    const XlaOp d_o = LogisticSlope(v.o) * h_gradient * v.co;
    XlaOp d_cs = TanhSlope(v.co) * h_gradient * v.o + cs_gradient;
    if (has_peepholes_) d_cs = d_cs + Scaled(d_o, peepholes.o);
    const XlaOp d_candidate = TanhSlope(v.candidate) * d_cs * v.i, d_f = LogisticSlope(v.f) * d_cs * cs_before;
    const XlaOp d_i = LogisticSlope(v.i) * d_cs * v.candidate;
    std::vector<XlaOp> gates(4);
    gates[places_.i] = d_i;
    gates[places_.candidate] = d_candidate;
    gates[places_.f] = d_f;
    gates[places_.o] = d_o;
    StepGradients gradients = {xla::ConcatInDim(d_i.builder(), gates, 1), d_cs * v.f};
    if (has_peepholes_) gradients.cs_before = gradients.cs_before + Scaled(d_i, peepholes.i) + Scaled(d_f, peepholes.f);
    return gradients;
  }

  // The gradients of the peepholes from rows [n, ...] of steps: for i, f and o. Zeros without peepholes.
  std::vector<XlaOp> PeepholeGradients(XlaOp gates, XlaOp cs_before, XlaOp cs, xla::PrimitiveType type) const {
    if (!has_peepholes_) return std::vector<XlaOp>(3, xla::Broadcast(xla::Zero(gates.builder(), type), {units_}));
    return {SumOfRows(GateOf(gates, places_.i, units_) * cs_before, type), SumOfRows(GateOf(gates, places_.f, units_) * cs_before, type),
            SumOfRows(GateOf(gates, places_.o, units_) * cs, type)};
  }

 private:
  GatePlaces places_;
  bool has_peepholes_ = false;
  float forget_bias_ = 0, clip_ = 0;
  int64_t units_ = 0;
};

// ---- What all of the ops read ----

class LstmBlockKernel : public tensorflow::XlaOpKernel {
 public:
  explicit LstmBlockKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    const absl::StatusOr<LstmBlockCell> cell = LstmBlockCell::Read(construction);
    OP_REQUIRES_OK(construction, cell.status());
    cell_ = *cell;
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 protected:
  struct Call {
    LstmBlockCell cell;
    RnnSequence sequence;  // one step for the cells
    int64_t inputs, units;
    xla::PrimitiveType type, computed;
    XlaOp x, cs_before, h_before, input_weights, state_weights, bias;  // weights of input and state: [.., 4 * units]
    Peepholes peepholes;
    XlaOp Computed(XlaOp value) const { return xla::ConvertElementType(value, computed); }
    XlaOp Stored(XlaOp value) const { return xla::ConvertElementType(value, type); }
  };

  virtual absl::Status Build(XlaOpKernelContext* context) = 0;

  absl::StatusOr<Call> Read(XlaOpKernelContext* context, bool is_sequence) const {
    Call call;
    TF_ASSIGN_OR_RETURN(const xla::Shape x, context->InputXlaShape("x"));
    TF_ASSIGN_OR_RETURN(const xla::Shape cs, context->InputXlaShape("cs_prev"));
    const size_t rank = is_sequence ? 3 : 2;
    if (x.dimensions().size() != rank) return absl::InvalidArgumentError(absl::StrCat("x must be rank ", rank, " but is rank ", x.dimensions().size()));
    if (cs.dimensions().size() != 2) return absl::InvalidArgumentError(absl::StrCat("cs_prev must be rank 2 but is rank ", cs.dimensions().size()));
    call.sequence = {is_sequence ? x.dimensions(0) : 1, x.dimensions(rank - 2)};
    call.inputs = x.dimensions(rank - 1);
    call.units = cs.dimensions(1);
    const BlockDimension batch = {call.sequence.batch, "batch_size"}, units = {call.units, "cell_size"};
    for (const char* state : {"cs_prev", "h_prev"}) TF_RETURN_IF_ERROR(ExpectBlockShape(context, state, {batch, units}));
    TF_RETURN_IF_ERROR(ExpectBlockShape(context, "w", {{call.inputs + call.units, "input_size + cell_size"}, {4 * call.units, "cell_size * 4"}}));
    TF_RETURN_IF_ERROR(ExpectBlockShape(context, "b", {{4 * call.units, "cell_size * 4"}}));
    if (cell_.has_peepholes()) {
      for (const char* weights : {"wci", "wcf", "wco"}) TF_RETURN_IF_ERROR(ExpectBlockShape(context, weights, {units}));
    }
    ReadValues(context, call);
    return call;
  }

  LstmBlockCell cell_;

 private:
  void ReadValues(XlaOpKernelContext* context, Call& call) const {
    call.cell = cell_;
    call.cell.set_units(call.units);
    call.type = context->InputXlaType("x");
    call.computed = AccumulatorOf(call.type);
    call.x = context->Input("x");
    call.cs_before = context->Input("cs_prev");
    call.h_before = context->Input("h_prev");
    call.input_weights = xla::SliceInDim(context->Input("w"), 0, call.inputs, 1, 0);
    call.state_weights = xla::SliceInDim(context->Input("w"), call.inputs, call.inputs + call.units, 1, 0);
    call.bias = call.Computed(context->Input("b"));
    if (cell_.has_peepholes())
      call.peepholes = {call.Computed(context->Input("wci")), call.Computed(context->Input("wcf")), call.Computed(context->Input("wco"))};
  }
};

// ---- One step ----

class LstmBlockCellKernel : public LstmBlockKernel {
 public:
  using LstmBlockKernel::LstmBlockKernel;

 protected:
  absl::Status Build(XlaOpKernelContext* context) override {
    TF_ASSIGN_OR_RETURN(const Call call, Read(context, /*is_sequence=*/false));
    const XlaOp products = MatrixProduct(call.x, 1, call.input_weights, 0, call.type) + MatrixProduct(call.h_before, 1, call.state_weights, 0, call.type);
    const StepValues values = call.cell.Forward(xla::Add(products, call.bias, {1}), call.Computed(call.cs_before), call.peepholes);
    int output = 0;
    for (const XlaOp value : values.all()) context->SetOutput(output++, call.Stored(value));
    return absl::OkStatus();
  }
};

class LstmBlockCellGradientKernel : public LstmBlockKernel {
 public:
  using LstmBlockKernel::LstmBlockKernel;

 protected:
  absl::Status Build(XlaOpKernelContext* context) override {
    TF_ASSIGN_OR_RETURN(const Call call, Read(context, /*is_sequence=*/false));
    for (const char* input : {"i", "cs", "f", "o", "ci", "co", "cs_grad", "h_grad"}) {
      TF_RETURN_IF_ERROR(ExpectBlockShape(context, input, {{call.sequence.batch, "batch_size"}, {call.units, "cell_size"}}));
    }
    const auto input = [&](const char* name) { return call.Computed(context->Input(name)); };
    const StepValues values = {input("i"), input("cs"), input("f"), input("o"), input("ci"), input("co"), {}};
    const XlaOp cs_before = call.Computed(call.cs_before);
    const StepGradients gradients = call.cell.Backward(values, cs_before, input("cs_grad"), input("h_grad"), call.peepholes);
    context->SetOutput(0, call.Stored(gradients.cs_before));
    context->SetOutput(1, call.Stored(gradients.gates));
    int output = 2;
    for (const XlaOp gradient : call.cell.PeepholeGradients(gradients.gates, cs_before, values.cs, call.computed)) {
      context->SetOutput(output++, call.Stored(gradient));
    }
    return absl::OkStatus();
  }
};

// ---- Sequences ----

// Steps from seq_len_max on are not computed: what they give is zero. Unset where that is known to be none.
absl::StatusOr<XlaOp> ReadLength(XlaOpKernelContext* context, int64_t steps) {
  TF_RETURN_IF_ERROR(ExpectBlockShape(context, "seq_len_max", {}));
  int64_t known = 0;
  if (context->ConstantInputAsIntScalar("seq_len_max", &known).ok() && known >= steps) return XlaOp();
  const XlaOp most = xla::ConstantR0<int64_t>(context->builder(), std::numeric_limits<int32_t>::max());
  return xla::ConvertElementType(xla::Min(context->Input("seq_len_max"), most), xla::S32);
}

XlaOp ZeroFrom(XlaOp length, XlaOp time, XlaOp step) {
  const XlaOp zeros = xla::ZerosLike(step);
  return xla::Select(xla::Lt(time, length), step, zeros);
}

class BlockLstmKernel : public LstmBlockKernel {
 public:
  using LstmBlockKernel::LstmBlockKernel;

 protected:
  absl::Status Build(XlaOpKernelContext* context) override {
    TF_ASSIGN_OR_RETURN(const Call call, Read(context, /*is_sequence=*/true));
    TF_ASSIGN_OR_RETURN(const XlaOp length, ReadLength(context, call.sequence.steps));
    const int64_t columns = 4 * call.units;
    const XlaOp products = call.sequence.Unflat(MatrixProduct(call.sequence.Flat(call.x, call.inputs), 1, call.input_weights, 0, call.type), columns);
    // cs, h and the results; what stays as it is.
    constexpr size_t kResults = 2, kGiven = kResults + 7;
    std::vector<XlaOp> state = {call.Computed(call.cs_before), call.Computed(call.h_before)};
    for (int i = 0; i < 7; ++i) state.push_back(call.sequence.Zeros(context->builder(), call.type, call.units));
    for (const XlaOp given : {xla::Add(products, call.bias, {2}), call.state_weights}) state.push_back(given);
    if (cell_.has_peepholes()) state.insert(state.end(), {call.peepholes.i, call.peepholes.f, call.peepholes.o});
    const size_t length_at = state.size();
    if (length.valid()) state.push_back(length);

    const auto step = [&](XlaOp time, absl::Span<const XlaOp> s) {
      const Peepholes peepholes = cell_.has_peepholes() ? Peepholes{s[kGiven + 2], s[kGiven + 3], s[kGiven + 4]} : Peepholes();
      const XlaOp gates = call.sequence.At(s[kGiven], time, columns) + MatrixProduct(s[1], 1, s[kGiven + 1], 0, call.type);
      const StepValues values = call.cell.Forward(gates, s[0], peepholes);
      std::vector<XlaOp> next = {values.cs, values.h};
      const std::vector<XlaOp> all = values.all();
      for (size_t i = 0; i < all.size(); ++i) {
        const XlaOp kept = call.Stored(length.valid() ? ZeroFrom(s[length_at], time, all[i]) : all[i]);
        next.push_back(call.sequence.With(s[kResults + i], time, kept, call.units));
      }
      return next;
    };
    TF_ASSIGN_OR_RETURN(const std::vector<XlaOp> end, ForEachStep(context->builder(), call.sequence.steps, /*backwards=*/false, state, step));
    for (int i = 0; i < 7; ++i) context->SetOutput(i, end[kResults + i]);
    return absl::OkStatus();
  }
};

class BlockLstmGradientKernel : public LstmBlockKernel {
 public:
  using LstmBlockKernel::LstmBlockKernel;

 protected:
  absl::Status Build(XlaOpKernelContext* context) override {
    TF_ASSIGN_OR_RETURN(const Call call, Read(context, /*is_sequence=*/true));
    const RnnSequence& sequence = call.sequence;
    for (const char* input : {"i", "cs", "f", "o", "ci", "co", "h", "cs_grad", "h_grad"}) {
      TF_RETURN_IF_ERROR(ExpectBlockShape(context, input, {{sequence.steps, "timelen"}, {sequence.batch, "batch_size"}, {call.units, "cell_size"}}));
    }
    const XlaOp cs_before = sequence.Previous(context->Input("cs"), call.cs_before, /*backwards=*/false, call.units);
    const XlaOp h_before = sequence.Previous(context->Input("h"), call.h_before, /*backwards=*/false, call.units);
    TF_ASSIGN_OR_RETURN(const std::vector<XlaOp> end, BackwardSteps(context, call, cs_before));

    const XlaOp rows = sequence.Flat(end[2], 4 * call.units);
    context->SetOutput(0, call.Stored(sequence.Unflat(MatrixProduct(rows, 1, call.input_weights, 1, call.type), call.inputs)));
    context->SetOutput(1, call.Stored(end[0]));
    context->SetOutput(2, call.Stored(end[1]));
    const XlaOp by_input = MatrixProduct(sequence.Flat(call.x, call.inputs), 0, rows, 0, call.type);
    const XlaOp by_state = MatrixProduct(sequence.Flat(h_before, call.units), 0, rows, 0, call.type);
    context->SetOutput(3, call.Stored(xla::ConcatInDim(context->builder(), {by_input, by_state}, 0)));
    int output = 4;
    for (const XlaOp gradient : call.cell.PeepholeGradients(call.Computed(rows), call.Computed(sequence.Flat(cs_before, call.units)),
                                                            call.Computed(sequence.Flat(context->Input("cs"), call.units)), call.computed)) {
      context->SetOutput(output++, call.Stored(gradient));
    }
    context->SetOutput(7, call.Stored(SumOfRows(call.Computed(rows), call.computed)));
    return absl::OkStatus();
  }

 private:
  // The gradients by the first cs and h, and those by the gates of all steps.
  absl::StatusOr<std::vector<XlaOp>> BackwardSteps(XlaOpKernelContext* context, const Call& call, XlaOp cs_before) const {
    TF_ASSIGN_OR_RETURN(const XlaOp length, ReadLength(context, call.sequence.steps));
    const XlaOp zeros = xla::Broadcast(xla::Zero(context->builder(), call.computed), {call.sequence.batch, call.units});
    constexpr size_t kGates = 2, kWeights = 3, kBefore = 4, kCsGradient = 5, kHGradient = 6, kValues = 7;
    std::vector<XlaOp> state = {zeros, zeros, call.sequence.Zeros(context->builder(), call.type, 4 * call.units), call.state_weights, cs_before};
    for (const char* input : {"cs_grad", "h_grad", "i", "cs", "f", "o", "ci", "co"}) state.push_back(context->Input(input));
    const size_t peepholes_at = state.size();
    if (cell_.has_peepholes()) state.insert(state.end(), {call.peepholes.i, call.peepholes.f, call.peepholes.o});
    const size_t length_at = state.size();
    if (length.valid()) state.push_back(length);

    const auto step = [&](XlaOp time, absl::Span<const XlaOp> s) {
      const auto at = [&](size_t i) { return call.Computed(call.sequence.At(s[i], time, call.units)); };
      const auto inside = [&](XlaOp value) { return length.valid() ? ZeroFrom(s[length_at], time, value) : value; };
      const StepValues values = {at(kValues), at(kValues + 1), at(kValues + 2), at(kValues + 3), at(kValues + 4), at(kValues + 5), {}};
      const Peepholes peepholes = cell_.has_peepholes() ? Peepholes{s[peepholes_at], s[peepholes_at + 1], s[peepholes_at + 2]} : Peepholes();
      const StepGradients gradients = call.cell.Backward(values, at(kBefore), s[0] + at(kCsGradient), s[1] + at(kHGradient), peepholes);
      const XlaOp gates = inside(gradients.gates);
      return std::vector<XlaOp>{inside(gradients.cs_before), MatrixProduct(gates, 1, s[kWeights], 1, call.type),
                                call.sequence.With(s[kGates], time, call.Stored(gates), 4 * call.units)};
    };
    return ForEachStep(context->builder(), call.sequence.steps, /*backwards=*/true, state, step);
  }
};

}  // namespace

void RegisterLstmBlockOps() {
  REGISTER_XLA_OP(Name("LSTMBlockCell").Device("XLA_GPU_JIT"), LstmBlockCellKernel);
  REGISTER_XLA_OP(Name("LSTMBlockCellGrad").Device("XLA_GPU_JIT"), LstmBlockCellGradientKernel);
  REGISTER_XLA_OP(Name("BlockLSTM").Device("XLA_GPU_JIT"), BlockLstmKernel);
  REGISTER_XLA_OP(Name("BlockLSTMV2").Device("XLA_GPU_JIT"), BlockLstmKernel);
  REGISTER_XLA_OP(Name("BlockLSTMGrad").Device("XLA_GPU_JIT"), BlockLstmGradientKernel);
  REGISTER_XLA_OP(Name("BlockLSTMGradV2").Device("XLA_GPU_JIT"), BlockLstmGradientKernel);
}

}  // namespace tfvk::plugin
