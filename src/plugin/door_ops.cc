#include "plugin/door_ops.h"

#include <map>
#include <memory>
#include <set>

#include "plugin/added_types.h"
#include "plugin/generic_op.h"
#include "plugin/host_ops.h"
#include "plugin/hot_ops.h"
#include "plugin/platform.h"
#include "plugin/random_ops.h"
#include "plugin/sized_kernel.h"
#include "plugin/status.h"
#include "plugin/unsupported_ops.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace tfvk::plugin {
namespace {

using tensorflow::KernelDef;
using tensorflow::OpDef;

class OpDoorKernel : public tensorflow::OpKernel {
 public:
  explicit OpDoorKernel(tensorflow::OpKernelConstruction* construction) : OpKernel(construction) {
    OP_REQUIRES_OK(construction, Guarded([&] {
                     op_ = std::make_unique<GenericOp>(*this);
                     return absl::OkStatus();
                   }));
  }

  void Compute(tensorflow::OpKernelContext* context) override { OP_REQUIRES_OK(context, op_->Run(context)); }

 private:
  std::unique_ptr<GenericOp> op_;
};

// TensorFlow's GPU kernels of XLA's own operations look for an XLA compiler of this platform.
bool IsXlaOperation(const std::string& op) { return op.rfind("Xla", 0) == 0; }

// DEFAULT kernels of the others compute on device memory from the CPU.
bool MustOverride(const std::string& op) { return op == "AssignAddVariableOp" || op == "AssignSubVariableOp" || IsXlaOperation(op); }

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
    if (IsLeftToTensorFlow(name) || RandomOps().count(name) != 0 || IsSizedOp(name) || HasForeignArguments(*op)) return;
    bool covered_fully = false, unsupported_fully = false;
    std::string attribute = PrimaryTypeAttribute(*op);
    TypeSet excluded;
    if (!MustOverride(name)) excluded = CoveredTypes(Find(known_.device, name), attribute, &covered_fully);
    if (covered_fully) return;
    excluded.merge(UnsupportedTypes(name, &unsupported_fully));

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

  // The op's kernel, of hot_ops.h where that has it. Every type attribute is narrowed to the device's types, the primary one also by `excluded`.
  void AddDeviceForm(const KernelDef& xla_kernel, const OpDef& op, const std::string& attribute, const TypeSet& excluded) {
    auto kernel = std::make_unique<KernelDef>(xla_kernel);
    kernel->set_device_type(DeviceType());
    if (IsXlaOperation(op.name())) kernel->set_priority(1);
    for (const auto& constraint : xla_kernel.constraint()) {
      TypeSet types;
      for (const tensorflow::DataType type : ConstraintTypes(xla_kernel, constraint.name())) {
        const bool is_known = device_types_.count(type) != 0 || TakesNarrowType(op.name(), type);
        if (is_known && (constraint.name() != attribute || excluded.count(type) == 0)) types.insert(type);
      }
      if (types.empty()) return;
      SetConstraintTypes(*kernel, constraint.name(), types);
    }
    SetHostMemory(*kernel, op);
    if (IsHotOp(op.name())) return RegisterHotOp(std::move(kernel));
    tensorflow::kernel_factory::OpKernelRegistrar(kernel.release(), "TfvkOp",
                                                  [](tensorflow::OpKernelConstruction* c) -> tensorflow::OpKernel* { return new OpDoorKernel(c); });
  }

  const KnownKernels& known_;
  const TypeSet device_types_;
};

}  // namespace

void RegisterOpDoor(const KnownKernels& known) {
  Registration registration(known);
  for (const KernelDef& kernel : XlaKernels()) registration.Add(kernel);
}

}  // namespace tfvk::plugin
