// TensorFlow's CPU kernel of an op, run inside a kernel of this plugin's device.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tensorflow/core/framework/op_kernel.h"

namespace tfvk::plugin {

class CpuKernel {
 public:
  // The CPU kernel of this node; null and a status when there is none.
  static absl::Status Create(tensorflow::FunctionLibraryRuntime* runtime, tensorflow::ResourceMgr* resources, const tensorflow::NodeDef& node,
                             std::unique_ptr<CpuKernel>* kernel);

  // The device that it runs on, as resources of that device name it.
  const std::string& device_name() const;

  // Runs it on inputs in host memory; the outputs are in host memory. `context` gives the step, rendezvous and so on.
  absl::Status Run(tensorflow::OpKernelContext* context, std::vector<tensorflow::Tensor> inputs, std::vector<tensorflow::Tensor>* outputs) const;

  // Runs it on the context's own inputs and outputs: those that are in device memory are copied to the host and back. Waits for the device.
  absl::Status RunStaged(tensorflow::OpKernelContext* context) const;

  // Runs it on the context itself. Only for kernels that TensorFlow uses for pluggable devices too: their code moves tensors without looking into them.
  void RunOnDeviceMemory(tensorflow::OpKernelContext* context) const { kernel_->Compute(context); }

 private:
  tensorflow::Device* cpu_ = nullptr;  // not owned
  std::unique_ptr<tensorflow::OpKernel> kernel_;
};

}  // namespace tfvk::plugin
