#include "plugin/sized_kernel.h"

#include <limits>
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
  results->resize(types.size());
  std::vector<Tensor*> outputs;
  for (size_t i = 0; i < types.size(); ++i) {
    TF_RETURN_IF_ERROR(AllocateTemporary(context, types[i].first, types[i].second, &(*results)[i]));
    outputs.push_back(&(*results)[i]);
  }
  return RunBuiltProgram(context, absl::StrCat(identity_, " ", variant), build, inputs, outputs);
}

absl::Status SizedKernel::PadRows(tensorflow::OpKernelContext* context, const Tensor& rows, Tensor* padded) {
  TensorShape shape = rows.shape();
  TF_RETURN_IF_ERROR(shape.SetDimWithStatus(0, PaddedRows(rows.dim_size(0))));
  if (shape == rows.shape()) {
    *padded = rows;
    return absl::OkStatus();
  }
  TF_RETURN_IF_ERROR(AllocateTemporary(context, rows.dtype(), shape, padded));
  if (rows.TotalBytes() != 0) DeviceOf(context).Copy(padded->data(), rows.data(), rows.TotalBytes());
  return absl::OkStatus();
}

absl::Status SizedKernel::Numbers(tensorflow::OpKernelContext* context, const std::vector<int64_t>& values, Tensor* vector) {
  TF_RETURN_IF_ERROR(AllocateTemporary(context, tensorflow::DT_INT64, TensorShape({static_cast<int64_t>(values.size())}), vector));
  DeviceOf(context).Upload(vector->data(), values.data(), vector->TotalBytes());
  return absl::OkStatus();
}

std::vector<int64_t> SizedKernel::ReadFacts(tensorflow::OpKernelContext* context, const Tensor& facts) {
  std::vector<int64_t> values(facts.NumElements());
  ReadNow(context, facts, values.data());
  return values;
}

absl::Status SizedKernel::SetRows(tensorflow::OpKernelContext* context, int index, const Tensor& padded, int64_t first, int64_t rows) {
  if (first == 0 && rows != 0 && 2 * rows >= padded.dim_size(0)) {  // not worth a copy
    context->set_output(index, padded.Slice(0, rows));
    return absl::OkStatus();
  }
  TensorShape shape = padded.shape();
  shape.set_dim(0, rows);
  Tensor* output = nullptr;
  TF_RETURN_IF_ERROR(context->allocate_output(index, shape, &output));
  if (output->TotalBytes() == 0) return absl::OkStatus();
  const uint64_t row_bytes = output->TotalBytes() / rows;
  DeviceOf(context).Copy(output->data(), static_cast<const char*>(padded.data()) + first * row_bytes, output->TotalBytes());
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

int64_t PaddedRows(int64_t rows) {
  int64_t padded = 1;
  while (padded < rows) padded *= 2;
  return padded;
}

bool AreCountable(int64_t rows) { return rows < std::numeric_limits<int32_t>::max() / 2; }

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
