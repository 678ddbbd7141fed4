#include "plugin/generic_op.h"

#include <map>

#include "plugin/shape_check.h"
#include "plugin/statistics.h"
#include "plugin/status.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "tensorflow/core/framework/function.h"

namespace tfvk::plugin {

using tensorflow::XlaCompiler;

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

GenericOp::GenericOp(const tensorflow::OpKernel& kernel) : kernel_(kernel) {
  callable_.name = kernel.type_string();
  callable_.identity = IdentityOf(kernel.def());
  const absl::Status status = tensorflow::XlaOpRegistry::CompileTimeConstantInputs(kernel, &callable_.constants);
  if (!status.ok()) Fail(ErrorCode::kInternal, "[{}] {}", callable_.name, status.ToString());
  for (int i = 0; i < kernel.num_inputs(); ++i) {
    if (kernel.input_type(i) == tensorflow::DT_RESOURCE) callable_.variables.push_back(i);
  }
  if (const uint64_t seed = SeedOf(kernel.def())) callable_.random_states = std::make_shared<RandomStates>(seed);
}

absl::Status GenericOp::Run(tensorflow::OpKernelContext* context) {
  Callable callable = callable_;
  callable.lower = [context](XlaCompiler& compiler, const XlaCompiler::CompileOptions& options, std::vector<XlaCompiler::Argument>& arguments,
                             XlaCompiler::CompilationResult* result) -> absl::Status {
    TF_RETURN_IF_ERROR(CheckShapes(context->op_kernel().def(), arguments));
    return compiler.CompileSingleOp(options, XlaCompiler::SingleOpCompileArgument(*context), arguments, result);
  };
  bool bridge_refused = false;
  const absl::Status status = Launch(context, callable, &bridge_refused);
  return bridge_refused && callable_.variables.empty() && HasCpuKernel() ? RunOnCpu(context) : status;
}

bool GenericOp::HasCpuKernel() const {
  const tensorflow::KernelDef* definition = nullptr;
  std::string class_name;
  return tensorflow::FindKernelDef(tensorflow::DeviceType("CPU"), kernel_.def(), &definition, &class_name).ok();
}

absl::Status GenericOp::RunOnCpu(tensorflow::OpKernelContext* context) {
  statistics().CountRunOnCpu(kernel_.type_string());
  return Guarded([&]() -> absl::Status {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (cpu_kernel_ == nullptr) {
        TF_RETURN_IF_ERROR(CpuKernel::Create(context->function_library(), context->resource_manager(), kernel_.def(), &cpu_kernel_));
      }
    }
    return cpu_kernel_->RunStaged(context);
  });
}

}  // namespace tfvk::plugin
