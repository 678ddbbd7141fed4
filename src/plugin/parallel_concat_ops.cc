// parallel_stack: TensorFlow's rewrite of graphs makes of it one tensor into which every part is written when it is there.
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "plugin/container_ops.h"
#include "plugin/device_kernel.h"
#include "plugin/status.h"

namespace tfvk::plugin {
namespace {

using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

// The tensor, whose contents mean nothing yet.
class StartKernel : public tensorflow::OpKernel {
 public:
  explicit StartKernel(OpKernelConstruction* construction) : OpKernel(construction) { OP_REQUIRES_OK(construction, construction->GetAttr("shape", &shape_)); }

  void Compute(OpKernelContext* context) override {
    Tensor* output = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, shape_, &output));
  }

 private:
  TensorShape shape_;
};

// Writes one row into the tensor; the output is the tensor itself.
class UpdateKernel : public tensorflow::OpKernel {
 public:
  explicit UpdateKernel(OpKernelConstruction* construction) : OpKernel(construction) { OP_REQUIRES_OK(construction, construction->GetAttr("loc", &row_)); }

  void Compute(OpKernelContext* context) override {
    OP_REQUIRES_OK(context, Guarded([&] { return Update(context); }));
  }

 private:
  absl::Status Update(OpKernelContext* context) const {
    const Tensor &value = context->input(0), &update = context->input(1);
    TF_RETURN_IF_ERROR(Check(value.shape(), update.shape()));
    context->set_output(0, value);
    if (update.NumElements() == 0) return absl::OkStatus();
    const int64_t rows = value.dim_size(0), row = (row_ % rows + rows) % rows;  // negative ones count from the end
    CopyAnywhere(DeviceOf(context), static_cast<char*>(value.data()) + row * update.TotalBytes(), update.data(), update.TotalBytes());
    return absl::OkStatus();
  }

  absl::Status Check(const TensorShape& value, const TensorShape& update) const {
    if (value.dims() < 1) return absl::InvalidArgumentError("value should be at least rank 1.");
    if (value.dim_size(0) <= row_) {
      return absl::InvalidArgumentError(absl::StrCat("0th dimension of value = ", value.dim_size(0), " must be greater than loc_ = ", row_));
    }
    TensorShape row = value;
    row.set_dim(0, 1);
    if (row == update) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("value and update shape doesn't match: ", value.DebugString(), " vs. ", update.DebugString()));
  }

  int32_t row_;
};

// What TensorFlow's kernels of it say: only graphs have the op, and their rewrite removes it.
class UnreplacedKernel : public tensorflow::OpKernel {
 public:
  explicit UnreplacedKernel(OpKernelConstruction* construction) : OpKernel(construction) {
    OP_REQUIRES_OK(construction, absl::InternalError("Found instance of parallel_stack which could not be properly replaced."));
  }

  void Compute(OpKernelContext*) override {}
};

}  // namespace

void RegisterParallelConcatOps() {
  const TypeSet types = DeviceTypesWithoutInt32(), host_types = {tensorflow::DT_INT32};
  RegisterDeviceKernel<StartKernel>(DeviceKernel("_ParallelConcatStart", "dtype", types));
  RegisterDeviceKernel<StartKernel>(DeviceKernel("_ParallelConcatStart", "dtype", host_types, {"output"}));
  RegisterDeviceKernel<UpdateKernel>(DeviceKernel("_ParallelConcatUpdate", "T", types));
  RegisterDeviceKernel<UpdateKernel>(DeviceKernel("_ParallelConcatUpdate", "T", host_types, {"value", "update", "output"}));
  RegisterDeviceKernel<UnreplacedKernel>(DeviceKernel("ParallelConcat", "T", types));
  RegisterDeviceKernel<UnreplacedKernel>(DeviceKernel("ParallelConcat", "T", host_types, {"values", "output"}));
}

}  // namespace tfvk::plugin
