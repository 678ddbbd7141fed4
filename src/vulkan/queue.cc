#include "vulkan/queue.h"

#include <algorithm>
#include <cstring>

#include "vulkan/pipeline_state.h"
#include "vulkan/queue_state.h"
#include "vulkan/recording_state.h"

namespace tfvk::vulkan {
namespace {

constexpr uint64_t kArgumentRing = 1 << 20, kUploadRing = 32 << 20, kDownloadRing = 64 << 20;
constexpr int kMostCommands = 128;     // of a command buffer: a submission costs the host some ten microseconds
constexpr int kIdleCheck = 8;          // an idle device gets its work after so many commands
constexpr size_t kMostInFlight = 256;  // command buffers
constexpr size_t kMostTimings = 1 << 20;
constexpr size_t kRecordingSlots = 3;  // replays of one recording under way
constexpr size_t kEarlyPlaces = 1024;  // so that a place is long read when its turn comes again

}  // namespace

QueueState::QueueState(Device::Internals& device)
    : d_(device),
      timeline_(device),
      pool_(device),
      flops_per_submission_(device.plan.limits.compute_units * 50e9 * 0.002),
      arguments_(device, kArgumentRing, device.plan.memory.arguments, "kernel arguments"),
      uploads_(device, kUploadRing, device.plan.memory.upload, "uploads"),
      downloads_(device, kDownloadRing, device.plan.memory.download, "downloads"),
      early_(kEarlyPlaces),
      early_block_(device.memory->Create(kEarlyPlaces * EarlyResults::kPlaceBytes, device.plan.memory.download, true, "early results")) {}

QueueState::~QueueState() {
  try {
    Wait(Record());
  } catch (const Error&) {  // nothing more can be done for a lost device
  }
  for (StagingRing* ring : {&arguments_, &uploads_, &downloads_}) d_.memory->Destroy(ring->block);
  if (large_uploads_) d_.memory->Destroy(large_uploads_->block);
  d_.memory->Destroy(early_block_);
  if (open_) closed_owned_.push_back(std::move(open_));
  for (auto& buffer : closed_owned_) DestroyCommandBuffer(d_, *buffer);
}

// ---- Recording ----

VkCommandBuffer QueueState::Open() {
  if (open_) return open_->commands;
  while (pool_.in_flight() >= kMostInFlight) {  // bounds how far the host runs ahead
    Ticket submitted = timeline_.submitted();
    timeline_.Wait(submitted - std::min<Ticket>(submitted, kMostInFlight / 2));
    RetireLocked();
  }
  open_ = pool_.Take(timing_ && d_.plan.timestamps);
  bound_ = VK_NULL_HANDLE;
  open_commands_ = 0;
  open_flops_ = 0;
  hazards_.Clear();
  if (begun_before_) RecordBarrier(d_.f, open_->commands);  // earlier command buffers' work is no longer tracked
  begun_before_ = true;
  return open_->commands;
}

VkCommandBuffer QueueState::Prepare(Span<const Access> accesses) {
  VkCommandBuffer commands = Open();
  early_.Forget(accesses);
  if (hazards_.Add(accesses)) {
    RecordBarrier(d_.f, commands);
    ++counters_.barriers;
  }
  return commands;
}

void QueueState::Finish(VkCommandBuffer commands, std::string_view name, double flops) {
  if (open_->timestamps) open_->timestamps->After(commands, std::string(name));
  ++open_commands_;
  SubmitIfLong(flops);
}

void QueueState::SubmitIfLong(double flops) {
  open_flops_ += flops;
  bool full = open_commands_ >= kMostCommands || open_flops_ > flops_per_submission_ || (open_ && open_->timestamps && open_->timestamps->full());
  bool idle = !full && open_commands_ % kIdleCheck == 0 && timeline_.Completed() == timeline_.submitted();
  if (full || idle) FlushLocked();
}

void QueueState::Close() {
  if (!open_) return;
  if (wrote_host_) RecordHostBarrier(d_.f, open_->commands);
  wrote_host_ = false;
  VkResult result = d_.f.EndCommandBuffer(open_->commands);
  closed_.push_back(open_->commands);
  closed_owned_.push_back(std::move(open_));
  if (result != VK_SUCCESS) timeline_.Lose(result, "vkEndCommandBuffer");  // work would be missing: nothing after it could be trusted
}

void QueueState::FlushLocked() {
  timeline_.ThrowIfLost();
  Close();
  if (closed_.empty()) return;
  Ticket ticket = CurrentTicket();
  VkSemaphore semaphore = timeline_.semaphore();
  VkTimelineSemaphoreSubmitInfo values{};
  values.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO;
  values.signalSemaphoreValueCount = 1;
  values.pSignalSemaphoreValues = &ticket;
  VkSubmitInfo info{};
  info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
  info.pNext = &values;
  info.commandBufferCount = static_cast<uint32_t>(closed_.size());
  info.pCommandBuffers = closed_.data();
  info.signalSemaphoreCount = 1;
  info.pSignalSemaphores = &semaphore;
  VkResult result;
  {
    std::lock_guard queue_lock(d_.vk_queue_mutex);
    result = d_.f.QueueSubmit(d_.vk_queue, 1, &info, VK_NULL_HANDLE);
  }
  if (result != VK_SUCCESS) timeline_.Lose(result, "vkQueueSubmit");
  ++counters_.submissions;
  timeline_.SetSubmitted(ticket);
  closed_.clear();
  for (auto& buffer : closed_owned_) {
    buffer->ticket = ticket;
    pool_.GiveBack(std::move(buffer));
  }
  closed_owned_.clear();
  RetireLocked();
}

void QueueState::RetireLocked() {
  Ticket done = timeline_.Completed();
  if (timeline_.lost()) return;
  pool_.Retire(done, &timings_);
  while (!recorded_times_.empty() && recorded_times_.front().ticket <= done) {
    recorded_times_.front().timestamps->Read(&timings_);
    recorded_times_.pop_front();
  }
  if (timings_.size() > kMostTimings) timings_.erase(timings_.begin(), timings_.end() - kMostTimings / 2);
}

RingAllocator::Piece QueueState::Reserve(Lock& lock, StagingRing& ring, uint64_t bytes, uint64_t alignment) {
  for (;;) {
    timeline_.ThrowIfLost();
    if (auto piece = ring.allocator.Allocate(bytes, alignment)) return *piece;
    ring.allocator.Release(delivered_.load(std::memory_order_acquire));
    if (auto piece = ring.allocator.Allocate(bytes, alignment)) return *piece;
    Ticket oldest = ring.allocator.oldest();
    if (oldest == RingAllocator::kInUse) {
      piece_ready_.wait(lock);
      continue;
    }
    if (oldest > timeline_.submitted()) FlushLocked();
    lock.unlock();
    Wait(oldest);
    lock.lock();
  }
}

// ---- Commands ----

void QueueState::Launch(const LaunchInfo& launch) {
  if (launch.workgroups == 0) return;
  Require(launch.pipeline != nullptr, "A launch has no pipeline.");
  launch.pipeline->Wait();
  auto [x, y] = FoldWorkgroups(d_.plan, launch.workgroups);
  Lock lock(mutex_);
  timeline_.ThrowIfLost();
  size_t bytes = launch.arguments.size() * sizeof(uint64_t);
  RingAllocator::Piece piece = Reserve(lock, arguments_, std::max<size_t>(bytes, 16), 16);
  std::memcpy(arguments_.block.mapped + piece.offset, launch.arguments.data(), bytes);
  arguments_.allocator.SetTicket(piece.id, CurrentTicket());
  Address arguments = arguments_.block.address + piece.offset;

  results_ = 0;
  VkCommandBuffer commands = Prepare(launch.accesses);
  VkPipeline pipeline = launch.pipeline->state().pipeline;
  if (pipeline != bound_) d_.f.CmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
  bound_ = pipeline;
  d_.f.CmdPushConstants(commands, d_.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(arguments), &arguments);
  d_.f.CmdDispatch(commands, x, y, 1);
  ++counters_.launches;
  Finish(commands, launch.name, launch.flops);
}

void QueueState::Replay(Recording::State& recording, Span<const uint64_t> table, Span<const Access> writes) {
  Require(table.size() == recording.words, "A recording with a table of {} words was replayed with {}.", recording.words, table.size());
  for (const auto& entry : recording.entries) entry.launch.pipeline->Wait();
  Lock lock(mutex_);
  timeline_.ThrowIfLost();
  recording.sealed = true;
  results_ = 0;
  if (recording.entries.empty()) return;
  const std::vector<size_t> places = TakePlaces(lock, recording.published.size());
  early_.Forget(writes);
  if (recording.slots.size() < kRecordingSlots && (recording.slots.empty() || recording.slots[recording.next_slot]->ticket > timeline_.Completed())) {
    recording.slots.insert(recording.slots.begin() + recording.next_slot, std::make_unique<Recording::State::Slot>());
  }
  size_t index = recording.next_slot;
  recording.next_slot = (index + 1) % recording.slots.size();
  PrepareSlot(lock, recording, index);
  Recording::State::Slot& slot = *recording.slots[index];
  std::memcpy(slot.table.mapped, table.data(), table.size() * sizeof(uint64_t));
  for (size_t i = 0; i < places.size(); ++i) {
    const Address place = early_block_.address + places[i] * EarlyResults::kPlaceBytes;
    std::memcpy(slot.table.mapped + recording.published[i].destination_word * sizeof(uint64_t), &place, sizeof place);
  }
  Close();
  for (size_t i = 0; i < slot.parts.size(); ++i) {
    closed_.push_back(slot.parts[i].commands);
    slot.ticket = CurrentTicket();
    if (slot.timed) recorded_times_.push_back({slot.ticket, slot.timestamps[i]});
    if (i == slot.publishing_part) {
      results_ = places.empty() ? 0 : slot.ticket;
      for (size_t p = 0; p < places.size(); ++p) {
        early_.Add({table[recording.published[p].source_word], recording.published[p].bytes, places[p], slot.ticket});
      }
    }
    if (i + 1 < slot.parts.size()) FlushLocked();
  }
  begun_before_ = true;
  ++counters_.replays;
  counters_.launches += recording.entries.size();
  counters_.barriers += recording.barriers;
  FlushLocked();
}

std::vector<size_t> QueueState::TakePlaces(Lock& lock, size_t count) {
  std::vector<size_t> places;
  for (size_t i = 0; i < count; ++i) {
    const EarlyResults::Place place = early_.Take();
    places.push_back(place.index);
    if (place.read_until <= delivered_.load(std::memory_order_acquire)) continue;
    lock.unlock();
    Wait(place.read_until);
    lock.lock();
  }
  return places;
}

void QueueState::PrepareSlot(Lock& lock, Recording::State& recording, size_t index) {
  Recording::State::Slot& slot = *recording.slots[index];
  if (slot.ticket > timeline_.Completed()) timeline_.Wait(slot.ticket);
  RetireLocked();  // reads the slot's timestamps before they are written again
  bool timed = timing_ && d_.plan.timestamps;
  if (!slot.table.address) {
    d_.tables->Reclaim(timeline_.Completed());
    slot.table = d_.tables->Allocate(recording.words * sizeof(uint64_t));
  }
  if (slot.parts.empty() || slot.timed != timed) recording.RecordSlot(slot, timed);
}

// ---- Order and waiting ----

Ticket QueueState::Record() {
  Lock lock(mutex_);
  return HasWork() ? CurrentTicket() : timeline_.submitted();
}

Ticket QueueState::RecordResults() {
  {
    Lock lock(mutex_);
    if (results_ != 0) return results_;
  }
  return Record();
}

bool QueueState::Done(Ticket ticket) {
  if (ticket <= delivered_.load(std::memory_order_acquire) || timeline_.lost()) return true;
  if (ticket > timeline_.submitted()) {
    try {
      Flush();
    } catch (const Error&) {
      return timeline_.lost();
    }
  }
  Ticket completed = timeline_.Completed();
  if (timeline_.lost()) return true;
  Deliver(completed, false);
  return ticket <= delivered_.load(std::memory_order_acquire);
}

void QueueState::Wait(Ticket ticket) {
  if (ticket <= delivered_.load(std::memory_order_acquire)) return;
  if (ticket > timeline_.submitted()) Flush();
  timeline_.Wait(ticket);
  Deliver(ticket, true);
}

void QueueState::Flush() {
  Lock lock(mutex_);
  FlushLocked();
}

QueueCounters QueueState::counters() const {
  Lock lock(mutex_);
  return counters_;
}

void QueueState::SetTiming(bool on) {
  Lock lock(mutex_);
  if (timing_ == on) return;
  FlushLocked();
  timing_ = on;
}

std::vector<LaunchTiming> QueueState::TakeTimings() {
  Lock lock(mutex_);
  RetireLocked();
  return std::exchange(timings_, {});
}

// ---- Queue ----

Queue::Queue(Device& device) : state_(std::make_unique<QueueState>(device.internals())) {}
Queue::~Queue() = default;
void Queue::Launch(const LaunchInfo& launch) { state_->Launch(launch); }
void Queue::Copy(Address destination, Address source, uint64_t bytes) { state_->Copy(destination, source, bytes, "copy"); }
void Queue::Fill(Address destination, uint32_t pattern, uint64_t bytes) { state_->Fill(destination, pattern, bytes); }
void Queue::Upload(Address destination, const void* source, uint64_t bytes, bool source_stays) { state_->Upload(destination, source, bytes, source_stays); }
Ticket Queue::Download(void* destination, Address source, uint64_t bytes) { return state_->Download(destination, source, bytes); }
void Queue::Replay(Recording& recording, Span<const uint64_t> table, Span<const Access> writes) { state_->Replay(recording.state(), table, writes); }
Ticket Queue::Record() { return state_->Record(); }
Ticket Queue::RecordResults() { return state_->RecordResults(); }
bool Queue::Done(Ticket ticket) { return state_->Done(ticket); }
void Queue::Wait(Ticket ticket) { state_->Wait(ticket); }
Ticket Queue::Completed() { return state_->Completed(); }
void Queue::Flush() { state_->Flush(); }
QueueCounters Queue::counters() const { return state_->counters(); }
void Queue::SetTiming(bool on) { state_->SetTiming(on); }
std::vector<LaunchTiming> Queue::TakeTimings() { return state_->TakeTimings(); }
bool Queue::lost() const { return state_->lost(); }

}  // namespace tfvk::vulkan
