// Door 1: whole functions. TensorFlow asks here for the kernel of every call of a function that must be compiled (jit_compile=True, Keras's default).
#pragma once

namespace tfvk::plugin {

// Call once, before TensorFlow makes kernels.
void RegisterFunctionDoor();

}  // namespace tfvk::plugin
