// The queue's timeline semaphore: which submissions are done, and whether the device is lost.
#pragma once

#include <atomic>
#include <mutex>
#include <string>

#include "vulkan/device_internals.h"

namespace tfvk::vulkan {

class Timeline {
 public:
  explicit Timeline(Device::Internals& device);
  ~Timeline();

  VkSemaphore semaphore() const { return semaphore_; }
  Ticket submitted() const { return submitted_.load(std::memory_order_acquire); }
  void SetSubmitted(Ticket ticket) { submitted_.store(ticket, std::memory_order_release); }
  // The last submission that is done; asks the driver unless all are. Everything, when the device is lost.
  Ticket Completed();
  // Blocks until a submission is done, and tells when that lasts (long_wait.h). Throws Error(kUnavailable) when the device is lost.
  void Wait(Ticket ticket);

  bool lost() const { return lost_.load(std::memory_order_acquire); }
  void ThrowIfLost() const;
  // Remembers the first failure and throws it as Error(kUnavailable).
  [[noreturn]] void Lose(VkResult result, const char* call);

 private:
  void Raise(Ticket completed);
  std::string Account(Ticket wanted);  // what a wait that lasts is told with

  Device::Internals& d_;
  VkSemaphore semaphore_ = VK_NULL_HANDLE;
  std::atomic<Ticket> submitted_{0}, completed_{0};
  std::atomic<bool> lost_{false};
  mutable std::mutex message_mutex_;
  std::string message_;
};

}  // namespace tfvk::vulkan
