#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "plugin/shape_check.h"
#include "tensorflow/core/framework/kernel_shape_util.h"
#include "tensorflow/core/framework/node_def_util.h"
#include "tensorflow/core/util/padding.h"

namespace tfvk::plugin {

using tensorflow::TensorShape;
using tensorflow::XlaCompiler;

namespace {

// The windows and steps of each dimension: attributes, or in the V2 ops constants.
absl::Status WindowOf(const tensorflow::NodeDef& node, const std::vector<XlaCompiler::Argument>& arguments, const char* attribute, size_t input,
                      std::vector<int32_t>* window) {
  if (tensorflow::HasNodeAttr(node, attribute)) return tensorflow::GetNodeAttr(node, attribute, window);
  if (arguments.size() <= input || arguments[input].kind != XlaCompiler::Argument::kConstant) return absl::OkStatus();
  const tensorflow::Tensor& value = arguments[input].constant_value;
  for (int64_t i = 0; i < value.NumElements(); ++i) window->push_back(value.flat<int32_t>()(i));
  return absl::OkStatus();
}

absl::Status PooledShape(const tensorflow::NodeDef& node, const std::vector<XlaCompiler::Argument>& arguments, const TensorShape& shape, TensorShape* pooled) {
  std::vector<int32_t> windows, steps;
  std::vector<int64_t> explicit_paddings;
  tensorflow::Padding padding;
  TF_RETURN_IF_ERROR(WindowOf(node, arguments, "ksize", 3, &windows));
  TF_RETURN_IF_ERROR(WindowOf(node, arguments, "strides", 4, &steps));
  TF_RETURN_IF_ERROR(tensorflow::GetNodeAttr(node, "padding", &padding));
  if (tensorflow::HasNodeAttr(node, "explicit_paddings")) TF_RETURN_IF_ERROR(tensorflow::GetNodeAttr(node, "explicit_paddings", &explicit_paddings));
  const auto rank = static_cast<size_t>(shape.dims());
  if (windows.size() != rank || steps.size() != rank) return absl::InvalidArgumentError("the windows have another rank");
  explicit_paddings.resize(2 * rank);
  for (size_t d = 0; d < rank; ++d) {
    int64_t size = 0;
    TF_RETURN_IF_ERROR(tensorflow::GetWindowedOutputSizeVerbose(shape.dim_size(static_cast<int>(d)), windows[d], /*dilation_rate=*/1, steps[d], padding, &size,
                                                                &explicit_paddings[2 * d], &explicit_paddings[2 * d + 1]));
    TF_RETURN_IF_ERROR(pooled->AddDimWithStatus(size));
  }
  return absl::OkStatus();
}

absl::Status CheckShape(const char* what, const XlaCompiler::Argument& argument, const TensorShape& expected) {
  const auto& shape = std::get<TensorShape>(argument.shape);
  if (shape == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("Expected ", what, " shape to be ", expected.DebugString(), ", but got ", shape.DebugString()));
}

}  // namespace

absl::Status CheckPoolGradientShapes(const tensorflow::NodeDef& node, const std::vector<XlaCompiler::Argument>& arguments) {
  if (!absl::StartsWith(node.op(), "MaxPool") || !absl::StrContains(node.op(), "Grad") || arguments.size() < 3) return absl::OkStatus();
  const auto& input = std::get<TensorShape>(arguments[0].shape);
  TensorShape pooled;
  // Windows that do not fit are another error, which the op's kernel has.
  if (!PooledShape(node, arguments, input, &pooled).ok()) return absl::OkStatus();
  if (absl::EndsWith(node.op(), "WithArgmax")) {
    TF_RETURN_IF_ERROR(CheckShape("grad", arguments[1], absl::StrContains(node.op(), "GradGrad") ? input : pooled));
    return CheckShape("argmax", arguments[2], pooled);
  }
  TF_RETURN_IF_ERROR(CheckShape("orig_output", arguments[1], pooled));
  return CheckShape("grad", arguments[2], absl::StrContains(node.op(), "GradGrad") ? input : pooled);
}

}  // namespace tfvk::plugin
