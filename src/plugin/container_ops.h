// Ops on lists of tensors and optionals, which TensorFlow has for pluggable devices only in part: elements of more types, zeros and sums.
#pragma once

#include "plugin/op_rules.h"

namespace tfvk::plugin {

void RegisterContainerOps(const KnownKernels& known);

}  // namespace tfvk::plugin
