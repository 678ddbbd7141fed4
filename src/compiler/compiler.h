// From a graph to a Program: fusion, schedule, memory plan, lowering.
#pragma once

#include <memory>

#include "ir/graph.h"
#include "kernels/kernel.h"
#include "program/program.h"

namespace tfvk::compiler {

struct CompileOptions {
  bool allow_tf32 = true;        // fp32 dots and convolutions of default precision may lose bits as TF32 does
  bool fuse = true;              // off: one kernel a node, for finding faults
  bool narrow_products = true;   // narrow_products.h, where TF32 is allowed
  bool excess_precision = true;  // excess_precision.h, where launches are fused
  size_t plan_rank = 0;          // products and convolutions by the model's second, third ... choice of kernels, to measure them
};

// The graph as Compile rewrites it before it forms launches: transposed_products.h, moments.h, narrow_products.h. Null where it stays as it is.
std::unique_ptr<ir::Graph> Rewritten(const ir::Graph& graph, const kernels::DeviceLimits& limits, const CompileOptions& options);

// Throws Error(kUnimplemented) naming the node, its shapes and its TensorFlow op when a node cannot be lowered, or the device lacks what it needs.
program::Program Compile(const ir::Graph& graph, const kernels::DeviceLimits& limits, const CompileOptions& options = {});

}  // namespace tfvk::compiler
