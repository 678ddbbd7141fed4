// What is behind a Queue: the open command buffer, its hazards, the staging rings and the deliveries to the host.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

#include "vulkan/command_buffers.h"
#include "vulkan/early_results.h"
#include "vulkan/hazards.h"
#include "vulkan/recording.h"
#include "vulkan/ring_allocator.h"
#include "vulkan/timeline.h"

namespace tfvk::vulkan {

// A ring of memory that the host writes or reads and the device reads or writes.
struct StagingRing {
  StagingRing(Device::Internals& device, uint64_t bytes, uint32_t memory_type, const char* purpose)
      : allocator(bytes), block(device.memory->Create(bytes, memory_type, true, purpose)) {}
  RingAllocator allocator;
  MemoryBlock block;
};

class QueueState {
 public:
  explicit QueueState(Device::Internals& device);
  ~QueueState();

  void Launch(const LaunchInfo& launch);
  void Copy(Address destination, Address source, uint64_t bytes, const char* name);
  void Fill(Address destination, uint32_t pattern, uint64_t bytes);
  void Upload(Address destination, const void* source, uint64_t bytes, bool source_stays);
  Ticket Download(void* destination, Address source, uint64_t bytes);
  void Replay(Recording::State& recording, Span<const uint64_t> table, Span<const Access> writes);

  Ticket Record();
  Ticket RecordResults();
  bool Done(Ticket ticket);
  void Wait(Ticket ticket);
  Ticket Completed() { return timeline_.Completed(); }
  void Flush();
  QueueCounters counters() const;
  void SetTiming(bool on);
  std::vector<LaunchTiming> TakeTimings();
  bool lost() const { return timeline_.lost(); }
  // As if the driver had given this result; for tests of what follows.
  void Lose(VkResult result) { timeline_.Lose(result, "a test"); }
  Device::Internals& device() { return d_; }

 private:
  using Lock = std::unique_lock<std::mutex>;

  // ---- With mutex_ held ----
  Ticket CurrentTicket() const { return timeline_.submitted() + 1; }  // of what is being recorded
  bool HasWork() const { return open_ != nullptr || !closed_.empty(); }
  VkCommandBuffer Open();  // the open command buffer, begun if there was none
  // The open command buffer, behind a barrier if the accesses need one.
  VkCommandBuffer Prepare(Span<const Access> accesses);
  void Close();  // ends the open command buffer
  // Behind every command: its timestamp, and submission when it is time.
  void Finish(VkCommandBuffer commands, std::string_view name, double flops);
  void FlushLocked();
  void RetireLocked();
  void SubmitIfLong(double flops);
  // A piece of a ring; may submit, and may let go of the lock while it waits for room.
  RingAllocator::Piece Reserve(Lock& lock, StagingRing& ring, uint64_t bytes, uint64_t alignment);
  void CopyLocked(const BufferRange& destination, const BufferRange& source, uint64_t bytes, Span<const Access> accesses, std::string_view name);
  // Large uploads have room of their own, for a few batches of images: otherwise they wait for the device, since a ring is emptied in the queue's order.
  StagingRing& UploadRing(uint64_t bytes);
  void UploadPiece(Lock& lock, StagingRing& ring, Address destination, const uint8_t* source, uint64_t bytes);
  Ticket DownloadPiece(Lock& lock, uint8_t* destination, Address source, uint64_t bytes);
  // A download that waits for the result's own ticket; nullopt when another thread delivers just now.
  std::optional<Ticket> DownloadEarly(const EarlyResults::Result& result, uint8_t* destination, Address source, uint64_t bytes);
  // Places for a recording's published results; may let go of the lock while it waits for downloads.
  std::vector<size_t> TakePlaces(Lock& lock, size_t count);
  void PrepareSlot(Lock& lock, Recording::State& recording, size_t slot);

  // Copies to the host what has arrived up to a ticket. False when another thread is at it and `wait` is not set.
  bool Deliver(Ticket completed, bool wait);

  Device::Internals& d_;
  mutable std::mutex mutex_;
  std::condition_variable piece_ready_;  // a piece of a ring got its ticket
  Timeline timeline_;
  CommandBufferPool pool_;
  std::unique_ptr<CommandBuffer> open_;
  std::vector<std::unique_ptr<CommandBuffer>> closed_owned_;  // of closed_, those that go back to the pool
  std::vector<VkCommandBuffer> closed_;                       // to be submitted, in order
  bool begun_before_ = false;                                 // something was recorded before the open command buffer
  bool wrote_host_ = false;                                   // the open command buffer writes memory that the host reads
  int open_commands_ = 0;
  double open_flops_ = 0;
  const double flops_per_submission_;
  VkPipeline bound_ = VK_NULL_HANDLE;
  HazardTracker hazards_;
  QueueCounters counters_;
  bool timing_ = false;
  std::vector<LaunchTiming> timings_;
  struct RecordedTimes {
    Ticket ticket;
    std::shared_ptr<TimestampPool> timestamps;
  };
  std::deque<RecordedTimes> recorded_times_;

  StagingRing arguments_, uploads_, downloads_;
  std::unique_ptr<StagingRing> large_uploads_;  // made when it is first needed
  bool no_large_uploads_ = false;               // there was no memory for it
  EarlyResults early_;
  MemoryBlock early_block_;  // its places
  Ticket results_ = 0;       // of what the last replay published; 0 once other work than transfers followed

  struct Delivery {
    Ticket ticket;
    const uint8_t* from;
    void* to;
    uint64_t bytes;
  };
  std::mutex deliveries_mutex_;  // of the list
  std::deque<Delivery> deliveries_;
  std::mutex deliver_mutex_;  // held by the one thread that copies
  std::atomic<Ticket> delivered_{0};
};

}  // namespace tfvk::vulkan
