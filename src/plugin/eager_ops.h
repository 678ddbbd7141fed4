// How TensorFlow runs the ops that Python calls one by one.
#pragma once

namespace tfvk::plugin {

// Has the eager ops of this process run by their kernels instead of in functions of one op each, TensorFlow's default. Those functions get their arguments
// from the host through one rendezvous of the whole process under names that the calls of an op share, so that on any device but the CPU ops of several
// threads receive each other's arguments: wrong numbers, or errors about shapes that nobody has given (https://github.com/tensorflow/tensorflow/issues/62523).
void RunEagerOpsByTheirKernels();

}  // namespace tfvk::plugin
