// Elementwise hot ops, casts included: shapes of a call, and the graph of a formula of elementwise_formulas.h.
#include <map>

#include "plugin/broadcast_pattern.h"
#include "plugin/element_types.h"
#include "plugin/elementwise_formulas.h"
#include "plugin/hot_ops.h"
#include "tensorflow/core/framework/tensor_shape.h"
#include "tensorflow/core/framework/tensor_util.h"

namespace tfvk::plugin {
namespace {

using absl::InvalidArgumentError;
using absl::StrCat;
using tensorflow::Tensor;
using tensorflow::TensorShape;

constexpr int kMostAddends = 16;
constexpr uint64_t kShapesDiffer = ~uint64_t{0};  // the pattern of tensors that are unequal because of their shapes

// The shapes that a rule works out.
struct Shapes {
  TensorShape result;
  absl::InlinedVector<const TensorShape*, 3> operands;
  TensorShape bias;  // with dimensions of size 1 after it, as it stands in the result
};

// The shape that two shapes broadcast to; false when they do not fit.
bool Broadcast(const TensorShape& a, const TensorShape& b, TensorShape* result) {
  if (a == b || b.dims() == 0) {
    *result = a;
    return true;
  }
  const TensorShape &longer = a.dims() >= b.dims() ? a : b, &shorter = a.dims() >= b.dims() ? b : a;
  *result = longer;
  const int lead = longer.dims() - shorter.dims();
  for (int d = 0; d < shorter.dims(); ++d) {
    const int64_t x = longer.dim_size(lead + d), y = shorter.dim_size(d);
    if (x != y && x != 1 && y != 1) return false;
    if (x == 1 && y != 1) result->set_dim(lead + d, y);
  }
  return true;
}

struct Attributes {
  std::string op;
  double alpha = 0;
  bool incompatible_shape_error = true;
  bool channels_first = false;
};

class HotElementwise : public HotOp {
 public:
  HotElementwise(const ElementwiseRow& row, Attributes attributes, std::vector<DType> dtypes, DType result)
      : row_(row), attributes_(std::move(attributes)), dtypes_(std::move(dtypes)), result_(result) {}

  absl::Status Describe(HotInputs inputs, HotCall& call) const override {
    Shapes shapes;
    TF_RETURN_IF_ERROR(Apply(row_.rule, inputs, shapes, call));
    if (shapes.operands.empty()) {
      for (const Tensor* input : inputs) shapes.operands.push_back(&input->shape());
    }
    if (call.route == HotCall::Route::kProgram && call.pattern != kShapesDiffer) DescribeBroadcast(shapes.result, shapes.operands, call);
    call.outputs.push_back(std::move(shapes.result));
    return absl::OkStatus();
  }

  void Build(uint64_t pattern, ir::Graph& graph) const override {
    if (pattern == kShapesDiffer) return BuildUnequal(graph);
    const BroadcastOperands operands = AddBroadcastParameters(pattern, dtypes_, result_, graph);
    graph.outputs = {row_.Result({operands.values, attributes_.alpha, result_}).value()};
    graph.aliases = {operands.whole};
  }

 private:
  absl::Status Apply(ShapeRule rule, HotInputs inputs, Shapes& shapes, HotCall& call) const {
    switch (rule) {
      case ShapeRule::kSame:
        return Same(inputs, shapes);
      case ShapeRule::kSameCount:
        return SameCount(inputs, shapes);
      case ShapeRule::kBroadcast:
      case ShapeRule::kEqual:
        return TwoBroadcast(inputs, shapes, call);
      case ShapeRule::kSelect:
        return SelectOne(inputs, shapes, call);
      case ShapeRule::kSelectV2:
        return SelectBroadcast(inputs, shapes);
      case ShapeRule::kClip:
        return Clip(inputs, shapes);
      case ShapeRule::kBias:
        return Bias(inputs, shapes);
      case ShapeRule::kShapeInput:
        return ToShape(inputs, shapes);
      case ShapeRule::kFill:
        return Fill(inputs, shapes);
    }
    return absl::InternalError("an unknown rule of shapes");
  }

  absl::Status Same(HotInputs inputs, Shapes& shapes) const {
    shapes.result = inputs[0]->shape();
    for (size_t i = 1; i < inputs.size(); ++i) {
      if (inputs[i]->shape() == shapes.result) continue;
      return InvalidArgumentError(StrCat("Inputs to operation ", attributes_.op, " of type ", attributes_.op, " must have the same size and shape.  Input 0: ",
                                         shapes.result.DebugString(), " != input ", i, ": ", inputs[i]->shape().DebugString()));
    }
    return absl::OkStatus();
  }

  absl::Status SameCount(HotInputs inputs, Shapes& shapes) const {
    shapes.result = inputs[0]->shape();
    if (inputs[0]->NumElements() != inputs[1]->NumElements()) {
      return InvalidArgumentError(
          StrCat("The two arguments to a cwise op must have same number of elements, got ", inputs[0]->NumElements(), " and ", inputs[1]->NumElements()));
    }
    shapes.operands = {&inputs[0]->shape(), &inputs[0]->shape()};
    return absl::OkStatus();
  }

  absl::Status TwoBroadcast(HotInputs inputs, Shapes& shapes, HotCall& call) const {
    if (Broadcast(inputs[0]->shape(), inputs[1]->shape(), &shapes.result)) return absl::OkStatus();
    if (attributes_.incompatible_shape_error) {
      return InvalidArgumentError(StrCat("Incompatible shapes: ", inputs[0]->shape().DebugString(), " vs. ", inputs[1]->shape().DebugString()));
    }
    shapes.result = TensorShape({});
    call.pattern = kShapesDiffer;
    call.sizes = {inputs[0]->NumElements(), inputs[1]->NumElements()};
    return absl::OkStatus();
  }

  // One answer for all, whatever the elements are.
  void BuildUnequal(ir::Graph& graph) const {
    graph.symbol_count = 2;
    for (int i = 0; i < 2; ++i) graph.AddParameter({dtypes_[i], {Size::Symbol(i)}});
    const auto answer = std::make_shared<const std::vector<uint8_t>>(1, attributes_.op == "NotEqual");
    graph.outputs = {graph.Add(ir::Op::kConstant, {}, {{DType::kBool, {}}}, ir::ConstantAttr{answer, true})};
    graph.aliases = {-1};
  }

  absl::Status SelectOne(HotInputs inputs, Shapes& shapes, HotCall& call) const {
    const TensorShape &condition = inputs[0]->shape(), &then = inputs[1]->shape(), &otherwise = inputs[2]->shape();
    if (then != otherwise) {
      return InvalidArgumentError(StrCat("'then' and 'else' must have the same size.  but received: ", then.DebugString(), " vs. ", otherwise.DebugString()));
    }
    shapes.result = then;
    if (condition != then && condition.dims() != 0) call.route = HotCall::Route::kGenericDoor;  // a vector that chooses rows
    return absl::OkStatus();
  }

  absl::Status SelectBroadcast(HotInputs inputs, Shapes& shapes) const {
    const TensorShape &condition = inputs[0]->shape(), &then = inputs[1]->shape(), &otherwise = inputs[2]->shape();
    TensorShape choices;
    if (Broadcast(then, otherwise, &choices) && Broadcast(condition, choices, &shapes.result)) return absl::OkStatus();
    return InvalidArgumentError(
        StrCat("condition ", condition.DebugString(), ", then ", then.DebugString(), ", and else ", otherwise.DebugString(), " must be broadcastable"));
  }

  absl::Status Clip(HotInputs inputs, Shapes& shapes) const {
    shapes.result = inputs[0]->shape();
    for (int i = 1; i < 3; ++i) {
      if (inputs[i]->dims() == 0 || inputs[i]->shape() == shapes.result) continue;
      return InvalidArgumentError(
          StrCat("clip_value_min and clip_value_max must be either of the same shape as input, or a scalar. input shape: ", shapes.result.DebugString(),
                 "clip_value_min shape: ", inputs[1]->shape().DebugString(), "clip_value_max shape: ", inputs[2]->shape().DebugString()));
    }
    return absl::OkStatus();
  }

  absl::Status Bias(HotInputs inputs, Shapes& shapes) const {
    const TensorShape &input = inputs[0]->shape(), &bias = inputs[1]->shape();
    if (input.dims() < 2) return InvalidArgumentError(StrCat("Input tensor must be at least 2D: ", input.DebugString()));
    if (bias.dims() != 1) return InvalidArgumentError(StrCat("Biases must be 1D: ", bias.DebugString()));
    const int feature = attributes_.channels_first ? 1 : input.dims() - 1;
    if (bias.dim_size(0) != input.dim_size(feature)) {
      return InvalidArgumentError(StrCat("Must provide as many biases as the ", attributes_.channels_first ? "channel" : "last",
                                         " dimension of the input tensor: ", bias.DebugString(), " vs. ", input.DebugString()));
    }
    shapes.result = input;
    shapes.bias = bias;
    for (int d = feature + 1; d < input.dims(); ++d) shapes.bias.AddDim(1);
    shapes.operands = {&input, &shapes.bias};
    return absl::OkStatus();
  }

  absl::Status ToShape(HotInputs inputs, Shapes& shapes) const {
    const TensorShape& input = inputs[0]->shape();
    TF_RETURN_IF_ERROR(tensorflow::tensor::MakeShape(*inputs[1], &shapes.result));
    TensorShape joined;
    if (!Broadcast(input, shapes.result, &joined) || joined != shapes.result) {
      return InvalidArgumentError(StrCat("Incompatible shapes: ", input.DebugString(), " vs. ", shapes.result.DebugString()));
    }
    shapes.operands = {&input};
    return absl::OkStatus();
  }

  absl::Status Fill(HotInputs inputs, Shapes& shapes) const {
    tensorflow::Tensor sizes = *inputs[0];
    if (sizes.dims() > 1) return InvalidArgumentError(StrCat("dims must represent a vector, got shape ", sizes.shape().DebugString()));
    if (inputs[1]->dims() != 0 && inputs[1]->shape() != TensorShape({1})) {
      return InvalidArgumentError(StrCat("value must represent a scalar, got shape ", inputs[1]->shape().DebugString()));
    }
    // A number is a vector of one, as before TensorFlow 1.0.
    if (sizes.dims() == 0) TF_RETURN_IF_ERROR(sizes.BitcastFrom(*inputs[0], sizes.dtype(), TensorShape({1})));
    TF_RETURN_IF_ERROR(tensorflow::tensor::MakeShape(sizes, &shapes.result));
    shapes.operands = {&inputs[1]->shape()};
    return absl::OkStatus();
  }

  const ElementwiseRow& row_;
  const Attributes attributes_;
  const std::vector<DType> dtypes_;  // of the operands
  const DType result_;
};

// A cast to the type that there is.
class HotIdentity : public HotOp {
 public:
  absl::Status Describe(HotInputs inputs, HotCall& call) const override {
    call.route = HotCall::Route::kPassThrough;
    call.outputs.push_back(inputs[0]->shape());
    return absl::OkStatus();
  }
  void Build(uint64_t, ir::Graph&) const override {}
};

// An attribute's value, or `otherwise` for an op without it.
template <class T>
T AttributeOr(tensorflow::OpKernelConstruction* construction, const char* name, T otherwise) {
  T value;
  return construction->HasAttr(name) && construction->GetAttr(name, &value).ok() ? value : otherwise;
}

std::unique_ptr<HotOp> Make(tensorflow::OpKernelConstruction* construction) {
  static const auto* const rows = [] {
    auto* made = new std::map<std::string, const ElementwiseRow*>;
    for (const ElementwiseRow& row : ElementwiseRows()) made->emplace(row.op, &row);
    return made;
  }();
  Attributes attributes;
  attributes.op = construction->def().op();
  attributes.alpha = AttributeOr(construction, "alpha", 0.0f);
  attributes.incompatible_shape_error = AttributeOr(construction, "incompatible_shape_error", true);
  attributes.channels_first = AttributeOr(construction, "data_format", std::string("NHWC")).rfind("NC", 0) == 0;
  if (AttributeOr(construction, "Truncate", false) || construction->num_inputs() > kMostAddends) return nullptr;
  std::vector<DType> dtypes;
  for (int i = 0; i < construction->num_inputs(); ++i) {
    if (construction->input_memory_types()[i] == tensorflow::DEVICE_MEMORY) dtypes.push_back(DTypeOf(construction->input_type(i)).value());
  }
  const DType result = DTypeOf(construction->output_type(0)).value();
  if (attributes.op == "Cast" && dtypes[0] == result) return std::make_unique<HotIdentity>();
  return std::make_unique<HotElementwise>(*rows->at(attributes.op), std::move(attributes), std::move(dtypes), result);
}

}  // namespace

const std::vector<HotOpRow>& HotElementwiseOps() {
  static const auto* const rows = [] {
    auto* made = new std::vector<HotOpRow>;
    for (const ElementwiseRow& row : ElementwiseRows()) made->push_back({row.op, Make});
    return made;
  }();
  return *rows;
}

}  // namespace tfvk::plugin
