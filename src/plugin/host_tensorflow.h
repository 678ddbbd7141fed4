// The TensorFlow that this plugin was loaded into.
#pragma once

#include <string>

namespace tfvk::plugin {

// Empty when it is the one that the plugin was built for; else a sentence that says what it is and what to do. C++ layouts are those of one minor version.
std::string IncompatibleTensorFlow();

// Has this TensorFlow kernels for CUDA or ROCm registered under the device type GPU? They would be run on this plugin's memory.
bool HasVendorGpuKernels();

}  // namespace tfvk::plugin
