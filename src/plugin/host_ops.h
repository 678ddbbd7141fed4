// Ops of the device whose arguments are all in host memory and which TensorFlow's CPU kernel computes: integers that are shapes rather than data.
#pragma once

#include "tensorflow/core/framework/kernel_def.pb.h"

namespace tfvk::plugin {

// Registers `definition` (its device type, constraints and priority are the caller's) with all arguments in host memory, delegating to the CPU kernel.
// `counted`: calls are counted in the statistics as ops run on the CPU.
void RegisterHostOp(tensorflow::KernelDef definition, bool counted);

}  // namespace tfvk::plugin
