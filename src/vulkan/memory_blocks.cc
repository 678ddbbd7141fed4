#include "vulkan/memory_blocks.h"

#include <algorithm>

#include "vulkan/long_wait.h"

namespace tfvk::vulkan {
namespace {

constexpr uint64_t kAlignment = 256;  // what TensorFlow's allocator splits on

double MiB(uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

}  // namespace

VkBuffer MemoryBlocks::CreateBuffer(uint64_t bytes, VkBufferCreateFlags flags) const {
  VkBufferCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
  info.flags = flags;
  info.size = bytes;
  info.usage =
      VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT;
  info.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
  VkBuffer buffer = VK_NULL_HANDLE;
  Check(f_.CreateBuffer(device_, &info, nullptr, &buffer), "vkCreateBuffer");
  return buffer;
}

uint32_t MemoryBlocks::AllowedTypes() const {
  VkBuffer buffer = CreateBuffer(kAlignment, 0);
  VkMemoryRequirements needs{};
  f_.GetBufferMemoryRequirements(device_, buffer, &needs);
  f_.DestroyBuffer(device_, buffer, nullptr);
  return needs.memoryTypeBits;
}

VkDeviceMemory MemoryBlocks::AllocateInto(MemoryBlock* block, uint64_t bytes, uint32_t memory_type) const {
  VkMemoryAllocateFlagsInfo flags{};
  flags.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
  flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
  VkMemoryAllocateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
  info.pNext = &flags;
  info.allocationSize = bytes;
  info.memoryTypeIndex = memory_type;
  VkDeviceMemory memory = VK_NULL_HANDLE;
  Check(f_.AllocateMemory(device_, &info, nullptr, &memory), "vkAllocateMemory");
  block->memory.push_back(memory);
  return memory;
}

void MemoryBlocks::BindAndWait(VkBuffer buffer, const std::vector<VkSparseMemoryBind>& binds) const {
  VkSparseBufferMemoryBindInfo buffer_binds{buffer, static_cast<uint32_t>(binds.size()), binds.data()};
  VkBindSparseInfo info{};
  info.sType = VK_STRUCTURE_TYPE_BIND_SPARSE_INFO;
  info.bufferBindCount = 1;
  info.pBufferBinds = &buffer_binds;
  VkFenceCreateInfo fence_info{};
  fence_info.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO;
  VkFence fence = VK_NULL_HANDLE;
  Check(f_.CreateFence(device_, &fence_info, nullptr, &fence), "vkCreateFence");
  VkResult bound;
  {
    std::lock_guard lock(*sparse_.mutex);
    bound = f_.QueueBindSparse(sparse_.queue, 1, &info, fence);
  }
  VkResult waited = bound;
  for (LongWait wait; bound == VK_SUCCESS && (waited = f_.WaitForFences(device_, 1, &fence, VK_TRUE, LongWait::kTurn.count())) == VK_TIMEOUT;) {
    wait.Turn([&] { return fmt::format("{} has not bound {} pieces of memory to a buffer.", snapshot_.name, binds.size()); });
  }
  f_.DestroyFence(device_, fence, nullptr);
  Check(bound, "vkQueueBindSparse");
  Check(waited, "vkWaitForFences");
}

void MemoryBlocks::BindPieces(MemoryBlock* block, const VkMemoryRequirements& needs, uint32_t memory_type) const {
  const uint64_t piece = plan_.max_allocation_bytes / needs.alignment * needs.alignment;
  if (piece == 0 || !(needs.memoryTypeBits >> memory_type & 1)) {
    Fail(ErrorCode::kResourceExhausted, "The driver binds memory of types {:#b} to a buffer in pieces of {} bytes; this is type {} with at most {} bytes.",
         needs.memoryTypeBits, needs.alignment, memory_type, plan_.max_allocation_bytes);
  }
  std::vector<VkSparseMemoryBind> binds;
  for (uint64_t at = 0; at < needs.size; at += piece) {
    const uint64_t bytes = std::min(piece, needs.size - at);
    binds.push_back({at, bytes, AllocateInto(block, bytes, memory_type), 0, 0});
  }
  BindAndWait(block->buffer, binds);
}

void MemoryBlocks::Bind(MemoryBlock* block, uint64_t bytes, uint32_t memory_type, bool map) const {
  const bool pieces = !map && bytes > plan_.max_allocation_bytes;
  if (pieces && !sparse_.queue) {
    Fail(ErrorCode::kResourceExhausted, "One allocation has at most {:.1f} MiB, and the driver binds no buffer to several (sparseBinding).",
         MiB(plan_.max_allocation_bytes));
  }
  block->buffer = CreateBuffer(bytes, pieces ? VK_BUFFER_CREATE_SPARSE_BINDING_BIT : 0);
  VkMemoryRequirements needs{};
  f_.GetBufferMemoryRequirements(device_, block->buffer, &needs);
  void* mapped = nullptr;
  if (pieces) {
    BindPieces(block, needs, memory_type);
  } else {
    VkDeviceMemory memory = AllocateInto(block, needs.size, memory_type);
    Check(f_.BindBufferMemory(device_, block->buffer, memory, 0), "vkBindBufferMemory");
    if (map) Check(f_.MapMemory(device_, memory, 0, VK_WHOLE_SIZE, 0, &mapped), "vkMapMemory");
  }
  VkBufferDeviceAddressInfo address{};
  address.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO;
  address.buffer = block->buffer;
  Address base = f_.GetBufferDeviceAddress(device_, &address);
  block->address = (base + kAlignment - 1) / kAlignment * kAlignment;
  block->offset = block->address - base;
  block->bytes = bytes - std::min(bytes, block->offset);
  block->allocated = needs.size;
  block->mapped = mapped ? static_cast<uint8_t*>(mapped) + block->offset : nullptr;
}

MemoryBlock MemoryBlocks::Create(uint64_t bytes, uint32_t memory_type, bool map, const char* purpose) {
  uint64_t rounded = std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  MemoryBlock block;
  block.heap = snapshot_.memory_types.at(memory_type).heap;
  try {
    Bind(&block, rounded, memory_type, map);
    if (block.bytes < rounded) {  // the driver aligns to less than we promise
      Destroy(block);
      block = MemoryBlock{};
      block.heap = snapshot_.memory_types.at(memory_type).heap;
      Bind(&block, rounded + kAlignment, memory_type, map);
      block.bytes = rounded;
    }
  } catch (const Error& e) {
    Destroy(block);
    if (e.code() != ErrorCode::kResourceExhausted) throw;
    Fail(ErrorCode::kResourceExhausted, "{} has no {:.1f} MiB for {}: {} Its heap has {:.1f} MiB in all.", snapshot_.name, MiB(bytes), purpose, e.what(),
         MiB(snapshot_.heaps.at(block.heap).bytes));
  }
  std::unique_lock lock(mutex_);
  blocks_[block.address] = block;
  return block;
}

void MemoryBlocks::Destroy(const MemoryBlock& block) {
  if (block.address) {
    std::unique_lock lock(mutex_);
    auto it = blocks_.find(block.address);
    if (it != blocks_.end() && it->second.buffer == block.buffer) blocks_.erase(it);
  }
  if (block.buffer) f_.DestroyBuffer(device_, block.buffer, nullptr);
  for (VkDeviceMemory memory : block.memory) f_.FreeMemory(device_, memory, nullptr);
}

bool MemoryBlocks::Forget(Address start, MemoryBlock* block) {
  std::unique_lock lock(mutex_);
  auto it = blocks_.find(start);
  if (it == blocks_.end()) return false;
  *block = it->second;
  blocks_.erase(it);
  return true;
}

std::optional<Device::Location> MemoryBlocks::Locate(Address address) const {
  std::shared_lock lock(mutex_);
  auto it = blocks_.upper_bound(address);
  if (it == blocks_.begin()) return std::nullopt;
  const MemoryBlock& block = std::prev(it)->second;
  if (address - block.address >= block.bytes) return std::nullopt;
  return Device::Location{block.address, address - block.address, block.bytes - (address - block.address)};
}

BufferRange MemoryBlocks::RangeOf(Address address, uint64_t bytes, const char* what) const {
  std::shared_lock lock(mutex_);
  auto it = blocks_.upper_bound(address);
  if (it != blocks_.begin()) {
    const MemoryBlock& block = std::prev(it)->second;
    uint64_t at = address - block.address;
    if (at < block.bytes && bytes <= block.bytes - at) return {block.buffer, block.offset + at};
  }
  Fail(ErrorCode::kInvalidArgument, "[{}] the {} bytes from device address {:#x} on are not inside one block of memory of {}.", what, bytes, address,
       snapshot_.name);
}

}  // namespace tfvk::vulkan
