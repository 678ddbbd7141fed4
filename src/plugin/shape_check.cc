#include "plugin/shape_check.h"

#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tensorflow/core/framework/node_def_util.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tensorflow/core/public/version.h"

namespace tfvk::plugin {

using tensorflow::PartialTensorShape;
using tensorflow::XlaCompiler;

namespace {

// Sizes at which TensorFlow's shape functions and XLA's shapes end the process instead of returning an error.
absl::Status CheckSizes(const tensorflow::NodeDef& node, const std::vector<XlaCompiler::Argument>& arguments) {
  if (arguments.size() < 2 || arguments[1].kind != XlaCompiler::Argument::kConstant) return absl::OkStatus();
  const tensorflow::Tensor& sizes = arguments[1].constant_value;
  if (node.op() == "SplitV" && sizes.dims() != 1) {
    return absl::InvalidArgumentError(absl::StrCat("size of the split_tensor must be 1-D and have the same elements as outputs got ", sizes.dims(), " -D and ",
                                                   sizes.NumElements(), " elements"));
  }
  if (absl::StrContains(node.op(), "FFT") && sizes.dtype() == tensorflow::DT_INT32) {
    for (int64_t i = 0; i < sizes.NumElements(); ++i) {
      const int32_t size = sizes.flat<int32_t>()(i);
      if (size < 0) return absl::InvalidArgumentError(absl::StrCat("fft_length[", i, "] must >= 0, but got: ", size));
    }
  }
  return absl::OkStatus();
}

// Calls that TensorFlow's kernels take and tf2xla's do not. The error says nothing of the call, so that one alone runs on the CPU.
absl::Status CheckForms(const tensorflow::NodeDef& node, const std::vector<XlaCompiler::Argument>& arguments) {
  if (arguments.empty() || !std::holds_alternative<tensorflow::TensorShape>(arguments[0].shape)) return absl::OkStatus();
  const auto& shape = std::get<tensorflow::TensorShape>(arguments[0].shape);
  // tf2xla reads a size behind the end of its shape.
  if (node.op() == "DenseBincount" && shape.dims() == 0) return absl::UnimplementedError("DenseBincount of a scalar");
  // The process would end.
  for (const auto& [name, value] : node.attr()) {
    if (absl::EndsWith(name, "quantization_axis") && value.i() < -1) return absl::UnimplementedError(absl::StrCat(node.op(), " with ", name, " ", value.i()));
  }
  const int rank = shape.dims();
  if (node.op() == "Svd" && rank >= 2 && (shape.dim_size(rank - 1) == 0 || shape.dim_size(rank - 2) == 0)) {
    return absl::UnimplementedError(absl::StrCat("Svd of empty matrices, ", shape.DebugString()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckShapes(const tensorflow::NodeDef& node, const std::vector<XlaCompiler::Argument>& arguments) {
  const tensorflow::OpRegistrationData* op = nullptr;
  TF_RETURN_IF_ERROR(tensorflow::OpRegistry::Global()->LookUp(node.op(), &op));
  TF_RETURN_IF_ERROR(CheckSizes(node, arguments));
  TF_RETURN_IF_ERROR(CheckForms(node, arguments));
  if (op->shape_inference_fn == nullptr) return absl::OkStatus();

  using Handles = std::vector<std::pair<PartialTensorShape, tensorflow::DataType>>;
  std::vector<PartialTensorShape> shapes;
  std::vector<const tensorflow::Tensor*> values;
  std::vector<std::unique_ptr<Handles>> handles;
  for (const XlaCompiler::Argument& argument : arguments) {
    const auto& shape = std::get<tensorflow::TensorShape>(argument.shape);
    const bool is_variable = argument.kind == XlaCompiler::Argument::kResource;
    // Without a value to tell the variable's shape, some shape functions take the handle's for it.
    const PartialTensorShape of_handle = argument.initialized ? PartialTensorShape({}) : PartialTensorShape();
    shapes.push_back(is_variable ? of_handle : PartialTensorShape(shape));
    values.push_back(argument.kind == XlaCompiler::Argument::kConstant ? &argument.constant_value : nullptr);
    handles.push_back(is_variable && argument.initialized ? std::make_unique<Handles>(Handles{{PartialTensorShape(shape), argument.type}}) : nullptr);
  }
  tensorflow::shape_inference::InferenceContext context(TF_GRAPH_DEF_VERSION, tensorflow::AttrSlice(node), op->op_def, shapes, values, {}, handles);
  TF_RETURN_IF_ERROR(context.construction_status());
  TF_RETURN_IF_ERROR(context.Run(op->shape_inference_fn));
  return CheckPoolGradientShapes(node, arguments);
}

}  // namespace tfvk::plugin
