// Copies, fills, uploads and downloads of the queue.
#include <algorithm>
#include <cstring>

#include "vulkan/host_copy.h"
#include "vulkan/queue_state.h"

namespace tfvk::vulkan {
namespace {

constexpr uint64_t kSmall = 64 << 10;  // copied by the host with the queue's lock held: two more turns of the lock would cost more
constexpr uint64_t kLarge = 1 << 20;   // takes the device longer than a submission takes the host
constexpr uint64_t kLargePiece = 8 << 20, kLargeUploadRing = 128 << 20;

}  // namespace

void QueueState::CopyLocked(const BufferRange& destination, const BufferRange& source, uint64_t bytes, Span<const Access> accesses, std::string_view name) {
  timeline_.ThrowIfLost();
  VkCommandBuffer commands = Prepare(accesses);
  VkBufferCopy region{source.offset, destination.offset, bytes};
  d_.f.CmdCopyBuffer(commands, source.buffer, destination.buffer, 1, &region);
  Finish(commands, name, 0);
}

void QueueState::Copy(Address destination, Address source, uint64_t bytes, const char* name) {
  if (bytes == 0 || destination == source) return;
  if (destination < source + bytes && source < destination + bytes) {
    Fail(ErrorCode::kInvalidArgument, "[Copy] the source {:#x} and the destination {:#x} of {} bytes overlap.", source, destination, bytes);
  }
  BufferRange to = d_.memory->RangeOf(destination, bytes, "Copy"), from = d_.memory->RangeOf(source, bytes, "Copy");
  Lock lock(mutex_);
  ++counters_.copies;
  results_ = 0;
  CopyLocked(to, from, bytes, {Access{source, bytes, false}, Access{destination, bytes, true}}, name);
}

// ---- Fill ----

void QueueState::Fill(Address destination, uint32_t pattern, uint64_t bytes) {
  if (bytes == 0) return;
  BufferRange to = d_.memory->RangeOf(destination, bytes, "Fill");
  uint8_t repeated[8];  // the pattern twice, to take any rotation from
  std::memcpy(repeated, &pattern, 4);
  std::memcpy(repeated + 4, &pattern, 4);
  // vkCmdFillBuffer takes multiples of four only: the ends are copied. Alignment counts from the buffer's start.
  uint64_t head = std::min(bytes, (4 - to.offset % 4) % 4), body = (bytes - head) / 4 * 4, tail = bytes - head - body;
  uint32_t rotated;
  std::memcpy(&rotated, repeated + head, 4);
  Lock lock(mutex_);
  timeline_.ThrowIfLost();
  ++counters_.fills;
  results_ = 0;
  if (head) UploadPiece(lock, uploads_, destination, repeated, head);
  if (tail) UploadPiece(lock, uploads_, destination + head + body, repeated + head, tail);
  if (body == 0) return;
  VkCommandBuffer commands = Prepare({Access{destination + head, body, true}});
  d_.f.CmdFillBuffer(commands, to.buffer, to.offset + head, body, rotated);
  Finish(commands, "fill", 0);
}

// ---- Upload ----

StagingRing& QueueState::UploadRing(uint64_t bytes) {
  if (bytes <= kLargePiece) return uploads_;
  if (!large_uploads_ && !no_large_uploads_) {
    try {
      large_uploads_ = std::make_unique<StagingRing>(d_, kLargeUploadRing, d_.plan.memory.upload, "large uploads");
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kResourceExhausted) throw;
      no_large_uploads_ = true;
    }
  }
  return large_uploads_ ? *large_uploads_ : uploads_;
}

void QueueState::UploadPiece(Lock& lock, StagingRing& ring, Address destination, const uint8_t* source, uint64_t bytes) {
  BufferRange to = d_.memory->RangeOf(destination, bytes, "Upload");
  RingAllocator::Piece piece = Reserve(lock, ring, bytes, 16);
  uint8_t* staging = ring.block.mapped + piece.offset;
  if (bytes <= kSmall) {
    std::memcpy(staging, source, bytes);
  } else {
    lock.unlock();
    CopyOnHost(staging, source, bytes);
    lock.lock();
  }
  ring.allocator.SetTicket(piece.id, 0);  // should the copy throw
  CopyLocked(to, {ring.block.buffer, ring.block.offset + piece.offset}, bytes, {Access{destination, bytes, true}}, "upload");
  ring.allocator.SetTicket(piece.id, HasWork() ? CurrentTicket() : timeline_.submitted());
  piece_ready_.notify_all();
}

void QueueState::Upload(Address destination, const void* source, uint64_t bytes, bool source_stays) {
  if (bytes == 0) return;
  BufferRange to = d_.memory->RangeOf(destination, bytes, "Upload");
  Address pinned = source_stays ? d_.PinnedRange(source, bytes) : 0;
  Lock lock(mutex_);
  timeline_.ThrowIfLost();
  counters_.bytes_uploaded += bytes;
  if (pinned) {
    CopyLocked(to, d_.memory->RangeOf(pinned, bytes, "Upload"), bytes, {Access{pinned, bytes, false}, Access{destination, bytes, true}}, "upload");
    return;
  }
  StagingRing& ring = UploadRing(bytes);
  const uint64_t most = kLargePiece;
  auto* from = static_cast<const uint8_t*>(source);
  for (uint64_t done = 0; done < bytes;) {
    uint64_t piece = std::min(most, bytes - done);
    UploadPiece(lock, ring, destination + done, from + done, piece);
    done += piece;
    // The device copies while the host fills the next piece, or makes the launch that waits for this one.
    if (piece == most || (bytes >= kLarge && timeline_.Completed() == timeline_.submitted())) FlushLocked();
  }
}

// ---- Download ----

Ticket QueueState::DownloadPiece(Lock& lock, uint8_t* destination, Address source, uint64_t bytes) {
  BufferRange from = d_.memory->RangeOf(source, bytes, "Download");
  RingAllocator::Piece piece = Reserve(lock, downloads_, bytes, 16);
  downloads_.allocator.SetTicket(piece.id, 0);  // should the copy throw
  VkCommandBuffer commands = Prepare({Access{source, bytes, false}});
  VkBufferCopy region{from.offset, downloads_.block.offset + piece.offset, bytes};
  d_.f.CmdCopyBuffer(commands, from.buffer, downloads_.block.buffer, 1, &region);
  wrote_host_ = true;
  Ticket ticket = CurrentTicket();
  downloads_.allocator.SetTicket(piece.id, ticket);
  {
    std::lock_guard list(deliveries_mutex_);
    deliveries_.push_back({ticket, downloads_.block.mapped + piece.offset, destination, bytes});
  }
  Finish(commands, "download", 0);
  return ticket;
}

Ticket QueueState::Download(void* destination, Address source, uint64_t bytes) {
  if (bytes == 0) return 0;
  BufferRange from = d_.memory->RangeOf(source, bytes, "Download");
  Address pinned = d_.PinnedRange(destination, bytes);
  Lock lock(mutex_);
  timeline_.ThrowIfLost();
  counters_.bytes_downloaded += bytes;
  if (const auto early = early_.Find(source, bytes)) {
    if (const auto ticket = DownloadEarly(*early, static_cast<uint8_t*>(destination), source, bytes)) return *ticket;
  }
  if (pinned) {
    BufferRange to = d_.memory->RangeOf(pinned, bytes, "Download");
    VkCommandBuffer commands = Prepare({Access{source, bytes, false}, Access{pinned, bytes, true}});
    VkBufferCopy region{from.offset, to.offset, bytes};
    d_.f.CmdCopyBuffer(commands, from.buffer, to.buffer, 1, &region);
    wrote_host_ = true;
    const Ticket ticket = CurrentTicket();
    Finish(commands, "download", 0);
    return ticket;
  }
  const uint64_t most = downloads_.allocator.bytes() / 4;
  auto* to = static_cast<uint8_t*>(destination);
  Ticket ticket = 0;
  for (uint64_t done = 0; done < bytes;) {
    uint64_t piece = std::min(most, bytes - done);
    ticket = DownloadPiece(lock, to + done, source + done, piece);
    done += piece;
    if (piece == most) FlushLocked();
  }
  return ticket;
}

std::optional<Ticket> QueueState::DownloadEarly(const EarlyResults::Result& result, uint8_t* destination, Address source, uint64_t bytes) {
  // While another thread delivers, `delivered_` may pass the result's ticket before this delivery is listed.
  Lock turn(deliver_mutex_, std::try_to_lock);
  if (!turn) return std::nullopt;
  ++counters_.early_downloads;
  const uint8_t* from = early_block_.mapped + result.place * EarlyResults::kPlaceBytes + (source - result.address);
  if (timeline_.Completed() >= result.ticket) {
    std::memcpy(destination, from, bytes);
    return 0;
  }
  early_.NoteRead(result.place, result.ticket);
  std::lock_guard list(deliveries_mutex_);
  const auto behind = std::find_if(deliveries_.begin(), deliveries_.end(), [&](const Delivery& d) { return d.ticket > result.ticket; });
  deliveries_.insert(behind, {result.ticket, from, destination, bytes});
  return result.ticket;
}

bool QueueState::Deliver(Ticket completed, bool wait) {
  if (delivered_.load(std::memory_order_acquire) >= completed) return true;
  Lock turn(deliver_mutex_, std::defer_lock);
  if (wait) {
    turn.lock();
  } else if (!turn.try_lock()) {
    return false;
  }
  for (;;) {
    Delivery next;
    {
      std::lock_guard list(deliveries_mutex_);
      if (deliveries_.empty() || deliveries_.front().ticket > completed) break;
      next = deliveries_.front();
      deliveries_.pop_front();
    }
    CopyOnHost(next.to, next.from, next.bytes);
  }
  if (delivered_.load(std::memory_order_relaxed) < completed) delivered_.store(completed, std::memory_order_release);
  return true;
}

}  // namespace tfvk::vulkan
