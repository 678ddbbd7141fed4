// Reductions of rows by segment in XLA's builder: the formulas of Segment*, SparseSegment* and the gradients of the latter.
#pragma once

#include <string>

#include "xla/hlo/builder/xla_builder.h"

namespace tfvk::plugin {

enum class SegmentReduction { kSum, kMean, kSqrtN, kProd, kMin, kMax };

// Of rows [n, ...] and a vector of n ids: [segments, ...]. Ids outside are dropped; a segment without rows is 1 for products, else 0. Sums of 16-bit floats
// are fp32's.
xla::XlaOp ReduceSegments(xla::XlaOp rows, xla::XlaOp ids, int64_t segments, SegmentReduction reduction);

// The gradient of a sum, mean or kSqrtN of segments of taken rows: [rows, ...], of which row places[i] gets `gradient`'s row ids[i], divided as the reduction
// divides, for each i. `gradient` is [segments, ...] with at least one segment; ids and places outside are dropped.
xla::XlaOp SegmentGradient(xla::XlaOp gradient, xla::XlaOp ids, xla::XlaOp places, int64_t rows, SegmentReduction reduction);

// The reduction that an op's name, without "GradV2", ends with.
SegmentReduction ReductionOf(const std::string& op);

// The number of rows of each segment, as s32.
xla::XlaOp SegmentSizes(xla::XlaOp ids, int64_t segments);

// Registers the ops with a number of segments given and the gradients with tf2xla.
void RegisterSparseSegmentOps();

}  // namespace tfvk::plugin
