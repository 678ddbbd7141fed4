// The devices as TensorFlow's kernels and registrations see them.
#pragma once

#include <atomic>

#include "plugin/backend.h"

// TensorFlow's several streams of a device are one queue, so no order between them is lost. An event means more than order only to the host, which waits for
// it before it reads or frees host memory: on a stream of transfers alone it is reached when that stream's downloads have arrived (uploads have read their
// source before the call returns), whatever the device still computes. So a step's input goes up, and its small results come back, while the step before runs.
struct SP_Stream_st {
  explicit SP_Stream_st(tfvk::plugin::Device& d) : device(&d) {}
  // What an event recorded now stands for.
  tfvk::plugin::Ticket Record() const { return computes ? device->Record() : downloads.load(std::memory_order_acquire); }
  void NoteDownload(tfvk::plugin::Ticket ticket) {  // several threads may; the latest stays
    tfvk::plugin::Ticket last = downloads.load(std::memory_order_acquire);
    while (last < ticket && !downloads.compare_exchange_weak(last, ticket, std::memory_order_acq_rel)) {
    }
  }

  tfvk::plugin::Device* device;                    // not owned
  std::atomic<bool> computes{false};               // a kernel runs on it, another stream waits for it, or it was given other work than transfers
  std::atomic<tfvk::plugin::Ticket> downloads{0};  // the last one's
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
// TensorFlow passes device addresses as host addresses for some int32 tensors. A host destination is filled when the ticket that it gives is done.
Ticket CopyAnywhere(Device& device, void* destination, const void* source, uint64_t bytes);

}  // namespace tfvk::plugin
