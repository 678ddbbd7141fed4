// Formulas over rows (the slices along dimension 0) in XLA's builder: which rows come first, sums of what came before, rows put to other places.
#pragma once

#include <vector>

#include "xla/hlo/builder/xla_builder.h"

namespace tfvk::plugin {

// Of an s32 vector of n > 0 elements: element i is the sum of elements 0 to i.
xla::XlaOp RunningSum(xla::XlaOp counts, int64_t n);

// `into` with update row i combined into row places[i]; a place outside is dropped. `places` is a vector of s32 or s64.
xla::XlaOp ScatterRows(xla::XlaOp into, xla::XlaOp places, xla::XlaOp updates, const xla::XlaComputation& combine);
// The same, replacing: no place inside may occur twice.
xla::XlaOp PutRows(xla::XlaOp into, xla::XlaOp places, xla::XlaOp updates);
// The same where places may meet: the last row stays.
xla::XlaOp PutRowsInTurn(xla::XlaOp into, xla::XlaOp places, xla::XlaOp updates);

// Row rows[i] of `from` is row i of the result; `rows` is a vector of s32 or s64, and a row outside is the nearest one inside.
xla::XlaOp TakeRows(xla::XlaOp from, xla::XlaOp rows);

// Of a sorted vector of n > 0 elements: which begin a run of equal ones.
xla::XlaOp BeginsRun(xla::XlaOp sorted, int64_t n);

// The rows of an s64 matrix of at least one column in lexicographic order, equal ones in their own order; rows from `count` (a scalar of s64) on come last.
struct SortedRows {
  std::vector<xla::XlaOp> columns;
  xla::XlaOp elements;  // which row each was, s32
};
SortedRows SortRows(xla::XlaOp matrix, xla::XlaOp count);

// Column i of a matrix, a vector; and back.
xla::XlaOp Column(xla::XlaOp matrix, int64_t i);
xla::XlaOp FromColumns(const std::vector<xla::XlaOp>& columns);

// Which of n rows come before row `count`, a scalar of s64.
xla::XlaOp AreBefore(xla::XlaBuilder* builder, xla::XlaOp count, int64_t n);

// 0, 1, ... n - 1 as s32.
xla::XlaOp Count(xla::XlaBuilder* builder, int64_t n);
xla::XlaOp S32(xla::XlaOp x);
xla::XlaOp S64(xla::XlaOp x);
// Scalars as one vector of s64.
xla::XlaOp Facts(const std::vector<xla::XlaOp>& scalars);
// Element i of a vector, a scalar.
xla::XlaOp ElementAt(xla::XlaOp vector, int64_t i);
// The sum of a vector of s64.
xla::XlaOp SumOf(xla::XlaOp vector);
// Which integers are not in [0, end); `end` is a number or a scalar of s64.
xla::XlaOp IsOutside(xla::XlaOp x, int64_t end);
xla::XlaOp IsOutside(xla::XlaOp x, xla::XlaOp end);

}  // namespace tfvk::plugin
