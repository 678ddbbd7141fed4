#include "plugin/csr_hlo.h"

#include "plugin/row_hlo.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/comparators.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla/primitive_util.h"

namespace tfvk::plugin {

using xla::XlaOp;

namespace {

xla::Shape ShapeOf(XlaOp x) { return x.builder()->GetShape(x).value(); }
int64_t SizeOf(XlaOp x) { return ShapeOf(x).dimensions(0); }
XlaOp Zeros32(xla::XlaBuilder* builder, std::vector<int64_t> dims) { return xla::Broadcast(xla::ConstantR0<int32_t>(builder, 0), dims); }
XlaOp Flat(XlaOp x) { return xla::Reshape(x, {xla::ShapeUtil::ElementsIn(ShapeOf(x))}); }

// Of a vector, what stands before each element: 0, then all but the last.
XlaOp Shifted(XlaOp vector) {
  const int64_t n = SizeOf(vector);
  const XlaOp zero = Zeros32(vector.builder(), {1});
  return n == 1 ? zero : xla::ConcatInDim(vector.builder(), {zero, xla::SliceInDim(vector, 0, n - 1, 1, 0)}, 0);
}

}  // namespace

XlaOp SegmentOfPlaces(XlaOp ends, int64_t n) {
  const XlaOp ones = xla::FullLike(ends, 1);
  return RunningSum(SumInto(n, ends, ones), n);
}

RowBounds BoundsOfRows(XlaOp row_pointers, const CsrShape& shape) {
  const XlaOp pointers = xla::Reshape(row_pointers, {shape.batches, shape.rows + 1});
  XlaOp begins = xla::SliceInDim(pointers, 0, shape.rows, 1, 1), ends = xla::SliceInDim(pointers, 1, shape.rows + 1, 1, 1);
  if (shape.batches > 1) {
    const XlaOp sizes = xla::Reshape(xla::SliceInDim(pointers, shape.rows, shape.rows + 1, 1, 1), {shape.batches});
    const XlaOp first = RunningSum(sizes, shape.batches) - sizes;
    begins = xla::Add(begins, first, {0});
    ends = xla::Add(ends, first, {0});
  }
  return {Flat(begins), Flat(ends)};
}

XlaOp RowsOfElements(XlaOp row_pointers, const CsrShape& shape, int64_t padded) { return SegmentOfPlaces(BoundsOfRows(row_pointers, shape).ends, padded); }

RowPointers PointersOfRows(XlaOp rows, const CsrShape& shape) {
  const int64_t n = shape.all_rows();
  const XlaOp ends = RunningSum(SumInto(n, rows, xla::FullLike(rows, 1)), n);
  const XlaOp table = xla::Reshape(ends, {shape.batches, shape.rows});
  const XlaOp last = xla::Reshape(xla::SliceInDim(table, shape.rows - 1, shape.rows, 1, 1), {shape.batches});
  const XlaOp first = Shifted(last);
  const XlaOp inside = xla::Sub(table, first, {0});
  const XlaOp pointers = xla::ConcatInDim(rows.builder(), {Zeros32(rows.builder(), {shape.batches, 1}), inside}, 1);
  return {Flat(pointers), S64(last - first)};
}

XlaOp ConjugateOf(XlaOp x) { return xla::primitive_util::IsComplexType(ShapeOf(x).element_type()) ? xla::Conj(x) : x; }

XlaOp SumInto(int64_t n, XlaOp places, XlaOp updates) {
  const xla::Shape shape = ShapeOf(updates);
  std::vector<int64_t> dims(shape.dimensions().begin(), shape.dimensions().end());
  dims[0] = n;
  xla::XlaBuilder* builder = updates.builder();
  const XlaOp zeros = xla::Broadcast(xla::Zero(builder, shape.element_type()), dims);
  return ScatterRows(zeros, places, updates, xla::CreateScalarAddComputation(shape.element_type(), builder));
}

XlaOp SortKeys(XlaOp rows, XlaOp columns, const CsrShape& shape) {
  const XlaOp wide = S64(rows);
  return wide * xla::ScalarLike(wide, shape.columns) + S64(columns);
}

std::vector<XlaOp> CompressElements(XlaOp rows, XlaOp columns, XlaOp values, const CsrShape& shape) {
  xla::XlaBuilder* builder = rows.builder();
  const int64_t n = SizeOf(rows);
  const XlaOp sort = xla::Sort({SortKeys(rows, columns, shape), Count(builder, n)}, xla::CreateScalarLtComputation({xla::S64, xla::S32}, builder), 0,
                               /*is_stable=*/true);
  const XlaOp keys = xla::GetTupleElement(sort, 0), order = xla::GetTupleElement(sort, 1);
  const XlaOp sorted_rows = TakeRows(rows, order);
  const XlaOp counts = xla::Lt(sorted_rows, xla::ScalarLike(sorted_rows, static_cast<int32_t>(shape.all_rows())));
  XlaOp begins = counts;
  if (n > 1) {
    const XlaOp differs = xla::Ne(xla::SliceInDim(keys, 1, n, 1, 0), xla::SliceInDim(keys, 0, n - 1, 1, 0));
    begins = xla::And(begins, xla::ConcatInDim(builder, {xla::Broadcast(xla::ConstantR0<bool>(builder, true), {1}), differs}, 0));
  }
  const XlaOp place = RunningSum(S32(begins), n) - xla::ScalarLike(order, 1);
  const XlaOp outside = xla::FullLike(order, static_cast<int32_t>(n));
  const XlaOp last_row = xla::FullLike(order, static_cast<int32_t>(shape.all_rows()));
  const XlaOp sums = SumInto(n, xla::Select(counts, place, outside), TakeRows(values, order));
  const XlaOp places = PutRows(xla::ZerosLike(columns), xla::Select(begins, place, outside), TakeRows(columns, order));
  const RowPointers pointers = PointersOfRows(xla::Select(begins, sorted_rows, last_row), shape);
  return {pointers.pointers, places, sums, pointers.batch_sizes};
}

ResultTypes TypesOfCompressed(tensorflow::DataType dtype, const CsrShape& shape, int64_t padded) {
  using tensorflow::TensorShape;
  return {{tensorflow::DT_INT32, TensorShape({shape.row_pointers()})},
          {tensorflow::DT_INT32, TensorShape({padded})},
          {dtype, TensorShape({padded})},
          {tensorflow::DT_INT64, TensorShape({shape.batches})}};
}

}  // namespace tfvk::plugin
