#include "plugin/padded_rows.h"

#include <limits>

#include "plugin/platform.h"

namespace tfvk::plugin {

using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

int64_t PaddedRows(int64_t rows) {
  int64_t padded = 1;
  while (padded < rows) padded *= 2;
  return padded;
}

bool AreCountable(int64_t rows) { return rows < std::numeric_limits<int32_t>::max() / 2; }

absl::Status PadRows(OpKernelContext* context, const Tensor& rows, Tensor* padded, std::optional<uint32_t> pattern) {
  TensorShape shape = rows.shape();
  TF_RETURN_IF_ERROR(shape.SetDimWithStatus(0, PaddedRows(rows.dim_size(0))));
  if (shape == rows.shape()) {
    *padded = rows;
    return absl::OkStatus();
  }
  TF_RETURN_IF_ERROR(AllocateTemporary(context, rows.dtype(), shape, padded));
  Device& device = DeviceOf(context);
  const uint64_t bytes = rows.TotalBytes(), all = padded->TotalBytes();
  char* const data = static_cast<char*>(padded->data());
  if (bytes != 0) device.Copy(data, rows.data(), bytes);
  if (pattern && all != bytes) device.Fill(data + bytes, *pattern, all - bytes);
  return absl::OkStatus();
}

absl::Status SliceRows(OpKernelContext* context, const Tensor& padded, int64_t first, int64_t rows, Tensor* slice) {
  if (rows == padded.dim_size(0)) {
    *slice = padded;
    return absl::OkStatus();
  }
  if (first == 0 && rows != 0 && 2 * rows >= padded.dim_size(0)) {  // not worth a copy
    *slice = padded.Slice(0, rows);
    return absl::OkStatus();
  }
  TensorShape shape = padded.shape();
  TF_RETURN_IF_ERROR(shape.SetDimWithStatus(0, rows));
  TF_RETURN_IF_ERROR(AllocateTemporary(context, padded.dtype(), shape, slice));
  const uint64_t bytes = slice->TotalBytes();
  if (bytes != 0) DeviceOf(context).Copy(slice->data(), static_cast<const char*>(padded.data()) + first * (bytes / rows), bytes);
  return absl::OkStatus();
}

absl::Status RunForResults(OpKernelContext* context, const std::string& name, const std::vector<const Tensor*>& inputs, const ResultTypes& types,
                           const BuildProgram& build, std::vector<Tensor>* results) {
  results->resize(types.size());
  std::vector<Tensor*> outputs;
  for (size_t i = 0; i < types.size(); ++i) {
    TF_RETURN_IF_ERROR(AllocateTemporary(context, types[i].first, types[i].second, &(*results)[i]));
    outputs.push_back(&(*results)[i]);
  }
  return RunBuiltProgram(context, name, build, inputs, outputs);
}

std::vector<int64_t> ReadFacts(OpKernelContext* context, const Tensor& facts) {
  std::vector<int64_t> values(facts.NumElements());
  ReadNow(context, facts, values.data());
  return values;
}

}  // namespace tfvk::plugin
