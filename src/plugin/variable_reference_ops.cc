#include "plugin/variable_reference_ops.h"

#include <map>
#include <memory>
#include <string>

#include "plugin/added_types.h"
#include "plugin/element_types.h"
#include "plugin/generic_op.h"
#include "plugin/launch.h"
#include "plugin/op_rules.h"
#include "plugin/platform.h"
#include "plugin/shape_check.h"
#include "plugin/status.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "tensorflow/core/framework/node_def_util.h"
#include "tensorflow/core/framework/op.h"

namespace tfvk::plugin {
namespace {

using tensorflow::KernelDef;
using tensorflow::NodeDef;
using tensorflow::OpDef;
using tensorflow::Tensor;
using tensorflow::XlaCompiler;
using tensorflow::XlaOpRegistry;

// The op on resource variables for one on references: "ResourceApplyAdam" for "ApplyAdam".
std::string ResourceOpOf(const std::string& op) { return op == "AssignAdd" || op == "AssignSub" ? op + "VariableOp" : "Resource" + op; }

absl::Status MakeResourceNode(const NodeDef& node, NodeDef* made, const OpDef** op) {
  made->set_name(node.name());
  made->set_op(ResourceOpOf(node.op()));
  TF_RETURN_IF_ERROR(tensorflow::OpRegistry::Global()->LookUpOpDef(made->op(), op));
  for (const auto& attribute : (*op)->attr()) {
    const auto value = node.attr().find(attribute.name() == "dtype" ? "T" : attribute.name());
    if (value != node.attr().end()) (*made->mutable_attr())[attribute.name()] = value->second;
  }
  tensorflow::AddDefaultsToNodeDef(**op, made);
  for (const auto& argument : (*op)->input_arg()) made->add_input(argument.name());  // only their number is looked at
  return absl::OkStatus();
}

// The first output is the first input's reference.
class ReferenceUpdateKernel : public tensorflow::OpKernel {
 public:
  explicit ReferenceUpdateKernel(tensorflow::OpKernelConstruction* context) : OpKernel(context) { OP_REQUIRES_OK(context, Prepare()); }

  void Compute(tensorflow::OpKernelContext* context) override {
    Callable callable = callable_;
    callable.lower = [this](XlaCompiler& compiler, const XlaCompiler::CompileOptions& options, std::vector<XlaCompiler::Argument>& arguments,
                            XlaCompiler::CompilationResult* result) -> absl::Status {
      TF_RETURN_IF_ERROR(CheckShapes(node_, arguments));
      XlaCompiler::SingleOpCompileArgument op;
      op.node_def = node_;
      return compiler.CompileSingleOp(options, op, arguments, result);
    };
    OP_REQUIRES_OK(context, Launch(context, callable));
    context->forward_ref_input_to_ref_output(0, 0);
  }

 private:
  absl::Status Prepare() {
    const OpDef *op = nullptr, *own_op = nullptr;
    TF_RETURN_IF_ERROR(MakeResourceNode(def(), &node_, &op));
    TF_RETURN_IF_ERROR(tensorflow::OpRegistry::Global()->LookUpOpDef(type_string(), &own_op));
    callable_.name = type_string();
    callable_.identity = IdentityOf(node_);
    TF_RETURN_IF_ERROR(XlaOpRegistry::CompileTimeConstantInputs(node_, *op, &callable_.constants));
    for (int i = 0; i < own_op->input_arg_size(); ++i) {
      if (own_op->input_arg(i).is_ref()) callable_.references.push_back({i, own_op->input_arg(i).name()});
    }
    return absl::OkStatus();
  }

  NodeDef node_;
  Callable callable_;
};

// The variable takes the value's own memory; whoever writes to either of the two sees that it is shared.
class AssignKernel : public tensorflow::OpKernel {
 public:
  explicit AssignKernel(tensorflow::OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("validate_shape", &validate_shape_));
  }

  void Compute(tensorflow::OpKernelContext* context) override {
    const Tensor& value = context->input(1);
    {
      tensorflow::mutex* mutex = nullptr;
      OP_REQUIRES_OK(context, context->input_ref_mutex("ref", &mutex));
      tensorflow::mutex_lock lock(*mutex);
      const tensorflow::TensorShape before = context->mutable_input(0, /*lock_held=*/true).shape();
      OP_REQUIRES(context, !validate_shape_ || before == value.shape(),
                  absl::InvalidArgumentError(absl::StrCat("Assign requires shapes of both tensors to match. lhs shape= ", before.DebugString(),
                                                          " rhs shape= ", value.shape().DebugString())));
      context->replace_ref_input(0, value, /*lock_held=*/true);
    }
    context->forward_ref_input_to_ref_output(0, 0);
  }

 private:
  bool validate_shape_;
};

// Counts a variable of type int64 up and gives the number before; the host must know it to tell the end.
class CountUpToKernel : public tensorflow::OpKernel {
 public:
  explicit CountUpToKernel(tensorflow::OpKernelConstruction* context) : OpKernel(context) { OP_REQUIRES_OK(context, context->GetAttr("limit", &limit_)); }

  void Compute(tensorflow::OpKernelContext* context) override {
    OP_REQUIRES_OK(context, Guarded([&]() -> absl::Status {
                     if (context->input_dtype(0) == tensorflow::DT_RESOURCE) return CountResource(context);
                     ReferenceValues values;
                     TF_RETURN_IF_ERROR(values.Take(context, {{0, "ref"}}));
                     return Count(context, *values[0].tensor());
                   }));
  }

 private:
  absl::Status CountResource(tensorflow::OpKernelContext* context) const {
    tensorflow::core::RefCountPtr<tensorflow::Var> variable;
    TF_RETURN_IF_ERROR(tensorflow::LookupResource(context, tensorflow::HandleFromInput(context, 0), &variable));
    tensorflow::mutex_lock lock(*variable->mu());
    if (!variable->is_initialized) return absl::FailedPreconditionError("Attempting to count up an uninitialized variable");
    return Count(context, *variable->tensor());
  }

  absl::Status Count(tensorflow::OpKernelContext* context, Tensor& value) const {
    if (value.dims() != 0) return absl::InvalidArgumentError(absl::StrCat("input is not a scalar: ", value.shape().DebugString()));
    Device& device = DeviceOf(context);
    int64_t count = 0;
    device.Wait(device.Download(&count, value.data(), sizeof count));
    if (count >= limit_) return absl::OutOfRangeError(absl::StrCat("Reached limit of ", limit_));
    Tensor next;
    TF_RETURN_IF_ERROR(context->allocate_temp(tensorflow::DT_INT64, value.shape(), &next));
    ++count;
    device.Upload(next.data(), &count, sizeof count);
    context->set_output(0, value);
    value = next;
    return absl::OkStatus();
  }

  int64_t limit_;
};

template <class Kernel>
void RegisterKernel(std::unique_ptr<KernelDef> definition) {
  tensorflow::kernel_factory::OpKernelRegistrar(definition.release(), "TfvkReferenceOp",
                                                [](tensorflow::OpKernelConstruction* c) -> tensorflow::OpKernel* { return new Kernel(c); });
}

std::unique_ptr<KernelDef> Definition(const std::string& op, const TypeSet& types) {
  auto definition = std::make_unique<KernelDef>();
  definition->set_op(op);
  definition->set_device_type(DeviceType());
  SetConstraintTypes(*definition, "T", types);
  return definition;
}

const char* const kUpdates[] = {
    "ApplyAdaMax",
    "ApplyAdadelta",
    "ApplyAdagrad",
    "ApplyAdagradDA",
    "ApplyAdagradV2",
    "ApplyAdam",
    "ApplyAddSign",
    "ApplyCenteredRMSProp",
    "ApplyFtrl",
    "ApplyFtrlV2",
    "ApplyGradientDescent",
    "ApplyMomentum",
    "ApplyPowerSign",
    "ApplyProximalAdagrad",
    "ApplyProximalGradientDescent",
    "ApplyRMSProp",
    "AssignAdd",
    "AssignSub",
    "ScatterAdd",
    "ScatterDiv",
    "ScatterMax",
    "ScatterMin",
    "ScatterMul",
    "ScatterNdAdd",
    "ScatterNdMax",
    "ScatterNdMin",
    "ScatterNdSub",
    "ScatterNdUpdate",
    "ScatterSub",
    "ScatterUpdate",
    "SparseApplyAdadelta",
    "SparseApplyAdagrad",
    "SparseApplyAdagradDA",
    "SparseApplyAdagradV2",
    "SparseApplyCenteredRMSProp",
    "SparseApplyFtrl",
    "SparseApplyFtrlV2",
    "SparseApplyMomentum",
    "SparseApplyProximalAdagrad",
    "SparseApplyProximalGradientDescent",
    "SparseApplyRMSProp",
    "StridedSliceAssign",
};

// What tf2xla has for the op on resources, without int32: reference variables of that type are in host memory, as on CUDA.
TypeSet TypesOf(const KernelDef& xla_kernel, const OpDef& op, const TypeSet& device_types) {
  TypeSet types;
  for (const tensorflow::DataType type : ConstraintTypes(xla_kernel, PrimaryTypeAttribute(op))) {
    if (type != tensorflow::DT_INT32 && device_types.count(type) != 0) types.insert(type);
  }
  return types;
}

}  // namespace

void RegisterReferenceOps() {
  std::map<std::string, KernelDef> xla_kernels;
  for (KernelDef& kernel : XlaKernels()) xla_kernels[kernel.op()] = std::move(kernel);
  const TypeSet device_types = DeviceTypes();
  for (const char* name : kUpdates) {
    const std::string resource_op = ResourceOpOf(name);
    const OpDef* op = nullptr;
    const auto xla_kernel = xla_kernels.find(resource_op);
    if (xla_kernel == xla_kernels.end() || !tensorflow::OpRegistry::Global()->LookUpOpDef(resource_op, &op).ok()) continue;
    auto definition = Definition(name, TypesOf(xla_kernel->second, *op, device_types));
    if (const auto* constants = XlaOpRegistry::CompileTimeConstantInputArgNames(resource_op)) {
      for (const std::string& input : *constants) definition->add_host_memory_arg(input);
    }
    RegisterKernel<ReferenceUpdateKernel>(std::move(definition));
  }
  TypeSet assignable = device_types;
  assignable.erase(tensorflow::DT_INT32);
  RegisterKernel<AssignKernel>(Definition("Assign", assignable));
  RegisterKernel<CountUpToKernel>(Definition("CountUpTo", {tensorflow::DT_INT64}));
  auto count_resource = Definition("ResourceCountUpTo", {tensorflow::DT_INT64});
  count_resource->add_host_memory_arg("resource");
  RegisterKernel<CountUpToKernel>(std::move(count_resource));
}

}  // namespace tfvk::plugin
