// Waits for a driver are cut into turns of a second: one that missed its wake-up is asked again, and one that lasts is told of on stderr, after a minute and
// whenever the time has doubled, so that a process that stands still says what for.
#pragma once

#include <fmt/core.h>

#include <chrono>
#include <cstdio>

namespace tfvk::vulkan {

class LongWait {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::nanoseconds kTurn = std::chrono::seconds(1);

  // A turn has passed in vain. `what()`, a sentence that says what is waited for, is called only when that is told.
  template <class What>
  void Turn(What what) {
    const Clock::duration passed = now() - start_;
    if (passed < next_) return;
    while (next_ <= passed) next_ *= 2;
    fmt::print(stderr, "tensorflow-vulkan: {} s of waiting: {}\n", std::chrono::duration_cast<std::chrono::seconds>(passed).count(), what());
    std::fflush(stderr);
  }

  static inline Clock::time_point (*now)() = Clock::now;  // tests play the time

 private:
  Clock::time_point start_ = now();
  Clock::duration next_ = std::chrono::minutes(1);
};

}  // namespace tfvk::vulkan
