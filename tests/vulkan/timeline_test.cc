// The timeline over a driver that is played here: what the real one does when a device is lost cannot be had at will.
#include "vulkan/timeline.h"

#include <gtest/gtest.h>

#include <optional>

#include "vulkan/device_fixture.h"
#include "vulkan/long_wait.h"

namespace tfvk::vulkan {
namespace {

struct Played {
  uint64_t counter = 0;
  VkResult counter_result = VK_SUCCESS, wait_result = VK_SUCCESS;
  uint64_t waited_for = 0;
  int questions = 0, waits = 0, semaphores = 0;
  int vain_waits = 0;  // that end without their semaphore before one does what wait_result says
  LongWait::Clock::time_point now;
};
Played played;

VkResult VKAPI_CALL CreateSemaphore(VkDevice, const VkSemaphoreCreateInfo* info, const VkAllocationCallbacks*, VkSemaphore*) {
  auto* type = static_cast<const VkSemaphoreTypeCreateInfo*>(info->pNext);
  if (!type || type->semaphoreType != VK_SEMAPHORE_TYPE_TIMELINE || type->initialValue != 0) return VK_ERROR_UNKNOWN;
  ++played.semaphores;
  return VK_SUCCESS;
}
void VKAPI_CALL DestroySemaphore(VkDevice, VkSemaphore, const VkAllocationCallbacks*) { --played.semaphores; }
VkResult VKAPI_CALL GetSemaphoreCounterValue(VkDevice, VkSemaphore, uint64_t* value) {
  ++played.questions;
  *value = played.counter;
  return played.counter_result;
}
VkResult VKAPI_CALL WaitSemaphores(VkDevice, const VkSemaphoreWaitInfo* info, uint64_t nanoseconds) {
  ++played.waits;
  played.waited_for = info->pValues[0];
  if (played.vain_waits > 0) {
    --played.vain_waits;
    played.now += std::chrono::nanoseconds(nanoseconds);
    return VK_TIMEOUT;
  }
  return played.wait_result;
}

class TimelineOfAPlayedDriver : public testing::Test {
 protected:
  TimelineOfAPlayedDriver() : device_(Instance::Get(), TestDeviceIndex()) {
    played = {};
    device_.f.CreateSemaphore = CreateSemaphore;
    device_.f.DestroySemaphore = DestroySemaphore;
    device_.f.GetSemaphoreCounterValue = GetSemaphoreCounterValue;
    device_.f.WaitSemaphores = WaitSemaphores;
    timeline_.emplace(device_);
    LongWait::now = [] { return played.now; };
  }
  ~TimelineOfAPlayedDriver() override { LongWait::now = LongWait::Clock::now; }
  // The message of the Error(kUnavailable) that this throws.
  template <class Action>
  static std::string ProblemOf(Action action) {
    try {
      action();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kUnavailable);
      return e.what();
    }
    return "no error";
  }

  Device::Internals device_;
  std::optional<Timeline> timeline_;
};

TEST_F(TimelineOfAPlayedDriver, AsksOnlyForWhatItDoesNotKnow) {
  Timeline& t = *timeline_;
  EXPECT_EQ(t.Completed(), 0u);
  EXPECT_EQ(played.questions, 0);
  t.SetSubmitted(3);
  played.counter = 2;
  EXPECT_EQ(t.Completed(), 2u);
  played.counter = 1;  // an older answer takes nothing back
  EXPECT_EQ(t.Completed(), 2u);
  played.counter = 3;
  EXPECT_EQ(t.Completed(), 3u);
  EXPECT_EQ(played.questions, 3);
  EXPECT_EQ(t.Completed(), 3u);
  EXPECT_EQ(played.questions, 3);
}

TEST_F(TimelineOfAPlayedDriver, WaitsOnce) {
  Timeline& t = *timeline_;
  t.SetSubmitted(5);
  t.Wait(0);
  EXPECT_EQ(played.waits, 0);
  t.Wait(4);
  EXPECT_EQ(played.waits, 1);
  EXPECT_EQ(played.waited_for, 4u);
  t.Wait(3);
  t.Wait(4);
  EXPECT_EQ(played.waits, 1);
  played.counter = 4;
  EXPECT_EQ(t.Completed(), 4u);
}

TEST_F(TimelineOfAPlayedDriver, AsksAgainAndTellsOfAWaitThatLasts) {
  Timeline& t = *timeline_;
  t.SetSubmitted(9);
  played.counter = 6;
  const auto told = [&](int seconds, Ticket ticket) {
    played.vain_waits = seconds;
    testing::internal::CaptureStderr();
    t.Wait(ticket);
    EXPECT_EQ(played.vain_waits, 0);
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(told(59, 7), "");
  EXPECT_EQ(played.waits, 60);
  const std::string what = device_.snapshot.name + " has not finished submission 8; 7 of 9 submissions are done, as the driver says.\n";
  EXPECT_EQ(told(250, 8),
            "tensorflow-vulkan: 60 s of waiting: " + what + "tensorflow-vulkan: 120 s of waiting: " + what + "tensorflow-vulkan: 240 s of waiting: " + what);
  EXPECT_NE(told(60, 10).find("submission 10, which it was never given; 8 of 9"), std::string::npos);
}

TEST_F(TimelineOfAPlayedDriver, NoticesALossWhileItWaits) {
  timeline_->SetSubmitted(2);
  played.vain_waits = 1000;
  played.counter_result = VK_ERROR_DEVICE_LOST;
  testing::internal::CaptureStderr();
  const std::string problem = ProblemOf([&] { timeline_->Wait(2); });
  testing::internal::GetCapturedStderr();
  EXPECT_NE(problem.find("vkGetSemaphoreCounterValue gave VK_ERROR_DEVICE_LOST"), std::string::npos) << problem;
  EXPECT_EQ(played.waits, 60);
}

TEST_F(TimelineOfAPlayedDriver, BelievesNoCounterBeyondWhatWasSubmitted) {
  timeline_->SetSubmitted(7);
  played.counter = UINT64_MAX;
  EXPECT_EQ(timeline_->Completed(), 7u);
  timeline_->SetSubmitted(8);
  played.counter = 7;
  EXPECT_EQ(timeline_->Completed(), 7u);
}

TEST_F(TimelineOfAPlayedDriver, IsLostByAFailedWait) {
  Timeline& t = *timeline_;
  t.SetSubmitted(2);
  EXPECT_FALSE(t.lost());
  t.ThrowIfLost();
  played.wait_result = VK_ERROR_DEVICE_LOST;
  std::string problem = ProblemOf([&] { t.Wait(1); });
  EXPECT_NE(problem.find("vkWaitSemaphores gave VK_ERROR_DEVICE_LOST"), std::string::npos) << problem;
  EXPECT_NE(problem.find(device_.snapshot.name), std::string::npos) << problem;
  EXPECT_TRUE(t.lost());
  EXPECT_EQ(t.Completed(), 2u);  // nothing is to be waited for any more
  played.wait_result = VK_SUCCESS;
  EXPECT_EQ(ProblemOf([&] { t.Wait(1); }), problem);
  EXPECT_EQ(ProblemOf([&] { t.ThrowIfLost(); }), problem);
  EXPECT_EQ(ProblemOf([&] { t.Lose(VK_ERROR_UNKNOWN, "vkQueueSubmit"); }), problem);  // the first failure is the cause
  EXPECT_EQ(played.waits, 1);
}

TEST_F(TimelineOfAPlayedDriver, IsLostByAFailedQuestion) {
  Timeline& t = *timeline_;
  t.SetSubmitted(2);
  played.counter_result = VK_ERROR_DEVICE_LOST;
  EXPECT_EQ(t.Completed(), 2u);  // throws nothing: the next call that does work tells
  EXPECT_TRUE(t.lost());
  std::string problem = ProblemOf([&] { t.Wait(2); });
  EXPECT_NE(problem.find("vkGetSemaphoreCounterValue gave VK_ERROR_DEVICE_LOST"), std::string::npos) << problem;
}

TEST_F(TimelineOfAPlayedDriver, FreesItsSemaphore) {
  EXPECT_EQ(played.semaphores, 1);
  timeline_.reset();
  EXPECT_EQ(played.semaphores, 0);
}

}  // namespace
}  // namespace tfvk::vulkan
