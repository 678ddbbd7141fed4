// SegmentSum, SegmentMean, SegmentProd, SegmentMin, SegmentMax and SparseSegmentSum, SparseSegmentMean, SparseSegmentSqrtN: reductions by sorted segment ids,
// the last of which says how many segments there are. The ids are checked as TensorFlow's CPU kernels check them.
#include "plugin/row_hlo.h"
#include "plugin/segment_hlo.h"
#include "plugin/sized_kernel.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::Tensor;
using tensorflow::TensorShape;
using xla::XlaOp;

SegmentReduction ReductionOf(const std::string& op) {
  const auto ends_with = [&](const std::string& end) { return op.size() >= end.size() && op.compare(op.size() - end.size(), end.size(), end) == 0; };
  if (ends_with("Sum")) return SegmentReduction::kSum;
  if (ends_with("Mean")) return SegmentReduction::kMean;
  if (ends_with("SqrtN")) return SegmentReduction::kSqrtN;
  if (ends_with("Prod")) return SegmentReduction::kProd;
  return ends_with("Min") ? SegmentReduction::kMin : SegmentReduction::kMax;
}

class SegmentKernel : public SizedKernel {
 public:
  explicit SegmentKernel(tensorflow::OpKernelConstruction* construction)
      : SizedKernel(construction), is_sparse_(num_inputs() == 3), reduction_(ReductionOf(type_string())) {}

 protected:
  absl::Status Run(tensorflow::OpKernelContext* context) override {
    const Tensor &data = context->input(0), &ids = context->input(num_inputs() - 1);
    TF_RETURN_IF_ERROR(CheckInputs(context, data, ids));
    TF_RETURN_IF_ERROR(CheckRowCount(ids.NumElements()));
    TensorShape shape = data.shape();
    int64_t segments = 0;
    if (ids.NumElements() != 0) TF_RETURN_IF_ERROR(CountSegments(context, data, ids, &segments));
    shape.set_dim(0, segments);
    if (shape.num_elements() == 0) {
      Tensor* empty = nullptr;
      return context->allocate_output(0, shape, &empty);
    }
    // Compiled for powers of two, so that few numbers of segments make a new program.
    int64_t rows = 1;
    while (rows < segments) rows *= 2;
    TF_RETURN_IF_ERROR(CheckRowCount(rows));
    shape.set_dim(0, rows);
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
  absl::Status CheckInputs(tensorflow::OpKernelContext* context, const Tensor& data, const Tensor& ids) const {
    if (data.dims() == 0) return absl::InvalidArgumentError("Shape must be at least rank 1 but is rank 0");
    if (ids.dims() != 1) return absl::InvalidArgumentError("segment_ids should be a vector.");
    if (!is_sparse_) {
      if (data.dim_size(0) == ids.NumElements()) return absl::OkStatus();
      return absl::InvalidArgumentError(absl::StrCat("segment_ids should be the same size as dimension 0 of input. data.shape = ", data.shape().DebugString(),
                                                     ", segment_ids.shape = ", ids.shape().DebugString()));
    }
    if (context->input(1).dims() != 1) return absl::InvalidArgumentError("indices should be a vector.");
    if (context->input(1).NumElements() == ids.NumElements()) return absl::OkStatus();
    return absl::InvalidArgumentError("segment_ids and indices should have same size.");
  }

  // One program that looks at all ids and indices, for which the host waits.
  absl::Status CountSegments(tensorflow::OpKernelContext* context, const Tensor& data, const Tensor& ids, int64_t* segments) const {
    const int64_t n = ids.NumElements(), rows = data.dim_size(0);
    std::vector<const Tensor*> inputs = {&ids};
    if (is_sparse_) inputs.push_back(&context->input(1));
    std::vector<Tensor> results;
    TF_RETURN_IF_ERROR(RunProgram(
        context, absl::StrCat("facts ", rows), inputs, {{tensorflow::DT_INT64, TensorShape({is_sparse_ ? 5 : 3})}},
        [&](const std::vector<XlaOp>& in) { return std::vector<XlaOp>{FactsOf(in, n, rows)}; }, &results));
    const std::vector<int64_t> facts = ReadFacts(context, results[0]);
    if (facts[0] < 0 || facts[1] < 0) return absl::InvalidArgumentError("segment ids must be >= 0");
    if (facts[2] != 0) return absl::InvalidArgumentError("segment ids are not increasing");
    if (is_sparse_ && facts[3] < n) {
      return absl::InvalidArgumentError(absl::StrCat("indices[", facts[3], "] == ", facts[4], " out of range [0, ", rows, ")"));
    }
    *segments = facts[0] + 1;
    return absl::OkStatus();
  }

  // The last id, the first, how many are less than the one before; the first index that is outside (n without one) and its value.
  static XlaOp FactsOf(const std::vector<XlaOp>& in, int64_t n, int64_t rows) {
    xla::XlaBuilder* builder = in[0].builder();
    const XlaOp ids = S64(in[0]);
    const XlaOp falls =
        n == 1 ? xla::ConstantR0<int64_t>(builder, 0) : SumOf(S64(xla::Lt(xla::SliceInDim(ids, 1, n, 1, 0), xla::SliceInDim(ids, 0, n - 1, 1, 0))));
    std::vector<XlaOp> facts = {ElementAt(ids, n - 1), ElementAt(ids, 0), falls};
    if (in.size() == 2) {
      const XlaOp indices = S64(in[1]);
      const XlaOp outside = xla::Or(xla::Lt(indices, xla::ZerosLike(indices)), xla::Ge(indices, xla::ScalarLike(indices, rows)));
      const XlaOp first = LeastOf(xla::Select(outside, S64(Count(builder, n)), xla::FullLike(indices, n)));
      facts.push_back(first);
      facts.push_back(xla::Reshape(TakeRows(indices, xla::Reshape(first, {1})), {}));
    }
    return Facts(facts);
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
