// Ops on lists of tensors and optionals, which TensorFlow has for pluggable devices only in part: elements of more types, zeros and sums. Those of variants of
// any kind, sparse matrices too: ZerosLike, AddN, Conj.
#pragma once

#include "plugin/op_rules.h"

namespace tfvk::plugin {

void RegisterContainerOps(const KnownKernels& known);
// TensorFlow 1's arrays of tensors.
void RegisterTensorArrayOps();
// What graphs with parallel_stack become.
void RegisterParallelConcatOps();
// InplaceUpdate, InplaceAdd, InplaceSub, DeepCopy; TensorFlow has them in host memory for int32.
void RegisterInplaceOps();

}  // namespace tfvk::plugin
