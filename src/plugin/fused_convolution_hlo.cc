// _FusedConv2D of real numbers: a convolution, a bias or a batch normalisation after it, an activation after that. tf2xla has that of 8-bit integers.
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "plugin/added_types.h"
#include "tensorflow/compiler/tf2xla/kernels/conv_op_helpers.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla/hlo/builder/lib/math.h"

namespace tfvk::plugin {
namespace {

using tensorflow::TensorShape;
using tensorflow::XlaOpKernelContext;
using xla::XlaOp;

class FusedConvolutionKernel : public tensorflow::XlaOpKernel {
 public:
  explicit FusedConvolutionKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    OP_REQUIRES_OK(construction, Read(construction));
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  absl::Status Read(tensorflow::OpKernelConstruction* construction) {
    TF_ASSIGN_OR_RETURN(attributes_, tensorflow::ConvOpAttrs::Create(2, /*depthwise=*/false, construction));
    TF_RETURN_IF_ERROR(construction->GetAttr("fused_ops", &fused_ops_));
    TF_RETURN_IF_ERROR(construction->GetAttr("epsilon", &epsilon_));
    TF_RETURN_IF_ERROR(construction->GetAttr("leakyrelu_alpha", &leak_));
    int host_arguments = 0;
    TF_RETURN_IF_ERROR(construction->GetAttr("num_host_args", &host_arguments));
    arguments_ = construction->num_inputs() - 2 - host_arguments;
    std::string filter_format;
    TF_RETURN_IF_ERROR(construction->GetAttr("filter_format", &filter_format));
    if (filter_format != "HWIO") return absl::UnimplementedError(absl::StrCat("_FusedConv2D with filters of the format ", filter_format));
    if (fused_ops_.empty()) return absl::InvalidArgumentError("Fused Conv2D must have at least one fused op.");
    const bool is_normalized = fused_ops_[0] == "FusedBatchNorm";
    if (!is_normalized && fused_ops_[0] != "BiasAdd") return NotImplemented();
    if (arguments_ != (is_normalized ? 4 : 1)) {
      return absl::InvalidArgumentError(
          absl::StrCat("Fused Conv2D with ", fused_ops_[0], " must have ", is_normalized ? 4 : 1, " extra arguments, has ", arguments_));
    }
    if (fused_ops_.size() > 2) return NotImplemented();
    if (fused_ops_.size() == 1) return absl::OkStatus();
    for (const char* activation : {"Relu", "Relu6", "Elu", "LeakyRelu"}) {
      if (fused_ops_[1] == activation) return absl::OkStatus();
    }
    return NotImplemented();
  }

  absl::Status NotImplemented() const { return absl::UnimplementedError(absl::StrCat("Fusion is not implemented: [", absl::StrJoin(fused_ops_, ","), "]")); }

  absl::Status Build(XlaOpKernelContext* context) const {
    TF_ASSIGN_OR_RETURN(const XlaOp product, tensorflow::MakeXlaForwardConvOp(type_string(), context->Input(0), context->Input(1), attributes_));
    const int channels = tensorflow::GetTensorFeatureDimIndex(4, attributes_.data_format);
    const int64_t count = context->InputShape(1).dim_size(3);
    std::vector<XlaOp> arguments;
    for (int i = 0; i < arguments_; ++i) {
      const TensorShape shape = context->InputShape(2 + i);
      if (shape != TensorShape({count})) {
        return absl::InvalidArgumentError(
            absl::StrCat("An argument fused to a convolution must be a vector of its ", count, " channels, is ", shape.DebugString()));
      }
      arguments.push_back(context->Input(2 + i));
    }
    XlaOp result = product;
    if (arguments_ == 1) {
      result = xla::Add(product, arguments[0], {channels});
    } else {
      const XlaOp scale = arguments[0] * xla::Rsqrt(arguments[3] + xla::ScalarLike(arguments[3], epsilon_));
      result = xla::Add(xla::Mul(xla::Sub(product, arguments[2], {channels}), scale, {channels}), arguments[1], {channels});
    }
    context->SetOutput(0, fused_ops_.size() > 1 ? Activated(result, fused_ops_[1]) : result);
    return absl::OkStatus();
  }

  XlaOp Activated(XlaOp x, const std::string& activation) const {
    const XlaOp zero = xla::ScalarLike(x, 0);
    if (activation == "Relu") return xla::Max(x, zero);
    if (activation == "Relu6") return xla::Clamp(zero, x, xla::ScalarLike(x, 6));
    const XlaOp below = activation == "Elu" ? xla::Expm1(x) : x * xla::ScalarLike(x, leak_);
    return xla::Select(xla::Gt(x, zero), x, below);
  }

  tensorflow::ConvOpAttrs attributes_;
  std::vector<std::string> fused_ops_;
  float epsilon_ = 0, leak_ = 0;
  int arguments_ = 0;
};

}  // namespace

void AddFusedConvolutionTypes() {
  AddTypes<FusedConvolutionKernel>("_FusedConv2D", {{"T", {tensorflow::DT_HALF, tensorflow::DT_FLOAT, tensorflow::DT_DOUBLE}}});
}

}  // namespace tfvk::plugin
