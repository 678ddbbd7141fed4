#include "vulkan/timeline.h"

#include <algorithm>

#include "vulkan/long_wait.h"

namespace tfvk::vulkan {

Timeline::Timeline(Device::Internals& device) : d_(device) {
  VkSemaphoreTypeCreateInfo type{};
  type.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO;
  type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
  VkSemaphoreCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO;
  info.pNext = &type;
  Check(d_.f.CreateSemaphore(d_.device, &info, nullptr, &semaphore_), "vkCreateSemaphore");
}

Timeline::~Timeline() { d_.f.DestroySemaphore(d_.device, semaphore_, nullptr); }

void Timeline::Raise(Ticket completed) {
  Ticket known = completed_.load(std::memory_order_relaxed);
  while (known < completed && !completed_.compare_exchange_weak(known, completed, std::memory_order_release)) {
  }
}

Ticket Timeline::Completed() {
  Ticket all = submitted();
  if (lost()) return all;
  Ticket known = completed_.load(std::memory_order_acquire);
  if (known >= all) return known;
  uint64_t value = 0;
  VkResult result = d_.f.GetSemaphoreCounterValue(d_.device, semaphore_, &value);
  if (result != VK_SUCCESS) {
    try {
      Lose(result, "vkGetSemaphoreCounterValue");
    } catch (const Error&) {
      return all;
    }
  }
  // Drivers that lose the device, and ones that only pretend to run, answer 2^64-1.
  Raise(std::min<uint64_t>(value, all));
  return completed_.load(std::memory_order_acquire);
}

void Timeline::Wait(Ticket ticket) {
  ThrowIfLost();
  if (completed_.load(std::memory_order_acquire) >= ticket) return;
  VkSemaphoreWaitInfo info{};
  info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO;
  info.semaphoreCount = 1;
  info.pSemaphores = &semaphore_;
  info.pValues = &ticket;
  VkResult result;
  for (LongWait wait; (result = d_.f.WaitSemaphores(d_.device, &info, LongWait::kTurn.count())) == VK_TIMEOUT;) {
    wait.Turn([&] { return Account(ticket); });
    ThrowIfLost();
  }
  if (result != VK_SUCCESS) Lose(result, "vkWaitSemaphores");
  Raise(ticket);
}

std::string Timeline::Account(Ticket wanted) {
  const Ticket all = submitted(), done = Completed();
  return fmt::format("{} has not finished submission {}{}; {} of {} submissions are done, as the driver says.", d_.snapshot.name, wanted,
                     wanted > all ? ", which it was never given" : "", done, all);
}

void Timeline::ThrowIfLost() const {
  if (!lost()) return;
  std::lock_guard lock(message_mutex_);
  throw Error(ErrorCode::kUnavailable, message_);
}

void Timeline::Lose(VkResult result, const char* call) {
  std::string message;
  {
    std::lock_guard lock(message_mutex_);
    if (message_.empty()) {
      message_ = fmt::format(
          "The Vulkan device {} was lost ({} gave {}). Nothing on it can be used any more in this process: a kernel ran too long or reached memory that is not "
          "its own, or the driver failed. The kernel log (dmesg) may tell more.",
          d_.snapshot.name, call, ResultName(result));
    }
    message = message_;
    lost_.store(true, std::memory_order_release);
  }
  throw Error(ErrorCode::kUnavailable, message);
}

}  // namespace tfvk::vulkan
