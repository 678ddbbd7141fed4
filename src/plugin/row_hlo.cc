#include "plugin/row_hlo.h"

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

XlaOp ScatterRows(XlaOp into, XlaOp places, XlaOp updates, const xla::XlaComputation& combine) {
  xla::ScatterDimensionNumbers numbers;
  const int64_t rank = static_cast<int64_t>(into.builder()->GetShape(into).value().dimensions().size());
  for (int64_t i = 1; i < rank; ++i) numbers.add_update_window_dims(i);
  numbers.add_inserted_window_dims(0);
  numbers.add_scatter_dims_to_operand_dims(0);
  numbers.set_index_vector_dim(1);
  return xla::Scatter(into, places, updates, combine, numbers);
}

XlaOp PutRows(XlaOp into, XlaOp places, XlaOp updates) {
  return ScatterRows(into, places, updates, Replacing(into.builder(), into.builder()->GetShape(into).value().element_type()));
}

XlaOp TakeRows(XlaOp from, XlaOp rows) { return xla::TorchIndexSelect(from, rows, 0); }

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

}  // namespace tfvk::plugin
