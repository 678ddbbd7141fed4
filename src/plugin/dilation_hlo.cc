// Dilation2D, grey-scale dilation of images by a filter that is added, and its gradients, which go to the largest element of each window: to the first of equal
// ones.
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "plugin/image_ops.h"
#include "plugin/table_rows.h"
#include "plugin/window_scan.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::TensorShape;
using tensorflow::XlaOpKernelContext;
using xla::XlaOp;

class DilationKernel : public tensorflow::XlaOpKernel {
 public:
  explicit DilationKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("strides", &strides_));
    OP_REQUIRES(construction, strides_.size() == 4, absl::InvalidArgumentError("Sliding window stride field must specify 4 dimensions"));
    OP_REQUIRES(construction, strides_[0] == 1 && strides_[3] == 1, absl::UnimplementedError("Stride is only supported across spatial dimensions."));
    OP_REQUIRES_OK(construction, construction->GetAttr("rates", &rates_));
    OP_REQUIRES(construction, rates_.size() == 4, absl::InvalidArgumentError("Input stride (atrous rate) field must specify 4 dimensions"));
    OP_REQUIRES(construction, rates_[0] == 1 && rates_[3] == 1, absl::UnimplementedError("Rate is only supported across spatial dimensions."));
    OP_REQUIRES_OK(construction, construction->GetAttr("padding", &padding_));
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 protected:
  virtual absl::Status Build(XlaOpKernelContext* context) {
    TF_ASSIGN_OR_RETURN(const Windows windows, Place(context));
    if (windows.Outputs() == 0) {
      context->SetOutput(0, Zeros(context, windows.Output()));
      return absl::OkStatus();
    }
    TF_ASSIGN_OR_RETURN(const Maxima maxima, Find(context, windows));
    context->SetOutput(0, maxima.value);
    return absl::OkStatus();
  }

  absl::StatusOr<Windows> Place(XlaOpKernelContext* context) const {
    const TensorShape input = context->InputShape(0), filter = context->InputShape(1);
    if (input.dims() != 4) return absl::InvalidArgumentError(absl::StrCat("input must be 4-dimensional", input.DebugString()));
    if (filter.dims() != 3) return absl::InvalidArgumentError(absl::StrCat("filter must be 3-dimensional: ", filter.DebugString()));
    if (input.dim_size(3) != filter.dim_size(2)) {
      return absl::InvalidArgumentError(absl::StrCat("input and filter must have the same depth: ", input.dim_size(3), " vs ", filter.dim_size(2)));
    }
    Windows windows = {input.dim_size(0),
                       input.dim_size(3),
                       {input.dim_size(1), filter.dim_size(0), strides_[1], rates_[1]},
                       {input.dim_size(2), filter.dim_size(1), strides_[2], rates_[2]}};
    TF_RETURN_IF_ERROR(windows.Place(padding_));
    return windows;
  }

  // The same for the gradients, with the check of the third input.
  absl::StatusOr<Windows> PlaceGradient(XlaOpKernelContext* context) const {
    TF_ASSIGN_OR_RETURN(const Windows windows, Place(context));
    const TensorShape grad = context->InputShape(2);
    if (grad.dims() != 4) return absl::InvalidArgumentError(absl::StrCat("out_backprop must be 4-dimensional", grad.DebugString()));
    if (grad != TensorShape(windows.Output())) return absl::InvalidArgumentError("out_backprop has incompatible size.");
    return windows;
  }

  static absl::StatusOr<Maxima> Find(XlaOpKernelContext* context, const Windows& windows) {
    const XlaOp filter = context->Input(1);
    return FindMaxima(context->Input(0), &filter, /*first_always=*/false, windows);
  }

  static XlaOp Zeros(XlaOpKernelContext* context, const std::vector<int64_t>& dims) {
    return xla::Broadcast(xla::Zero(context->builder(), context->InputXlaType("input")), dims);
  }

  // A pixel may be the largest of many windows: their sum is not rounded to a narrow type on the way.
  static XlaOp Wide(XlaOp grad, xla::PrimitiveType type) { return type == xla::F16 || type == xla::BF16 ? xla::ConvertElementType(grad, xla::F32) : grad; }

 private:
  std::vector<int32_t> strides_, rates_;
  tensorflow::Padding padding_;
};

class DilationInputGradientKernel : public DilationKernel {
 public:
  using DilationKernel::DilationKernel;

 protected:
  absl::Status Build(XlaOpKernelContext* context) override {
    TF_ASSIGN_OR_RETURN(const Windows windows, PlaceGradient(context));
    const int64_t all = TensorShape(windows.Input()).num_elements();
    if (all == 0 || windows.Outputs() == 0) {
      context->SetOutput(0, Zeros(context, windows.Input()));
      return absl::OkStatus();
    }
    TF_ASSIGN_OR_RETURN(const Maxima maxima, Find(context, windows));
    const xla::PrimitiveType type = context->InputXlaType("input");
    const XlaOp updates = xla::Reshape(Wide(context->Input(2), type), {windows.Outputs(), 1});
    const XlaOp sums = SumIntoRows(updates, xla::Reshape(Elements(maxima.position, windows, IndexTypeFor(all)), {windows.Outputs()}), all);
    context->SetOutput(0, xla::Reshape(xla::ConvertElementType(sums, type), windows.Input()));
    return absl::OkStatus();
  }

 private:
  // The largest elements in the flat input; where a window has none, its first element in the image.
  static XlaOp Elements(XlaOp position, const Windows& windows, xla::PrimitiveType type) {
    const XlaOp none = xla::Lt(position, xla::ZerosLike(position)), width = Constant(position, static_cast<double>(windows.columns.window));
    const XlaOp first = xla::ConstantR0<int32_t>(position.builder(), 0);
    const auto index = [&](XlaOp found, XlaOp begin) {
      return xla::ConvertElementType(xla::Select(none, xla::Max(begin, xla::ZerosLike(begin)), found), type);
    };
    const XlaOp row = index(windows.RowOf(xla::Div(position, width)), windows.RowOf(first));
    const XlaOp column = index(windows.ColumnOf(xla::Rem(position, width)), windows.ColumnOf(first));
    const XlaOp image = IndexAlong(position.builder(), type, windows.Output(), 0);
    const XlaOp pixel =
        (image * Constant(row, static_cast<double>(windows.rows.input)) + row) * Constant(row, static_cast<double>(windows.columns.input)) + column;
    return pixel * Constant(row, static_cast<double>(windows.depth)) + IndexAlong(position.builder(), type, windows.Output(), 3);
  }
};

class DilationFilterGradientKernel : public DilationKernel {
 public:
  using DilationKernel::DilationKernel;

 protected:
  absl::Status Build(XlaOpKernelContext* context) override {
    TF_ASSIGN_OR_RETURN(const Windows windows, PlaceGradient(context));
    const std::vector<int64_t> dims = {windows.rows.window, windows.columns.window, windows.depth};
    if (windows.Outputs() == 0 || TensorShape(dims).num_elements() == 0) {
      context->SetOutput(0, Zeros(context, dims));
      return absl::OkStatus();
    }
    TF_ASSIGN_OR_RETURN(const Maxima maxima, Find(context, windows));
    const xla::PrimitiveType type = context->InputXlaType("input");
    // Each element of the filter sums the gradients of the windows in which it was the largest.
    const int64_t positions = dims[0] * dims[1], outputs = windows.Outputs() / windows.depth;
    const std::vector<int64_t> all = {positions, outputs, windows.depth};
    const auto rows = [&](XlaOp op) { return Spread(xla::Reshape(op, {outputs, windows.depth}), all, {1, 2}); };
    const XlaOp taken = xla::Max(maxima.position, xla::ZerosLike(maxima.position));
    const XlaOp mine = xla::Eq(rows(taken), IndexAlong(context->builder(), xla::S32, all, 0));
    const XlaOp grad = rows(Wide(context->Input(2), type));
    const xla::PrimitiveType wide = type == xla::F64 ? xla::F64 : xla::F32;
    const XlaOp sums = xla::Reduce(xla::Select(mine, xla::ConvertElementType(grad, wide), xla::Broadcast(xla::Zero(context->builder(), wide), all)),
                                   xla::Zero(context->builder(), wide), xla::CreateScalarAddComputation(wide, context->builder()), {1});
    context->SetOutput(0, xla::Reshape(xla::ConvertElementType(sums, type), dims));
    return absl::OkStatus();
  }
};

}  // namespace

void RegisterDilationOps() {
  const std::vector<tensorflow::DataType> types = {tensorflow::DT_HALF, tensorflow::DT_BFLOAT16, tensorflow::DT_FLOAT, tensorflow::DT_DOUBLE};
  REGISTER_XLA_OP(Name("Dilation2D").Device("XLA_GPU_JIT").TypeConstraint("T", types), DilationKernel);
  REGISTER_XLA_OP(Name("Dilation2DBackpropInput").Device("XLA_GPU_JIT").TypeConstraint("T", types), DilationInputGradientKernel);
  REGISTER_XLA_OP(Name("Dilation2DBackpropFilter").Device("XLA_GPU_JIT").TypeConstraint("T", types), DilationFilterGradientKernel);
}

}  // namespace tfvk::plugin
