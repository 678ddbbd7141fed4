#include "plugin/container_ops.h"

#include <memory>
#include <string>

#include "plugin/cpu_kernel.h"
#include "plugin/csr_matrix.h"
#include "plugin/element_ops.h"
#include "plugin/host_ops.h"
#include "plugin/platform.h"
#include "plugin/status.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/variant.h"
#include "tensorflow/core/kernels/variant_ops_util.h"

namespace tfvk::plugin {
namespace {

using tensorflow::KernelDef;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using tensorflow::Variant;

// TensorFlow's kernel, which asks the context's device for its memory and copies.
class ContainerKernel : public tensorflow::OpKernel {
 public:
  explicit ContainerKernel(tensorflow::OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, CpuKernel::Create(context->function_library(), context->resource_manager(), context->def(), &kernel_));
  }

  void Compute(tensorflow::OpKernelContext* context) override { kernel_->RunOnDeviceMemory(context); }

 private:
  std::unique_ptr<CpuKernel> kernel_;
};

class ZerosLikeVariantKernel : public tensorflow::OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(tensorflow::OpKernelContext* context) override {
    const Tensor& input = context->input(0);
    OP_REQUIRES(context, input.dims() == 0,
                absl::InvalidArgumentError(
                    absl::StrCat("ZerosLike non-scalar Tensor with dtype=DT_VARIANT is not supported; its shape is ", input.shape().DebugString())));
    Tensor zeros;
    OP_REQUIRES_OK(context, MakeZeros(context, input, &zeros));
    context->set_output(0, zeros);
  }
};

class AddNVariantKernel : public tensorflow::OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(tensorflow::OpKernelContext* context) override { tensorflow::AddNVariant(context, AddVariants); }
};

// Of sparse matrices: no other variant has a conjugate.
class ConjVariantKernel : public tensorflow::OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(tensorflow::OpKernelContext* context) override {
    const Tensor& input = context->input(0);
    OP_REQUIRES(context, input.dims() == 0, absl::InvalidArgumentError("Non-scalar variants are not supported."));
    const auto& variant = input.scalar<Variant>()();
    const auto* matrix = variant.get<tensorflow::CSRSparseMatrix>();
    OP_REQUIRES(context, matrix != nullptr && matrix->valid(),
                absl::UnimplementedError(absl::StrCat("The conjugate of a variant that holds ", variant.TypeName())));
    tensorflow::CSRSparseMatrix conjugate;
    OP_REQUIRES_OK(context, Guarded([&] { return ConjugateMatrix(context, *matrix, &conjugate); }));
    SetMatrix(context, 0, std::move(conjugate));
  }
};

template <class Kernel>
void RegisterKernel(KernelDef definition) {
  definition.set_device_type(DeviceType());
  tensorflow::kernel_factory::OpKernelRegistrar(new KernelDef(std::move(definition)), "TfvkContainerOp",
                                                [](tensorflow::OpKernelConstruction* c) -> tensorflow::OpKernel* { return new Kernel(c); });
}

KernelDef Definition(const std::string& op) {
  KernelDef definition;
  definition.set_op(op);
  return definition;
}

// TensorFlow registers list ops for some types of elements: the device's others have the same arguments in host memory.
void RegisterListOps(const KnownKernels& known) {
  const TypeSet device_types = DeviceTypes();
  for (const auto& [op, kernels] : known.device) {
    if (op.rfind("TensorList", 0) != 0) continue;
    bool any = false;
    const TypeSet covered = CoveredTypes(kernels, "element_dtype", &any);
    if (any) continue;
    TypeSet missing;
    for (const tensorflow::DataType type : device_types) {
      if (type != tensorflow::DT_INT32 && covered.count(type) == 0) missing.insert(type);
    }
    if (op == "TensorListPopBack" && covered.count(tensorflow::DT_VARIANT) == 0) missing.insert(tensorflow::DT_VARIANT);
    for (const KernelDef& kernel : kernels) {
      if (ConstraintTypes(kernel, "element_dtype").count(tensorflow::DT_FLOAT) == 0) continue;
      KernelDef definition = kernel;
      SetConstraintTypes(definition, "element_dtype", missing);
      RegisterKernel<ContainerKernel>(std::move(definition));
      break;
    }
  }
}

}  // namespace

void RegisterContainerOps(const KnownKernels& known) {
  RegisterListOps(known);
  KernelDef shape = Definition("Shape");  // strings are in host memory
  shape.set_device_type(DeviceType());
  SetConstraintTypes(shape, "T", {tensorflow::DT_STRING});
  RegisterHostOp(std::move(shape), /*counted=*/false);
  for (const char* op : {"OptionalFromValue", "OptionalGetValue", "OptionalNone", "OptionalHasValue"}) {
    KernelDef definition = Definition(op);
    if (known.device.count(op) != 0) continue;
    if (definition.op() == "OptionalHasValue") definition.add_host_memory_arg("has_value");
    RegisterKernel<ContainerKernel>(std::move(definition));
  }
  // TensorFlow's kernel for any device writes the answer where the host may not write.
  KernelDef closed = Definition("QueueIsClosedV2");
  closed.add_host_memory_arg("handle");
  closed.add_host_memory_arg("is_closed");
  RegisterKernel<ContainerKernel>(std::move(closed));
  KernelDef zeros = Definition("ZerosLike"), sum = Definition("AddN"), conjugate = Definition("Conj");
  SetConstraintTypes(zeros, "T", {tensorflow::DT_VARIANT});
  SetConstraintTypes(sum, "T", {tensorflow::DT_VARIANT});
  SetConstraintTypes(conjugate, "T", {tensorflow::DT_VARIANT});
  RegisterKernel<ZerosLikeVariantKernel>(std::move(zeros));
  RegisterKernel<AddNVariantKernel>(std::move(sum));
  RegisterKernel<ConjVariantKernel>(std::move(conjugate));
}

}  // namespace tfvk::plugin
