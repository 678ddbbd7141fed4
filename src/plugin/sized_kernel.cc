#include "plugin/sized_kernel.h"

#include <set>

#include "plugin/device_kernel.h"
#include "plugin/platform.h"
#include "plugin/statistics.h"
#include "plugin/status.h"
#include "tensorflow/core/framework/node_def_util.h"

namespace tfvk::plugin {

using tensorflow::Tensor;
using tensorflow::TensorShape;

namespace {

std::vector<SizedOp> AllSizedOps() {
  std::vector<SizedOp> all;
  for (const auto family : {WhereOps, UniqueOps, DynamicPartitionOps, SegmentOps, SegmentGradientOps, SparseMatMulOps, SparseOrderOps, FillEmptyRowsOps,
                            SparseSliceOps, SparseSliceGradientOps, SparseToDenseOps, CsrConversionOps, CsrProductOps, CsrElementwiseOps}) {
    const std::vector<SizedOp> ops = family();
    all.insert(all.end(), ops.begin(), ops.end());
  }
  return all;
}

}  // namespace

SizedKernel::SizedKernel(tensorflow::OpKernelConstruction* construction)
    : OpKernel(construction), identity_(absl::StrCat(type_string(), " ", tensorflow::SummarizeAttrs(construction->def()))) {}

void SizedKernel::Compute(tensorflow::OpKernelContext* context) {
  OP_REQUIRES_OK(context, Guarded([&] { return Run(context); }));
}

absl::Status SizedKernel::RunProgram(tensorflow::OpKernelContext* context, const std::string& variant, const std::vector<const Tensor*>& inputs,
                                     const Types& types, const BuildProgram& build, std::vector<Tensor>* results) const {
  return RunForResults(context, absl::StrCat(identity_, " ", variant), inputs, types, build, results);
}

absl::Status SizedKernel::Numbers(tensorflow::OpKernelContext* context, const std::vector<int64_t>& values, Tensor* vector) {
  TF_RETURN_IF_ERROR(AllocateTemporary(context, tensorflow::DT_INT64, TensorShape({static_cast<int64_t>(values.size())}), vector));
  DeviceOf(context).Upload(vector->data(), values.data(), vector->TotalBytes());
  return absl::OkStatus();
}

absl::Status SizedKernel::SetRows(tensorflow::OpKernelContext* context, int index, const Tensor& padded, int64_t first, int64_t rows) {
  Tensor output;
  TF_RETURN_IF_ERROR(SliceRows(context, padded, first, rows, &output));
  context->set_output(index, output);
  return absl::OkStatus();
}

absl::Status SizedKernel::RunOnCpu(tensorflow::OpKernelContext* context) {
  statistics().CountRunOnCpu(type_string());
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (cpu_kernel_ == nullptr) TF_RETURN_IF_ERROR(CpuKernel::Create(context->function_library(), context->resource_manager(), def(), &cpu_kernel_));
  }
  return cpu_kernel_->RunStaged(context);
}

bool IsSizedOp(const std::string& op) {
  static const auto* const names = [] {
    auto* made = new std::set<std::string>;
    for (const SizedOp& sized : AllSizedOps()) made->insert(sized.name);
    return made;
  }();
  return names->count(op) != 0;
}

void RegisterSizedOps() {
  for (const SizedOp& op : AllSizedOps()) {
    auto kernel = std::make_unique<tensorflow::KernelDef>(DeviceKernel(op.name, op.host_arguments));
    for (const auto& [attribute, types] : op.types) SetConstraintTypes(*kernel, attribute, TypesOfDevice(types));
    tensorflow::kernel_factory::OpKernelRegistrar(kernel.release(), "TfvkSizedOp", op.make);
  }
}

}  // namespace tfvk::plugin
