#include "plugin/table_rows.h"

#include <limits>

#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla/primitive_util.h"
#include "xla/shape_util.h"

namespace tfvk::plugin {

using xla::XlaOp;

namespace {

// The indices as a matrix of one column each, and how many there are.
XlaOp AsVector(XlaOp indices, int64_t* count) {
  const xla::Shape shape = indices.builder()->GetShape(indices).value();
  *count = xla::ShapeUtil::ElementsIn(shape);
  return xla::Reshape(indices, {*count, 1});
}

int64_t DepthOf(XlaOp rows) { return rows.builder()->GetShape(rows).value().dimensions().back(); }

}  // namespace

xla::PrimitiveType IndexTypeFor(int64_t rows) { return rows < std::numeric_limits<int32_t>::max() ? xla::S32 : xla::S64; }

XlaOp RowsAt(XlaOp table, XlaOp indices) {
  const xla::Shape shape = indices.builder()->GetShape(indices).value();
  int64_t count = 0;
  const XlaOp vector = AsVector(indices, &count);
  const int64_t depth = DepthOf(table);
  xla::GatherDimensionNumbers numbers;
  numbers.add_offset_dims(1);
  numbers.add_collapsed_slice_dims(0);
  numbers.add_start_index_map(0);
  numbers.set_index_vector_dim(1);
  std::vector<int64_t> dims(shape.dimensions().begin(), shape.dimensions().end());
  dims.push_back(depth);
  return xla::Reshape(xla::Gather(table, vector, numbers, {1, depth}), dims);
}

XlaOp SumIntoRows(XlaOp updates, XlaOp indices, int64_t rows) {
  xla::XlaBuilder* builder = updates.builder();
  const xla::PrimitiveType type = builder->GetShape(updates).value().element_type();
  int64_t count = 0;
  const XlaOp vector = AsVector(indices, &count);
  const int64_t depth = DepthOf(updates);
  const XlaOp zeros = xla::Broadcast(xla::Zero(builder, type), {rows, depth});
  if (rows == 0 || depth == 0 || count == 0) return zeros;
  xla::ScatterDimensionNumbers numbers;
  numbers.add_update_window_dims(1);
  numbers.add_inserted_window_dims(0);
  numbers.add_scatter_dims_to_operand_dims(0);
  numbers.set_index_vector_dim(1);
  return xla::Scatter(zeros, vector, xla::Reshape(updates, {count, depth}), xla::CreateScalarAddComputation(type, builder), numbers);
}

XlaOp IndexAlong(xla::XlaBuilder* builder, xla::PrimitiveType type, const std::vector<int64_t>& dims, int64_t dimension) {
  return xla::Iota(builder, xla::ShapeUtil::MakeShape(type, dims), dimension);
}

XlaOp Constant(XlaOp like, double value) {
  const xla::PrimitiveType type = like.builder()->GetShape(like).value().element_type();
  return xla::primitive_util::IsFloatingPointType(type) ? xla::ScalarLike(like, value) : xla::ScalarLike(like, static_cast<int64_t>(value));
}

XlaOp Spread(XlaOp op, const std::vector<int64_t>& dims, const std::vector<int64_t>& placed) { return xla::BroadcastInDim(op, dims, placed); }

}  // namespace tfvk::plugin
