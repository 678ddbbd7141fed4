// What the files of this room know of a Device.
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <set>

#include "vulkan/address_reservation.h"
#include "vulkan/arena.h"
#include "vulkan/device.h"
#include "vulkan/functions.h"
#include "vulkan/memory_blocks.h"

namespace tfvk::vulkan {

struct Device::Internals {
  Internals(Instance& instance, int index);
  ~Internals();

  // Memory whose last work may still run, and which is destroyed when its ticket is reached.
  struct Leaving {
    Ticket ticket;
    MemoryBlock block;
  };
  // Destroys what has left; with `wait`, waits for all of it. True when something was destroyed.
  bool Reclaim(bool wait);
  void Leave(const MemoryBlock& block);
  MemoryBlock CreateReclaiming(uint64_t bytes, uint32_t memory_type, bool map, const char* purpose);

  // A block of device memory for tensors, at addresses that no host memory has nor will have.
  MemoryBlock CreateApart(uint64_t bytes, AddressReservation* reservation);

  // Device::PinnedAddress of memory that is pinned in full, else 0.
  Address PinnedRange(const void* host, uint64_t bytes) const;

  Instance& instance;
  const int index;
  const DeviceSnapshot snapshot;
  DevicePlan plan;
  DeviceFunctions f;
  VkDevice device = VK_NULL_HANDLE;
  VkQueue vk_queue = VK_NULL_HANDLE;
  VkQueue sparse_queue = VK_NULL_HANDLE;     // binds blocks of several allocations; vk_queue itself where it can; null without plan.features.sparse_binding
  std::mutex vk_queue_mutex;                 // held around every call on the two, as Vulkan demands; nothing is waited for with it
  VkPipelineLayout layout = VK_NULL_HANDLE;  // of all pipelines: one 64-bit push constant
  std::unique_ptr<MemoryBlocks> memory;
  std::unique_ptr<Arena> small_pieces;  // of AllocateSmall
  std::unique_ptr<Arena> tables;        // argument tables of recordings; mapped
  std::unique_ptr<Queue> queue;
  std::unique_ptr<PipelineCache> pipelines;

  mutable std::mutex usage_mutex;  // of all below
  MemoryUsage usage;
  struct TensorBlock {
    uint64_t bytes;
    AddressReservation reservation;
  };
  std::map<Address, TensorBlock> blocks;  // those that Allocate gave, by their starts
  std::map<Address, ArenaPiece> small;
  std::deque<Leaving> leaving;
  std::map<uintptr_t, MemoryBlock> pinned;  // by host address
};

// Makes the logical device and fills the members that Vulkan gives; in device_creation.cc.
void CreateLogicalDevice(Device::Internals& d);

}  // namespace tfvk::vulkan
