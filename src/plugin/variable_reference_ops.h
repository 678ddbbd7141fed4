// TensorFlow 1's ops on reference variables, on the device: each runs the program of the op on resource variables that computes the same.
#pragma once

namespace tfvk::plugin {

// The tf2xla backend and this plugin's tf2xla kernels must be registered.
void RegisterReferenceOps();

}  // namespace tfvk::plugin
