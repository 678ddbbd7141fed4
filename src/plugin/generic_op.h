// One node's op through tf2xla: the work of the generic kernel (door_ops.h), which hot kernels fall back to for the calls that they do not build.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "plugin/cpu_kernel.h"
#include "plugin/launch.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace tfvk::plugin {

// The op and its attributes, without those that TensorFlow's runtime adds: equal for equal computations.
std::string IdentityOf(const tensorflow::NodeDef& node);

class GenericOp {
 public:
  // Throws Error where the registry of tf2xla does not know the op. The kernel must outlive this.
  explicit GenericOp(const tensorflow::OpKernel& kernel);

  // Computes the context's outputs and updates its variables; compiles what this process has not compiled for these shapes.
  absl::Status Run(tensorflow::OpKernelContext* context);

 private:
  bool HasCpuKernel() const;

  // For an attribute that tf2xla does not have, found only when the inputs are already in device memory.
  absl::Status RunOnCpu(tensorflow::OpKernelContext* context);

  const tensorflow::OpKernel& kernel_;
  Callable callable_;
  std::mutex mutex_;
  std::unique_ptr<CpuKernel> cpu_kernel_;  // made when first needed
};

}  // namespace tfvk::plugin
