// TensorFlow keeps such integers in the low half of a byte each. What it casts them from and to are integers.
#include "plugin/small_integer_ops.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "plugin/built_program.h"
#include "plugin/device_kernel.h"
#include "plugin/status.h"
#include "tensorflow/compiler/tf2xla/type_util.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::DataType;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using xla::XlaOp;

bool IsSmall(DataType type) { return type == tensorflow::DT_INT4 || type == tensorflow::DT_UINT4; }

// The type of the bytes that hold such integers; another type as it is.
DataType StoredType(DataType type) {
  if (!IsSmall(type)) return type;
  return type == tensorflow::DT_INT4 ? tensorflow::DT_INT8 : tensorflow::DT_UINT8;
}

// The same memory as bytes.
absl::StatusOr<Tensor> Stored(const Tensor& tensor) {
  Tensor stored;
  TF_RETURN_IF_ERROR(stored.BitcastFrom(tensor, StoredType(tensor.dtype()), tensor.shape()));
  return stored;
}

XlaOp Read(XlaOp bytes, DataType type) {
  if (type == tensorflow::DT_UINT4) return xla::And(bytes, xla::ScalarLike(bytes, 15));
  const XlaOp half = xla::ScalarLike(bytes, 4);
  return xla::ShiftRightArithmetic(xla::ShiftLeft(bytes, half), half);
}

class SmallIntegerCastKernel : public tensorflow::OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    OP_REQUIRES_OK(context, Guarded([&] { return Cast(context); }));
  }

 private:
  static absl::Status Cast(OpKernelContext* context) {
    const Tensor& x = context->input(0);
    Tensor* y = nullptr;
    TF_RETURN_IF_ERROR(context->allocate_output(0, x.shape(), &y));
    if (x.NumElements() == 0) return absl::OkStatus();
    const DataType from = x.dtype(), to = y->dtype();
    xla::PrimitiveType result;
    TF_RETURN_IF_ERROR(tensorflow::DataTypeToPrimitiveType(StoredType(to), &result));
    const auto build = [from, to, result](const std::vector<XlaOp>& p) {
      const XlaOp cast = xla::ConvertElementType(IsSmall(from) ? Read(p[0], from) : p[0], result);
      return std::vector<XlaOp>{IsSmall(to) ? xla::And(cast, xla::ScalarLike(cast, 15)) : cast};
    };
    TF_ASSIGN_OR_RETURN(const Tensor input, Stored(x));
    TF_ASSIGN_OR_RETURN(Tensor output, Stored(*y));
    const std::string name = absl::StrCat("Cast ", tensorflow::DataTypeString(from), " ", tensorflow::DataTypeString(to));
    return RunBuiltProgram(context, name, build, {&input}, {&output});
  }
};

class SmallIntegerFillKernel : public tensorflow::OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    OP_REQUIRES_OK(context, Guarded([&] { return Fill(context); }));
  }

 private:
  static absl::Status Fill(OpKernelContext* context) {
    const Tensor &dims = context->input(0), &value = context->input(1);
    if (dims.dims() > 1) return absl::InvalidArgumentError(absl::StrCat("dims must represent a vector, got shape ", dims.shape().DebugString()));
    const bool is_scalar = value.dims() == 0 || (value.dims() == 1 && value.dim_size(0) == 1);
    if (!is_scalar) return absl::InvalidArgumentError(absl::StrCat("value must represent a scalar, got shape ", value.shape().DebugString()));
    tensorflow::TensorShape shape;
    if (dims.dtype() == tensorflow::DT_INT32) {
      TF_RETURN_IF_ERROR(tensorflow::TensorShapeUtils::MakeShape(dims.flat<int32_t>().data(), dims.NumElements(), &shape));
    } else {
      TF_RETURN_IF_ERROR(tensorflow::TensorShapeUtils::MakeShape(dims.flat<int64_t>().data(), dims.NumElements(), &shape));
    }
    Tensor* filled = nullptr;
    TF_RETURN_IF_ERROR(context->allocate_output(0, shape, &filled));
    if (shape.num_elements() == 0) return absl::OkStatus();
    TF_ASSIGN_OR_RETURN(const Tensor input, Stored(value));
    TF_ASSIGN_OR_RETURN(Tensor output, Stored(*filled));
    const auto build = [&shape](const std::vector<XlaOp>& p) { return std::vector<XlaOp>{xla::Broadcast(xla::Reshape(p[0], {}), shape.dim_sizes())}; };
    return RunBuiltProgram(context, absl::StrCat("Fill ", shape.DebugString()), build, {&input}, {&output});
  }
};

}  // namespace

void RegisterSmallIntegerOps() {
  const TypeSet small = {tensorflow::DT_INT4, tensorflow::DT_UINT4};
  const TypeSet whole = TypesOfDevice({tensorflow::DT_INT8, tensorflow::DT_UINT8, tensorflow::DT_INT16, tensorflow::DT_UINT16, tensorflow::DT_INT32,
                                       tensorflow::DT_UINT32, tensorflow::DT_INT64, tensorflow::DT_UINT64});
  TypeSet all = small;
  all.insert(whole.begin(), whole.end());
  tensorflow::KernelDef from = DeviceKernel("Cast", "SrcT", small), to = DeviceKernel("Cast", "SrcT", whole);
  SetConstraintTypes(from, "DstT", all);
  SetConstraintTypes(to, "DstT", small);
  RegisterDeviceKernel<SmallIntegerCastKernel>(std::move(from));
  RegisterDeviceKernel<SmallIntegerCastKernel>(std::move(to));
  RegisterDeviceKernel<SmallIntegerFillKernel>(DeviceKernel("Fill", "T", small, {"dims"}));
}

}  // namespace tfvk::plugin
