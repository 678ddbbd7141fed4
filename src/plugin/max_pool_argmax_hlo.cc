// MaxPoolWithArgmax, its gradient and the gradient of that.
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "plugin/image_ops.h"
#include "plugin/table_rows.h"
#include "plugin/window_scan.h"
#include "tensorflow/compiler/tf2xla/type_util.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::TensorShape;
using tensorflow::XlaOpKernelContext;
using xla::XlaOp;

class ArgmaxPoolKernel : public tensorflow::XlaOpKernel {
 public:
  explicit ArgmaxPoolKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("ksize", &window_));
    OP_REQUIRES(construction, window_.size() == 4, absl::InvalidArgumentError("Sliding window ksize field must specify 4 dimensions"));
    OP_REQUIRES_OK(construction, construction->GetAttr("strides", &stride_));
    OP_REQUIRES(construction, stride_.size() == 4, absl::InvalidArgumentError("Sliding window stride field must specify 4 dimensions"));
    OP_REQUIRES_OK(construction, construction->GetAttr("padding", &padding_));
    OP_REQUIRES(construction, window_[0] == 1 && stride_[0] == 1, absl::UnimplementedError("Pooling is not yet supported on the batch dimension."));
    OP_REQUIRES(construction, window_[3] == 1 && stride_[3] == 1,
                absl::UnimplementedError("MaxPoolWithArgmax is not supported on the depth dimension on this device."));
    for (const int dimension : {1, 2}) {
      OP_REQUIRES(
          construction, window_[dimension] > 0 && stride_[dimension] > 0,
          absl::InvalidArgumentError(absl::StrCat("Sliding window ksize and strides must be positive, are ", window_[dimension], " and ", stride_[dimension])));
    }
    OP_REQUIRES_OK(construction, construction->GetAttr("include_batch_in_index", &batch_in_index_));
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 protected:
  virtual absl::Status Build(XlaOpKernelContext* context) = 0;

  absl::StatusOr<Windows> Place(const TensorShape& input) const {
    if (input.dims() != 4) return absl::InvalidArgumentError("tensor_in must be 4-dimensional");
    Windows windows = {input.dim_size(0), input.dim_size(3), {input.dim_size(1), window_[1], stride_[1], 1}, {input.dim_size(2), window_[2], stride_[2], 1}};
    TF_RETURN_IF_ERROR(windows.Place(padding_));
    return windows;
  }

  static absl::Status Expect(const char* name, const TensorShape& shape, const std::vector<int64_t>& dims) {
    const TensorShape expected(dims);
    if (shape == expected) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("Expected ", name, " shape to be ", expected.DebugString(), ", but got ", shape.DebugString()));
  }

  // Positions in a flat tensor, of indices [batch, rows, columns, depth] that may count within one image of `size` elements.
  XlaOp Flat(XlaOp argmax, const Windows& windows, int64_t size) const {
    const xla::Shape shape = argmax.builder()->GetShape(argmax).value();
    if (batch_in_index_) return argmax;
    const XlaOp image = IndexAlong(argmax.builder(), shape.element_type(), {shape.dimensions().begin(), shape.dimensions().end()}, 0);
    const XlaOp within = xla::And(xla::Ge(argmax, xla::ZerosLike(argmax)), xla::Lt(argmax, Constant(argmax, static_cast<double>(size))));
    return xla::Select(within, argmax + image * Constant(argmax, static_cast<double>(size)), xla::ZerosLike(argmax) - Constant(argmax, 1));
  }

  bool batch_in_index_ = false;

 private:
  std::vector<int32_t> window_, stride_;
  tensorflow::Padding padding_;
};

class MaxPoolWithArgmaxKernel : public ArgmaxPoolKernel {
 public:
  explicit MaxPoolWithArgmaxKernel(tensorflow::OpKernelConstruction* construction) : ArgmaxPoolKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("Targmax", &argmax_type_));
  }

 protected:
  absl::Status Build(XlaOpKernelContext* context) override {
    TF_ASSIGN_OR_RETURN(const Windows windows, Place(context->InputShape(0)));
    xla::PrimitiveType type = xla::S64;
    TF_RETURN_IF_ERROR(tensorflow::DataTypeToPrimitiveType(argmax_type_, &type));
    if (windows.Outputs() == 0) {
      context->SetOutput(0, xla::Broadcast(xla::Zero(context->builder(), context->InputXlaType("input")), windows.Output()));
      context->SetOutput(1, xla::Broadcast(xla::Zero(context->builder(), type), windows.Output()));
      return absl::OkStatus();
    }
    TF_ASSIGN_OR_RETURN(const Maxima maxima, FindMaxima(context->Input(0), nullptr, /*first_always=*/true, windows));
    context->SetOutput(0, maxima.value);
    context->SetOutput(1, Index(maxima.position, windows, type));
    return absl::OkStatus();
  }

 private:
  XlaOp Index(XlaOp position, const Windows& windows, xla::PrimitiveType type) const {
    const XlaOp width = Constant(position, static_cast<double>(windows.columns.window));
    const XlaOp row = xla::ConvertElementType(windows.RowOf(xla::Div(position, width)), type);
    const XlaOp column = xla::ConvertElementType(windows.ColumnOf(xla::Rem(position, width)), type);
    XlaOp line = row;
    if (batch_in_index_) line = IndexAlong(position.builder(), type, windows.Output(), 0) * Constant(row, static_cast<double>(windows.rows.input)) + row;
    const XlaOp pixel = line * Constant(row, static_cast<double>(windows.columns.input)) + column;
    const XlaOp index = pixel * Constant(row, static_cast<double>(windows.depth)) + IndexAlong(position.builder(), type, windows.Output(), 3);
    return xla::Select(xla::Lt(position, xla::ZerosLike(position)), xla::ZerosLike(index) - Constant(index, 1), index);
  }

  tensorflow::DataType argmax_type_;
};

class MaxPoolGradWithArgmaxKernel : public ArgmaxPoolKernel {
 public:
  using ArgmaxPoolKernel::ArgmaxPoolKernel;

 protected:
  absl::Status Build(XlaOpKernelContext* context) override {
    TF_ASSIGN_OR_RETURN(const Windows windows, Place(context->InputShape(0)));
    TF_RETURN_IF_ERROR(Expect("grad", context->InputShape(1), windows.Output()));
    TF_RETURN_IF_ERROR(Expect("argmax", context->InputShape(2), windows.Output()));
    const xla::PrimitiveType type = context->InputXlaType("grad");
    const int64_t size = windows.rows.input * windows.columns.input * windows.depth, all = size * windows.batch;
    if (all == 0 || windows.Outputs() == 0) {
      context->SetOutput(0, xla::Broadcast(xla::Zero(context->builder(), type), windows.Input()));
      return absl::OkStatus();
    }
    const XlaOp grad = context->Input(1);
    const bool narrow = type == xla::F16 || type == xla::BF16;
    const XlaOp updates = xla::Reshape(narrow ? xla::ConvertElementType(grad, xla::F32) : grad, {windows.Outputs(), 1});
    const XlaOp sums = SumIntoRows(updates, xla::Reshape(Flat(context->Input(2), windows, size), {windows.Outputs()}), all);
    context->SetOutput(0, xla::Reshape(xla::ConvertElementType(sums, type), windows.Input()));
    return absl::OkStatus();
  }
};

class MaxPoolGradGradWithArgmaxKernel : public ArgmaxPoolKernel {
 public:
  using ArgmaxPoolKernel::ArgmaxPoolKernel;

 protected:
  absl::Status Build(XlaOpKernelContext* context) override {
    TF_ASSIGN_OR_RETURN(const Windows windows, Place(context->InputShape(0)));
    TF_RETURN_IF_ERROR(Expect("grad", context->InputShape(1), windows.Input()));
    TF_RETURN_IF_ERROR(Expect("argmax", context->InputShape(2), windows.Output()));
    const int64_t size = windows.rows.input * windows.columns.input * windows.depth, all = size * windows.batch;
    const XlaOp zeros = xla::Broadcast(xla::Zero(context->builder(), context->InputXlaType("grad")), windows.Output());
    if (all == 0 || windows.Outputs() == 0) {
      context->SetOutput(0, zeros);
      return absl::OkStatus();
    }
    const XlaOp index = Flat(context->Input(2), windows, size);
    const XlaOp known = xla::And(xla::Ge(index, xla::ZerosLike(index)), xla::Lt(index, Constant(index, static_cast<double>(all))));
    const XlaOp read = xla::Reshape(RowsAt(xla::Reshape(context->Input(1), {all, 1}), index), windows.Output());
    context->SetOutput(0, xla::Select(known, read, zeros));
    return absl::OkStatus();
  }
};

}  // namespace

void RegisterMaxPoolArgmaxOps() {
  REGISTER_XLA_OP(Name("MaxPoolWithArgmax").Device("XLA_GPU_JIT"), MaxPoolWithArgmaxKernel);
  REGISTER_XLA_OP(Name("MaxPoolGradWithArgmax").Device("XLA_GPU_JIT"), MaxPoolGradWithArgmaxKernel);
  REGISTER_XLA_OP(Name("MaxPoolGradGradWithArgmax").Device("XLA_GPU_JIT"), MaxPoolGradGradWithArgmaxKernel);
}

}  // namespace tfvk::plugin
