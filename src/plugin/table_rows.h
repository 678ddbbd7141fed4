// Reads and sums of a table's rows by computed indices, and the grids of numbers that such indices are computed from: what image and pooling ops are written
// with.
#pragma once

#include <cstdint>
#include <vector>

#include "xla/hlo/builder/xla_builder.h"

namespace tfvk::plugin {

// The narrowest type of integers that holds the indices 0 to `rows`, of which the last means no row.
xla::PrimitiveType IndexTypeFor(int64_t rows);

// Of a table [rows, depth] and `indices` of any shape: [indices..., depth]. An index outside of the table reads its nearest row; the table must have one.
xla::XlaOp RowsAt(xla::XlaOp table, xla::XlaOp indices);

// [rows, depth] of the type of `updates` [indices..., depth]: each row the sum of the updates with its index. Indices outside of 0 to rows - 1 are dropped.
xla::XlaOp SumIntoRows(xla::XlaOp updates, xla::XlaOp indices, int64_t rows);

// A tensor of `dims` whose elements are their own index along `dimension`.
xla::XlaOp IndexAlong(xla::XlaBuilder* builder, xla::PrimitiveType type, const std::vector<int64_t>& dims, int64_t dimension);

// A scalar of `like`'s type; whole for types of integers.
xla::XlaOp Constant(xla::XlaOp like, double value);

// A tensor of `op`'s shape made one of `dims`: its dimension i becomes dimension placed[i].
xla::XlaOp Spread(xla::XlaOp op, const std::vector<int64_t>& dims, const std::vector<int64_t>& placed);

}  // namespace tfvk::plugin
