// Products and convolutions of fp32 tensors as ones of fp16 tensors, where TensorFlow allows TF32's precision.
//
// fp16 has TF32's 10 bits of mantissa but a smaller range, so a tensor is multiplied by the power of two that takes its largest finite element to
// [2^13, 2^15) and converted once; every product that uses it reads half the bytes and multiplies as fast as the device can, and its sums are multiplied by
// the inverses. The largest exponent (ir::Op::kLargestExponent) is found by the launch that computes the tensor. kernels/gemm_scale.h does the same inside of
// one kernel, for operands of a single product.
#pragma once

#include <memory>

#include "ir/graph.h"
#include "kernels/kernel.h"

namespace tfvk::compiler {

// The graph with its large products narrowed; null where none is to be. For devices whose cooperative matrices take fp16, static shapes, and operands of fewer
// than 2^31 elements. Loops and conditionals keep theirs.
std::unique_ptr<ir::Graph> NarrowProducts(const ir::Graph& graph, const kernels::DeviceLimits& limits);

}  // namespace tfvk::compiler
