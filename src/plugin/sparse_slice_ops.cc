// SparseSlice: the rows whose indices are in a box; SparseSplit: all rows by the part of one dimension that they are in. Both keep the rows' order. What is
// wrong is left to TensorFlow's CPU kernels, for their errors.
#include <limits>
#include <numeric>

#include "plugin/row_hlo.h"
#include "plugin/segment_hlo.h"
#include "plugin/sized_kernel.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/comparators.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::Tensor;
using tensorflow::TensorShape;
using xla::XlaOp;

// A matrix of indices with a value a row and a column a dimension, at least one, of a shape that there can be.
bool AreRows(const Tensor& indices, const Tensor& values, const Tensor& sizes, TensorShape* shape) {
  return indices.dims() == 2 && values.dims() == 1 && sizes.dims() == 1 && indices.dim_size(1) != 0 && indices.dim_size(0) == values.dim_size(0) &&
         indices.dim_size(1) == sizes.NumElements() && TensorShape::BuildTensorShape(sizes.flat<int64_t>(), shape).ok();
}

absl::Status SetShape(tensorflow::OpKernelContext* context, int index, const TensorShape& shape) {
  Tensor* output = nullptr;
  TF_RETURN_IF_ERROR(context->allocate_output(index, TensorShape({shape.dims()}), &output));
  for (int d = 0; d < shape.dims(); ++d) output->flat<int64_t>()(d) = shape.dim_size(d);
  return absl::OkStatus();
}

std::vector<XlaOp> ColumnsOf(XlaOp indices) {
  std::vector<XlaOp> columns;
  for (int64_t d = 0; d < indices.builder()->GetShape(indices).value().dimensions(1); ++d) columns.push_back(Column(indices, d));
  return columns;
}

// A box's first indices and the ones behind its last, and the shape that is cut out.
struct Box {
  std::vector<int64_t> begin, end;
  TensorShape shape;

  // False where the sizes are wrong.
  bool Set(const TensorShape& from, const Tensor& starts, const Tensor& sizes) {
    if (starts.dims() != 1 || sizes.dims() != 1 || starts.NumElements() != from.dims() || sizes.NumElements() != from.dims()) return false;
    shape = from;
    for (int d = 0; d < from.dims(); ++d) {
      const int64_t start = starts.flat<int64_t>()(d), size = sizes.flat<int64_t>()(d), whole = from.dim_size(d);
      if (size < 0) return false;
      begin.push_back(start);
      end.push_back(static_cast<int64_t>(static_cast<uint64_t>(start) + static_cast<uint64_t>(size)));  // past 2^63 - 1 TensorFlow finds no row either
      const int64_t length = start < whole - size ? size : start < whole ? whole - start : 0;
      if (!shape.SetDimWithStatus(d, length).ok()) return false;
    }
    return true;
  }
};

class SliceKernel : public SizedKernel {
 public:
  using SizedKernel::SizedKernel;

 protected:
  absl::Status Run(tensorflow::OpKernelContext* context) override {
    const Tensor &indices = context->input(0), &values = context->input(1);
    TensorShape whole;
    Box box;
    const int64_t n = values.NumElements();
    if (!AreRows(indices, values, context->input(2), &whole) || !box.Set(whole, context->input(3), context->input(4)) || !AreCountable(n)) {
      return RunOnCpu(context);  // TensorFlow's own error
    }
    TF_RETURN_IF_ERROR(SetShape(context, 2, box.shape));
    Tensor padded_indices, padded_values, device_numbers;
    TF_RETURN_IF_ERROR(PadRows(context, indices, &padded_indices));
    TF_RETURN_IF_ERROR(PadRows(context, values, &padded_values));
    std::vector<int64_t> numbers = {n};
    numbers.insert(numbers.end(), box.begin.begin(), box.begin.end());
    numbers.insert(numbers.end(), box.end.begin(), box.end.end());
    TF_RETURN_IF_ERROR(Numbers(context, numbers, &device_numbers));
    const Types types = {{tensorflow::DT_INT64, padded_indices.shape()}, {values.dtype(), padded_values.shape()}, {tensorflow::DT_INT64, TensorShape({1})}};
    std::vector<Tensor> results;
    TF_RETURN_IF_ERROR(RunProgram(
        context, "", {&padded_indices, &padded_values, &device_numbers}, types, [](const std::vector<XlaOp>& in) { return Inside(in[0], in[1], in[2]); },
        &results));
    const int64_t taken = ReadFacts(context, results[2])[0];
    TF_RETURN_IF_ERROR(SetRows(context, 0, results[0], 0, taken));
    return SetRows(context, 1, results[1], 0, taken);
  }

 private:
  // The rows in the box, moved by its beginning, first; and how many they are. `numbers` are how many rows count, the box's begin and its end.
  static std::vector<XlaOp> Inside(XlaOp indices, XlaOp values, XlaOp numbers) {
    xla::XlaBuilder* builder = indices.builder();
    std::vector<XlaOp> columns = ColumnsOf(indices);
    const int64_t n = builder->GetShape(values).value().dimensions(0), rank = static_cast<int64_t>(columns.size());
    const auto number = [&](int64_t i) { return xla::Broadcast(ElementAt(numbers, i), {n}); };
    XlaOp taken = AreBefore(builder, ElementAt(numbers, 0), n);
    for (int64_t d = 0; d < rank; ++d) {
      taken = xla::And(taken, xla::And(xla::Ge(columns[d], number(1 + d)), xla::Lt(columns[d], number(1 + rank + d))));
      columns[d] = columns[d] - number(1 + d);
    }
    const XlaOp so_many = RunningSum(S32(taken), n);
    const XlaOp places = xla::Select(taken, so_many - xla::FullLike(so_many, 1), xla::FullLike(so_many, -1));
    return {PutRows(xla::ZerosLike(indices), places, FromColumns(columns)), PutRows(xla::ZerosLike(values), places, values),
            Facts({ElementAt(so_many, n - 1)})};
  }
};

class SplitKernel : public SizedKernel {
 public:
  explicit SplitKernel(tensorflow::OpKernelConstruction* construction) : SizedKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("num_split", &parts_));
  }

 protected:
  absl::Status Run(tensorflow::OpKernelContext* context) override {
    const Tensor &axis_scalar = context->input(0), &indices = context->input(1), &values = context->input(2);
    TensorShape shape;
    const int64_t n = values.NumElements();
    if (axis_scalar.dims() != 0 || !AreRows(indices, values, context->input(3), &shape) || !AreCountable(n))
      return RunOnCpu(context);  // TensorFlow's own error
    const int64_t given = axis_scalar.scalar<int64_t>()(), axis = given < 0 ? given + shape.dims() : given;
    if (axis < 0 || axis >= shape.dims()) return RunOnCpu(context);  // the same
    const int64_t length = shape.dim_size(static_cast<int>(axis));
    if (parts_ > length || length > std::numeric_limits<int32_t>::max()) return RunOnCpu(context);  // the same
    std::vector<Tensor> results;
    TF_RETURN_IF_ERROR(Sort(context, shape, axis, &results));
    const std::vector<int64_t> facts = ReadFacts(context, results[2]);
    if (facts[parts_] != 0) return RunOnCpu(context);  // the same
    int64_t first = 0;
    for (int i = 0; i < parts_; ++i) {
      TF_RETURN_IF_ERROR(SetRows(context, i, results[0], first, facts[i]));
      TF_RETURN_IF_ERROR(SetRows(context, parts_ + i, results[1], first, facts[i]));
      shape.set_dim(static_cast<int>(axis), length / parts_ + (i < length % parts_ ? 1 : 0));
      TF_RETURN_IF_ERROR(SetShape(context, 2 * parts_ + i, shape));
      first += facts[i];
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Sort(tensorflow::OpKernelContext* context, const TensorShape& shape, int64_t axis, std::vector<Tensor>* results) const {
    Tensor indices, values, device_numbers;
    TF_RETURN_IF_ERROR(PadRows(context, context->input(1), &indices));
    TF_RETURN_IF_ERROR(PadRows(context, context->input(2), &values));
    std::vector<int64_t> numbers = {context->input(2).NumElements()};
    for (int d = 0; d < shape.dims(); ++d) numbers.push_back(shape.dim_size(d));
    TF_RETURN_IF_ERROR(Numbers(context, numbers, &device_numbers));
    const Types types = {{tensorflow::DT_INT64, indices.shape()}, {values.dtype(), values.shape()}, {tensorflow::DT_INT64, TensorShape({parts_ + int64_t{1}})}};
    return RunProgram(
        context, absl::StrCat(axis), {&indices, &values, &device_numbers}, types,
        [&](const std::vector<XlaOp>& in) { return ByPart(in[0], in[1], in[2], axis); }, results);
  }

  // The rows by part, moved by its beginning; then the parts' sizes and how many rows are outside. `numbers` are how many rows count and the shape.
  std::vector<XlaOp> ByPart(XlaOp indices, XlaOp values, XlaOp numbers, int64_t axis) const {
    xla::XlaBuilder* builder = indices.builder();
    std::vector<XlaOp> columns = ColumnsOf(indices);
    const int64_t n = builder->GetShape(values).value().dimensions(0), rank = static_cast<int64_t>(columns.size());
    const XlaOp counts = AreBefore(builder, ElementAt(numbers, 0), n);
    XlaOp wrong = xla::Broadcast(xla::ConstantR0<bool>(builder, false), {n});
    for (int64_t d = 0; d < rank; ++d) wrong = xla::Or(wrong, IsOutside(columns[d], ElementAt(numbers, 1 + d)));
    const XlaOp part = MoveIntoPart(&columns[axis], ElementAt(numbers, 1 + axis), n);
    const XlaOp keys = xla::Select(counts, part, xla::Broadcast(xla::ConstantR0<int32_t>(builder, parts_), {n}));
    const XlaOp sort = xla::Sort({keys, Count(builder, n)}, xla::CreateScalarLtComputation({xla::S32, xla::S32}, builder), 0, /*is_stable=*/true);
    const XlaOp order = xla::GetTupleElement(sort, 1), outside = SumOf(S64(xla::And(counts, wrong)));
    const XlaOp facts = xla::ConcatInDim(builder, {S64(SegmentSizes(keys, parts_)), xla::Reshape(outside, {1})}, 0);
    return {TakeRows(FromColumns(columns), order), TakeRows(values, order), facts};
  }

  // The part that each index of a dimension of this length is in; the indices become those in the part. The first parts are longer by one where the length is
  // no multiple of their number.
  XlaOp MoveIntoPart(XlaOp* indices, XlaOp length, int64_t n) const {
    const XlaOp parts = xla::ScalarLike(length, parts_), size = xla::Div(length, parts), longer = xla::Rem(length, parts), one = xla::ScalarLike(length, 1);
    const auto all = [&](XlaOp scalar) { return xla::Broadcast(scalar, {n}); };
    const XlaOp in_longer = all(longer * (size + one));
    const XlaOp part = xla::Select(xla::Lt(*indices, in_longer), xla::Div(*indices, all(size + one)), all(longer) + xla::Div(*indices - in_longer, all(size)));
    *indices = *indices - part * all(size) - xla::Min(part, all(longer));
    return S32(part);
  }

  int parts_ = 0;
};

}  // namespace

std::vector<SizedOp> SparseSliceOps() {
  using namespace tensorflow;
  const TypeSet types = {DT_BOOL,   DT_INT8, DT_UINT8,    DT_INT16, DT_UINT16, DT_INT32,     DT_UINT32,    DT_INT64,
                         DT_UINT64, DT_HALF, DT_BFLOAT16, DT_FLOAT, DT_DOUBLE, DT_COMPLEX64, DT_COMPLEX128};
  return {{"SparseSlice", {{"T", types}}, {"shape", "start", "size", "output_shape"}, MakeSizedKernel<SliceKernel>},
          {"SparseSplit", {{"T", types}}, {"split_dim", "shape", "output_shape"}, MakeSizedKernel<SplitKernel>}};
}

}  // namespace tfvk::plugin
