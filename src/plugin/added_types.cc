#include "plugin/added_types.h"

#include <map>
#include <set>

#include "plugin/launch.h"
#include "plugin/op_rules.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"

namespace tfvk::plugin {
namespace {

using tensorflow::KernelDef;

// By op and attribute.
std::map<std::string, std::map<std::string, TypeSet>>& AllAdded() {
  static auto* const added = new std::map<std::string, std::map<std::string, TypeSet>>;
  return *added;
}

}  // namespace

void AddTypes(const std::string& op, const std::map<std::string, TypeSet>& types, MakeKernel make) {
  auto* kernel = new KernelDef;  // the registrar takes it
  kernel->set_op(op);
  kernel->set_device_type(kXlaBackend);
  kernel->set_priority(1);
  for (const auto& [attribute, allowed] : types) {
    AllAdded()[op][attribute].insert(allowed.begin(), allowed.end());
    SetConstraintTypes(*kernel, attribute, allowed);
  }
  tensorflow::kernel_factory::OpKernelRegistrar(kernel, "TfvkAddedTypes", make);
}

const TypeSet& NarrowTypes() {
  static const auto* const types = new TypeSet{tensorflow::DT_FLOAT8_E4M3FN, tensorflow::DT_FLOAT8_E5M2};
  return *types;
}

bool TakesNarrowType(const std::string& op, tensorflow::DataType type) {
  static const auto* const of_floats = new std::set<std::string>{
      "BroadcastTo", "Cast", "Concat", "ConcatV2", "ConjugateTranspose", "Gather", "GatherV2", "Pack", "Transpose",
  };
  return NarrowTypes().count(type) != 0 && of_floats->count(op) != 0;
}

std::vector<KernelDef> XlaKernels() {
  std::vector<KernelDef> kernels;
  for (const KernelDef* kernel : tensorflow::XlaOpRegistry::DeviceKernels(kXlaBackend, /*include_compilation_only_kernels=*/false)) {
    kernels.push_back(*kernel);
    const auto added = AllAdded().find(kernel->op());
    if (added == AllAdded().end()) continue;
    for (const auto& [attribute, allowed] : added->second) {
      TypeSet types = ConstraintTypes(*kernel, attribute);
      types.insert(allowed.begin(), allowed.end());
      SetConstraintTypes(kernels.back(), attribute, types);
    }
  }
  return kernels;
}

}  // namespace tfvk::plugin
