// SparseFillEmptyRows, RaggedFillEmptyRows: rows of elements in the order of their rows, with one element of a default value where a row has none; and their
// gradients. Wrong rows and maps are left to TensorFlow's CPU kernels, whose errors name what they meet first.
#include "plugin/row_hlo.h"
#include "plugin/segment_hlo.h"
#include "plugin/sized_kernel.h"
#include "tensorflow/compiler/tf2xla/type_util.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/comparators.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::Tensor;
using tensorflow::TensorShape;
using xla::XlaOp;

// Of n elements, of which `count` count, in `rows` rows, padded to so many.
struct Filling {
  XlaOp count, rows;
  int64_t n = 0, padded_rows = 0;

  // Indices [n + padded_rows, rank] and values; which rows are empty, each element's place, and how many elements there are now and rows are wrong.
  std::vector<XlaOp> Build(XlaOp indices, XlaOp values, XlaOp default_value) const {
    xla::XlaBuilder* builder = indices.builder();
    const XlaOp counts = AreBefore(builder, count, n), row = Column(indices, 0);
    const XlaOp wrong = xla::And(counts, IsOutside(row, rows));
    const XlaOp kept = S32(xla::Select(counts, row, xla::FullLike(row, -1)));
    const XlaOp sizes = SegmentSizes(kept, padded_rows), is_row = AreBefore(builder, rows, padded_rows);
    const XlaOp is_empty = xla::And(is_row, xla::Eq(sizes, xla::ZerosLike(sizes)));
    const XlaOp filled = xla::Select(is_row, xla::Max(sizes, xla::FullLike(sizes, 1)), xla::ZerosLike(sizes)), ends = RunningSum(filled, padded_rows);
    const XlaOp places = PlacesOfElements(kept, counts, is_empty);
    const XlaOp filled_values = PutRows(xla::Broadcast(default_value, {n + padded_rows}), places, values);
    const XlaOp empty_places = xla::Select(is_empty, ends - filled, xla::FullLike(ends, -1));
    return {FilledIndices(indices, places, empty_places), filled_values, is_empty, S64(places), Facts({ElementAt(ends, padded_rows - 1), SumOf(S64(wrong))})};
  }

 private:
  // In the order of the rows, behind the elements before and an element for each empty row before; -1 for what does not count.
  XlaOp PlacesOfElements(XlaOp row, XlaOp counts, XlaOp is_empty) const {
    xla::XlaBuilder* builder = row.builder();
    const XlaOp keys = xla::Select(counts, row, xla::Broadcast(xla::MaxValue(builder, xla::S32), {n}));
    const XlaOp sort = xla::Sort({keys, Count(builder, n)}, xla::CreateScalarLtComputation({xla::S32, xla::S32}, builder), 0, /*is_stable=*/true);
    const XlaOp empty_before = RunningSum(S32(is_empty), padded_rows) - S32(is_empty);
    const XlaOp places = Count(builder, n) + TakeRows(empty_before, xla::GetTupleElement(sort, 0));
    return PutRows(xla::ZerosLike(row), xla::GetTupleElement(sort, 1), xla::Select(counts, places, xla::FullLike(places, -1)));
  }

  XlaOp FilledIndices(XlaOp indices, XlaOp places, XlaOp empty_places) const {
    xla::XlaBuilder* builder = indices.builder();
    const int64_t rank = builder->GetShape(indices).value().dimensions(1);
    const XlaOp zeros = xla::Broadcast(xla::ConstantR0<int64_t>(builder, 0), {padded_rows});
    std::vector<XlaOp> of_empty = {xla::Iota(builder, xla::S64, padded_rows)};
    of_empty.resize(rank, zeros);
    const XlaOp none = xla::Broadcast(xla::ConstantR0<int64_t>(builder, 0), {n + padded_rows, rank});
    return PutRows(PutRows(none, places, indices), empty_places, FromColumns(of_empty));
  }
};

class FillEmptyRowsKernel : public SizedKernel {
 public:
  explicit FillEmptyRowsKernel(tensorflow::OpKernelConstruction* construction)
      : SizedKernel(construction), is_ragged_(type_string() == "RaggedFillEmptyRows") {}

 protected:
  absl::Status Run(tensorflow::OpKernelContext* context) override {
    const Tensor &indices = context->input(0), &values = context->input(1);
    if (!AreShapesRight(context)) return RunOnCpu(context);  // TensorFlow's own error
    const int64_t n = values.NumElements(), rows = context->input(2).flat<int64_t>()(0);
    if (rows <= 0 || !AreCountable(n) || !AreCountable(rows) || !AreCountable(n + rows)) return RunOnCpu(context);
    Tensor matrix;
    if (!matrix.CopyFrom(indices, TensorShape({n, is_ragged_ ? 1 : indices.dim_size(1)}))) return absl::InternalError("A matrix of the same elements");
    std::vector<Tensor> results;
    TF_RETURN_IF_ERROR(Fill(context, matrix, rows, &results));
    const std::vector<int64_t> facts = ReadFacts(context, results[4]);
    if (facts[1] != 0) return RunOnCpu(context);  // the same
    TF_RETURN_IF_ERROR(SetRows(context, 0, results[0], 0, facts[0]));
    TF_RETURN_IF_ERROR(SetRows(context, 1, results[1], 0, facts[0]));
    TF_RETURN_IF_ERROR(SetRows(context, 2, results[2], 0, rows));
    return SetRows(context, 3, results[3], 0, n);
  }

 private:
  bool AreShapesRight(tensorflow::OpKernelContext* context) const {
    const Tensor &indices = context->input(0), &values = context->input(1), &shape = context->input(2);
    if (values.dims() != 1 || context->input(3).dims() != 0) return false;
    if (is_ragged_) return indices.dims() == 1 && shape.dims() == 0 && indices.NumElements() == values.NumElements();
    return indices.dims() == 2 && shape.dims() == 1 && shape.NumElements() != 0 && indices.dim_size(0) == values.NumElements() &&
           indices.dim_size(1) == shape.NumElements();
  }

  absl::Status Fill(tensorflow::OpKernelContext* context, const Tensor& matrix, int64_t rows, std::vector<Tensor>* results) const {
    Tensor indices, values, numbers;
    TF_RETURN_IF_ERROR(PadRows(context, matrix, &indices));
    TF_RETURN_IF_ERROR(PadRows(context, context->input(1), &values));
    TF_RETURN_IF_ERROR(Numbers(context, {matrix.dim_size(0), rows}, &numbers));
    const int64_t n = values.NumElements(), padded_rows = PaddedRows(rows), rank = matrix.dim_size(1);
    const TensorShape all({n + padded_rows});
    const Types types = {{tensorflow::DT_INT64, is_ragged_ ? all : TensorShape({n + padded_rows, rank})},
                         {values.dtype(), all},
                         {tensorflow::DT_BOOL, TensorShape({padded_rows})},
                         {tensorflow::DT_INT64, TensorShape({n})},
                         {tensorflow::DT_INT64, TensorShape({2})}};
    return RunProgram(
        context, absl::StrCat(padded_rows), {&indices, &values, &context->input(3), &numbers}, types,
        [&](const std::vector<XlaOp>& in) {
          std::vector<XlaOp> out = Filling{ElementAt(in[3], 0), ElementAt(in[3], 1), n, padded_rows}.Build(in[0], in[1], in[2]);
          if (is_ragged_) out[0] = Column(out[0], 0);
          return out;
        },
        results);
  }

  const bool is_ragged_;
};

// The gradients of the values and of the default value, and how many elements of the map are wrong.
std::vector<XlaOp> GradientsOfFilling(XlaOp map, XlaOp gradient, XlaOp numbers, xla::PrimitiveType type) {
  xla::XlaBuilder* builder = map.builder();
  const int64_t n = builder->GetShape(map).value().dimensions(0), filled = builder->GetShape(gradient).value().dimensions(0);
  const XlaOp counts = AreBefore(builder, ElementAt(numbers, 0), n), wrong = xla::And(counts, IsOutside(map, ElementAt(numbers, 1)));
  const XlaOp uses = SegmentSizes(xla::Select(counts, map, xla::FullLike(map, -1)), filled);
  const XlaOp is_default = xla::And(AreBefore(builder, ElementAt(numbers, 1), filled), xla::Eq(uses, xla::ZerosLike(uses)));
  const xla::PrimitiveType wide = type == xla::F16 || type == xla::BF16 ? xla::F32 : type;
  const XlaOp parts = xla::ConvertElementType(xla::Select(is_default, gradient, xla::ZerosLike(gradient)), wide);
  const XlaOp sum = xla::Reduce(parts, xla::Zero(builder, wide), xla::CreateScalarAddComputation(wide, builder), {0});
  return {TakeRows(gradient, map), xla::ConvertElementType(sum, type), Facts({SumOf(S64(wrong))})};
}

class FillEmptyRowsGradientKernel : public SizedKernel {
 public:
  using SizedKernel::SizedKernel;

 protected:
  absl::Status Run(tensorflow::OpKernelContext* context) override {
    const Tensor &map = context->input(0), &gradient = context->input(1);
    if (map.dims() != 1 || gradient.dims() != 1) return RunOnCpu(context);  // TensorFlow's own error
    const int64_t n = map.NumElements();
    if (!AreCountable(n) || !AreCountable(gradient.NumElements())) return RunOnCpu(context);
    xla::PrimitiveType type;
    TF_RETURN_IF_ERROR(tensorflow::DataTypeToPrimitiveType(gradient.dtype(), &type));
    Tensor padded_map, padded_gradient, numbers;
    TF_RETURN_IF_ERROR(PadRows(context, map, &padded_map));
    TF_RETURN_IF_ERROR(PadRows(context, gradient, &padded_gradient));
    TF_RETURN_IF_ERROR(Numbers(context, {n, gradient.NumElements()}, &numbers));
    const Types types = {{gradient.dtype(), padded_map.shape()}, {gradient.dtype(), TensorShape({})}, {tensorflow::DT_INT64, TensorShape({1})}};
    std::vector<Tensor> results;
    TF_RETURN_IF_ERROR(RunProgram(
        context, "", {&padded_map, &padded_gradient, &numbers}, types,
        [&](const std::vector<XlaOp>& in) { return GradientsOfFilling(in[0], in[1], in[2], type); }, &results));
    if (ReadFacts(context, results[2])[0] != 0) return RunOnCpu(context);  // the same
    TF_RETURN_IF_ERROR(SetRows(context, 0, results[0], 0, n));
    context->set_output(1, results[1]);
    return absl::OkStatus();
  }
};

}  // namespace

std::vector<SizedOp> FillEmptyRowsOps() {
  using namespace tensorflow;
  TypeSet types = {DT_INT8,   DT_UINT8, DT_INT16,    DT_UINT16, DT_INT32,  DT_UINT32,    DT_INT64,
                   DT_UINT64, DT_HALF,  DT_BFLOAT16, DT_FLOAT,  DT_DOUBLE, DT_COMPLEX64, DT_COMPLEX128};
  std::vector<SizedOp> ops;
  for (const char* name : {"SparseFillEmptyRowsGrad", "RaggedFillEmptyRowsGrad"}) {
    ops.push_back({name, {{"T", types}}, {}, MakeSizedKernel<FillEmptyRowsGradientKernel>});
  }
  types.insert(DT_BOOL);
  ops.push_back({"SparseFillEmptyRows", {{"T", types}}, {"dense_shape"}, MakeSizedKernel<FillEmptyRowsKernel>});
  ops.push_back({"RaggedFillEmptyRows", {{"T", types}}, {"nrows"}, MakeSizedKernel<FillEmptyRowsKernel>});
  return ops;
}

}  // namespace tfvk::plugin
