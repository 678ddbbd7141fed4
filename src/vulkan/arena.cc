#include "vulkan/arena.h"

#include <algorithm>

namespace tfvk::vulkan {
namespace {
constexpr uint64_t kAlignment = 256;
}

Arena::~Arena() {
  for (Block& block : blocks_) memory_.Destroy(block.memory);
}

ArenaPiece Arena::Allocate(uint64_t bytes) {
  bytes = std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  std::lock_guard lock(mutex_);
  auto cut = [&](Block& block) -> ArenaPiece {
    for (auto it = block.free.begin(); it != block.free.end(); ++it) {
      if (it->second < bytes) continue;
      uint64_t offset = it->first, rest = it->second - bytes;
      block.free.erase(it);
      if (rest) block.free.emplace(offset + bytes, rest);
      return {block.memory.address + offset, bytes, block.memory.mapped ? block.memory.mapped + offset : nullptr};
    }
    return {};
  };
  for (Block& block : blocks_) {
    ArenaPiece piece = cut(block);
    if (piece.address) return piece;
  }
  uint64_t size = std::max(bytes, block_bytes_);
  blocks_.push_back({memory_.Create(size, memory_type_, map_, purpose_), {{0, size}}});
  return cut(blocks_.back());
}

void Arena::Free(const ArenaPiece& piece, Ticket ticket) {
  if (!piece.address) return;
  std::lock_guard lock(mutex_);
  leaving_.emplace(ticket, piece);
}

void Arena::Insert(Block& block, uint64_t offset, uint64_t bytes) {
  auto next = block.free.lower_bound(offset);
  if (next != block.free.end() && next->first == offset + bytes) {
    bytes += next->second;
    next = block.free.erase(next);
  }
  if (next != block.free.begin()) {
    auto before = std::prev(next);
    if (before->first + before->second == offset) {
      before->second += bytes;
      return;
    }
  }
  block.free.emplace(offset, bytes);
}

void Arena::Reclaim(Ticket done) {
  std::lock_guard lock(mutex_);
  while (!leaving_.empty() && leaving_.begin()->first <= done) {
    ArenaPiece piece = leaving_.begin()->second;
    leaving_.erase(leaving_.begin());
    auto block = std::find_if(blocks_.begin(), blocks_.end(), [&](const Block& b) { return piece.address - b.memory.address < b.memory.bytes; });
    if (block == blocks_.end()) continue;
    Insert(*block, piece.address - block->memory.address, piece.bytes);
    bool empty = block->free.size() == 1 && block->free.begin()->second == block->memory.bytes;
    if (empty && (block->memory.bytes > block_bytes_ || blocks_.size() > 1)) {
      memory_.Destroy(block->memory);
      blocks_.erase(block);
    }
  }
}

uint64_t Arena::bytes_in_blocks() const {
  std::lock_guard lock(mutex_);
  uint64_t bytes = 0;
  for (const Block& block : blocks_) bytes += block.memory.bytes;
  return bytes;
}

}  // namespace tfvk::vulkan
