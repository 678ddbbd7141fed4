// Kernels of ops whose results' sizes depend on the data. Programs have sizes that are known when they are compiled, so such a kernel runs one that gives its
// results padded, and with them numbers ("facts": how many rows count, what is wrong with the inputs) that the host waits for. The leading rows are then
// copied. A program is compiled once for the inputs' shapes, never for the results' sizes.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "plugin/cpu_kernel.h"
#include "plugin/op_rules.h"
#include "plugin/padded_rows.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace tfvk::plugin {

class SizedKernel : public tensorflow::OpKernel {
 public:
  explicit SizedKernel(tensorflow::OpKernelConstruction* construction);
  void Compute(tensorflow::OpKernelContext* context) final;

 protected:
  using Types = ResultTypes;
  virtual absl::Status Run(tensorflow::OpKernelContext* context) = 0;

  // Runs a program on inputs in device memory; `results` are made and of these types. `variant` tells apart the programs that one node has for the same inputs.
  absl::Status RunProgram(tensorflow::OpKernelContext* context, const std::string& variant, const std::vector<const tensorflow::Tensor*>& inputs,
                          const Types& types, const BuildProgram& build, std::vector<tensorflow::Tensor>* results) const;

  // Numbers of the host as a vector of int64 in device memory: what a program must know, yet must not be compiled for.
  static absl::Status Numbers(tensorflow::OpKernelContext* context, const std::vector<int64_t>& values, tensorflow::Tensor* vector);

  // Output `index`: SliceRows of `padded`.
  static absl::Status SetRows(tensorflow::OpKernelContext* context, int index, const tensorflow::Tensor& padded, int64_t first, int64_t rows);

  // For what no program is written for: TensorFlow's CPU kernel on copies, counted in the statistics.
  absl::Status RunOnCpu(tensorflow::OpKernelContext* context);

 private:
  std::string identity_;
  std::mutex mutex_;
  std::unique_ptr<CpuKernel> cpu_kernel_;  // made when first needed
};

// An op's kernel, registered for the types of each attribute that the device has. It comes before those that TensorFlow has for any device, which compute in
// host memory.
struct SizedOp {
  const char* name;
  std::vector<std::pair<std::string, TypeSet>> types;
  std::vector<std::string> host_arguments;
  tensorflow::OpKernel* (*make)(tensorflow::OpKernelConstruction*);
};

template <class Kernel>
tensorflow::OpKernel* MakeSizedKernel(tensorflow::OpKernelConstruction* construction) {
  return new Kernel(construction);
}

// The families' tables.
std::vector<SizedOp> WhereOps();
std::vector<SizedOp> UniqueOps();
std::vector<SizedOp> DynamicPartitionOps();
std::vector<SizedOp> SegmentOps();
std::vector<SizedOp> SegmentGradientOps();
std::vector<SizedOp> SparseMatMulOps();
std::vector<SizedOp> SparseOrderOps();
std::vector<SizedOp> FillEmptyRowsOps();
std::vector<SizedOp> SparseSliceOps();
std::vector<SizedOp> SparseSliceGradientOps();
std::vector<SizedOp> SparseToDenseOps();
std::vector<SizedOp> CsrConversionOps();
std::vector<SizedOp> CsrProductOps();
std::vector<SizedOp> CsrElementwiseOps();

// Whether a table has this op, so that door 2 leaves it.
bool IsSizedOp(const std::string& op);
void RegisterSizedOps();

}  // namespace tfvk::plugin
