// Mean and variance of columns in one reading: batch normalisation's.
//
// TensorFlow's moments are a sum of x, and then a sum of (x - mean)^2, which reads x once more. With a pivot p for each column, both follow from sums over x
// alone:
//
//   sum of x = S1 + N p,  sum of (x - mean)^2 = S2 - S1^2 / N,  S1 = sum of (x - p), S2 = sum of (x - p)^2.
//
// The pivot is the median of three of the column's elements, so some standard deviations from the mean at most unless two of the three are outliers. As it is
// one of the numbers, the variance cannot be small beside its distance from the mean: the difference loses a few roundings of the variance, and at worst N.
#pragma once

#include <memory>

#include "ir/graph.h"

namespace tfvk::compiler {

// The graph with such pairs of sums made of others that are computed together; null where there are none. Of f32 tensors of static shape that are too large to
// be read twice for nothing, whose last dimension is kept (those of rows are one launch anyway, row_fusion.h). Loops and conditionals keep theirs.
std::unique_ptr<ir::Graph> JoinMoments(const ir::Graph& graph);

}  // namespace tfvk::compiler
