// MaxPoolGradGrad, V2 and MaxPool3DGradGrad: of each window the gradient at its first element that is the window's largest. tf2xla finds that with numbers of
// 16 bits, and of one type.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "plugin/added_types.h"
#include "plugin/table_rows.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/core/framework/kernel_shape_util.h"
#include "tensorflow/core/util/padding.h"
#include "tensorflow/core/util/tensor_format.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla/hlo/builder/lib/loops.h"

namespace tfvk::plugin {
namespace {

using tensorflow::TensorShape;
using tensorflow::XlaOpKernelContext;
using xla::XlaOp;

// Up to so many positions of a window are written out one by one, which can be computed in one launch; more are a loop.
constexpr int64_t kMostUnrolled = 64;

// Windows over all dimensions of a tensor, of size 1 along batch and channels.
struct PoolWindows {
  std::vector<int64_t> window, stride, input, output, before;

  int64_t Positions() const {
    int64_t count = 1;
    for (const int64_t size : window) count *= size;
    return count;
  }

  absl::Status Place(const TensorShape& shape, tensorflow::Padding padding) {
    output.resize(shape.dims());
    before.resize(shape.dims());
    for (int d = 0; d < shape.dims(); ++d) {
      input.push_back(shape.dim_size(d));
      TF_RETURN_IF_ERROR(tensorflow::GetWindowedOutputSize(input[d], window[d], 1, stride[d], padding, &output[d], &before[d]));
    }
    return absl::OkStatus();
  }

  // The elements at one position of all windows, from a tensor that `Padded` made.
  XlaOp ElementsAt(XlaOp padded, const std::vector<XlaOp>& position) const {
    std::vector<int64_t> reach(window.size());
    for (size_t d = 0; d < reach.size(); ++d) reach[d] = (output[d] - 1) * stride[d] + 1;
    const XlaOp block = xla::DynamicSlice(padded, position, reach);
    return xla::Slice(block, std::vector<int64_t>(reach.size(), 0), reach, stride);
  }

  XlaOp Padded(XlaOp x, XlaOp value) const {
    xla::PaddingConfig config = xla::MakeNoPaddingConfig(window.size());
    for (size_t d = 0; d < window.size(); ++d) {
      config.mutable_dimensions(d)->set_edge_padding_low(before[d]);
      config.mutable_dimensions(d)->set_edge_padding_high(std::max<int64_t>(0, (output[d] - 1) * stride[d] + window[d] - before[d] - input[d]));
    }
    return xla::Pad(x, value, config);
  }
};

class MaxPoolGradGradKernel : public tensorflow::XlaOpKernel {
 public:
  explicit MaxPoolGradGradKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    rank_ = type_string() == "MaxPool3DGradGrad" ? 5 : 4;
    OP_REQUIRES_OK(construction, construction->GetAttr("padding", &padding_));
    std::string format;
    OP_REQUIRES_OK(construction, construction->GetAttr("data_format", &format));
    OP_REQUIRES(construction, tensorflow::FormatFromString(format, &format_), absl::InvalidArgumentError("Invalid data format"));
    if (num_inputs() == 5) return;
    std::vector<int32_t> window, stride;
    OP_REQUIRES_OK(construction, construction->GetAttr("ksize", &window));
    OP_REQUIRES_OK(construction, construction->GetAttr("strides", &stride));
    window_.assign(window.begin(), window.end());
    stride_.assign(stride.begin(), stride.end());
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  absl::StatusOr<PoolWindows> ReadWindows(XlaOpKernelContext* context) const {
    PoolWindows windows{window_, stride_, {}, {}, {}};
    if (num_inputs() == 5) {
      TF_RETURN_IF_ERROR(context->ConstantInputAsIntVector(3, &windows.window));
      TF_RETURN_IF_ERROR(context->ConstantInputAsIntVector(4, &windows.stride));
    }
    const size_t rank = rank_;
    if (windows.window.size() != rank) return absl::InvalidArgumentError(absl::StrCat("Sliding window ksize field must specify ", rank, " dimensions"));
    if (windows.stride.size() != rank) return absl::InvalidArgumentError(absl::StrCat("Sliding window strides field must specify ", rank, " dimensions"));
    const int depth = tensorflow::GetTensorFeatureDimIndex(rank_, format_);
    if (windows.window[0] != 1 || windows.stride[0] != 1) return absl::UnimplementedError("Pooling is not yet supported on the batch dimension.");
    if (windows.window[depth] != 1 || windows.stride[depth] != 1) {
      return absl::UnimplementedError("MaxPoolingGradGrad is not yet supported on the depth dimension.");
    }
    for (size_t d = 0; d < rank; ++d) {
      if (windows.window[d] < 1 || windows.stride[d] < 1) {
        return absl::InvalidArgumentError(
            absl::StrCat("Sliding window ksize and strides must be positive, are ", windows.window[d], " and ", windows.stride[d]));
      }
    }
    const TensorShape input = context->InputShape(0);
    if (input.dims() != rank_) return absl::InvalidArgumentError(absl::StrCat("tensor_in must be ", rank_, "-dimensional"));
    TF_RETURN_IF_ERROR(windows.Place(input, padding_));
    return windows;
  }

  absl::Status Build(XlaOpKernelContext* context) const {
    TF_ASSIGN_OR_RETURN(const PoolWindows windows, ReadWindows(context));
    const TensorShape output(windows.output), found = context->InputShape(1), grad = context->InputShape(2);
    if (found != output) {
      return absl::InvalidArgumentError(absl::StrCat("Expected orig_output shape to be ", output.DebugString(), ", but got ", found.DebugString()));
    }
    if (grad != context->InputShape(0)) {
      return absl::InvalidArgumentError(absl::StrCat("Expected grad shape to be ", context->InputShape(0).DebugString(), ", but got ", grad.DebugString()));
    }
    const XlaOp zero = xla::Zero(context->builder(), context->input_xla_type(0));
    if (output.num_elements() == 0) {
      context->SetOutput(0, xla::Broadcast(zero, windows.output));
      return absl::OkStatus();
    }
    TF_ASSIGN_OR_RETURN(const XlaOp result, Scan(context, windows));
    context->SetOutput(0, result);
    return absl::OkStatus();
  }

  // What is carried from position to position: the result, whether it was found, the padded input and gradient, and the windows' maxima.
  static std::vector<XlaOp> Step(const PoolWindows& windows, XlaOp k, absl::Span<const XlaOp> v) {
    std::vector<XlaOp> position(windows.window.size());
    for (size_t d = position.size(); d-- > 0;) {
      const XlaOp size = Constant(k, static_cast<double>(windows.window[d]));
      position[d] = windows.window[d] == 1 ? xla::ZerosLike(k) : xla::Rem(k, size);
      if (windows.window[d] != 1) k = xla::Div(k, size);
    }
    const XlaOp is_it = xla::And(xla::Not(v[1]), xla::Eq(windows.ElementsAt(v[2], position), v[4]));
    return {xla::Select(is_it, windows.ElementsAt(v[3], position), v[0]), xla::Or(v[1], is_it), v[2], v[3], v[4]};
  }

  // What is beyond the borders is NaN, which equals no maximum.
  static absl::StatusOr<XlaOp> Scan(XlaOpKernelContext* context, const PoolWindows& windows) {
    xla::XlaBuilder* builder = context->builder();
    const xla::PrimitiveType type = context->input_xla_type(0);
    const XlaOp zero = xla::Zero(builder, type), maxima = context->Input(1);
    std::vector<XlaOp> values = {xla::ZerosLike(maxima), xla::Broadcast(xla::ConstantR0(builder, false), windows.output),
                                 windows.Padded(context->Input(0), xla::NanValue(builder, type)), windows.Padded(context->Input(2), zero), maxima};
    const int64_t positions = windows.Positions();
    if (positions <= kMostUnrolled) {
      for (int64_t k = 0; k < positions; ++k) values = Step(windows, xla::ConstantR0<int32_t>(builder, static_cast<int32_t>(k)), values);
      return values[0];
    }
    const auto step = [&](XlaOp k, absl::Span<const XlaOp> v, xla::XlaBuilder*) -> absl::StatusOr<std::vector<XlaOp>> { return Step(windows, k, v); };
    TF_ASSIGN_OR_RETURN(values, xla::ForEachIndex(positions, xla::S32, step, values, "windows", builder));
    return values[0];
  }

  int rank_ = 4;
  std::vector<int64_t> window_, stride_;
  tensorflow::Padding padding_;
  tensorflow::TensorFormat format_ = tensorflow::FORMAT_NHWC;
};

}  // namespace

void AddMaxPoolGradGradTypes() {
  const TypeSet types = {tensorflow::DT_HALF, tensorflow::DT_BFLOAT16, tensorflow::DT_FLOAT, tensorflow::DT_DOUBLE};
  for (const char* op : {"MaxPoolGradGrad", "MaxPoolGradGradV2", "MaxPool3DGradGrad"}) AddTypes<MaxPoolGradGradKernel>(op, {{"T", types}});
}

}  // namespace tfvk::plugin
