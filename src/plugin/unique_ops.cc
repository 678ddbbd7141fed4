// Unique, UniqueV2 and their forms that count: a vector's distinct values in the order of their first occurrence.
#include "plugin/row_hlo.h"
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

// The values, the index of each element's value among them, the number of each value's elements, all of n rows; and how many values there are.
std::vector<XlaOp> DistinctValues(XlaOp x, int64_t n, xla::PrimitiveType type, xla::PrimitiveType index_type) {
  xla::XlaBuilder* builder = x.builder();
  // -0 is equal to 0, but sorts before it.
  XlaOp keys = type == xla::PRED ? S32(x) : xla::Select(xla::Eq(x, xla::ZerosLike(x)), xla::ZerosLike(x), x);
  const xla::PrimitiveType key_type = type == xla::PRED ? xla::S32 : type;
  const XlaOp sort = xla::Sort({keys, Count(builder, n)}, xla::CreateScalarLtComputation({key_type, xla::S32}, builder), 0, /*is_stable=*/true);
  const XlaOp element = xla::GetTupleElement(sort, 1);
  const XlaOp begins = BeginsRun(xla::GetTupleElement(sort, 0), n);
  const XlaOp zeros = xla::ZerosLike(element), one = xla::ScalarLike(element, 1);
  const XlaOp outside = xla::Broadcast(xla::ConstantR0<int32_t>(builder, static_cast<int32_t>(n)), {n});
  const XlaOp run = RunningSum(S32(begins), n) - one;
  const XlaOp first_of_run = PutRows(zeros, xla::Select(begins, run, outside), element);  // the sort is stable
  const XlaOp is_first = PutRows(zeros, element, S32(begins));
  const XlaOp order = RunningSum(is_first, n);
  const XlaOp value_of_sorted = TakeRows(order - one, TakeRows(first_of_run, run));
  const XlaOp indices = PutRows(zeros, element, value_of_sorted);
  const XlaOp places = xla::Select(xla::Ne(is_first, zeros), order - one, outside);
  const XlaOp values = PutRows(xla::ZerosLike(x), places, x);
  const XlaOp counts =
      ScatterRows(zeros, indices, xla::Broadcast(xla::ConstantR0<int32_t>(builder, 1), {n}), xla::CreateScalarAddComputation(xla::S32, builder));
  return {values, xla::ConvertElementType(indices, index_type), xla::ConvertElementType(counts, index_type), Facts({ElementAt(order, n - 1)})};
}

class UniqueKernel : public SizedKernel {
 public:
  using SizedKernel::SizedKernel;

 protected:
  absl::Status Run(tensorflow::OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    // Slices along an axis, and TensorFlow's own errors.
    if (x.dims() != 1 || (num_inputs() == 2 && !IsWholeVector(context->input(1)))) return RunOnCpu(context);
    const int64_t n = x.NumElements();
    if (!AreCountable(n)) return RunOnCpu(context);
    if (n == 0) {
      Tensor* empty = nullptr;
      for (int i = 0; i < num_outputs(); ++i) TF_RETURN_IF_ERROR(context->allocate_output(i, TensorShape({0}), &empty));
      return absl::OkStatus();
    }
    const bool wide = output_type(1) == tensorflow::DT_INT64;
    const TensorShape shape({n});
    xla::PrimitiveType type;
    TF_RETURN_IF_ERROR(tensorflow::DataTypeToPrimitiveType(x.dtype(), &type));
    std::vector<Tensor> results;
    const Types types = {{x.dtype(), shape}, {output_type(1), shape}, {output_type(1), shape}, {tensorflow::DT_INT64, TensorShape({1})}};
    TF_RETURN_IF_ERROR(RunProgram(
        context, "", {&x}, types, [&](const std::vector<XlaOp>& in) { return DistinctValues(in[0], n, type, wide ? xla::S64 : xla::S32); }, &results));
    const int64_t values = ReadFacts(context, results[3])[0];
    TF_RETURN_IF_ERROR(SetRows(context, 0, results[0], 0, values));
    TF_RETURN_IF_ERROR(SetRows(context, 1, results[1], 0, n));
    return num_outputs() == 3 ? SetRows(context, 2, results[2], 0, values) : absl::OkStatus();
  }

 private:
  // No axis, or the only one.
  static bool IsWholeVector(const Tensor& axis) {
    if (axis.dims() != 1 || axis.NumElements() > 1) return false;
    if (axis.NumElements() == 0) return true;
    const int64_t value = axis.dtype() == tensorflow::DT_INT64 ? axis.flat<int64_t>()(0) : axis.flat<int32_t>()(0);
    return value == 0 || value == -1;
  }
};

}  // namespace

std::vector<SizedOp> UniqueOps() {
  using namespace tensorflow;
  const TypeSet types = {DT_BOOL, DT_INT8, DT_UINT8, DT_INT16, DT_UINT16, DT_INT32, DT_UINT32, DT_INT64, DT_UINT64, DT_HALF, DT_BFLOAT16, DT_FLOAT, DT_DOUBLE};
  const TypeSet indices = {DT_INT32, DT_INT64};
  std::vector<SizedOp> ops;
  for (const char* name : {"Unique", "UniqueWithCounts"}) ops.push_back({name, {{"T", types}, {"out_idx", indices}}, {}, MakeSizedKernel<UniqueKernel>});
  for (const char* name : {"UniqueV2", "UniqueWithCountsV2"}) {
    ops.push_back({name, {{"T", types}, {"out_idx", indices}, {"Taxis", indices}}, {"axis"}, MakeSizedKernel<UniqueKernel>});
  }
  return ops;
}

}  // namespace tfvk::plugin
