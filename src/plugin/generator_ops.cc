// The ops that draw from the state of a tf.random.Generator, a variable of the device: TensorFlow's CPU kernel draws from a copy of it in host memory.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "plugin/cpu_kernel.h"
#include "plugin/device_kernel.h"
#include "plugin/random_ops.h"
#include "plugin/statistics.h"
#include "plugin/status.h"
#include "tensorflow/core/framework/resource_mgr.h"
#include "tensorflow/core/framework/resource_var.h"

namespace tfvk::plugin {
namespace {

using tensorflow::Tensor;
using tensorflow::Var;

class GeneratorKernel : public tensorflow::OpKernel {
 public:
  explicit GeneratorKernel(tensorflow::OpKernelConstruction* construction) : OpKernel(construction) {
    OP_REQUIRES_OK(construction, CpuKernel::Create(construction->function_library(), construction->resource_manager(), construction->def(), &cpu_kernel_));
  }

  void Compute(tensorflow::OpKernelContext* context) override {
    statistics().CountRunOnCpu(type_string());
    OP_REQUIRES_OK(context, Guarded([&] { return Draw(context); }));
  }

 private:
  absl::Status Draw(tensorflow::OpKernelContext* context) const {
    tensorflow::core::RefCountPtr<Var> state;
    TF_RETURN_IF_ERROR(tensorflow::LookupResource(context, tensorflow::HandleFromInput(context, 0), &state));
    tensorflow::mutex_lock lock(*state->mu());
    if (!state->is_initialized) return absl::FailedPreconditionError(absl::StrCat("[", type_string(), "] the generator's state is not initialized"));
    Var* const copy = new Var(state->tensor()->dtype());
    const tensorflow::ResourceHandle handle = tensorflow::ResourceHandle::MakeRefCountingHandle(copy, cpu_kernel_->device_name());  // owns the copy
    TF_RETURN_IF_ERROR(Copy(context, *state->tensor(), /*to_host=*/true, copy->tensor()));
    copy->is_initialized = true;

    std::vector<Tensor> inputs, outputs;
    for (int i = 0; i < context->num_inputs(); ++i) inputs.push_back(context->input(i));
    inputs[0] = Tensor(tensorflow::DT_RESOURCE, tensorflow::TensorShape());
    inputs[0].scalar<tensorflow::ResourceHandle>()() = handle;
    TF_RETURN_IF_ERROR(cpu_kernel_->Run(context, std::move(inputs), &outputs));
    context->set_output(0, outputs[0]);
    return Copy(context, *copy->tensor(), /*to_host=*/false, state->tensor());
  }

  // Into memory of its own: whoever has read the variable before keeps what they read.
  static absl::Status Copy(tensorflow::OpKernelContext* context, const Tensor& from, bool to_host, Tensor* to) {
    Tensor made;
    tensorflow::AllocatorAttributes attributes;
    attributes.set_on_host(to_host);
    TF_RETURN_IF_ERROR(context->allocate_temp(from.dtype(), from.shape(), &made, attributes));
    Device& device = DeviceOf(context);
    CopyAnywhere(device, made.data(), from.data(), from.TotalBytes());
    device.Wait(device.Record());
    *to = std::move(made);
    return absl::OkStatus();
  }

  std::unique_ptr<CpuKernel> cpu_kernel_;
};

}  // namespace

const std::set<std::string>& GeneratorOps() {
  static const auto* const ops = new std::set<std::string>{"StatefulRandomBinomial", "StatefulStandardNormalV2", "StatefulTruncatedNormal",
                                                           "StatefulUniform",        "StatefulUniformFullInt",   "StatefulUniformInt"};
  return *ops;
}

void RegisterGeneratorOp(tensorflow::KernelDef definition) {
  definition.clear_host_memory_arg();
  const tensorflow::OpDef* op = nullptr;
  if (!tensorflow::OpRegistry::Global()->LookUpOpDef(definition.op(), &op).ok()) return;
  for (const auto& argument : op->input_arg()) definition.add_host_memory_arg(argument.name());
  for (const auto& argument : op->output_arg()) definition.add_host_memory_arg(argument.name());
  RegisterDeviceKernel<GeneratorKernel>(std::move(definition));
}

}  // namespace tfvk::plugin
