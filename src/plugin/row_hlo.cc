#include "plugin/row_hlo.h"

#include "absl/strings/str_cat.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla/hlo/builder/lib/slicing.h"

namespace tfvk::plugin {

using xla::XlaOp;

namespace {

// Each element of a running sum within a block is a sum over a window of this many.
constexpr int64_t kBlock = 32;

XlaOp WindowSums(XlaOp rows, int64_t width) {
  xla::XlaBuilder* builder = rows.builder();
  return xla::ReduceWindowWithGeneralPadding(rows, xla::ConstantR0<int32_t>(builder, 0), xla::CreateScalarAddComputation(xla::S32, builder), {1, width}, {1, 1},
                                             {}, {}, {{0, 0}, {width - 1, 0}});
}

xla::XlaComputation Replacing(xla::XlaBuilder* parent, xla::PrimitiveType type) {
  auto builder = parent->CreateSubBuilder("replace");
  const xla::Shape scalar = xla::ShapeUtil::MakeShape(type, {});
  xla::Parameter(builder.get(), 0, scalar, "before");
  xla::Parameter(builder.get(), 1, scalar, "after");
  return builder->BuildAndNoteError();
}

// Of the sort of `width` columns of s64 and one of s32: whether a row is before another by its first column that differs.
xla::XlaComputation RowComesFirst(xla::XlaBuilder* parent, int64_t width) {
  auto builder = parent->CreateSubBuilder("row_comes_first");
  std::vector<XlaOp> left, right;
  for (int64_t i = 0; i <= width; ++i) {
    const xla::Shape scalar = xla::ShapeUtil::MakeShape(i < width ? xla::S64 : xla::S32, {});
    left.push_back(xla::Parameter(builder.get(), 2 * i, scalar, absl::StrCat("left", i)));
    right.push_back(xla::Parameter(builder.get(), 2 * i + 1, scalar, absl::StrCat("right", i)));
  }
  XlaOp first = xla::Lt(left[width - 1], right[width - 1]);
  for (int64_t i = width - 2; i >= 0; --i) first = xla::Or(xla::Lt(left[i], right[i]), xla::And(xla::Eq(left[i], right[i]), first));
  return builder->Build(first).value();
}

}  // namespace

XlaOp RunningSum(XlaOp counts, int64_t n) {
  if (n <= kBlock) return xla::Reshape(WindowSums(xla::Reshape(counts, {1, n}), n), {n});
  const int64_t blocks = (n + kBlock - 1) / kBlock;
  const XlaOp padded = xla::PadInDim(counts, xla::ConstantR0<int32_t>(counts.builder(), 0), 0, 0, blocks * kBlock - n);
  const XlaOp inside = WindowSums(xla::Reshape(padded, {blocks, kBlock}), kBlock);
  const XlaOp totals = xla::Reshape(xla::SliceInDim(inside, kBlock - 1, kBlock, 1, 1), {blocks});
  const XlaOp before = RunningSum(totals, blocks) - totals;
  return xla::SliceInDim(xla::Reshape(xla::Add(inside, before, {0}), {blocks * kBlock}), 0, n, 1, 0);
}

namespace {

XlaOp Scatter(XlaOp into, XlaOp places, XlaOp updates, const xla::XlaComputation& combine, bool meet_nowhere) {
  xla::ScatterDimensionNumbers numbers;
  const int64_t rank = static_cast<int64_t>(into.builder()->GetShape(into).value().dimensions().size());
  for (int64_t i = 1; i < rank; ++i) numbers.add_update_window_dims(i);
  numbers.add_inserted_window_dims(0);
  numbers.add_scatter_dims_to_operand_dims(0);
  numbers.set_index_vector_dim(1);
  return xla::Scatter(into, places, updates, combine, numbers, /*indices_are_sorted=*/false, meet_nowhere);
}

}  // namespace

XlaOp ScatterRows(XlaOp into, XlaOp places, XlaOp updates, const xla::XlaComputation& combine) { return Scatter(into, places, updates, combine, false); }

XlaOp PutRows(XlaOp into, XlaOp places, XlaOp updates) {
  return Scatter(into, places, updates, Replacing(into.builder(), into.builder()->GetShape(into).value().element_type()), true);
}

XlaOp PutRowsInTurn(XlaOp into, XlaOp places, XlaOp updates) {
  return ScatterRows(into, places, updates, Replacing(into.builder(), into.builder()->GetShape(into).value().element_type()));
}

XlaOp TakeRows(XlaOp from, XlaOp rows) { return xla::TorchIndexSelect(from, rows, 0); }

XlaOp BeginsRun(XlaOp sorted, int64_t n) {
  const XlaOp first = xla::Broadcast(xla::ConstantR0<bool>(sorted.builder(), true), {1});
  if (n == 1) return first;
  return xla::ConcatInDim(sorted.builder(), {first, xla::Ne(xla::SliceInDim(sorted, 1, n, 1, 0), xla::SliceInDim(sorted, 0, n - 1, 1, 0))}, 0);
}

SortedRows SortRows(XlaOp matrix, XlaOp count) {
  xla::XlaBuilder* builder = matrix.builder();
  const xla::Shape shape = builder->GetShape(matrix).value();
  const int64_t n = shape.dimensions(0), width = shape.dimensions(1);
  // Equal to no row before them but the greatest that there can be, behind which the stable sort leaves them.
  const XlaOp are_last = xla::Not(AreBefore(builder, count, n)), last = xla::Broadcast(xla::MaxValue(builder, xla::S64), {n});
  std::vector<XlaOp> operands;
  for (int64_t i = 0; i < width; ++i) operands.push_back(xla::Select(are_last, last, Column(matrix, i)));
  operands.push_back(Count(builder, n));
  const XlaOp sort = xla::Sort(operands, RowComesFirst(builder, width), 0, /*is_stable=*/true);
  SortedRows sorted;
  for (int64_t i = 0; i < width; ++i) sorted.columns.push_back(xla::GetTupleElement(sort, i));
  sorted.elements = xla::GetTupleElement(sort, width);
  return sorted;
}

XlaOp Column(XlaOp matrix, int64_t i) {
  return xla::Reshape(xla::SliceInDim(matrix, i, i + 1, 1, 1), {matrix.builder()->GetShape(matrix).value().dimensions(0)});
}

XlaOp FromColumns(const std::vector<XlaOp>& columns) {
  xla::XlaBuilder* builder = columns[0].builder();
  std::vector<XlaOp> parts;
  for (const XlaOp column : columns) parts.push_back(xla::Reshape(column, {builder->GetShape(column).value().dimensions(0), 1}));
  return xla::ConcatInDim(builder, parts, 1);
}

XlaOp AreBefore(xla::XlaBuilder* builder, XlaOp count, int64_t n) { return xla::Lt(xla::Iota(builder, xla::S64, n), xla::Broadcast(count, {n})); }

XlaOp Count(xla::XlaBuilder* builder, int64_t n) { return xla::Iota(builder, xla::S32, n); }
XlaOp S32(XlaOp x) { return xla::ConvertElementType(x, xla::S32); }
XlaOp S64(XlaOp x) { return xla::ConvertElementType(x, xla::S64); }

XlaOp Facts(const std::vector<XlaOp>& scalars) {
  std::vector<XlaOp> parts;
  for (const XlaOp scalar : scalars) parts.push_back(xla::Reshape(S64(scalar), {1}));
  return xla::ConcatInDim(scalars[0].builder(), parts, 0);
}

XlaOp ElementAt(XlaOp vector, int64_t i) { return xla::Reshape(xla::SliceInDim(vector, i, i + 1, 1, 0), {}); }

XlaOp SumOf(XlaOp vector) {
  xla::XlaBuilder* builder = vector.builder();
  return xla::Reduce(vector, xla::ConstantR0<int64_t>(builder, 0), xla::CreateScalarAddComputation(xla::S64, builder), {0});
}

XlaOp IsOutside(XlaOp x, int64_t end) {
  const XlaOp wide = S64(x);
  return xla::Or(xla::Lt(wide, xla::ZerosLike(wide)), xla::Ge(wide, xla::ScalarLike(wide, end)));
}

XlaOp IsOutside(XlaOp x, XlaOp end) {
  const XlaOp wide = S64(x);
  return xla::Or(xla::Lt(wide, xla::ZerosLike(wide)), xla::Ge(wide, xla::Broadcast(end, x.builder()->GetShape(x).value().dimensions())));
}

}  // namespace tfvk::plugin
