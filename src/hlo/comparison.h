// How far a tensor is from what it should be.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace tfvk::hlo {

struct Difference {
  double max_absolute = 0, max_relative = 0;  // over the elements that are finite in both; relative only where |expected| > 0
  double rms = 0;                             // the root mean square of the errors of the same elements, those that are equal counted as 0
  int64_t mismatches = 0, elements = 0;
  int64_t not_finite = 0;  // mismatches that are infinite or NaN on one side at least
  int64_t first = -1;      // the first mismatch
  double expected = 0, actual = 0;

  std::string ToText() const;
};

// Elements of bools and integers match when they are equal. Floats match when |actual - expected| <= tolerance * (|expected| + the root mean square of the
// finite expected elements / 4, or `floor` if that is more), NaN matches NaN, infinities match themselves. With `slack`, an element also matches when it is off
// by no more than the slack of its place, and any other where that is infinite. Throws Error(kInvalidArgument) when the sizes in
// bytes are not the type's.
Difference Compare(const ir::TensorType& type, const std::vector<uint8_t>& expected, const std::vector<uint8_t>& actual, double tolerance, double floor = 0,
                   const std::vector<double>& slack = {});

// The relative tolerance for results that were computed from values of this dtype.
double ToleranceOf(DType dtype);
// The same for a graph: that of the least precise float dtype in it.
double ToleranceOf(const ir::Graph& graph);

}  // namespace tfvk::hlo
