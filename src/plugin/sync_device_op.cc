#include "plugin/sync_device_op.h"

#include "plugin/platform.h"
#include "plugin/status.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace tfvk::plugin {
namespace {

class SyncDeviceKernel : public tensorflow::OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(tensorflow::OpKernelContext* context) override {
    OP_REQUIRES_OK(context, Guarded([&] {
                     Device& device = DeviceOf(context);
                     device.Wait(device.Record());
                     return absl::OkStatus();
                   }));
  }
};

}  // namespace

void RegisterSyncDeviceOp() {
  auto* definition = new tensorflow::KernelDef;
  definition->set_op("SyncDevice");
  definition->set_device_type(DeviceType());
  tensorflow::kernel_factory::OpKernelRegistrar(definition, "SyncDeviceKernel",
                                                [](tensorflow::OpKernelConstruction* c) -> tensorflow::OpKernel* { return new SyncDeviceKernel(c); });
}

}  // namespace tfvk::plugin
