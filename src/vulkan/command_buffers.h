// Command buffers that are used again when their submission is done, with the timestamps written in them.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "vulkan/device_internals.h"

namespace tfvk::vulkan {

// Timestamps around the commands of one command buffer: one at the start, one behind each command, so that the durations add up to the whole time.
class TimestampPool {
 public:
  TimestampPool(Device::Internals& device, uint32_t capacity);
  ~TimestampPool();
  TimestampPool(const TimestampPool&) = delete;
  TimestampPool& operator=(const TimestampPool&) = delete;

  void Begin(VkCommandBuffer commands);  // resets the pool on the device, and writes the first one
  bool full() const { return names_.size() + 1 >= capacity_; }
  void After(VkCommandBuffer commands, std::string name);
  // Once the submission is done.
  void Read(std::vector<LaunchTiming>* timings) const;

 private:
  Device::Internals& d_;
  VkQueryPool pool_ = VK_NULL_HANDLE;
  uint32_t capacity_;
  std::vector<std::string> names_;
};

struct CommandBuffer {
  VkCommandPool pool = VK_NULL_HANDLE;
  VkCommandBuffer commands = VK_NULL_HANDLE;
  std::unique_ptr<TimestampPool> timestamps;  // when timing is on
  Ticket ticket = 0;
};

CommandBuffer MakeCommandBuffer(Device::Internals& device);
void DestroyCommandBuffer(Device::Internals& device, CommandBuffer& buffer);
void BeginCommandBuffer(Device::Internals& device, VkCommandBuffer commands, bool once);

// Makes all that was written before visible to all that comes after: one global memory barrier between compute and transfer work.
void RecordBarrier(const DeviceFunctions& f, VkCommandBuffer commands);
// Makes what the device wrote visible to the host, once the submission is done.
void RecordHostBarrier(const DeviceFunctions& f, VkCommandBuffer commands);
// A linear number of workgroups as a grid that the device can launch. Throws Error(kUnimplemented) when it is too large.
std::array<uint32_t, 2> FoldWorkgroups(const DevicePlan& plan, uint64_t workgroups);

class CommandBufferPool {
 public:
  explicit CommandBufferPool(Device::Internals& device) : d_(device) {}
  ~CommandBufferPool();

  // Begun; the caller gives it back with the ticket of its submission.
  std::unique_ptr<CommandBuffer> Take(bool timed);
  void GiveBack(std::unique_ptr<CommandBuffer> buffer) { used_.push_back(std::move(buffer)); }
  // Those with tickets up to `done` can be taken again; their timings are read.
  void Retire(Ticket done, std::vector<LaunchTiming>* timings);
  size_t in_flight() const { return used_.size(); }

 private:
  Device::Internals& d_;
  std::deque<std::unique_ptr<CommandBuffer>> used_;
  std::vector<std::unique_ptr<CommandBuffer>> idle_;
};

}  // namespace tfvk::vulkan
