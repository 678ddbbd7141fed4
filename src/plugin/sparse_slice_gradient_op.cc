// SparseSliceGrad: the gradient of SparseSlice's rows, 0 where a row was not taken. Which were is seen from the indices alone.
#include "plugin/row_hlo.h"
#include "plugin/segment_hlo.h"
#include "plugin/sized_kernel.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::Tensor;
using tensorflow::TensorShape;
using xla::XlaOp;

XlaOp RowsFrom(XlaOp vector, int64_t first) { return xla::SliceInDim(vector, first, vector.builder()->GetShape(vector).value().dimensions(0), 1, 0); }

// Of `taken` rows of slices and `rows` rows of inputs, of which so many count. Rows of the same indices are a group: the k-th of the slice in it is the k-th of
// the input. Where that is not so of a group, or the slice's rows are not in the input's order, the rows are no slice of the inputs.
struct Matching {
  XlaOp taken_count, row_count;
  int64_t taken = 0, rows = 0;

  // The gradient of the input's rows; how much is wrong.
  std::vector<XlaOp> Build(XlaOp gradient, XlaOp input, XlaOp start, XlaOp slice) const {
    xla::XlaBuilder* builder = gradient.builder();
    const int64_t n = taken + rows, width = builder->GetShape(input).value().dimensions(1);
    std::vector<XlaOp> columns;
    XlaOp wrong = xla::ConstantR0<int64_t>(builder, 0);
    const XlaOp counts = xla::ConcatInDim(builder, {AreBefore(builder, taken_count, taken), AreBefore(builder, row_count, rows)}, 0);
    const XlaOp last = xla::Broadcast(xla::MaxValue(builder, xla::S64), {n});
    for (int64_t d = 0; d < width; ++d) {
      const XlaOp moved = Column(input, d) - xla::Broadcast(ElementAt(start, d), {rows});
      columns.push_back(xla::Select(counts, xla::ConcatInDim(builder, {Column(slice, d), moved}, 0), last));
      wrong = wrong + SumOf(S64(xla::And(counts, xla::Eq(columns[d], last))));  // would be in the group of those that do not count
    }
    const SortedRows sorted = SortRows(FromColumns(columns), xla::ConstantR0<int64_t>(builder, n));
    const XlaOp element = sorted.elements, is_taken = xla::Lt(element, xla::FullLike(element, static_cast<int32_t>(taken)));
    const XlaOp group = Groups(sorted, n), taken_of_group = SegmentSizes(xla::Select(is_taken, group, xla::FullLike(group, -1)), n);
    const XlaOp rows_of_group = SegmentSizes(xla::Select(is_taken, xla::FullLike(group, -1), group), n), zeros = xla::ZerosLike(group);
    const XlaOp is_group_wrong = xla::And(xla::Ne(taken_of_group, zeros), xla::Ne(taken_of_group, rows_of_group));
    // The last group, of rows that do not count, is wrong or not as it likes.
    const XlaOp sorted_counts = TakeRows(counts, element);
    wrong = wrong + SumOf(S64(xla::And(TakeRows(is_group_wrong, group), sorted_counts)));
    const XlaOp taken_before = TakeRows(taken_of_group, group);  // the sort is stable: a group's rows of the slice come first
    const XlaOp partner = TakeRows(element, Count(builder, n) - taken_before);
    const XlaOp has_partner = xla::And(sorted_counts, xla::And(xla::Not(is_taken), xla::Ne(taken_before, zeros)));
    const XlaOp row = element - xla::FullLike(element, static_cast<int32_t>(taken)), none = xla::FullLike(element, -1);
    const XlaOp taken_row = PutRows(xla::Broadcast(xla::ConstantR0<int32_t>(builder, 0), {taken}), xla::Select(has_partner, partner, none), row);
    if (taken > 1) {
      const XlaOp falls = xla::Ge(xla::SliceInDim(taken_row, 0, taken - 1, 1, 0), RowsFrom(taken_row, 1));
      wrong = wrong + SumOf(S64(xla::And(falls, RowsFrom(AreBefore(builder, taken_count, taken), 1))));
    }
    const XlaOp none_of_row = xla::Broadcast(xla::Zero(builder, builder->GetShape(gradient).value().element_type()), {rows});
    return {PutRows(none_of_row, xla::Select(has_partner, row, none), TakeRows(gradient, partner)), Facts({wrong})};
  }

 private:
  static XlaOp Groups(const SortedRows& sorted, int64_t n) {
    XlaOp begins = BeginsRun(sorted.columns[0], n);
    for (const XlaOp column : sorted.columns) begins = xla::Or(begins, BeginsRun(column, n));
    const XlaOp so_many = RunningSum(S32(begins), n);
    return so_many - xla::FullLike(so_many, 1);
  }
};

class SliceGradientKernel : public SizedKernel {
 public:
  using SizedKernel::SizedKernel;

 protected:
  absl::Status Run(tensorflow::OpKernelContext* context) override {
    const Tensor &gradient = context->input(0), &input = context->input(1), &start = context->input(2), &slice = context->input(3);
    if (!AreShapesRight(context)) return RunOnCpu(context);  // TensorFlow's own error
    const int64_t n = input.dim_size(0), taken = gradient.NumElements();
    if (!AreCountable(n + taken)) return RunOnCpu(context);
    Tensor numbers, padded_gradient, padded_input, padded_slice;
    TF_RETURN_IF_ERROR(Numbers(context, {taken, n}, &numbers));
    TF_RETURN_IF_ERROR(PadRows(context, gradient, &padded_gradient));
    TF_RETURN_IF_ERROR(PadRows(context, input, &padded_input));
    TF_RETURN_IF_ERROR(PadRows(context, slice, &padded_slice));
    const Types types = {{gradient.dtype(), TensorShape({padded_input.dim_size(0)})}, {tensorflow::DT_INT64, TensorShape({1})}};
    std::vector<Tensor> results;
    TF_RETURN_IF_ERROR(RunProgram(
        context, "", {&padded_gradient, &padded_input, &start, &padded_slice, &numbers}, types,
        [&](const std::vector<XlaOp>& in) {
          const Matching matching{ElementAt(in[4], 0), ElementAt(in[4], 1), padded_gradient.NumElements(), padded_input.dim_size(0)};
          return matching.Build(in[0], in[1], in[2], in[3]);
        },
        &results));
    if (ReadFacts(context, results[1])[0] != 0) return RunOnCpu(context);  // the same
    return SetRows(context, 0, results[0], 0, n);
  }

 private:
  static bool AreShapesRight(tensorflow::OpKernelContext* context) {
    const Tensor &gradient = context->input(0), &input = context->input(1), &start = context->input(2), &slice = context->input(3);
    return gradient.dims() == 1 && input.dims() == 2 && start.dims() == 1 && slice.dims() == 2 && input.dim_size(1) != 0 &&
           input.dim_size(1) == slice.dim_size(1) && start.NumElements() == input.dim_size(1) && slice.dim_size(0) <= input.dim_size(0) &&
           gradient.NumElements() == slice.dim_size(0);
  }
};

}  // namespace

std::vector<SizedOp> SparseSliceGradientOps() {
  using namespace tensorflow;
  return {{"SparseSliceGrad",
           {{"T",
             {DT_INT8, DT_UINT8, DT_INT16, DT_UINT16, DT_INT32, DT_UINT32, DT_INT64, DT_UINT64, DT_HALF, DT_BFLOAT16, DT_FLOAT, DT_DOUBLE, DT_COMPLEX64,
              DT_COMPLEX128}}},
           {},
           MakeSizedKernel<SliceGradientKernel>}};
}

}  // namespace tfvk::plugin
