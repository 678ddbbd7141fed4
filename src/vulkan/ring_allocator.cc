#include "vulkan/ring_allocator.h"

#include <algorithm>

namespace tfvk::vulkan {

std::optional<RingAllocator::Piece> RingAllocator::Allocate(uint64_t bytes, uint64_t alignment) {
  uint64_t begin = (head_ + alignment - 1) & ~(alignment - 1);
  if (begin % bytes_ + bytes > bytes_) begin = (begin / bytes_ + 1) * bytes_;  // does not fit before the end: start over at 0
  if (pieces_.empty()) tail_ = begin;
  if (bytes > bytes_ || begin + bytes - tail_ > bytes_) return std::nullopt;
  head_ = begin + bytes;
  pieces_.push_back({head_, kInUse});
  return Piece{begin % bytes_, first_id_ + pieces_.size() - 1};
}

void RingAllocator::Release(Ticket done) {
  while (!pieces_.empty() && pieces_.front().ticket <= done) {
    tail_ = pieces_.front().end;
    pieces_.pop_front();
    ++first_id_;
  }
}

}  // namespace tfvk::vulkan
