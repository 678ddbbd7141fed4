// ExtractVolumePatches, AdjustContrast in its first version and ResizeNearestNeighborGrad.
#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "plugin/image_ops.h"
#include "plugin/table_rows.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "tensorflow/core/framework/kernel_shape_util.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla/hlo/builder/lib/slicing.h"

namespace tfvk::plugin {
namespace {

using tensorflow::TensorShape;
using tensorflow::XlaOpKernelContext;
using xla::XlaOp;

class ExtractVolumePatchesKernel : public tensorflow::XlaOpKernel {
 public:
  explicit ExtractVolumePatchesKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    OP_REQUIRES_OK(construction, Read(construction, "ksizes", &windows_));
    OP_REQUIRES_OK(construction, Read(construction, "strides", &strides_));
    OP_REQUIRES_OK(construction, construction->GetAttr("padding", &padding_));
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  static absl::Status Read(tensorflow::OpKernelConstruction* construction, const char* name, std::vector<int32_t>* sizes) {
    TF_RETURN_IF_ERROR(construction->GetAttr(name, sizes));
    if (sizes->size() != 5) return absl::InvalidArgumentError(absl::StrCat(name, " must have 5 elements, has ", sizes->size()));
    if ((*sizes)[0] != 1 || (*sizes)[4] != 1) return absl::UnimplementedError(absl::StrCat("Only support ", name, " across space."));
    if ((*sizes)[1] < 1 || (*sizes)[2] < 1 || (*sizes)[3] < 1) return absl::OutOfRangeError(absl::StrCat(name, " is out of range."));
    return absl::OkStatus();
  }

  absl::Status Build(XlaOpKernelContext* context) {
    const TensorShape input = context->InputShape(0);
    if (input.dims() != 5) return absl::InvalidArgumentError(absl::StrCat("input must be 5-dimensional", input.DebugString()));
    const int64_t batch = input.dim_size(0), depth = input.dim_size(4);
    int64_t out[3], before[3];
    xla::PaddingConfig config = xla::MakeNoPaddingConfig(5);
    for (int i = 0; i < 3; ++i) {
      const int64_t size = input.dim_size(i + 1), window = windows_[i + 1], stride = strides_[i + 1];
      TF_RETURN_IF_ERROR(tensorflow::GetWindowedOutputSize(size, window, 1, stride, padding_, &out[i], &before[i]));
      config.mutable_dimensions(i + 1)->set_edge_padding_low(before[i]);
      config.mutable_dimensions(i + 1)->set_edge_padding_high(std::max<int64_t>(0, (out[i] - 1) * stride + window - before[i] - size));
    }
    const int64_t patch = int64_t{windows_[1]} * windows_[2] * windows_[3] * depth;
    const XlaOp zero = xla::Zero(context->builder(), context->InputXlaType("input"));
    if (batch * out[0] * out[1] * out[2] * patch == 0) {
      context->SetOutput(0, xla::Broadcast(zero, {batch, out[0], out[1], out[2], patch}));
      return absl::OkStatus();
    }
    context->SetOutput(0, Patches(xla::Pad(context->Input(0), zero, config), {batch, out[0], out[1], out[2]}, depth));
    return absl::OkStatus();
  }

  // [outputs, window]: for each window of a dimension and each place in it the index in the padded dimension.
  XlaOp Starts(XlaOp volume, int dimension, int64_t outputs) const {
    const std::vector<int64_t> dims = {outputs, windows_[dimension]};
    const XlaOp start = IndexAlong(volume.builder(), xla::S32, dims, 0);
    return start * Constant(start, strides_[dimension]) + IndexAlong(volume.builder(), xla::S32, dims, 1);
  }

  // One dimension after the other becomes two: which window, and where in it.
  XlaOp Patches(XlaOp volume, const std::vector<int64_t>& outputs, int64_t depth) const {
    XlaOp patches = volume;
    for (int i = 0; i < 3; ++i)
      patches = xla::TorchIndexSelect(patches, xla::Reshape(Starts(volume, i + 1, outputs[i + 1]), {outputs[i + 1] * windows_[i + 1]}), i + 1);
    patches = xla::Reshape(patches, {outputs[0], outputs[1], windows_[1], outputs[2], windows_[2], outputs[3], windows_[3], depth});
    patches = xla::Transpose(patches, {0, 1, 3, 5, 2, 4, 6, 7});
    return xla::Reshape(patches, {outputs[0], outputs[1], outputs[2], outputs[3], int64_t{windows_[1]} * windows_[2] * windows_[3] * depth});
  }

  std::vector<int32_t> windows_, strides_;
  tensorflow::Padding padding_;
};

class AdjustContrastKernel : public tensorflow::XlaOpKernel {
 public:
  using XlaOpKernel::XlaOpKernel;

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  static absl::Status Build(XlaOpKernelContext* context) {
    const TensorShape images = context->InputShape(0);
    if (images.dims() < 3) return absl::InvalidArgumentError(absl::StrCat("input must be at least 3-D, got shape", images.DebugString()));
    const char* const scalars[] = {"contrast_factor", "min_value", "max_value"};
    for (int i = 0; i < 3; ++i) {
      const TensorShape shape = context->InputShape(i + 1);
      if (shape.dims() != 0) return absl::InvalidArgumentError(absl::StrCat(scalars[i], " must be scalar: ", shape.DebugString()));
    }
    const XlaOp values = xla::ConvertElementType(context->Input(0), xla::F32);
    if (images.num_elements() == 0) {
      context->SetOutput(0, values);
      return absl::OkStatus();
    }
    const int64_t rows = images.dims() - 3, columns = images.dims() - 2;
    const XlaOp sum =
        xla::Reduce(values, xla::Zero(context->builder(), xla::F32), xla::CreateScalarAddComputation(xla::F32, context->builder()), {rows, columns});
    const XlaOp mean = sum / Constant(sum, static_cast<double>(images.dim_size(rows) * images.dim_size(columns)));
    std::vector<int64_t> placed;
    for (int64_t i = 0; i < images.dims(); ++i) {
      if (i != rows && i != columns) placed.push_back(i);
    }
    const auto dims = images.dim_sizes();
    const XlaOp around = Spread(mean, {dims.begin(), dims.end()}, placed);
    const XlaOp adjusted = (values - around) * context->Input(1) + around;
    context->SetOutput(0, xla::Max(xla::Min(adjusted, context->Input(3)), context->Input(2)));
    return absl::OkStatus();
  }
};

class ResizeNearestNeighborGradKernel : public tensorflow::XlaOpKernel {
 public:
  explicit ResizeNearestNeighborGradKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("align_corners", &align_corners_));
    OP_REQUIRES_OK(construction, construction->GetAttr("half_pixel_centers", &half_pixel_centers_));
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  absl::Status Build(XlaOpKernelContext* context) {
    const TensorShape grads = context->InputShape(0), shape = context->InputShape(1);
    if (grads.dims() != 4) return absl::InvalidArgumentError(absl::StrCat("input must be 4-dimensional", grads.DebugString()));
    if (shape.dims() != 1) return absl::InvalidArgumentError(absl::StrCat("shape_t must be 1-dimensional", shape.DebugString()));
    if (shape.num_elements() != 2) return absl::InvalidArgumentError(absl::StrCat("shape_t must have two elements", shape.DebugString()));
    std::vector<int64_t> size;
    TF_RETURN_IF_ERROR(context->ConstantInputAsIntVector(1, &size));
    if (size[0] <= 0 || size[1] <= 0) return absl::InvalidArgumentError("shape_t's elements must be positive");
    const int64_t batch = grads.dim_size(0), height = grads.dim_size(1), width = grads.dim_size(2), depth = grads.dim_size(3);
    const xla::PrimitiveType type = context->InputXlaType("grads");
    const bool narrow = type == xla::F16 || type == xla::BF16;
    const XlaOp updates = narrow ? xla::ConvertElementType(context->Input(0), xla::F32) : context->Input(0);
    const int64_t pixels = batch * size[0] * size[1];
    const xla::PrimitiveType index = IndexTypeFor(pixels);
    const std::vector<int64_t> points = {batch, height, width};
    const XlaOp row = Spread(Pixels(context, height, size[0], index), points, {1}), column = Spread(Pixels(context, width, size[1], index), points, {2});
    const XlaOp image = IndexAlong(context->builder(), index, points, 0);
    const XlaOp pixel = (image * Constant(row, static_cast<double>(size[0])) + row) * Constant(row, static_cast<double>(size[1])) + column;
    const XlaOp sums = SumIntoRows(updates, pixel, pixels);
    context->SetOutput(0, xla::Reshape(xla::ConvertElementType(sums, type), {batch, size[0], size[1], depth}));
    return absl::OkStatus();
  }

  // Which of `outputs` pixels each of `inputs` gradients belongs to, found on the host in the arithmetic of TensorFlow's kernel.
  XlaOp Pixels(XlaOpKernelContext* context, int64_t inputs, int64_t outputs, xla::PrimitiveType type) const {
    const float scale = align_corners_ && inputs > 1 ? static_cast<float>(outputs - 1) / static_cast<float>(inputs - 1)
                                                     : static_cast<float>(outputs) / static_cast<float>(inputs);
    std::vector<int64_t> found(inputs);
    for (int64_t i = 0; i < inputs; ++i) {
      const float position = (static_cast<float>(i) + (half_pixel_centers_ ? 0.5f : 0.0f)) * scale;
      const int64_t pixel = std::min(static_cast<int64_t>(align_corners_ ? std::round(position) : std::floor(position)), outputs - 1);
      found[i] = half_pixel_centers_ ? std::max<int64_t>(0, pixel) : pixel;
    }
    return xla::ConvertElementType(xla::ConstantR1<int64_t>(context->builder(), found), type);
  }

  bool align_corners_ = false, half_pixel_centers_ = false;
};

}  // namespace

void RegisterImageOps() {
  REGISTER_XLA_OP(Name("ExtractVolumePatches").Device("XLA_GPU_JIT"), ExtractVolumePatchesKernel);
  REGISTER_XLA_OP(Name("AdjustContrast").Device("XLA_GPU_JIT"), AdjustContrastKernel);
  REGISTER_XLA_OP(Name("ResizeNearestNeighborGrad").Device("XLA_GPU_JIT").CompileTimeConstantInput("size"), ResizeNearestNeighborGradKernel);
}

}  // namespace tfvk::plugin
