#include "vulkan/host_copy.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>

namespace tfvk::vulkan {
namespace {

constexpr uint64_t kSmallest = 1 << 20;  // below this others would come too late to help
constexpr uint64_t kPart = 256 << 10;
constexpr unsigned kMostHelpers = 7;  // more do not add bandwidth

struct Job {
  uint8_t* to;
  const uint8_t* from;
  uint64_t bytes;
  std::atomic<uint64_t> next{0};  // the first byte that nobody has taken
  int helpers = 0;                // at it now

  void Work() {
    for (uint64_t begin; (begin = next.fetch_add(kPart, std::memory_order_relaxed)) < bytes;) {
      std::memcpy(to + begin, from + begin, std::min(kPart, bytes - begin));
    }
  }
};

// Threads that wait for jobs. The one that brings a job works on it as well and is never kept waiting for helpers that did not come, so a process that was
// forked, in which the threads do not exist, copies too. One job at a time is helped with; others copy alone.
class Helpers {
 public:
  void Run(Job& job) {
    {
      std::lock_guard lock(mutex_);
      Start();
      if (!job_) job_ = &job;
    }
    wake_.notify_all();
    job.Work();
    std::unique_lock lock(mutex_);
    if (job_ == &job) job_ = nullptr;
    done_.wait(lock, [&] { return job.helpers == 0; });
  }

 private:
  // With mutex_ held. Threads that cannot be had are done without.
  void Start() {
    if (started_) return;
    started_ = true;
    const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
    try {
      for (unsigned i = 0; i < std::min(kMostHelpers, cores / 2); ++i) std::thread([this] { Help(); }).detach();
    } catch (const std::system_error&) {
    }
  }

  void Help() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return job_ && job_->next.load(std::memory_order_relaxed) < job_->bytes; });
      Job& job = *job_;
      ++job.helpers;
      lock.unlock();
      job.Work();
      lock.lock();
      if (--job.helpers == 0) done_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  Job* job_ = nullptr;  // the one that is helped with; it lives on its bringer's stack until no helper is at it
  bool started_ = false;
};

}  // namespace

void CopyOnHost(void* destination, const void* source, uint64_t bytes) {
  if (bytes < kSmallest) {
    std::memcpy(destination, source, bytes);
    return;
  }
  static auto& helpers = *new Helpers;  // never destroyed: its threads run until the process ends
  Job job{static_cast<uint8_t*>(destination), static_cast<const uint8_t*>(source), bytes};
  helpers.Run(job);
}

}  // namespace tfvk::vulkan
