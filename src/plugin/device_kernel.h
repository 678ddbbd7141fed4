// Registers kernels that this plugin writes out itself, rather than through tf2xla, for its device.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "plugin/op_rules.h"
#include "plugin/platform.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace tfvk::plugin {

// The definition of a kernel for this plugin's device whose arguments of these names are in host memory.
inline tensorflow::KernelDef DeviceKernel(const std::string& op, const std::vector<std::string>& host_arguments = {}) {
  tensorflow::KernelDef definition;
  definition.set_op(op);
  definition.set_device_type(DeviceType());
  for (const std::string& name : host_arguments) definition.add_host_memory_arg(name);
  return definition;
}

// The same for only these types of an attribute; nothing is registered where there are none.
inline tensorflow::KernelDef DeviceKernel(const std::string& op, const std::string& attribute, const TypeSet& types,
                                          const std::vector<std::string>& host_arguments = {}) {
  tensorflow::KernelDef definition = DeviceKernel(op, host_arguments);
  SetConstraintTypes(definition, attribute, types);
  return definition;
}

template <class Kernel>
void RegisterDeviceKernel(tensorflow::KernelDef definition) {
  for (const auto& constraint : definition.constraint()) {
    if (constraint.allowed_values().list().type_size() == 0) return;
  }
  tensorflow::kernel_factory::OpKernelRegistrar(new tensorflow::KernelDef(std::move(definition)), "TfvkOwnOp",
                                                [](tensorflow::OpKernelConstruction* c) -> tensorflow::OpKernel* { return new Kernel(c); });
}

inline TypeSet DeviceTypesWithoutInt32() {
  TypeSet types = DeviceTypes();
  types.erase(tensorflow::DT_INT32);
  return types;
}

// Those of `wanted` that this process's device has.
inline TypeSet TypesOfDevice(const TypeSet& wanted) {
  TypeSet types;
  for (const tensorflow::DataType type : DeviceTypes()) {
    if (wanted.count(type) != 0) types.insert(type);
  }
  return types;
}

}  // namespace tfvk::plugin
