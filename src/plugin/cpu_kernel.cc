#include "plugin/cpu_kernel.h"

#include <utility>

#include "absl/synchronization/notification.h"
#include "plugin/platform.h"
#include "tensorflow/core/common_runtime/device_mgr.h"
#include "tensorflow/core/framework/function.h"
#include "tensorflow/core/framework/node_properties.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/variant.h"
#include "tensorflow/core/framework/variant_op_registry.h"

namespace tfvk::plugin {

using tensorflow::Tensor;

namespace {

// Variants are in host memory, but the tensors in them need not be: TensorFlow knows for each type of variant which to copy.
absl::Status StageVariants(tensorflow::OpKernelContext* context, const Tensor& from, bool to_host, Tensor* to) {
  using Direction = tensorflow::VariantDeviceCopyDirection;
  *to = Tensor(tensorflow::DT_VARIANT, from.shape());
  const auto copy = [&](const Tensor& source, Tensor* target) -> absl::Status {
    tensorflow::AllocatorAttributes attributes;
    attributes.set_on_host(to_host);
    TF_RETURN_IF_ERROR(context->allocate_temp(source.dtype(), source.shape(), target, attributes));
    if (source.TotalBytes() != 0) CopyAnywhere(DeviceOf(context), target->data(), source.data(), source.TotalBytes());
    return absl::OkStatus();
  };
  for (int64_t i = 0; i < from.NumElements(); ++i) {
    TF_RETURN_IF_ERROR(tensorflow::VariantDeviceCopy(to_host ? Direction::DEVICE_TO_HOST : Direction::HOST_TO_DEVICE, from.flat<tensorflow::Variant>()(i),
                                                     &to->flat<tensorflow::Variant>()(i), copy));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CpuKernel::Create(tensorflow::FunctionLibraryRuntime* runtime, tensorflow::ResourceMgr* resources, const tensorflow::NodeDef& node,
                               std::unique_ptr<CpuKernel>* kernel) {
  auto made = std::make_unique<CpuKernel>();
  if (runtime == nullptr || runtime->device_mgr() == nullptr) return absl::InternalError(absl::StrCat("[", node.op(), "] No devices to find the CPU among"));
  for (tensorflow::Device* device : runtime->device_mgr()->ListDevices()) {
    if (device->device_type() == "CPU") {
      made->cpu_ = device;
      break;
    }
  }
  if (made->cpu_ == nullptr) return absl::InternalError(absl::StrCat("[", node.op(), "] No CPU among the devices"));
  std::shared_ptr<const tensorflow::NodeProperties> properties;
  TF_RETURN_IF_ERROR(tensorflow::NodeProperties::CreateFromNodeDef(node, tensorflow::OpRegistry::Global(), &properties));
  tensorflow::OpKernel* raw = nullptr;
  TF_RETURN_IF_ERROR(tensorflow::CreateOpKernel(tensorflow::DeviceType("CPU"), made->cpu_, made->cpu_->GetAllocator(tensorflow::AllocatorAttributes()), runtime,
                                                resources, properties, runtime->graph_def_version(), &raw));
  made->kernel_.reset(raw);
  *kernel = std::move(made);
  return absl::OkStatus();
}

const std::string& CpuKernel::device_name() const { return cpu_->name(); }

absl::Status CpuKernel::Run(tensorflow::OpKernelContext* context, std::vector<Tensor> inputs, std::vector<Tensor>* outputs) const {
  std::vector<tensorflow::TensorValue> values;
  for (Tensor& input : inputs) values.emplace_back(&input);
  std::vector<tensorflow::AllocatorAttributes> input_attributes(inputs.size()), output_attributes(context->num_outputs() + 1);
  tensorflow::OpKernelContext::Params params;
  params.step_id = context->step_id();
  params.op_kernel = kernel_.get();
  params.device = cpu_;  // the plugin's own would allocate device memory
  params.resource_manager = context->resource_manager();
  params.step_container = context->step_container();
  params.function_library = context->function_library();
  params.runner = context->runner();
  params.rendezvous = context->rendezvous();
  params.cancellation_manager = context->cancellation_manager();
  params.session_config = context->session_config();
  params.session_state = context->session_state();
  params.frame_iter = context->frame_iter();
  params.stats_collector = context->stats_collector();
  params.inputs = values;
  params.input_alloc_attrs = input_attributes;
  params.output_attr_array = output_attributes.data();

  tensorflow::OpKernelContext cpu_context(&params);
  if (tensorflow::AsyncOpKernel* async = kernel_->AsAsync()) {
    absl::Notification done;
    async->ComputeAsync(&cpu_context, [&] { done.Notify(); });
    done.WaitForNotification();
  } else {
    kernel_->Compute(&cpu_context);
  }
  TF_RETURN_IF_ERROR(cpu_context.status());
  outputs->resize(context->num_outputs());
  for (int i = 0; i < context->num_outputs(); ++i) {
    const std::unique_ptr<Tensor> output(cpu_context.release_output(i).tensor);
    if (output != nullptr) (*outputs)[i] = *output;
  }
  return absl::OkStatus();
}

absl::Status CpuKernel::RunStaged(tensorflow::OpKernelContext* context) const {
  Device& device = DeviceOf(context);
  std::vector<Tensor> inputs(context->num_inputs()), outputs;
  for (int i = 0; i < context->num_inputs(); ++i) {
    const Tensor& input = context->input(i);
    if (context->input_memory_type(i) == tensorflow::HOST_MEMORY) {
      inputs[i] = input;
      continue;
    }
    if (input.dtype() == tensorflow::DT_VARIANT) {
      TF_RETURN_IF_ERROR(StageVariants(context, input, /*to_host=*/true, &inputs[i]));
      continue;
    }
    inputs[i] = Tensor(input.dtype(), input.shape());
    CopyAnywhere(device, inputs[i].data(), input.data(), input.TotalBytes());
  }
  device.Wait(device.Record());
  TF_RETURN_IF_ERROR(Run(context, inputs, &outputs));
  for (int i = 0; i < context->num_outputs(); ++i) {
    if (context->output_memory_type(i) == tensorflow::HOST_MEMORY) {
      context->set_output(i, outputs[i]);
      continue;
    }
    if (outputs[i].dtype() == tensorflow::DT_VARIANT) {
      Tensor staged;
      TF_RETURN_IF_ERROR(StageVariants(context, outputs[i], /*to_host=*/false, &staged));
      context->set_output(i, staged);
      continue;
    }
    Tensor* output = nullptr;
    TF_RETURN_IF_ERROR(context->allocate_output(i, outputs[i].shape(), &output));
    CopyAnywhere(device, output->data(), outputs[i].data(), output->TotalBytes());
  }
  return absl::OkStatus();
}

}  // namespace tfvk::plugin
