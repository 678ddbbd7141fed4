// SparseToDense outside of compiled functions, where tf2xla's kernel drops what is outside: wrong indices are left to TensorFlow's CPU kernel, for its errors.
#include "plugin/row_hlo.h"
#include "plugin/sized_kernel.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::Tensor;
using tensorflow::TensorShape;
using xla::XlaOp;

class SparseToDenseKernel : public SizedKernel {
 public:
  explicit SparseToDenseKernel(tensorflow::OpKernelConstruction* construction) : SizedKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("validate_indices", &is_validated_));
  }

 protected:
  absl::Status Run(tensorflow::OpKernelContext* context) override {
    const Tensor &indices = context->input(0), &values = context->input(2);
    const int64_t n = indices.dims() == 0 ? 1 : indices.dim_size(0), rank = indices.dims() < 2 ? 1 : indices.dim_size(1);
    TensorShape shape;
    const bool fits = indices.dims() <= 2 && rank != 0 && (values.dims() == 0 || (values.dims() == 1 && values.NumElements() == n)) &&
                      context->input(3).dims() == 0 && SetShape(context->input(1), rank, &shape);
    if (!fits || !AreCountable(n) || !AreCountable(shape.num_elements())) return RunOnCpu(context);  // TensorFlow's own error
    if (shape.num_elements() == 0) {
      Tensor* empty = nullptr;
      return n == 0 ? context->allocate_output(0, shape, &empty) : RunOnCpu(context);  // the same
    }
    Tensor rows;
    if (!rows.CopyFrom(indices, TensorShape({n, rank}))) return absl::InternalError("A matrix of the same elements");
    std::vector<Tensor> results;
    TF_RETURN_IF_ERROR(Scatter(context, rows, shape, &results));
    if (ReadFacts(context, results[1])[0] != 0) return RunOnCpu(context);  // the same
    Tensor dense;
    if (!dense.CopyFrom(results[0], shape)) return absl::InternalError("A tensor of the same elements");
    context->set_output(0, dense);
    return absl::OkStatus();
  }

 private:
  static bool SetShape(const Tensor& sizes, int64_t rank, TensorShape* shape) {
    if (sizes.dims() != 1 || sizes.NumElements() != rank) return false;
    for (int64_t d = 0; d < rank; ++d) {
      const int64_t size = sizes.dtype() == tensorflow::DT_INT64 ? sizes.flat<int64_t>()(d) : sizes.flat<int32_t>()(d);
      if (!shape->AddDimWithStatus(size).ok()) return false;
    }
    return true;
  }

  // The dense tensor's elements, and how many indices are wrong.
  absl::Status Scatter(tensorflow::OpKernelContext* context, const Tensor& rows, const TensorShape& shape, std::vector<Tensor>* results) const {
    Tensor indices, values = context->input(2), count;
    TF_RETURN_IF_ERROR(PadRows(context, rows, &indices));
    if (values.dims() == 1) TF_RETURN_IF_ERROR(PadRows(context, context->input(2), &values));
    TF_RETURN_IF_ERROR(Numbers(context, {rows.dim_size(0)}, &count));
    const Types types = {{values.dtype(), TensorShape({shape.num_elements()})}, {tensorflow::DT_INT64, TensorShape({1})}};
    return RunProgram(
        context, shape.DebugString(), {&indices, &values, &context->input(3), &count}, types,
        [&](const std::vector<XlaOp>& in) { return Dense(in[0], in[1], in[2], ElementAt(in[3], 0), shape); }, results);
  }

  std::vector<XlaOp> Dense(XlaOp indices, XlaOp values, XlaOp default_value, XlaOp count, const TensorShape& shape) const {
    xla::XlaBuilder* builder = indices.builder();
    const int64_t n = builder->GetShape(indices).value().dimensions(0);
    if (builder->GetShape(values).value().dimensions().empty()) values = xla::Broadcast(values, {n});
    const XlaOp counts = AreBefore(builder, count, n);
    XlaOp place = xla::Broadcast(xla::ConstantR0<int64_t>(builder, 0), {n}), wrong = xla::Broadcast(xla::ConstantR0<bool>(builder, false), {n});
    for (int d = 0; d < shape.dims(); ++d) {
      const XlaOp index = S64(Column(indices, d));
      wrong = xla::Or(wrong, IsOutside(index, shape.dim_size(d)));
      place = place * xla::FullLike(place, shape.dim_size(d)) + index;
    }
    const XlaOp places = xla::Select(xla::And(counts, xla::Not(wrong)), place, xla::FullLike(place, -1));
    if (is_validated_ && n > 1) {  // rising, and none twice
      const XlaOp falls = xla::Ge(xla::SliceInDim(place, 0, n - 1, 1, 0), xla::SliceInDim(place, 1, n, 1, 0));
      wrong = xla::Or(wrong, xla::PadInDim(falls, xla::ConstantR0<bool>(builder, false), 0, 1, 0));
    }
    const XlaOp empty = xla::Broadcast(default_value, {shape.num_elements()});
    return {is_validated_ ? PutRows(empty, places, values) : PutRowsInTurn(empty, places, values), Facts({SumOf(S64(xla::And(counts, wrong)))})};
  }

  bool is_validated_ = true;
};

}  // namespace

std::vector<SizedOp> SparseToDenseOps() {
  using namespace tensorflow;
  return {{"SparseToDense",
           {{"T",
             {DT_BOOL, DT_INT8, DT_UINT8, DT_INT16, DT_UINT16, DT_INT32, DT_UINT32, DT_INT64, DT_UINT64, DT_HALF, DT_BFLOAT16, DT_FLOAT, DT_DOUBLE,
              DT_COMPLEX64, DT_COMPLEX128, DT_QINT8, DT_QUINT8, DT_QINT32}},
            {"Tindices", {DT_INT32, DT_INT64}}},
           {"output_shape"},
           MakeSizedKernel<SparseToDenseKernel>}};
}

}  // namespace tfvk::plugin
