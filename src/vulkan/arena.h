// Small pieces of device memory cut from larger blocks: drivers allow only some thousand allocations.
#pragma once

#include <list>
#include <map>
#include <mutex>

#include "vulkan/memory_blocks.h"

namespace tfvk::vulkan {

struct ArenaPiece {
  Address address = 0;  // 256-byte aligned
  uint64_t bytes = 0;
  uint8_t* mapped = nullptr;  // null unless the arena is mapped
};

class Arena {
 public:
  Arena(MemoryBlocks& memory, uint32_t memory_type, bool map, uint64_t block_bytes, const char* purpose)
      : memory_(memory), memory_type_(memory_type), map_(map), block_bytes_(block_bytes), purpose_(purpose) {}
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Throws Error(kResourceExhausted).
  ArenaPiece Allocate(uint64_t bytes);
  // The piece may still be in use until `ticket` is reached.
  void Free(const ArenaPiece& piece, Ticket ticket);
  // Takes back the pieces whose tickets are at most `done`.
  void Reclaim(Ticket done);
  uint64_t bytes_in_blocks() const;

 private:
  struct Block {
    MemoryBlock memory;
    std::map<uint64_t, uint64_t> free;  // offset -> bytes, neighbours merged
  };
  void Insert(Block& block, uint64_t offset, uint64_t bytes);

  MemoryBlocks& memory_;
  const uint32_t memory_type_;
  const bool map_;
  const uint64_t block_bytes_;
  const char* const purpose_;
  mutable std::mutex mutex_;
  std::list<Block> blocks_;
  std::multimap<Ticket, ArenaPiece> leaving_;
};

}  // namespace tfvk::vulkan
