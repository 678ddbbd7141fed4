// SegmentSum, SegmentMean, SegmentProd, SegmentMin, SegmentMax and SparseSegmentSum, SparseSegmentMean, SparseSegmentSqrtN: reductions by sorted segment ids,
// the last of which says how many segments there are. Wrong ids and indices are left to TensorFlow's CPU kernels, whose errors name what they meet first.
#include "plugin/row_hlo.h"
#include "plugin/segment_hlo.h"
#include "plugin/sized_kernel.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::Tensor;
using tensorflow::TensorShape;
using xla::XlaOp;

class SegmentKernel : public SizedKernel {
 public:
  explicit SegmentKernel(tensorflow::OpKernelConstruction* construction)
      : SizedKernel(construction), is_sparse_(num_inputs() == 3), reduction_(ReductionOf(type_string())) {}

 protected:
  absl::Status Run(tensorflow::OpKernelContext* context) override {
    const Tensor &data = context->input(0), &ids = context->input(num_inputs() - 1);
    if (!AreShapesRight(context)) return RunOnCpu(context);  // TensorFlow's own error
    if (!AreCountable(ids.NumElements())) return RunOnCpu(context);
    TensorShape shape = data.shape();
    int64_t segments = 0;
    if (ids.NumElements() != 0) {
      std::vector<int64_t> facts;
      TF_RETURN_IF_ERROR(LookAtIds(context, &facts));
      if (facts[1] != 0) return RunOnCpu(context);  // the same
      if (!AreCountable(facts[0])) return RunOnCpu(context);
      segments = facts[0] + 1;
    }
    TF_RETURN_IF_ERROR(shape.SetDimWithStatus(0, segments));
    if (shape.num_elements() == 0) {
      Tensor* empty = nullptr;
      return context->allocate_output(0, shape, &empty);
    }
    const int64_t rows = PaddedRows(segments);
    TF_RETURN_IF_ERROR(shape.SetDimWithStatus(0, rows));
    std::vector<const Tensor*> inputs;
    for (int i = 0; i < num_inputs(); ++i) inputs.push_back(&context->input(i));
    std::vector<Tensor> results;
    TF_RETURN_IF_ERROR(RunProgram(
        context, absl::StrCat("values ", rows), inputs, {{data.dtype(), shape}},
        [&](const std::vector<XlaOp>& in) {
          const XlaOp values = is_sparse_ ? TakeRows(in[0], in[1]) : in[0];
          return std::vector<XlaOp>{ReduceSegments(values, in.back(), rows, reduction_)};
        },
        &results));
    return SetRows(context, 0, results[0], 0, segments);
  }

 private:
  bool AreShapesRight(tensorflow::OpKernelContext* context) const {
    const Tensor &data = context->input(0), &ids = context->input(num_inputs() - 1);
    if (data.dims() == 0 || ids.dims() != 1) return false;
    if (is_sparse_) return context->input(1).dims() == 1 && context->input(1).NumElements() == ids.NumElements();
    return data.dim_size(0) == ids.NumElements();
  }

  // The last id, and how many ids and indices are wrong. The host waits for them.
  absl::Status LookAtIds(tensorflow::OpKernelContext* context, std::vector<int64_t>* facts) const {
    const Tensor& ids = context->input(num_inputs() - 1);
    const int64_t n = ids.NumElements(), rows = context->input(0).dim_size(0);
    std::vector<const Tensor*> inputs = {&ids};
    if (is_sparse_) inputs.push_back(&context->input(1));
    std::vector<Tensor> results;
    TF_RETURN_IF_ERROR(RunProgram(
        context, absl::StrCat("facts ", rows), inputs, {{tensorflow::DT_INT64, TensorShape({2})}},
        [&](const std::vector<XlaOp>& in) { return std::vector<XlaOp>{FactsOf(in, n, rows)}; }, &results));
    *facts = ReadFacts(context, results[0]);
    return absl::OkStatus();
  }

  static XlaOp FactsOf(const std::vector<XlaOp>& in, int64_t n, int64_t rows) {
    const XlaOp ids = S64(in[0]);
    XlaOp wrong = SumOf(S64(xla::Lt(ids, xla::ZerosLike(ids))));
    if (n > 1) wrong = wrong + SumOf(S64(xla::Lt(xla::SliceInDim(ids, 1, n, 1, 0), xla::SliceInDim(ids, 0, n - 1, 1, 0))));
    if (in.size() == 2) wrong = wrong + SumOf(S64(IsOutside(in[1], rows)));
    return Facts({ElementAt(ids, n - 1), wrong});
  }

  const bool is_sparse_;
  const SegmentReduction reduction_;
};

}  // namespace

std::vector<SizedOp> SegmentOps() {
  using namespace tensorflow;
  const TypeSet floats = {DT_HALF, DT_BFLOAT16, DT_FLOAT, DT_DOUBLE}, ids = {DT_INT32, DT_INT64};
  const TypeSet reals = {DT_INT8, DT_UINT8, DT_INT16, DT_UINT16, DT_INT32, DT_UINT32, DT_INT64, DT_UINT64, DT_HALF, DT_BFLOAT16, DT_FLOAT, DT_DOUBLE};
  std::vector<SizedOp> ops;
  for (const char* name : {"SegmentSum", "SegmentMean", "SegmentProd", "SegmentMin", "SegmentMax"}) {
    TypeSet types = reals;
    const std::string op = name;
    if (op == "SegmentSum" || op == "SegmentMean" || op == "SegmentProd") types.insert({DT_COMPLEX64, DT_COMPLEX128});
    ops.push_back({name, {{"T", types}, {"Tindices", ids}}, {}, MakeSizedKernel<SegmentKernel>});
  }
  for (const char* name : {"SparseSegmentSum", "SparseSegmentMean", "SparseSegmentSqrtN"}) {
    ops.push_back({name, {{"T", floats}, {"Tidx", ids}, {"Tsegmentids", ids}}, {}, MakeSizedKernel<SegmentKernel>});
  }
  return ops;
}

}  // namespace tfvk::plugin
