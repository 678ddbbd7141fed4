#include "vulkan/memory_blocks.h"

#include <algorithm>
#include <mutex>

namespace tfvk::vulkan {
namespace {

constexpr uint64_t kAlignment = 256;  // what TensorFlow's allocator splits on

double MiB(uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

}  // namespace

VkBuffer MemoryBlocks::CreateBuffer(uint64_t bytes) const {
  VkBufferCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
  info.size = bytes;
  info.usage =
      VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT;
  info.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
  VkBuffer buffer = VK_NULL_HANDLE;
  Check(f_.CreateBuffer(device_, &info, nullptr, &buffer), "vkCreateBuffer");
  return buffer;
}

uint32_t MemoryBlocks::AllowedTypes() const {
  VkBuffer buffer = CreateBuffer(kAlignment);
  VkMemoryRequirements needs{};
  f_.GetBufferMemoryRequirements(device_, buffer, &needs);
  f_.DestroyBuffer(device_, buffer, nullptr);
  return needs.memoryTypeBits;
}

void MemoryBlocks::Bind(MemoryBlock* block, uint64_t bytes, uint32_t memory_type, bool map) const {
  block->buffer = CreateBuffer(bytes);
  VkMemoryRequirements needs{};
  f_.GetBufferMemoryRequirements(device_, block->buffer, &needs);
  VkMemoryAllocateFlagsInfo flags{};
  flags.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
  flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
  VkMemoryAllocateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
  info.pNext = &flags;
  info.allocationSize = needs.size;
  info.memoryTypeIndex = memory_type;
  Check(f_.AllocateMemory(device_, &info, nullptr, &block->memory), "vkAllocateMemory");
  Check(f_.BindBufferMemory(device_, block->buffer, block->memory, 0), "vkBindBufferMemory");
  void* mapped = nullptr;
  if (map) Check(f_.MapMemory(device_, block->memory, 0, VK_WHOLE_SIZE, 0, &mapped), "vkMapMemory");
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
  if (block.memory) f_.FreeMemory(device_, block.memory, nullptr);
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
