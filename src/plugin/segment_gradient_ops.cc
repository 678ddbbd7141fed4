// SparseSegmentSumGradV2, SparseSegmentMeanGradV2, SparseSegmentSqrtNGradV2: the gradient's rows that are not zero by the indices alone, and these indices, in
// rising order. Wrong ids and indices are left to TensorFlow's CPU kernels, whose errors name what they meet first.
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

// Of n indices and segment ids, of which `count` count: the distinct indices, first of n; then the ids in the order of their indices and the number of each
// one's index among the distinct ones, -1 where they do not count; how many distinct ones there are, and how many indices and ids are wrong.
std::vector<XlaOp> InOrderOfIndices(XlaOp indices, XlaOp ids, XlaOp count, XlaOp rows, int64_t segments, int64_t n) {
  xla::XlaBuilder* builder = indices.builder();
  const XlaOp counts = AreBefore(builder, count, n), none = xla::Broadcast(xla::ConstantR0<int32_t>(builder, -1), {n});
  const XlaOp wrong = xla::And(counts, xla::Or(IsOutside(indices, rows), IsOutside(ids, segments)));
  const XlaOp keys = xla::Select(counts, S64(indices), xla::Broadcast(xla::MaxValue(builder, xla::S64), {n}));
  const XlaOp sort = xla::Sort({keys, Count(builder, n)}, xla::CreateScalarLtComputation({xla::S64, xla::S32}, builder), 0, /*is_stable=*/true);
  const XlaOp element = xla::GetTupleElement(sort, 1);
  const XlaOp begins = xla::And(counts, BeginsRun(xla::GetTupleElement(sort, 0), n));
  const XlaOp so_many = RunningSum(S32(begins), n), run = so_many - xla::ScalarLike(so_many, 1);
  const XlaOp places = xla::Select(begins, run, none);
  const XlaOp distinct = PutRows(xla::ZerosLike(indices), places, TakeRows(indices, element));
  const XlaOp sorted_ids = xla::Select(counts, TakeRows(ids, element), xla::FullLike(ids, -1));
  return {distinct, sorted_ids, xla::Select(counts, run, none), Facts({ElementAt(so_many, n - 1), SumOf(S64(wrong))})};
}

class SegmentGradientKernel : public SizedKernel {
 public:
  explicit SegmentGradientKernel(tensorflow::OpKernelConstruction* construction) : SizedKernel(construction), reduction_(ReductionOf(type_string())) {}

 protected:
  absl::Status Run(tensorflow::OpKernelContext* context) override {
    const Tensor &gradient = context->input(0), &indices = context->input(1);
    if (!AreShapesRight(context)) return RunOnCpu(context);  // TensorFlow's own error
    const int64_t n = indices.NumElements(), rows = context->input(3).scalar<int32_t>()();
    if (rows < 0 || !AreCountable(n)) return RunOnCpu(context);
    TensorShape shape = gradient.shape();
    if (rows == 0 || n == 0) {
      Tensor* empty = nullptr;
      shape.set_dim(0, 0);
      TF_RETURN_IF_ERROR(context->allocate_output(0, shape, &empty));
      return context->allocate_output(1, TensorShape({0}), &empty);
    }
    std::vector<Tensor> order, results(1);
    TF_RETURN_IF_ERROR(Order(context, rows, &order));
    const std::vector<int64_t> facts = ReadFacts(context, order[3]);
    if (facts[1] != 0) return RunOnCpu(context);  // the same
    const int64_t distinct = facts[0], padded = PaddedRows(distinct);
    TF_RETURN_IF_ERROR(shape.SetDimWithStatus(0, padded));
    if (shape.num_elements() == 0) {
      TF_RETURN_IF_ERROR(AllocateTemporary(context, gradient.dtype(), shape, &results[0]));
    } else {
      TF_RETURN_IF_ERROR(RunProgram(
          context, absl::StrCat("values ", padded), {&gradient, &order[1], &order[2]}, {{gradient.dtype(), shape}},
          [&](const std::vector<XlaOp>& in) { return std::vector<XlaOp>{SegmentGradient(in[0], in[1], in[2], padded, reduction_)}; }, &results));
    }
    TF_RETURN_IF_ERROR(SetRows(context, 0, results[0], 0, distinct));
    return SetRows(context, 1, order[0], 0, distinct);
  }

 private:
  static bool AreShapesRight(tensorflow::OpKernelContext* context) {
    const Tensor &indices = context->input(1), &ids = context->input(2);
    return context->input(0).dims() != 0 && indices.dims() == 1 && ids.dims() == 1 && context->input(3).dims() == 0 &&
           indices.NumElements() == ids.NumElements();
  }

  absl::Status Order(tensorflow::OpKernelContext* context, int64_t rows, std::vector<Tensor>* results) const {
    Tensor indices, ids, numbers;
    TF_RETURN_IF_ERROR(PadRows(context, context->input(1), &indices));
    TF_RETURN_IF_ERROR(PadRows(context, context->input(2), &ids));
    TF_RETURN_IF_ERROR(Numbers(context, {context->input(1).NumElements(), rows}, &numbers));
    const int64_t n = indices.NumElements(), segments = context->input(0).dim_size(0);
    const TensorShape shape({n});
    const Types types = {{indices.dtype(), shape}, {ids.dtype(), shape}, {tensorflow::DT_INT32, shape}, {tensorflow::DT_INT64, TensorShape({2})}};
    return RunProgram(
        context, absl::StrCat("order ", segments), {&indices, &ids, &numbers}, types,
        [&](const std::vector<XlaOp>& in) { return InOrderOfIndices(in[0], in[1], ElementAt(in[2], 0), ElementAt(in[2], 1), segments, n); }, results);
  }

  const SegmentReduction reduction_;
};

}  // namespace

std::vector<SizedOp> SegmentGradientOps() {
  using namespace tensorflow;
  const TypeSet floats = {DT_HALF, DT_BFLOAT16, DT_FLOAT, DT_DOUBLE}, ids = {DT_INT32, DT_INT64};
  std::vector<SizedOp> ops;
  for (const char* name : {"SparseSegmentSumGradV2", "SparseSegmentMeanGradV2", "SparseSegmentSqrtNGradV2"}) {
    ops.push_back({name, {{"T", floats}, {"Tidx", ids}, {"Tsegmentids", ids}}, {"dense_output_dim0"}, MakeSizedKernel<SegmentGradientKernel>});
  }
  return ops;
}

}  // namespace tfvk::plugin
