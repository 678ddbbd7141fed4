// Computations that a kernel writes itself with XLA's builder, for ops whose sizes or errors depend on what is computed: the kernel runs the program, reads
// what it must know, and makes its outputs from that.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tensorflow/core/framework/op_kernel.h"
#include "xla/hlo/builder/xla_builder.h"

namespace tfvk::plugin {

// Results from parameters. What it builds may depend on the parameters' types and shapes and on what the program's name says.
using BuildProgram = std::function<std::vector<xla::XlaOp>(const std::vector<xla::XlaOp>& parameters)>;

// Queues the program on the context's device. All tensors are in device memory; `outputs` have the types and shapes of the results. A program is compiled once
// for each name and signature of its inputs, so a name must hold everything else that the results depend on.
absl::Status RunBuiltProgram(tensorflow::OpKernelContext* context, const std::string& name, const BuildProgram& build,
                             const std::vector<const tensorflow::Tensor*>& inputs, const std::vector<tensorflow::Tensor*>& outputs);

// A tensor in device memory that this kernel alone uses, or one in host memory.
absl::Status AllocateTemporary(tensorflow::OpKernelContext* context, tensorflow::DataType dtype, const tensorflow::TensorShape& shape,
                               tensorflow::Tensor* tensor, bool on_host = false);

// Copies a tensor's contents to the host and waits for the device.
void ReadNow(tensorflow::OpKernelContext* context, const tensorflow::Tensor& tensor, void* destination);

}  // namespace tfvk::plugin
