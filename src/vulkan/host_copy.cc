#include "vulkan/host_copy.h"

#include <sys/mman.h>

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
constexpr unsigned kMostHelpers = 7;     // more do not add bandwidth
constexpr uint64_t kPart = 256 << 10;
// Parts of large copies are the destination's huge pages: threads that touch one page of new memory at once each clear 2 MiB, and all but one in vain.
constexpr uint64_t kHugePage = 2 << 20;
constexpr uint64_t kLarge = 4 * kHugePage;

class Job {
 public:
  Job(void* destination, const void* source, uint64_t bytes)
      : to_(static_cast<uint8_t*>(destination)),
        from_(static_cast<const uint8_t*>(source)),
        bytes_(bytes),
        part_(bytes >= kLarge ? kHugePage : kPart),
        next_(bytes >= kLarge ? -static_cast<int64_t>(reinterpret_cast<uintptr_t>(destination) % kHugePage) : 0) {}

  void Work() {
    for (int64_t at; (at = next_.fetch_add(part_, std::memory_order_relaxed)) < bytes_;) {
      const int64_t begin = std::max<int64_t>(at, 0), end = std::min(at + part_, bytes_);
      std::memcpy(to_ + begin, from_ + begin, end - begin);
    }
  }
  bool AnythingLeft() const { return next_.load(std::memory_order_relaxed) < bytes_; }

  int helpers = 0;  // at it now

 private:
  uint8_t* to_;
  const uint8_t* from_;
  int64_t bytes_, part_;
  std::atomic<int64_t> next_;  // where the part that is next begins; the first one's beginning may lie before the copy's
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
      wake_.wait(lock, [this] { return job_ && job_->AnythingLeft(); });
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

// New memory comes in pages of 4 KiB where programs must ask for more, and faults cost more than the copy. Advice alone: what it does not suit is left alone.
void WantHugePages(void* destination, uint64_t bytes) {
  const auto begin = (reinterpret_cast<uintptr_t>(destination) + kHugePage - 1) / kHugePage * kHugePage;
  const auto end = (reinterpret_cast<uintptr_t>(destination) + bytes) / kHugePage * kHugePage;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

}  // namespace

void CopyOnHost(void* destination, const void* source, uint64_t bytes) {
  if (bytes < kSmallest) {
    std::memcpy(destination, source, bytes);
    return;
  }
  if (bytes >= kLarge) WantHugePages(destination, bytes);
  static auto& helpers = *new Helpers;  // never destroyed: its threads run until the process ends
  Job job(destination, source, bytes);
  helpers.Run(job);
}

}  // namespace tfvk::vulkan
