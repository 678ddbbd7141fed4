// Gathers and scatters of single elements and slices of a variable, and Adam with AMSGrad. An index outside of the variable reads the nearest slice and writes
// nothing.
#include "plugin/variable_ops.h"
#include "tensorflow/compiler/tf2xla/kernels/gather_op_helpers.h"
#include "tensorflow/compiler/tf2xla/lib/scatter.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla/hlo/builder/lib/math.h"

namespace tfvk::plugin {
namespace {

using tensorflow::TensorShape;
using tensorflow::XlaOpKernelContext;
using xla::XlaOp;

class ResourceGatherNdKernel : public tensorflow::XlaOpKernel {
 public:
  explicit ResourceGatherNdKernel(tensorflow::OpKernelConstruction* context) : XlaOpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("dtype", &dtype_));
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  absl::Status Build(XlaOpKernelContext* context) const {
    TensorShape shape;
    XlaOp value, result;
    TF_RETURN_IF_ERROR(context->ReadVariableInput(0, dtype_, &shape, &value));
    TF_RETURN_IF_ERROR(tensorflow::XlaGather(value, shape, context->Input(1), context->InputShape(1), /*axis=*/0, /*indices_are_nd=*/true, dtype_,
                                             context->input_type(1), context->builder(), &result));
    context->SetOutput(0, result);
    return absl::OkStatus();
  }

  tensorflow::DataType dtype_;
};

// `combine`: xla::Max or xla::Min.
template <XlaOp (*combine)(XlaOp, XlaOp, absl::Span<const int64_t>)>
class ResourceScatterNdKernel : public tensorflow::XlaOpKernel {
 public:
  using XlaOpKernel::XlaOpKernel;

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  absl::Status Build(XlaOpKernelContext* context) const {
    TensorShape shape;
    XlaOp value;
    const tensorflow::DataType dtype = context->input_type(2);
    TF_RETURN_IF_ERROR(context->ReadVariableInput(0, dtype, &shape, &value));
    if (shape.num_elements() == 0 || context->InputShape(2).num_elements() == 0) return absl::OkStatus();
    const auto combiner = [](XlaOp a, XlaOp b, xla::XlaBuilder*) { return combine(a, b, {}); };
    TF_ASSIGN_OR_RETURN(const XlaOp result, tensorflow::XlaScatter(value, context->Input(2), context->Input(1), /*indices_are_vectors=*/true,
                                                                   /*indices_are_sorted=*/false, combiner, context->builder()));
    return context->AssignVariable(0, dtype, result);
  }
};

class ApplyAdamWithAmsgradKernel : public tensorflow::XlaOpKernel {
 public:
  using XlaOpKernel::XlaOpKernel;

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  static absl::Status Build(XlaOpKernelContext* context) {
    const tensorflow::DataType dtype = context->input_type(10);
    XlaOp var, m, v, most;
    TensorShape shape;
    for (const auto& [i, value] : {std::pair(0, &var), std::pair(1, &m), std::pair(2, &v), std::pair(3, &most)}) {
      TensorShape own;
      TF_RETURN_IF_ERROR(context->ReadVariableInput(i, dtype, &own, value));
      if (i == 0) shape = own;
      TF_RETURN_IF_ERROR(ExpectShape(i == 0 ? "var" : i == 1 ? "m" : i == 2 ? "v" : "vhat", shape, own));
    }
    TF_RETURN_IF_ERROR(ExpectShape("grad", shape, context->InputShape(10)));
    const XlaOp power1 = context->Input(4), power2 = context->Input(5), beta1 = context->Input(7), beta2 = context->Input(8);
    const XlaOp epsilon = context->Input(9), gradient = context->Input(10), one = xla::ScalarLike(beta1, 1);
    const XlaOp step = context->Input(6) * xla::Sqrt(one - power2) / (one - power1);
    m = m + (gradient - m) * (one - beta1);
    v = v + (xla::Square(gradient) - v) * (one - beta2);
    most = xla::Max(most, v);
    TF_RETURN_IF_ERROR(context->AssignVariable(0, dtype, var - m * step / (xla::Sqrt(most) + epsilon)));
    TF_RETURN_IF_ERROR(context->AssignVariable(1, dtype, m));
    TF_RETURN_IF_ERROR(context->AssignVariable(2, dtype, v));
    return context->AssignVariable(3, dtype, most);
  }

  static absl::Status ExpectShape(const char* name, const TensorShape& expected, const TensorShape& actual) {
    if (actual == expected) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("var and ", name, " do not have the same shape", expected.DebugString(), " ", actual.DebugString()));
  }
};

}  // namespace

void RegisterVariableOps() {
  static const std::vector<tensorflow::DataType> floats = {tensorflow::DT_HALF, tensorflow::DT_BFLOAT16, tensorflow::DT_FLOAT, tensorflow::DT_DOUBLE};
  static const std::vector<tensorflow::DataType> ordered = {tensorflow::DT_HALF,   tensorflow::DT_BFLOAT16, tensorflow::DT_FLOAT, tensorflow::DT_DOUBLE,
                                                            tensorflow::DT_INT8,   tensorflow::DT_INT16,    tensorflow::DT_INT64, tensorflow::DT_UINT8,
                                                            tensorflow::DT_UINT16, tensorflow::DT_UINT32,   tensorflow::DT_UINT64};
  REGISTER_XLA_OP(Name("ResourceGatherNd").Device("XLA_GPU_JIT"), ResourceGatherNdKernel);
  REGISTER_XLA_OP(Name("ResourceScatterNdMax").Device("XLA_GPU_JIT").TypeConstraint("T", ordered), ResourceScatterNdKernel<xla::Max>);
  REGISTER_XLA_OP(Name("ResourceScatterNdMin").Device("XLA_GPU_JIT").TypeConstraint("T", ordered), ResourceScatterNdKernel<xla::Min>);
  REGISTER_XLA_OP(Name("ResourceApplyAdamWithAmsgrad").Device("XLA_GPU_JIT").TypeConstraint("T", floats), ApplyAdamWithAmsgradKernel);
}

}  // namespace tfvk::plugin
