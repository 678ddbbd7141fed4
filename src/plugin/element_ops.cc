#include "plugin/element_ops.h"

#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>

#include "hlo/module.h"
#include "plugin/csr_matrix.h"
#include "plugin/platform.h"
#include "plugin/status.h"
#include "tensorflow/compiler/tf2xla/type_util.h"
#include "tensorflow/core/framework/variant.h"
#include "tensorflow/core/kernels/data/optional_ops_util.h"
#include "tensorflow/core/kernels/tensor_list.h"
#include "tensorflow/core/kernels/tensor_list_util.h"
#include "xla/hlo/builder/xla_builder.h"

namespace tfvk::plugin {

using tensorflow::CSRSparseMatrix;
using tensorflow::DataType;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorList;
using tensorflow::TensorShape;
using tensorflow::Variant;
using tensorflow::data::OptionalVariant;

namespace {

bool IsOnHost(const Tensor& tensor) { return tensor.NumElements() != 0 && OwnerOf(tensor.data()) == nullptr; }

absl::Status Allocate(OpKernelContext* context, DataType dtype, const TensorShape& shape, bool on_host, Tensor* tensor) {
  tensorflow::AllocatorAttributes attributes;
  attributes.set_on_host(on_host);
  return context->allocate_temp(dtype, shape, tensor, attributes);
}

// The program that adds two vectors. Kept for the life of the process.
std::shared_ptr<Executable> AdderOf(Device& device, xla::PrimitiveType type, int64_t count) {
  static auto* const mutex = new std::mutex;
  static auto* const programs = new std::map<std::tuple<Device*, xla::PrimitiveType, int64_t>, std::shared_ptr<Executable>>;
  const std::lock_guard<std::mutex> lock(*mutex);
  std::shared_ptr<Executable>& program = (*programs)[{&device, type, count}];
  if (program == nullptr) {
    xla::XlaBuilder builder("AddElements");
    const xla::Shape shape = xla::ShapeUtil::MakeShape(type, {count});
    const xla::XlaOp a = xla::Parameter(&builder, 0, shape, "a"), b = xla::Parameter(&builder, 1, shape, "b");
    xla::Tuple(&builder, {a + b});
    const auto computation = builder.Build();
    if (!computation.ok()) Fail(ErrorCode::kInternal, "A sum of {} elements: {}", count, computation.status().ToString());
    program = device.Compile(hlo::ModuleFromComputation(*computation), {});
  }
  return program;
}

absl::Status AddOnDevice(OpKernelContext* context, const Tensor& a, const Tensor& b, Tensor* sum) {
  xla::PrimitiveType type;
  TF_RETURN_IF_ERROR(tensorflow::DataTypeToPrimitiveType(a.dtype(), &type));
  Device& device = DeviceOf(context);
  const std::shared_ptr<Executable> program = AdderOf(device, type, a.NumElements());
  RunArguments arguments;
  for (const Tensor* tensor : {&a, &b}) arguments.parameters.push_back({tensor->data(), tensor->TotalBytes()});
  arguments.outputs.push_back({sum->data(), sum->TotalBytes()});
  Tensor temporary;
  if (const uint64_t bytes = program->TemporaryBytes({}); bytes != 0) {
    TF_RETURN_IF_ERROR(context->allocate_temp(tensorflow::DT_UINT8, TensorShape({static_cast<int64_t>(bytes)}), &temporary));
    arguments.temporary = temporary.data();
  }
  device.Run(*program, arguments);
  return absl::OkStatus();
}

absl::Status AddOnHost(const Tensor& a, const Tensor& b, Tensor* sum) {
  if (a.dtype() != tensorflow::DT_INT32) {
    return absl::UnimplementedError(absl::StrCat("A sum of elements of type ", tensorflow::DataTypeString(a.dtype()), " in host memory"));
  }
  const auto x = a.flat<int32_t>(), y = b.flat<int32_t>();
  auto out = sum->flat<int32_t>();
  for (int64_t i = 0; i < x.size(); ++i) out(i) = static_cast<int32_t>(static_cast<uint32_t>(x(i)) + static_cast<uint32_t>(y(i)));
  return absl::OkStatus();
}

// A scalar variant that `make` fills.
template <class Make>
absl::Status MakeScalarVariant(Tensor* tensor, Make make) {
  *tensor = Tensor(tensorflow::DT_VARIANT, TensorShape({}));
  return make(&tensor->scalar<Variant>()());
}

absl::Status CheckScalar(const Tensor& tensor) {
  if (tensor.dims() == 0) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat("Only scalars of type variant have zeros and sums; this one's shape is ", tensor.shape().DebugString()));
}

}  // namespace

absl::Status MakeZeros(OpKernelContext* context, DataType dtype, const TensorShape& shape, bool on_host, Tensor* zeros) {
  TF_RETURN_IF_ERROR(Allocate(context, dtype, shape, on_host, zeros));
  if (zeros->NumElements() == 0) return absl::OkStatus();
  if (on_host) {
    std::memset(zeros->data(), 0, zeros->TotalBytes());
  } else {
    DeviceOf(context).Fill(zeros->data(), 0, zeros->TotalBytes());
  }
  return absl::OkStatus();
}

absl::Status MakeZeros(OpKernelContext* context, const Tensor& like, Tensor* zeros) {
  return Guarded([&]() -> absl::Status {
    if (like.dtype() == tensorflow::DT_INVALID) {
      *zeros = Tensor(tensorflow::DT_INVALID);
      return absl::OkStatus();
    }
    if (like.dtype() == tensorflow::DT_VARIANT) {
      TF_RETURN_IF_ERROR(CheckScalar(like));
      return MakeScalarVariant(zeros, [&](Variant* made) { return MakeZerosOfVariant(context, like.scalar<Variant>()(), made); });
    }
    return MakeZeros(context, like.dtype(), like.shape(), IsOnHost(like), zeros);
  });
}

absl::Status AddElements(OpKernelContext* context, const Tensor& a, const Tensor& b, Tensor* sum) {
  return Guarded([&]() -> absl::Status {
    if (a.dtype() == tensorflow::DT_INVALID || b.dtype() == tensorflow::DT_INVALID) {
      *sum = a.dtype() == tensorflow::DT_INVALID ? b : a;
      return absl::OkStatus();
    }
    if (a.shape() != b.shape()) {
      return absl::InvalidArgumentError(absl::StrCat("Trying to add two tensors with incompatible element shapes. One is ", a.shape().DebugString(),
                                                     " and the other is ", b.shape().DebugString()));
    }
    if (a.dtype() == tensorflow::DT_VARIANT) {
      TF_RETURN_IF_ERROR(CheckScalar(a));
      return MakeScalarVariant(sum, [&](Variant* made) { return AddVariants(context, a.scalar<Variant>()(), b.scalar<Variant>()(), made); });
    }
    TF_RETURN_IF_ERROR(Allocate(context, a.dtype(), a.shape(), IsOnHost(a), sum));
    if (a.NumElements() == 0) return absl::OkStatus();
    return IsOnHost(a) ? AddOnHost(a, b, sum) : AddOnDevice(context, a, b, sum);
  });
}

absl::Status MakeZerosOfVariant(OpKernelContext* context, const Variant& like, Variant* zeros) {
  const auto make = [](OpKernelContext* c, const Tensor& x, Tensor* y) { return MakeZeros(c, x, y); };
  if (const auto* list = like.get<TensorList>()) {
    TensorList made;
    TF_RETURN_IF_ERROR(tensorflow::TensorListZerosLike(context, *list, &made, make));
    *zeros = std::move(made);
    return absl::OkStatus();
  }
  if (const auto* optional = like.get<OptionalVariant>()) {
    OptionalVariant made;
    TF_RETURN_IF_ERROR(tensorflow::data::OptionalZerosLike(context, *optional, &made, make));
    *zeros = std::move(made);
    return absl::OkStatus();
  }
  if (const auto* matrix = like.get<CSRSparseMatrix>(); matrix != nullptr && matrix->valid()) {
    CSRSparseMatrix made;
    TF_RETURN_IF_ERROR(MakeEmptyMatrix(context, matrix->dtype(), CsrShape::Of(matrix->dense_shape()), &made));
    *zeros = std::move(made);
    return absl::OkStatus();
  }
  return absl::UnimplementedError(absl::StrCat("Zeros of a variant that holds ", like.TypeName()));
}

absl::Status AddVariants(OpKernelContext* context, const Variant& a, const Variant& b, Variant* sum) {
  const auto *list_a = a.get<TensorList>(), *list_b = b.get<TensorList>();
  if (list_a != nullptr && list_b != nullptr) {
    TensorList made;
    TF_RETURN_IF_ERROR(tensorflow::TensorListBinaryAdd(context, *list_a, *list_b, &made, AddElements));
    *sum = std::move(made);
    return absl::OkStatus();
  }
  const auto *optional_a = a.get<OptionalVariant>(), *optional_b = b.get<OptionalVariant>();
  if (optional_a != nullptr && optional_b != nullptr) {
    OptionalVariant made;
    TF_RETURN_IF_ERROR(tensorflow::data::OptionalBinaryAdd(context, *optional_a, *optional_b, &made, AddElements));
    *sum = std::move(made);
    return absl::OkStatus();
  }
  const auto *matrix_a = a.get<CSRSparseMatrix>(), *matrix_b = b.get<CSRSparseMatrix>();
  if (matrix_a != nullptr && matrix_b != nullptr && matrix_a->valid() && matrix_b->valid()) {
    CSRSparseMatrix made;
    TF_RETURN_IF_ERROR(AddMatrices(context, *matrix_a, *matrix_b, &made));
    *sum = std::move(made);
    return absl::OkStatus();
  }
  return absl::UnimplementedError(absl::StrCat("A sum of variants that hold ", a.TypeName(), " and ", b.TypeName()));
}

}  // namespace tfvk::plugin
