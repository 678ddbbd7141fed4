// ExtractImagePatches. tf2xla makes a convolution with ones and zeros of it, which real numbers have; this reads the elements, of any type.
#include <algorithm>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "plugin/added_types.h"
#include "plugin/table_rows.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/core/framework/kernel_shape_util.h"
#include "tensorflow/core/util/padding.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla/hlo/builder/lib/slicing.h"

namespace tfvk::plugin {
namespace {

using tensorflow::TensorShape;
using tensorflow::XlaOpKernelContext;
using xla::XlaOp;

class ExtractImagePatchesKernel : public tensorflow::XlaOpKernel {
 public:
  explicit ExtractImagePatchesKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    OP_REQUIRES_OK(construction, Read(construction, "ksizes", &windows_));
    OP_REQUIRES_OK(construction, Read(construction, "strides", &strides_));
    OP_REQUIRES_OK(construction, Read(construction, "rates", &rates_));
    OP_REQUIRES_OK(construction, construction->GetAttr("padding", &padding_));
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  static absl::Status Read(tensorflow::OpKernelConstruction* construction, const char* name, std::vector<int32_t>* sizes) {
    TF_RETURN_IF_ERROR(construction->GetAttr(name, sizes));
    if (sizes->size() != 4) return absl::InvalidArgumentError(absl::StrCat(name, " must have 4 elements, has ", sizes->size()));
    if ((*sizes)[0] != 1 || (*sizes)[3] != 1) return absl::UnimplementedError(absl::StrCat("Only support ", name, " across space."));
    if ((*sizes)[1] < 1 || (*sizes)[2] < 1) return absl::OutOfRangeError(absl::StrCat(name, " is out of range."));
    return absl::OkStatus();
  }

  absl::Status Build(XlaOpKernelContext* context) const {
    const TensorShape input = context->InputShape(0);
    if (input.dims() != 4) return absl::InvalidArgumentError(absl::StrCat("input must be 4-dimensional", input.DebugString()));
    const int64_t batch = input.dim_size(0), depth = input.dim_size(3), patch = int64_t{windows_[1]} * windows_[2] * depth;
    int64_t out[3] = {0, 0, 0}, before[3] = {0, 0, 0};
    xla::PaddingConfig config = xla::MakeNoPaddingConfig(4);
    for (const int d : {1, 2}) {
      const int64_t size = input.dim_size(d), reach = int64_t{windows_[d] - 1} * rates_[d] + 1, stride = strides_[d];
      TF_RETURN_IF_ERROR(tensorflow::GetWindowedOutputSize(size, reach, 1, stride, padding_, &out[d], &before[d]));
      config.mutable_dimensions(d)->set_edge_padding_low(before[d]);
      config.mutable_dimensions(d)->set_edge_padding_high(std::max<int64_t>(0, (out[d] - 1) * stride + reach - before[d] - size));
    }
    const XlaOp zero = xla::Zero(context->builder(), context->input_xla_type(0));
    if (batch * out[1] * out[2] * patch == 0) {
      context->SetOutput(0, xla::Broadcast(zero, {batch, out[1], out[2], patch}));
      return absl::OkStatus();
    }
    XlaOp patches = xla::Pad(context->Input(0), zero, config);
    for (const int d : {1, 2}) patches = xla::TorchIndexSelect(patches, xla::Reshape(Places(patches, d, out[d]), {out[d] * windows_[d]}), d);
    patches = xla::Reshape(patches, {batch, out[1], windows_[1], out[2], windows_[2], depth});
    context->SetOutput(0, xla::Reshape(xla::Transpose(patches, {0, 1, 3, 2, 4, 5}), {batch, out[1], out[2], patch}));
    return absl::OkStatus();
  }

  // [outputs, window]: for each window of a dimension and each place in it the index in the padded dimension.
  XlaOp Places(XlaOp image, int dimension, int64_t outputs) const {
    const std::vector<int64_t> dims = {outputs, windows_[dimension]};
    const XlaOp start = IndexAlong(image.builder(), xla::S32, dims, 0), place = IndexAlong(image.builder(), xla::S32, dims, 1);
    return start * Constant(start, strides_[dimension]) + place * Constant(place, rates_[dimension]);
  }

  std::vector<int32_t> windows_, strides_, rates_;
  tensorflow::Padding padding_;
};

}  // namespace

void AddImagePatchTypes() {
  using namespace tensorflow;
  AddTypes<ExtractImagePatchesKernel>(
      "ExtractImagePatches", {{"T", {DT_BOOL, DT_COMPLEX64, DT_COMPLEX128, DT_INT8, DT_INT16, DT_INT32, DT_INT64, DT_UINT8, DT_UINT16, DT_UINT32, DT_UINT64}}});
}

}  // namespace tfvk::plugin
