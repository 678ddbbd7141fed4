#include "plugin/door_ops.h"

#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "plugin/cpu_kernel.h"
#include "plugin/host_ops.h"
#include "plugin/launch.h"
#include "plugin/platform.h"
#include "plugin/random_ops.h"
#include "plugin/shape_check.h"
#include "plugin/statistics.h"
#include "plugin/status.h"
#include "plugin/unsupported_ops.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "tensorflow/core/framework/function.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace tfvk::plugin {
namespace {

using tensorflow::KernelDef;
using tensorflow::OpDef;
using tensorflow::XlaCompiler;
using tensorflow::XlaOpRegistry;

// The op and its attributes, without those that TensorFlow's runtime adds (`_...`).
std::string IdentityOf(const tensorflow::NodeDef& node) {
  std::map<std::string, std::string> attributes;
  for (const auto& [name, value] : node.attr()) {
    if (name[0] != '_') attributes[name] = value.SerializeAsString();
  }
  std::string identity = "op " + node.op();
  for (const auto& [name, value] : attributes) {
    identity += '\0' + name + '=' + std::to_string(value.size()) + ':' + value;
  }
  return identity;
}

class OpDoorKernel : public tensorflow::OpKernel {
 public:
  explicit OpDoorKernel(tensorflow::OpKernelConstruction* construction) : OpKernel(construction) {
    callable_.name = type_string();
    callable_.identity = IdentityOf(construction->def());
    OP_REQUIRES_OK(construction, XlaOpRegistry::CompileTimeConstantInputs(*this, &callable_.constants));
    for (int i = 0; i < construction->num_inputs(); ++i) {
      if (construction->input_type(i) == tensorflow::DT_RESOURCE) callable_.variables.push_back(i);
    }
  }

  void Compute(tensorflow::OpKernelContext* context) override {
    Callable callable = callable_;
    callable.lower = [context](XlaCompiler& compiler, const XlaCompiler::CompileOptions& options, std::vector<XlaCompiler::Argument>& arguments,
                               XlaCompiler::CompilationResult* result) -> absl::Status {
      TF_RETURN_IF_ERROR(CheckShapes(context->op_kernel().def(), arguments));
      return compiler.CompileSingleOp(options, XlaCompiler::SingleOpCompileArgument(*context), arguments, result);
    };
    bool bridge_refused = false;
    const absl::Status status = Launch(context, callable, &bridge_refused);
    if (bridge_refused && callable_.variables.empty()) {
      OP_REQUIRES_OK(context, RunOnCpu(context));
    } else {
      OP_REQUIRES_OK(context, status);
    }
  }

 private:
  // For an attribute that tf2xla does not have, found only when the inputs are already in device memory.
  absl::Status RunOnCpu(tensorflow::OpKernelContext* context) {
    statistics().CountRunOnCpu(type_string());
    return Guarded([&]() -> absl::Status {
      {
        std::lock_guard<std::mutex> lock(mutex_);
        if (cpu_kernel_ == nullptr) TF_RETURN_IF_ERROR(CpuKernel::Create(context->function_library(), context->resource_manager(), def(), &cpu_kernel_));
      }
      return cpu_kernel_->RunStaged(context);
    });
  }

  Callable callable_;
  std::mutex mutex_;
  std::unique_ptr<CpuKernel> cpu_kernel_;  // made when first needed
};

// DEFAULT kernels of these compute on device memory from the CPU.
bool MustOverride(const std::string& op) { return op == "AssignAddVariableOp" || op == "AssignSubVariableOp"; }

// Ops whose meaning tf2xla drops (checks, prints) or that are its own launchers.
bool IsLeftToTensorFlow(const std::string& op) {
  static const auto* const ops = new std::set<std::string>{"Assert", "CheckNumerics", "CheckNumericsV2", "XlaLaunch", "XlaLaunchV2", "Print", "PrintV2"};
  return ops->count(op) != 0;
}

class Registration {
 public:
  explicit Registration(const KnownKernels& known) : known_(known), device_types_(DeviceTypes()) {}

  void Add(const KernelDef& xla_kernel) {
    const std::string& name = xla_kernel.op();
    const OpDef* op = nullptr;
    if (!tensorflow::OpRegistry::Global()->LookUpOpDef(name, &op).ok()) return;
    if (IsLeftToTensorFlow(name) || RandomOps().count(name) != 0 || HasForeignArguments(*op)) return;
    bool covered_fully = false, unsupported_fully = false;
    std::string attribute = PrimaryTypeAttribute(*op);
    TypeSet excluded;
    if (!MustOverride(name)) excluded = CoveredTypes(Find(known_.device, name), attribute, &covered_fully);
    if (covered_fully) return;
    if (!ActiveBackend()->runs_every_op()) excluded.merge(UnsupportedTypes(name, &unsupported_fully));

    const TypeSet allowed = attribute.empty() ? TypeSet{} : ConstraintTypes(xla_kernel, attribute);
    if (allowed.empty()) attribute.clear();
    if (!attribute.empty() && allowed.count(tensorflow::DT_INT32) != 0 && known_.cpu.count(name) != 0 && IsHostOpForInt32(*op, attribute)) {
      if (excluded.insert(tensorflow::DT_INT32).second) AddHostForm(xla_kernel, attribute);
    }
    if (!unsupported_fully) AddDeviceForm(xla_kernel, *op, attribute, excluded);
  }

 private:
  static std::vector<KernelDef> Find(const std::map<std::string, std::vector<KernelDef>>& kernels, const std::string& op) {
    const auto entry = kernels.find(op);
    return entry == kernels.end() ? std::vector<KernelDef>{} : entry->second;
  }

  static void AddHostForm(const KernelDef& xla_kernel, const std::string& attribute) {
    KernelDef kernel = xla_kernel;
    kernel.set_device_type(DeviceType());
    SetConstraintTypes(kernel, attribute, {tensorflow::DT_INT32});
    RegisterHostOp(std::move(kernel), /*counted=*/false);
  }

  // Every type attribute is narrowed to the device's types, the primary one also by `excluded`.
  void AddDeviceForm(const KernelDef& xla_kernel, const OpDef& op, const std::string& attribute, const TypeSet& excluded) {
    auto kernel = std::make_unique<KernelDef>(xla_kernel);
    kernel->set_device_type(DeviceType());
    for (const auto& constraint : xla_kernel.constraint()) {
      TypeSet types;
      for (const tensorflow::DataType type : ConstraintTypes(xla_kernel, constraint.name())) {
        if (device_types_.count(type) != 0 && (constraint.name() != attribute || excluded.count(type) == 0)) types.insert(type);
      }
      if (types.empty()) return;
      SetConstraintTypes(*kernel, constraint.name(), types);
    }
    SetHostMemory(*kernel, op);
    tensorflow::kernel_factory::OpKernelRegistrar(kernel.release(), "TfvkOp",
                                                  [](tensorflow::OpKernelConstruction* c) -> tensorflow::OpKernel* { return new OpDoorKernel(c); });
  }

  const KnownKernels& known_;
  const TypeSet device_types_;
};

}  // namespace

void RegisterOpDoor(const KnownKernels& known) {
  Registration registration(known);
  for (const KernelDef* kernel : XlaOpRegistry::DeviceKernels(kXlaBackend, /*include_compilation_only_kernels=*/false)) registration.Add(*kernel);
}

}  // namespace tfvk::plugin
