// Blocks of memory with a buffer over each, and the map from addresses to them.
#pragma once

#include <map>
#include <mutex>
#include <shared_mutex>
#include <vector>

#include "vulkan/device.h"
#include "vulkan/functions.h"

namespace tfvk::vulkan {

struct MemoryBlock {
  VkBuffer buffer = VK_NULL_HANDLE;
  std::vector<VkDeviceMemory> memory;  // one allocation, or several one after the other
  Address address = 0;                 // 256-byte aligned
  uint64_t offset = 0;                 // of `address` in the buffer
  uint64_t bytes = 0;                  // from `address` on
  uint64_t allocated = 0;              // bytes of device memory
  uint32_t heap = 0;
  uint8_t* mapped = nullptr;  // where the host sees `address`; null when it does not
};

// A range of a buffer, for transfer commands.
struct BufferRange {
  VkBuffer buffer = VK_NULL_HANDLE;
  uint64_t offset = 0;
};

// The queue that binds blocks of several allocations, and the lock of every call on it. Without a queue every block is one allocation.
struct SparseQueue {
  VkQueue queue = VK_NULL_HANDLE;
  std::mutex* mutex = nullptr;
};

class MemoryBlocks {
 public:
  MemoryBlocks(const DeviceFunctions& functions, VkDevice device, const DeviceSnapshot& snapshot, const MemoryPlan& plan, SparseQueue sparse)
      : f_(functions), device_(device), snapshot_(snapshot), plan_(plan), sparse_(sparse) {}

  // A block that transfers and, by its address, kernels can use; mapped when asked. It is found by its addresses until Destroy or Forget. One that is larger
  // than the largest allocation of the plan is bound to several, unless it is mapped: the host would not see it in one piece. Throws
  // Error(kResourceExhausted) with sizes; `purpose` goes into the message.
  MemoryBlock Create(uint64_t bytes, uint32_t memory_type, bool map, const char* purpose);
  void Destroy(const MemoryBlock& block);  // the device must be done with it
  // Takes the block that starts at the address out of the map, still allocated. False when there is none.
  bool Forget(Address start, MemoryBlock* block);

  std::optional<Device::Location> Locate(Address address) const;
  // The buffer range behind [address, address + bytes). Throws Error(kInvalidArgument) when it is not inside one block; `what` goes into the message.
  BufferRange RangeOf(Address address, uint64_t bytes, const char* what) const;

  // What a new buffer like ours may live in (VkMemoryRequirements::memoryTypeBits).
  uint32_t AllowedTypes() const;

 private:
  VkBuffer CreateBuffer(uint64_t bytes, VkBufferCreateFlags flags) const;
  void Bind(MemoryBlock* block, uint64_t bytes, uint32_t memory_type, bool map) const;
  VkDeviceMemory AllocateInto(MemoryBlock* block, uint64_t bytes, uint32_t memory_type) const;
  void BindPieces(MemoryBlock* block, const VkMemoryRequirements& needs, uint32_t memory_type) const;
  void BindAndWait(VkBuffer buffer, const std::vector<VkSparseMemoryBind>& binds) const;

  const DeviceFunctions& f_;
  VkDevice device_;
  const DeviceSnapshot& snapshot_;
  const MemoryPlan& plan_;
  const SparseQueue sparse_;
  mutable std::shared_mutex mutex_;
  std::map<Address, MemoryBlock> blocks_;  // by address
};

}  // namespace tfvk::vulkan
