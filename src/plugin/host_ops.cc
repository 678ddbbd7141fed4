#include "plugin/host_ops.h"

#include <memory>
#include <vector>

#include "plugin/cpu_kernel.h"
#include "plugin/statistics.h"
#include "plugin/status.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace tfvk::plugin {
namespace {

template <bool kCounted>
class HostOpKernel : public tensorflow::OpKernel {
 public:
  explicit HostOpKernel(tensorflow::OpKernelConstruction* construction) : OpKernel(construction) {
    OP_REQUIRES_OK(construction, CpuKernel::Create(construction->function_library(), construction->resource_manager(), construction->def(), &cpu_kernel_));
  }

  void Compute(tensorflow::OpKernelContext* context) override {
    if (kCounted) statistics().CountRunOnCpu(type_string());
    OP_REQUIRES_OK(context, Guarded([&]() -> absl::Status {
                     std::vector<tensorflow::Tensor> inputs, outputs;
                     for (int i = 0; i < context->num_inputs(); ++i) inputs.push_back(context->input(i));
                     TF_RETURN_IF_ERROR(cpu_kernel_->Run(context, std::move(inputs), &outputs));
                     for (int i = 0; i < context->num_outputs(); ++i) {
                       if (outputs[i].IsInitialized() || outputs[i].NumElements() == 0) context->set_output(i, outputs[i]);
                     }
                     return absl::OkStatus();
                   }));
  }

 private:
  std::unique_ptr<CpuKernel> cpu_kernel_;
};

}  // namespace

void RegisterHostOp(tensorflow::KernelDef definition, bool counted) {
  const tensorflow::OpDef* op = nullptr;
  if (!tensorflow::OpRegistry::Global()->LookUpOpDef(definition.op(), &op).ok()) return;
  definition.clear_host_memory_arg();
  for (const auto& argument : op->input_arg()) definition.add_host_memory_arg(argument.name());
  for (const auto& argument : op->output_arg()) definition.add_host_memory_arg(argument.name());
  auto* owned = new tensorflow::KernelDef(std::move(definition));  // the registrar takes it
  if (counted) {
    tensorflow::kernel_factory::OpKernelRegistrar(owned, "TfvkHostOp",
                                                  [](tensorflow::OpKernelConstruction* c) -> tensorflow::OpKernel* { return new HostOpKernel<true>(c); });
  } else {
    tensorflow::kernel_factory::OpKernelRegistrar(owned, "TfvkHostOp",
                                                  [](tensorflow::OpKernelConstruction* c) -> tensorflow::OpKernel* { return new HostOpKernel<false>(c); });
  }
}

}  // namespace tfvk::plugin
