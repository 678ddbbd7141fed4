// The devices as TensorFlow's kernels and registrations see them.
#pragma once

#include "plugin/backend.h"

struct SP_Stream_st {
  tfvk::plugin::Device* device = nullptr;  // not owned. TensorFlow's several streams of a device are one queue, so no order between them is lost
};

namespace tensorflow {
class OpKernelContext;
}

namespace tfvk::plugin {

// The back end of this process, opened at the first call; nullptr when there is no device, after one warning that tells why.
Backend* ActiveBackend();

// "GPU", or "VULKAN" beside a TensorFlow that has its own kernels for GPU.
const char* DeviceType();

// The device whose memory an address is in; nullptr for host memory.
Device* OwnerOf(const void* address);

// The device that runs this kernel. Throws Error(kInternal) for a kernel of another device type.
Device& DeviceOf(tensorflow::OpKernelContext* context);

// A copy between any two kinds of memory, queued on `device`. A host address is known by being nobody's device address, whatever the caller takes it for:
// TensorFlow passes device addresses as host addresses for some int32 tensors. Host destinations are filled when a later ticket is done.
void CopyAnywhere(Device& device, void* destination, const void* source, uint64_t bytes);

}  // namespace tfvk::plugin
