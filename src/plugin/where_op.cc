// Where: the indices of the elements that are not zero, in row-major order.
#include "plugin/row_hlo.h"
#include "plugin/sized_kernel.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::Tensor;
using tensorflow::TensorShape;
using xla::XlaOp;

// A row for each element in row-major order, those of nonzero elements first, and how many these are.
std::vector<XlaOp> IndicesOfNonzero(XlaOp x, const TensorShape& shape) {
  xla::XlaBuilder* builder = x.builder();
  const int64_t n = shape.num_elements();
  const XlaOp flat = xla::Reshape(x, {n});
  const XlaOp taken = xla::Ne(flat, xla::ZerosLike(flat));
  const XlaOp order = RunningSum(S32(taken), n);
  const XlaOp outside = xla::Broadcast(xla::ConstantR0<int32_t>(builder, static_cast<int32_t>(n)), {n});
  const XlaOp one = xla::ScalarLike(order, 1);
  const XlaOp places = xla::Select(taken, order - one, outside);
  const XlaOp elements = S64(PutRows(xla::ZerosLike(order), places, Count(builder, n)));
  std::vector<XlaOp> columns;
  int64_t stride = n;
  for (int d = 0; d < shape.dims(); ++d) {
    stride /= shape.dim_size(d);
    const XlaOp index = xla::Rem(xla::Div(elements, xla::ScalarLike(elements, stride)), xla::ScalarLike(elements, shape.dim_size(d)));
    columns.push_back(xla::Reshape(index, {n, 1}));
  }
  return {columns.empty() ? xla::Broadcast(xla::ConstantR0<int64_t>(builder, 0), {n, 0}) : xla::ConcatInDim(builder, columns, 1),
          Facts({ElementAt(order, n - 1)})};
}

class WhereKernel : public SizedKernel {
 public:
  using SizedKernel::SizedKernel;

 protected:
  absl::Status Run(tensorflow::OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    const int64_t n = x.NumElements();
    if (!AreCountable(n)) return RunOnCpu(context);
    Tensor* empty = nullptr;
    if (n == 0) return context->allocate_output(0, TensorShape({0, x.dims()}), &empty);
    if (x.dims() == 0) return RunOnCpu(context);
    std::vector<Tensor> results;
    const Types types = {{tensorflow::DT_INT64, TensorShape({n, x.dims()})}, {tensorflow::DT_INT64, TensorShape({1})}};
    TF_RETURN_IF_ERROR(RunProgram(
        context, "", {&x}, types, [&](const std::vector<XlaOp>& in) { return IndicesOfNonzero(in[0], x.shape()); }, &results));
    return SetRows(context, 0, results[0], 0, ReadFacts(context, results[1])[0]);
  }
};

}  // namespace

std::vector<SizedOp> WhereOps() {
  using namespace tensorflow;
  return {{"Where",
           {{"T",
             {DT_BOOL, DT_INT8, DT_UINT8, DT_INT16, DT_UINT16, DT_UINT32, DT_INT64, DT_UINT64, DT_BFLOAT16, DT_FLOAT, DT_DOUBLE, DT_COMPLEX64, DT_COMPLEX128}}},
           {},
           MakeSizedKernel<WhereKernel>}};
}

}  // namespace tfvk::plugin
