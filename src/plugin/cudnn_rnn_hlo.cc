// CudnnRNN, its V2 and V3, and their gradients. Named after the library whose semantics TensorFlow gave them; nothing of it is used.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "plugin/recurrent_ops.h"
#include "plugin/rnn_layer.h"
#include "plugin/rnn_network.h"
#include "plugin/rnn_weights.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::TensorShape;
using tensorflow::XlaOpKernelContext;
using xla::XlaOp;

// ---- One call: its sizes and inputs, time first ----

struct RnnCall {
  RnnLayer Layer(int64_t layer, int direction) const { return {network, layer, direction == 1, sequence, type, lengths}; }
  int64_t StateIndex(int64_t layer, int direction) const { return layer * network.directions + direction; }
  // The layer's state in one direction, of states like the op's [layers * directions, batch, n].
  XlaOp StateAt(XlaOp states, int64_t index, int64_t n) const { return xla::Reshape(xla::SliceInDim(states, index, index + 1, 1, 0), {sequence.batch, n}); }
  RnnState StateAt(const RnnState& states, int64_t index) const {
    return {StateAt(states.h, index, network.state_size), states.c.valid() ? StateAt(states.c, index, network.units) : XlaOp()};
  }
  // One direction's part of a layer's outputs.
  XlaOp OutputsOf(XlaOp outputs, int direction) const {
    return xla::SliceInDim(outputs, direction * network.state_size, (direction + 1) * network.state_size, 1, 2);
  }
  int64_t outputs_columns() const { return network.directions * network.state_size; }
  // Between time first and the op's own order.
  XlaOp Turned(XlaOp x) const { return time_major ? x : xla::Transpose(x, {1, 0, 2}); }
  RnnState Turned(const RnnState& states) const { return {Turned(states.h), states.c.valid() ? Turned(states.c) : XlaOp()}; }

  RnnNetwork network;
  RnnSequence sequence;
  bool time_major = true;
  xla::PrimitiveType type = xla::F32;
  XlaOp input, params, lengths;  // lengths unset where every sequence has all steps
  RnnState first;                // [layers * directions, batch, n]
};

absl::StatusOr<TensorShape> ShapeOf(XlaOpKernelContext* context, const char* name) {
  TF_ASSIGN_OR_RETURN(const xla::Shape shape, context->InputXlaShape(name));
  return TensorShape(absl::Span<const int64_t>(shape.dimensions().data(), shape.dimensions().size()));
}

absl::Status ExpectShape(XlaOpKernelContext* context, const char* name, const TensorShape& expected) {
  TF_ASSIGN_OR_RETURN(const TensorShape shape, ShapeOf(context, name));
  if (shape == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("Invalid ", name, " shape: ", shape.DebugString(), " ", expected.DebugString()));
}

TensorShape StatesShape(const RnnCall& call, int64_t columns) {
  const int64_t count = call.network.layers * call.network.directions, batch = call.sequence.batch;
  return call.time_major ? TensorShape({count, batch, columns}) : TensorShape({batch, count, columns});
}

TensorShape OutputsShape(const RnnCall& call) {
  const auto [steps, batch] = call.sequence;
  return call.time_major ? TensorShape({steps, batch, call.outputs_columns()}) : TensorShape({batch, steps, call.outputs_columns()});
}

absl::Status CheckProjection(const TensorShape& h, const TensorShape& c, int64_t num_proj) {
  if (num_proj == 0 && h != c) {
    return absl::InvalidArgumentError(absl::StrCat("input_h and input_c must have the same shape w/o projection: ", h.DebugString(), " ", c.DebugString()));
  }
  if (num_proj != 0 && (h.dim_size(2) > c.dim_size(2) || num_proj != h.dim_size(2) || h.dim_size(0) != c.dim_size(0) || h.dim_size(1) != c.dim_size(1))) {
    return absl::InvalidArgumentError(absl::StrCat("Invalid input_h and input_c w/ projection size: ", num_proj, " ", h.DebugString(), " ", c.DebugString()));
  }
  return absl::OkStatus();
}

absl::Status ReadSizes(XlaOpKernelContext* context, const RnnAttributes& attributes, RnnCall& call) {
  TF_ASSIGN_OR_RETURN(const TensorShape input, ShapeOf(context, "input"));
  TF_ASSIGN_OR_RETURN(const TensorShape h, ShapeOf(context, "input_h"));
  TF_ASSIGN_OR_RETURN(const TensorShape c, ShapeOf(context, "input_c"));
  const bool has_c = attributes.mode == RnnMode::kLstm;
  if (input.dims() != 3) return absl::InvalidArgumentError("RNN input must be a 3-D vector.");
  if (h.dims() != 3) return absl::InvalidArgumentError("RNN input_h must be a 3-D vector.");
  if (has_c && c.dims() != 3) return absl::InvalidArgumentError("RNN input_c must be a 3-D vector.");
  if (has_c) TF_RETURN_IF_ERROR(CheckProjection(h, c, attributes.num_proj));

  call.time_major = attributes.time_major;
  call.sequence = {input.dim_size(call.time_major ? 0 : 1), input.dim_size(call.time_major ? 1 : 0)};
  const int64_t layers = h.dim_size(call.time_major ? 0 : 1) / attributes.directions;
  TF_ASSIGN_OR_RETURN(call.network, RnnNetwork::Make(attributes, layers, (has_c ? c : h).dim_size(2), input.dim_size(2)));
  TF_RETURN_IF_ERROR(ExpectShape(context, "input_h", StatesShape(call, call.network.state_size)));
  return ExpectShape(context, "params", TensorShape({RnnLayout(call.network).size()}));
}

// Sets the call's lengths unless they are known to be those of the whole sequence.
absl::Status ReadLengths(XlaOpKernelContext* context, RnnCall& call) {
  TF_ASSIGN_OR_RETURN(const TensorShape shape, ShapeOf(context, "sequence_lengths"));
  if (shape != TensorShape({call.sequence.batch})) {
    return absl::InvalidArgumentError(
        absl::StrCat("sequence_lengths must have the shape [", call.sequence.batch, "] of the batch, but has ", shape.DebugString()));
  }
  xla::Literal known;
  if (context->ConstantInput("sequence_lengths", &known).ok()) {
    const auto lengths = known.data<int32_t>();
    if (std::all_of(lengths.begin(), lengths.end(), [&](int32_t length) { return length == call.sequence.steps; })) return absl::OkStatus();
  }
  call.lengths = context->Input("sequence_lengths");
  return absl::OkStatus();
}

absl::StatusOr<RnnCall> ReadCall(XlaOpKernelContext* context, const RnnAttributes& attributes, bool has_lengths) {
  RnnCall call;
  TF_RETURN_IF_ERROR(ReadSizes(context, attributes, call));
  if (has_lengths) TF_RETURN_IF_ERROR(ReadLengths(context, call));
  call.type = context->InputXlaType("input");
  call.input = call.Turned(context->Input("input"));
  call.params = context->Input("params");
  call.first = call.Turned(RnnState{context->Input("input_h"), attributes.mode == RnnMode::kLstm ? context->Input("input_c") : XlaOp()});
  return call;
}

// ---- The reserve space: sequences one after the other in a flat tensor, in the order in which both sides name them ----

class ReserveWriter {
 public:
  void Add(XlaOp sequence) {
    if (sequence.valid()) pieces_.push_back(xla::Collapse(sequence, {0, 1, 2}));
  }
  XlaOp Flat(xla::XlaBuilder* builder) const { return xla::ConcatInDim(builder, pieces_, 0); }

 private:
  std::vector<XlaOp> pieces_;
};

class ReserveReader {
 public:
  ReserveReader(XlaOp flat, RnnSequence sequence) : flat_(flat), sequence_(sequence) {}
  // Unset for no columns.
  XlaOp Next(int64_t columns) {
    if (columns == 0) return {};
    const int64_t begin = size_;
    size_ += sequence_.steps * sequence_.batch * columns;
    return flat_.valid() ? xla::Reshape(xla::SliceInDim(flat_, begin, size_, 1, 0), {sequence_.steps, sequence_.batch, columns}) : flat_;
  }
  int64_t size() const { return size_; }

 private:
  XlaOp flat_;  // unset: only sizes are counted
  RnnSequence sequence_;
  int64_t size_ = 0;
};

// What a layer leaves for its gradients.
struct LayerTrace {
  std::vector<RnnLayerRun> runs;  // of its directions, without last states
  XlaOp dropout;                  // by what its outputs are multiplied; unset where nothing is dropped
};

std::vector<LayerTrace> ReadReserve(const RnnCall& call, bool drops, XlaOp outputs, ReserveReader& reader) {
  std::vector<LayerTrace> traces(call.network.layers);
  for (int64_t i = 0; i < call.network.layers; ++i) {
    const bool is_last = i + 1 == call.network.layers;
    for (int direction = 0; direction < call.network.directions; ++direction) {
      const RnnLayer layer = call.Layer(i, direction);
      RnnLayerRun run;
      run.trace.gates = reader.Next(layer.gate_columns());
      run.trace.input = reader.Next(layer.input_columns());
      run.trace.cells = reader.Next(layer.cell_columns());
      if (!is_last) run.outputs = reader.Next(call.network.state_size);
      if (is_last && outputs.valid()) run.outputs = call.OutputsOf(outputs, direction);
      traces[i].runs.push_back(run);
    }
    if (!is_last && drops) traces[i].dropout = reader.Next(call.outputs_columns());
  }
  return traces;
}

// ---- Forwards ----

class CudnnRnnKernel : public tensorflow::XlaOpKernel {
 public:
  explicit CudnnRnnKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    const absl::StatusOr<RnnAttributes> read = RnnAttributes::Read(construction);
    OP_REQUIRES_OK(construction, read.status());
    attributes_ = *read;
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  absl::Status Build(XlaOpKernelContext* context) {
    TF_ASSIGN_OR_RETURN(const RnnCall call, ReadCall(context, attributes_, type_string() == "CudnnRNNV3"));
    const RnnLayout layout(call.network);
    ReserveWriter reserve;
    std::vector<XlaOp> last_h, last_c;
    XlaOp x = call.input;
    for (int64_t i = 0; i < call.network.layers; ++i) {
      std::vector<XlaOp> outputs;
      for (int direction = 0; direction < call.network.directions; ++direction) {
        const RnnState first = call.StateAt(call.first, call.StateIndex(i, direction));
        TF_ASSIGN_OR_RETURN(const RnnLayerRun run,
                            call.Layer(i, direction).Forward(x, first, RnnWeightsOf(call.params, layout.At(i, direction)), attributes_.is_training));
        outputs.push_back(run.outputs);
        last_h.push_back(xla::Reshape(run.last.h, {1, call.sequence.batch, call.network.state_size}));
        if (run.last.c.valid()) last_c.push_back(xla::Reshape(run.last.c, {1, call.sequence.batch, call.network.units}));
        for (const XlaOp kept : {run.trace.gates, run.trace.input, run.trace.cells}) reserve.Add(kept);
        if (i + 1 < call.network.layers && attributes_.is_training) reserve.Add(run.outputs);
      }
      x = xla::ConcatInDim(context->builder(), outputs, 2);
      if (i + 1 < call.network.layers && attributes_.is_training && attributes_.dropout > 0) {
        const XlaOp dropout = Dropout(context->builder(), call);
        x = x * dropout;
        reserve.Add(dropout);
      }
    }
    SetOutputs(context, call, x, last_h, last_c, reserve);
    return absl::OkStatus();
  }

  // By what a layer's outputs are multiplied: 0 for those that are dropped.
  XlaOp Dropout(xla::XlaBuilder* builder, const RnnCall& call) const {
    const std::vector<int64_t> shape = {call.sequence.steps, call.sequence.batch, call.outputs_columns()};
    const XlaOp zero = xla::ConstantR0<float>(builder, 0), one = xla::ConstantR0<float>(builder, 1);
    const XlaOp drawn = xla::RngUniform(zero, one, xla::ShapeUtil::MakeShape(xla::F32, shape));
    const XlaOp kept = xla::Ge(drawn, xla::ConstantR0<float>(builder, attributes_.dropout));
    const double scale = attributes_.dropout < 1 ? 1 / (1 - static_cast<double>(attributes_.dropout)) : 0;
    const XlaOp scales = xla::Broadcast(xla::ConstantR0WithType(builder, call.type, scale), shape);
    return xla::Select(kept, scales, xla::ZerosLike(scales));
  }

  void SetOutputs(XlaOpKernelContext* context, const RnnCall& call, XlaOp outputs, const std::vector<XlaOp>& last_h, const std::vector<XlaOp>& last_c,
                  const ReserveWriter& reserve) const {
    xla::XlaBuilder* builder = context->builder();
    const XlaOp nothing = xla::Zero(builder, call.type);
    context->SetOutput(0, call.Turned(outputs));
    context->SetOutput(1, call.Turned(xla::ConcatInDim(builder, last_h, 0)));
    context->SetOutput(2, last_c.empty() ? nothing : call.Turned(xla::ConcatInDim(builder, last_c, 0)));
    context->SetOutput(3, attributes_.is_training ? reserve.Flat(builder) : nothing);
    if (context->num_outputs() < 5) return;
    // What cuDNN's algorithm would be remembered in.
    const bool names_algorithm = type_string() == "CudnnRNNV2" && attributes_.is_training;
    tensorflow::Tensor host_reserved(tensorflow::DT_INT8, names_algorithm ? TensorShape({2}) : TensorShape());
    host_reserved.flat<int8_t>().setZero();
    context->SetConstantOutput(4, host_reserved);
  }

  RnnAttributes attributes_;
};

// ---- Backwards ----

class CudnnRnnGradientKernel : public tensorflow::XlaOpKernel {
 public:
  explicit CudnnRnnGradientKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    const absl::StatusOr<RnnAttributes> read = RnnAttributes::Read(construction);
    OP_REQUIRES_OK(construction, read.status());
    attributes_ = *read;
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  absl::Status CheckGradients(XlaOpKernelContext* context, const RnnCall& call) const {
    const TensorShape h = StatesShape(call, call.network.state_size), c = StatesShape(call, call.network.units);
    for (const char* name : {"output", "output_backprop"}) TF_RETURN_IF_ERROR(ExpectShape(context, name, OutputsShape(call)));
    for (const char* name : {"output_h", "output_h_backprop"}) TF_RETURN_IF_ERROR(ExpectShape(context, name, h));
    if (attributes_.mode == RnnMode::kLstm) {
      for (const char* name : {"output_c", "output_c_backprop"}) TF_RETURN_IF_ERROR(ExpectShape(context, name, c));
    }
    ReserveReader sizes({}, call.sequence);
    ReadReserve(call, attributes_.dropout > 0, {}, sizes);
    return ExpectShape(context, "reserve_space", TensorShape({sizes.size()}));
  }

  absl::Status Build(XlaOpKernelContext* context) {
    TF_ASSIGN_OR_RETURN(const RnnCall call, ReadCall(context, attributes_, type_string() == "CudnnRNNBackpropV3"));
    TF_RETURN_IF_ERROR(CheckGradients(context, call));
    ReserveReader reader(context->Input("reserve_space"), call.sequence);
    const std::vector<LayerTrace> traces = ReadReserve(call, attributes_.dropout > 0, call.Turned(context->Input("output")), reader);
    const bool has_c = attributes_.mode == RnnMode::kLstm;
    const RnnState last = call.Turned(RnnState{context->Input("output_h_backprop"), has_c ? context->Input("output_c_backprop") : XlaOp()});

    const int directions = call.network.directions;
    std::vector<RnnLayerGradients> gradients(call.network.layers * directions);
    XlaOp by_outputs = call.Turned(context->Input("output_backprop"));
    for (int64_t i = call.network.layers - 1; i >= 0; --i) {
      const XlaOp input = i == 0 ? call.input : InputAbove(traces[i - 1]);
      XlaOp by_input;
      for (int direction = 0; direction < directions; ++direction) {
        const int64_t index = call.StateIndex(i, direction);
        TF_ASSIGN_OR_RETURN(gradients[index],
                            call.Layer(i, direction)
                                .Backward(input, call.StateAt(call.first, index), RnnWeightsOf(call.params, RnnLayout(call.network).At(i, direction)),
                                          traces[i].runs[direction], call.OutputsOf(by_outputs, direction), call.StateAt(last, index)));
        by_input = by_input.valid() ? by_input + gradients[index].input : gradients[index].input;
      }
      if (i > 0 && traces[i - 1].dropout.valid()) by_input = by_input * xla::ConvertElementType(traces[i - 1].dropout, AccumulatorOf(call.type));
      by_outputs = by_input;
    }
    SetOutputs(context, call, by_outputs, gradients);
    return absl::OkStatus();
  }

  static XlaOp InputAbove(const LayerTrace& trace) {
    std::vector<XlaOp> outputs;
    for (const RnnLayerRun& run : trace.runs) outputs.push_back(run.outputs);
    const XlaOp joined = xla::ConcatInDim(outputs[0].builder(), outputs, 2);
    return trace.dropout.valid() ? joined * trace.dropout : joined;
  }

  static void SetOutputs(XlaOpKernelContext* context, const RnnCall& call, XlaOp by_input, const std::vector<RnnLayerGradients>& gradients) {
    xla::XlaBuilder* builder = context->builder();
    std::vector<XlaOp> h, c;
    std::vector<RnnLayerWeights> weights;
    for (const RnnLayerGradients& gradient : gradients) {
      h.push_back(xla::Reshape(gradient.first.h, {1, call.sequence.batch, call.network.state_size}));
      if (gradient.first.c.valid()) c.push_back(xla::Reshape(gradient.first.c, {1, call.sequence.batch, call.network.units}));
      weights.push_back(gradient.weights);
    }
    context->SetOutput(0, call.Turned(xla::ConvertElementType(by_input, call.type)));
    context->SetOutput(1, call.Turned(xla::ConcatInDim(builder, h, 0)));
    context->SetOutput(2, c.empty() ? xla::ZerosLike(context->Input("input_c")) : call.Turned(xla::ConcatInDim(builder, c, 0)));
    context->SetOutput(3, RnnParamsOf(builder, weights, call.type));
  }

  RnnAttributes attributes_;
};

}  // namespace

void RegisterCudnnRnnOps() {
  REGISTER_XLA_OP(Name("CudnnRNN").Device("XLA_GPU_JIT"), CudnnRnnKernel);
  REGISTER_XLA_OP(Name("CudnnRNNV2").Device("XLA_GPU_JIT"), CudnnRnnKernel);
  REGISTER_XLA_OP(Name("CudnnRNNV3").Device("XLA_GPU_JIT"), CudnnRnnKernel);
  REGISTER_XLA_OP(Name("CudnnRNNBackprop").Device("XLA_GPU_JIT"), CudnnRnnGradientKernel);
  REGISTER_XLA_OP(Name("CudnnRNNBackpropV2").Device("XLA_GPU_JIT"), CudnnRnnGradientKernel);
  REGISTER_XLA_OP(Name("CudnnRNNBackpropV3").Device("XLA_GPU_JIT"), CudnnRnnGradientKernel);
}

}  // namespace tfvk::plugin
