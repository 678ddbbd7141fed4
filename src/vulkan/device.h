// A logical device with its memory, its queue and its pipelines.
//
//   Instance& instance = Instance::Get();
//   Device device(instance, instance.SelectedDevices().at(0));
//   Address a = device.Allocate(1 << 20);
//   device.queue().Upload(a, numbers.data(), 4096);
//
// Everything here may be called from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "vulkan/instance.h"
#include "vulkan/pipeline_cache.h"
#include "vulkan/queue.h"

namespace tfvk::vulkan {

struct MemoryUsage {
  uint64_t total_bytes = 0;                   // of the heap that tensors live in
  uint64_t free_bytes = 0;                    // what this process may still allocate there (VK_EXT_memory_budget, else total less what is in use here)
  uint64_t in_use_bytes = 0, peak_bytes = 0;  // by Allocate of this Device
  uint64_t block_count = 0, pinned_bytes = 0;
};

class Device {
 public:
  // Throws Error(kFailedPrecondition) with the plan's reasons when the device is not usable, Error(kUnavailable) when the driver refuses.
  Device(Instance& instance, int index);
  ~Device();  // waits for the queue
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const DeviceSnapshot& snapshot() const;
  const DevicePlan& plan() const;
  Queue& queue();
  PipelineCache& pipelines();

  // A block of device memory, 256-byte aligned; its address is what kernels dereference, and interior addresses are valid wherever an Address is asked for.
  // Meant for few large blocks; one of more than MemoryPlan::max_allocation_bytes lies in several allocations. Throws Error(kResourceExhausted) with the size,
  // the limit and what is in use. 0 bytes give a block of the smallest size.
  Address Allocate(uint64_t bytes);
  // Work already queued may still use the block: its memory is given back when that work is done. 0 is ignored. Throws Error(kInvalidArgument) when
  // the address is not a block's start.
  void Free(Address block);
  // A piece for constants and the like: as Allocate, but cut from blocks that many share, so that there may be thousands of pieces.
  Address AllocateSmall(uint64_t bytes);
  void FreeSmall(Address piece);  // as Free
  // The largest `bytes` that Allocate takes.
  uint64_t max_block_bytes() const;

  // Host memory that the device reads and writes directly, 64-byte aligned: uploads from it and downloads to it need no staging copy. Throws
  // Error(kResourceExhausted).
  void* AllocatePinned(uint64_t bytes);
  void FreePinned(void* memory);  // as Free
  // The address by which kernels may reach pinned memory (any pointer into it), or 0 when `host` is not pinned.
  Address PinnedAddress(const void* host) const;

  MemoryUsage Usage() const;
  // The block that holds an address and how many bytes there are from it to the block's end; nullopt outside every block.
  struct Location {
    Address block = 0;
    uint64_t offset = 0, bytes_left = 0;
  };
  std::optional<Location> Locate(Address address) const;
  // Whether the address lies in a block of Allocate. An address of host memory never does.
  bool HoldsTensors(Address address) const;

  struct Internals;  // for the files of this room
  Internals& internals() const { return *internals_; }

 private:
  std::vector<Address> BlockStarts() const;
  std::unique_ptr<Internals> internals_;
};

}  // namespace tfvk::vulkan
