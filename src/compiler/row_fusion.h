// Launches over rows: reductions along the innermost dimensions together with the reductions and maps of the same rows that use their results (softmax, layer
// normalisation, their gradients), which each invocation computes from elements that it holds already.
#pragma once

#include <optional>
#include <vector>

#include "compiler/fusion.h"
#include "kernels/kernel.h"

namespace tfvk::compiler {

// Which launches can be over rows on a device.
class RowFusion {
 public:
  explicit RowFusion(const kernels::DeviceLimits& limits) : limits_(limits) {}

  // The rows that a launch works on, or could: a reduction's input with its innermost dimensions reduced away, or what a launch over rows has. None for maps
  // and for reductions of other kinds, of run-time sizes, of rows too long for one workgroup, or of several operands at once.
  std::optional<Rows> RowsOf(const Fusion& fusion) const;

  // Whether a map or a reduction could be part of a launch over such rows, by its index space.
  bool WorksOn(const Rows& rows, const Fusion& fusion) const;

  // Completes a fusion that has heroes, members and outputs of a launch over `rows`: what it reads, and in which order its reductions follow each other. False
  // where it cannot be one: a value of one row is used for another, or the code would be too long.
  bool Complete(const Rows& rows, Fusion& fusion) const;

 private:
  const kernels::DeviceLimits& limits_;
};

}  // namespace tfvk::compiler
