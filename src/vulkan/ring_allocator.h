// Hands out pieces of a ring of memory in order, and takes them back in order when the submission that uses them is done. Only offsets: no memory is touched.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "vulkan/queue.h"

namespace tfvk::vulkan {

class RingAllocator {
 public:
  static constexpr Ticket kInUse = UINT64_MAX;  // the host is still working with it

  explicit RingAllocator(uint64_t bytes) : bytes_(bytes) {}
  uint64_t bytes() const { return bytes_; }

  struct Piece {
    uint64_t offset = 0, id = 0;
  };
  // Contiguous; belongs to kInUse until SetTicket. nullopt while there is no room. `alignment` is a power of two that divides the ring's size.
  std::optional<Piece> Allocate(uint64_t bytes, uint64_t alignment);
  void SetTicket(uint64_t id, Ticket ticket) { pieces_[id - first_id_].ticket = ticket; }
  // Takes back the pieces at the front whose tickets are at most `done`.
  void Release(Ticket done);
  // What the oldest piece waits for; 0 when the ring is empty.
  Ticket oldest() const { return pieces_.empty() ? 0 : pieces_.front().ticket; }

 private:
  struct Entry {
    uint64_t end;
    Ticket ticket;
  };
  uint64_t bytes_;
  uint64_t head_ = 0, tail_ = 0;  // positions that only grow; modulo bytes_ they are offsets
  uint64_t first_id_ = 0;
  std::deque<Entry> pieces_;
};

}  // namespace tfvk::vulkan
