// Formulas of sparse matrices in compressed rows in XLA's builder. A batch of matrices is one list of elements and of rows: row r of matrix b is row
// b * shape.rows + r of all. An element that only pads has the row behind the last, shape.all_rows(), so that what goes to its row is dropped.
#pragma once

#include <vector>

#include "plugin/csr_matrix.h"
#include "xla/hlo/builder/xla_builder.h"

namespace tfvk::plugin {

// The number of the segment that each of n places is in, from where the segments end (s32, not falling); the number of segments for places behind the last.
xla::XlaOp SegmentOfPlaces(xla::XlaOp ends, int64_t n);

// Where each of all rows begins, and ends, among the elements: s32 [all_rows].
struct RowBounds {
  xla::XlaOp begins, ends;
};
RowBounds BoundsOfRows(xla::XlaOp row_pointers, const CsrShape& shape);

// Each element's row, s32 [padded].
xla::XlaOp RowsOfElements(xla::XlaOp row_pointers, const CsrShape& shape, int64_t padded);

// The inverse: row pointers s32 [row_pointers()], and how many elements each matrix has, s64 [batches].
struct RowPointers {
  xla::XlaOp pointers, batch_sizes;
};
RowPointers PointersOfRows(xla::XlaOp rows, const CsrShape& shape);

// The complex conjugate; a real number's is itself.
xla::XlaOp ConjugateOf(xla::XlaOp x);

// Zeros of n rows with `updates` summed into the rows `places`, in their order.
xla::XlaOp SumInto(int64_t n, xla::XlaOp places, xla::XlaOp updates);

// Row pointers, columns, values and batch sizes of the matrix that has the elements, in any order: sorted by row and column, those of one place summed.
std::vector<xla::XlaOp> CompressElements(xla::XlaOp rows, xla::XlaOp columns, xla::XlaOp values, const CsrShape& shape);
// The types of these.
ResultTypes TypesOfCompressed(tensorflow::DataType dtype, const CsrShape& shape, int64_t padded);

// Where elements stand in a sorted list: row first, then column; s64.
xla::XlaOp SortKeys(xla::XlaOp rows, xla::XlaOp columns, const CsrShape& shape);

}  // namespace tfvk::plugin
