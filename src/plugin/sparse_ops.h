// Ops on sparse tensors: rows of indices, values, and a shape.
#pragma once

namespace tfvk::plugin {

// Registers SparseTensorDenseMatMul with tf2xla, for compiled functions.
void RegisterSparseMatMulOp();

}  // namespace tfvk::plugin
