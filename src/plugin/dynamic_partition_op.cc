// DynamicPartition: the rows of a tensor sorted into as many tensors as there are partitions.
#include <numeric>

#include "plugin/row_hlo.h"
#include "plugin/sized_kernel.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/comparators.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::Tensor;
using tensorflow::TensorShape;
using xla::XlaOp;

class DynamicPartitionKernel : public SizedKernel {
 public:
  explicit DynamicPartitionKernel(tensorflow::OpKernelConstruction* construction) : SizedKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("num_partitions", &partitions_));
  }

 protected:
  absl::Status Run(tensorflow::OpKernelContext* context) override {
    const Tensor &data = context->input(0), &partitions = context->input(1);
    if (!tensorflow::TensorShapeUtils::StartsWith(data.shape(), partitions.shape())) return RunOnCpu(context);  // TensorFlow's own error
    const int64_t n = partitions.NumElements();
    if (!AreCountable(n)) return RunOnCpu(context);
    TensorShape rows({n});
    for (int i = partitions.dims(); i < data.dims(); ++i) rows.AddDim(data.dim_size(i));
    std::vector<int64_t> sizes(partitions_);
    std::vector<Tensor> results(1);
    if (n == 0) {
      TF_RETURN_IF_ERROR(context->allocate_temp(data.dtype(), rows, &results[0]));
    } else {
      const Types types = {{data.dtype(), rows}, {tensorflow::DT_INT64, TensorShape({partitions_})}};
      TF_RETURN_IF_ERROR(RunProgram(
          context, "", {&data, &partitions}, types, [&](const std::vector<XlaOp>& in) { return Sorted(in[0], in[1], rows); }, &results));
      sizes = ReadFacts(context, results[1]);
    }
    if (std::accumulate(sizes.begin(), sizes.end(), int64_t{0}) != n) return RunOnCpu(context);  // a row of no partition: the same
    int64_t first = 0;
    for (int i = 0; i < partitions_; ++i) {
      TF_RETURN_IF_ERROR(SetRows(context, i, results[0], first, sizes[i]));
      first += sizes[i];
    }
    return absl::OkStatus();
  }

 private:
  // The rows by partition, and the partitions' sizes.
  std::vector<XlaOp> Sorted(XlaOp data, XlaOp partitions, const TensorShape& rows) const {
    xla::XlaBuilder* builder = data.builder();
    const int64_t n = rows.dim_size(0);
    const XlaOp flat = xla::Reshape(partitions, {n});
    const XlaOp sort = xla::Sort({flat, Count(builder, n)}, xla::CreateScalarLtComputation({xla::S32, xla::S32}, builder), 0, /*is_stable=*/true);
    const XlaOp sorted = TakeRows(xla::Reshape(data, rows.dim_sizes()), xla::GetTupleElement(sort, 1));
    const XlaOp ones = xla::Broadcast(xla::ConstantR0<int32_t>(builder, 1), {n});
    const XlaOp zeros = xla::Broadcast(xla::ConstantR0<int32_t>(builder, 0), {partitions_});
    return {sorted, S64(ScatterRows(zeros, flat, ones, xla::CreateScalarAddComputation(xla::S32, builder)))};
  }

  int partitions_ = 0;
};

}  // namespace

std::vector<SizedOp> DynamicPartitionOps() {
  using namespace tensorflow;
  return {{"DynamicPartition",
           {{"T",
             {DT_BOOL, DT_INT8, DT_UINT8, DT_INT16, DT_UINT16, DT_INT32, DT_UINT32, DT_INT64, DT_UINT64, DT_HALF, DT_BFLOAT16, DT_FLOAT, DT_DOUBLE,
              DT_COMPLEX64, DT_COMPLEX128}}},
           {},
           MakeSizedKernel<DynamicPartitionKernel>}};
}

}  // namespace tfvk::plugin
