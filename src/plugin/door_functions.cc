#include "plugin/door_functions.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "plugin/launch.h"
#include "plugin/platform.h"
#include "plugin/status.h"
#include "tensorflow/compiler/jit/compilability_check_util.h"
#include "tensorflow/compiler/jit/xla_kernel_creator.h"
#include "tensorflow/core/common_runtime/function_body.h"
#include "tensorflow/core/framework/function.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/lib/strings/proto_serialization.h"

namespace tfvk::plugin {
namespace {

using tensorflow::NameAttrList;
using tensorflow::XlaCompiler;

// Names a function by what it computes: its name and attributes, and the definitions of all functions that it can reach. (Names alone repeat between the
// graphs of a process.)
std::string IdentityOf(const NameAttrList& function, const tensorflow::FunctionLibraryDefinition& library) {
  std::string call;
  tensorflow::SerializeToStringDeterministic(function, &call);
  std::string identity = "function " + call;
  const tensorflow::FunctionDef* definition = library.Find(function.name());
  if (definition == nullptr) return identity;
  const auto append_hash = [&](const tensorflow::FunctionDef& f) {
    const uint64_t hash = tensorflow::DeterministicProtoHash64(f);
    identity.append(reinterpret_cast<const char*>(&hash), sizeof hash);
  };
  append_hash(*definition);
  const tensorflow::FunctionLibraryDefinition reachable = library.ReachableDefinitions(*definition);
  std::vector<std::string> names = reachable.ListFunctionNames();
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) append_hash(*reachable.Find(name));
  return identity;
}

// The call of one function.
class FunctionKernel : public tensorflow::OpKernel {
 public:
  FunctionKernel(tensorflow::OpKernelConstruction* construction, const NameAttrList& function, std::string identity, uint64_t seed, std::vector<int> constants,
                 std::vector<int> variables)
      : OpKernel(construction) {
    callable_.name = function.name();
    callable_.is_function = true;
    callable_.identity = std::move(identity);
    callable_.constants = std::move(constants);
    callable_.variables = std::move(variables);
    callable_.random_states = std::make_shared<RandomStates>(seed);
    callable_.lower = [function](XlaCompiler& compiler, const XlaCompiler::CompileOptions& options, std::vector<XlaCompiler::Argument>& arguments,
                                 XlaCompiler::CompilationResult* result) { return compiler.CompileFunction(options, function, arguments, result); };
  }

  void Compute(tensorflow::OpKernelContext* context) override { OP_REQUIRES_OK(context, Launch(context, callable_)); }

 private:
  Callable callable_;
};

class FunctionKernelCreator : public tensorflow::XlaKernelCreator {
 public:
  absl::Status CreateKernel(tensorflow::FunctionLibraryRuntime* runtime, const std::shared_ptr<const tensorflow::NodeProperties>& properties,
                            std::unique_ptr<tensorflow::OpKernel>* kernel) const override {
    if (runtime->device()->device_type() != DeviceType()) return XlaKernelCreator::CreateKernel(runtime, properties, kernel);
    return Guarded([&] { return CreateHere(runtime, properties, kernel); });
  }

 private:
  static absl::Status CreateHere(tensorflow::FunctionLibraryRuntime* runtime, const std::shared_ptr<const tensorflow::NodeProperties>& properties,
                                 std::unique_ptr<tensorflow::OpKernel>* kernel) {
    NameAttrList function;
    TF_RETURN_IF_ERROR(tensorflow::NameAndAttrsFromFunctionCall(properties->node_def, &function));
    const tensorflow::FunctionBody* body = nullptr;
    std::vector<int> constants, variables;
    TF_RETURN_IF_ERROR(tensorflow::GetBodyAndConstantsAndResources(runtime, function, &body, &constants, &variables));

    tensorflow::MemoryTypeVector inputs(body->arg_types.size(), tensorflow::DEVICE_MEMORY), outputs(body->ret_types.size(), tensorflow::DEVICE_MEMORY);
    for (const int i : constants) inputs[i] = tensorflow::HOST_MEMORY;
    for (const int i : variables) inputs[i] = tensorflow::HOST_MEMORY;
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (body->ret_types[i] == tensorflow::DT_RESOURCE) outputs[i] = tensorflow::HOST_MEMORY;
    }
    tensorflow::Device* device = runtime->device();
    absl::Status status;
    tensorflow::OpKernelConstruction construction(tensorflow::DeviceType(device->device_type()), device,
                                                  device->GetAllocator(tensorflow::AllocatorAttributes()), runtime, device->resource_manager(), properties,
                                                  inputs, outputs, runtime->graph_def_version(), &status);
    *kernel = std::make_unique<FunctionKernel>(&construction, function, IdentityOf(function, *runtime->GetFunctionLibraryDefinition()),
                                               SeedOf(function.name(), *runtime->GetFunctionLibraryDefinition()), std::move(constants), std::move(variables));
    return status;
  }
};

}  // namespace

void RegisterFunctionDoor() {
  // Takes the place of TensorFlow's own creator, which is deleted; the base class still makes the kernels of other devices.
  tensorflow::RegisterDefaultCustomKernelCreator(new FunctionKernelCreator);
}

}  // namespace tfvk::plugin
