#include "plugin/op_rules.h"

#include "plugin/platform.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace tfvk::plugin {

using tensorflow::KernelDef;
using tensorflow::OpDef;

namespace {

bool StartsWith(const std::string& text, const char* prefix) { return text.rfind(prefix, 0) == 0; }

const KernelDef::AttrConstraint* FindConstraint(const KernelDef& kernel, const std::string& attribute) {
  for (const auto& constraint : kernel.constraint()) {
    if (constraint.name() == attribute) return &constraint;
  }
  return nullptr;
}

bool IsConstantArgument(const OpDef& op, const std::string& argument) {
  const auto* names = tensorflow::XlaOpRegistry::CompileTimeConstantInputArgNames(op.name());
  return names != nullptr && names->count(argument) != 0;
}

const std::string& TypeAttributeOf(const OpDef::ArgDef& argument) { return argument.type_attr().empty() ? argument.type_list_attr() : argument.type_attr(); }

}  // namespace

KnownKernels KnownKernels::Query() {
  KnownKernels known;
  const tensorflow::KernelList all = tensorflow::GetAllRegisteredKernels();
  for (const KernelDef& kernel : all.kernel()) {
    if (!kernel.label().empty()) continue;
    if (kernel.device_type() == "DEFAULT" || kernel.device_type() == DeviceType()) {
      known.device[kernel.op()].push_back(kernel);
    } else if (kernel.device_type() == "CPU") {
      known.cpu[kernel.op()].push_back(kernel);
    }
  }
  return known;
}

bool IsVariableOp(const std::string& op) {
  for (const char* prefix : {"Resource", "Assign", "Stateful", "Rng"}) {
    if (StartsWith(op, prefix)) return true;
  }
  return op == "VariableShape" || op == "ReadVariableOp" || op == "VarIsInitializedOp";
}

bool HasForeignArguments(const OpDef& op) {
  for (const auto& argument : op.input_arg()) {
    if (argument.type() == tensorflow::DT_VARIANT || argument.is_ref()) return true;
    if (argument.type() == tensorflow::DT_RESOURCE && !IsVariableOp(op.name())) return true;
  }
  for (const auto& argument : op.output_arg()) {
    if (argument.type() == tensorflow::DT_VARIANT || argument.type() == tensorflow::DT_RESOURCE || argument.is_ref()) return true;
  }
  return false;
}

std::string PrimaryTypeAttribute(const OpDef& op) {
  if (op.name() == "OneHot") return "T";  // its first data input holds indices
  if (IsVariableOp(op.name())) {
    for (const auto& attribute : op.attr()) {
      if (attribute.name() == "dtype" || attribute.name() == "T") return attribute.name();
    }
  }
  for (const auto& argument : op.input_arg()) {
    if (!IsConstantArgument(op, argument.name()) && !TypeAttributeOf(argument).empty()) return TypeAttributeOf(argument);
  }
  for (const auto& argument : op.output_arg()) {
    if (!TypeAttributeOf(argument).empty()) return TypeAttributeOf(argument);
  }
  return {};
}

TypeSet ConstraintTypes(const KernelDef& kernel, const std::string& attribute) {
  TypeSet types;
  if (const auto* constraint = FindConstraint(kernel, attribute)) {
    for (const int type : constraint->allowed_values().list().type()) types.insert(static_cast<tensorflow::DataType>(type));
  }
  return types;
}

TypeSet CoveredTypes(const std::vector<KernelDef>& kernels, const std::string& attribute, bool* any) {
  TypeSet covered;
  *any = false;
  for (const KernelDef& kernel : kernels) {
    const TypeSet types = attribute.empty() ? TypeSet{} : ConstraintTypes(kernel, attribute);
    if (types.empty()) *any = true;
    covered.insert(types.begin(), types.end());
  }
  return covered;
}

void SetConstraintTypes(KernelDef& kernel, const std::string& attribute, const TypeSet& types) {
  KernelDef::AttrConstraint* constraint = nullptr;
  for (auto& existing : *kernel.mutable_constraint()) {
    if (existing.name() == attribute) constraint = &existing;
  }
  if (constraint == nullptr) {
    constraint = kernel.add_constraint();
    constraint->set_name(attribute);
  }
  auto* list = constraint->mutable_allowed_values()->mutable_list();
  list->clear_type();
  for (const tensorflow::DataType type : types) list->add_type(type);
}

bool IsHostOpForInt32(const OpDef& op, const std::string& attribute) {
  if (attribute.empty() || op.name() == "Cast" || op.name() == "Bitcast" || op.name() == "_TensorToHashBucketFast") return false;
  for (const auto& argument : op.input_arg()) {
    if (argument.type() == tensorflow::DT_RESOURCE) return false;
  }
  for (const auto& argument : op.output_arg()) {
    const bool of_primary_type = TypeAttributeOf(argument) == attribute;
    const bool of_host_type = argument.type() == tensorflow::DT_BOOL || argument.type() == tensorflow::DT_INT32 || argument.type() == tensorflow::DT_INT64;
    if (!of_primary_type && !of_host_type) return false;
  }
  return true;
}

void SetHostMemory(KernelDef& kernel, const OpDef& op) {
  kernel.clear_host_memory_arg();
  for (const auto& argument : op.input_arg()) {
    if (IsConstantArgument(op, argument.name()) || argument.type() == tensorflow::DT_RESOURCE || argument.type() == tensorflow::DT_STRING) {
      kernel.add_host_memory_arg(argument.name());
    }
  }
}

}  // namespace tfvk::plugin
