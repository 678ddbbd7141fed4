// Reductions of rows by segment in XLA's builder: the formulas of Segment*, SparseSegment* and the gradients of the latter.
#pragma once

#include "xla/hlo/builder/xla_builder.h"

namespace tfvk::plugin {

enum class SegmentReduction { kSum, kMean, kSqrtN, kProd, kMin, kMax };

// Of rows [n, ...] and a vector of n ids: [segments, ...]. Ids outside are dropped; a segment without rows is 1 for products, else 0. Sums of 16-bit floats
// are fp32's.
xla::XlaOp ReduceSegments(xla::XlaOp rows, xla::XlaOp ids, int64_t segments, SegmentReduction reduction);

// The number of rows of each segment, as s32.
xla::XlaOp SegmentSizes(xla::XlaOp ids, int64_t segments);

// Registers the ops with a number of segments given and the gradients with tf2xla.
void RegisterSparseSegmentOps();

}  // namespace tfvk::plugin
