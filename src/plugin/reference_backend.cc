// The reference back end: HloEvaluator on one host thread that plays the device's queue. Device memory is one memory file mapped twice: TensorFlow gets
// addresses in a view that faults on any access, the queue's thread works in the other. So a kernel or copy that mixes up the two kinds of memory dies at once.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "hlo/evaluate.h"
#include "hlo/passes.h"
#include "plugin/backend.h"
#include "types/error.h"

namespace tfvk::plugin {
namespace {

constexpr uint64_t kAlignment = 4096;

uint64_t RoundUp(uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// Device memory of `limit` bytes, first fit.
class Arena {
 public:
  explicit Arena(uint64_t limit) : limit_(limit), file_(memfd_create("tfvk-reference", MFD_CLOEXEC)) {
    if (file_ < 0 || ftruncate(file_, static_cast<off_t>(limit)) != 0)
      Fail(ErrorCode::kResourceExhausted, "[reference back end] no memory file of {} bytes", limit);
    host_ = Map(PROT_READ | PROT_WRITE);
    device_ = Map(PROT_NONE);
    free_[0] = limit;
  }
  ~Arena() {
    munmap(host_, limit_);
    munmap(device_, limit_);
    close(file_);
  }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  void* Allocate(uint64_t bytes) {
    bytes = std::max(RoundUp(bytes), kAlignment);
    std::lock_guard<std::mutex> lock(mutex_);
    for (auto range = free_.begin(); range != free_.end(); ++range) {
      if (range->second < bytes) continue;
      const uint64_t offset = range->first, rest = range->second - bytes;
      free_.erase(range);
      if (rest != 0) free_[offset + bytes] = rest;
      used_[offset] = bytes;
      use_.allocated += bytes;
      use_.peak = std::max(use_.peak, use_.allocated);
      return device_ + offset;
    }
    return nullptr;
  }

  void Free(void* address) {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto block = used_.find(static_cast<char*>(address) - device_);
    Require(block != used_.end(), "[reference back end] {} freed but never allocated", address);
    auto [offset, bytes] = *block;
    used_.erase(block);
    use_.allocated -= bytes;
    fallocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset), static_cast<off_t>(bytes));
    auto next = free_.lower_bound(offset);
    if (next != free_.end() && next->first == offset + bytes) {
      bytes += next->second;
      next = free_.erase(next);
    }
    if (next != free_.begin() && std::prev(next)->first + std::prev(next)->second == offset) {
      std::prev(next)->second += bytes;
    } else {
      free_[offset] = bytes;
    }
  }

  bool Owns(const void* address) const { return address >= device_ && address < device_ + limit_; }

  // The readable view of a device address.
  char* Host(const void* address) const {
    Require(Owns(address), "[reference back end] {} is no device address", address);
    return host_ + (static_cast<const char*>(address) - device_);
  }

  MemoryUse use() const {
    std::lock_guard<std::mutex> lock(mutex_);
    MemoryUse use = use_;
    use.total = limit_;
    use.free = limit_ - use.allocated;
    use.blocks = used_.size();
    return use;
  }

 private:
  char* Map(int protection) const {
    void* view = mmap(nullptr, limit_, protection, MAP_SHARED | MAP_NORESERVE, file_, 0);
    if (view == MAP_FAILED) Fail(ErrorCode::kResourceExhausted, "[reference back end] no address space of {} bytes", limit_);
    return static_cast<char*>(view);
  }

  const uint64_t limit_;
  const int file_;
  char* host_ = nullptr;
  char* device_ = nullptr;
  mutable std::mutex mutex_;
  std::map<uint64_t, uint64_t> free_, used_;  // offset -> bytes
  MemoryUse use_;
};

// Runs tasks one after the other on a thread of its own.
class Queue {
 public:
  Queue() : thread_([this] { Loop(); }) {}
  ~Queue() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

  Ticket Add(std::function<void()> task) {
    std::lock_guard<std::mutex> lock(mutex_);
    tasks_.push_back(std::move(task));
    wake_.notify_all();
    return ++added_;
  }
  Ticket Record() {
    std::lock_guard<std::mutex> lock(mutex_);
    return added_;
  }
  bool Done(Ticket ticket) const { return done_.load(std::memory_order_acquire) >= ticket; }
  void Wait(Ticket ticket) {
    std::unique_lock<std::mutex> lock(mutex_);
    finished_.wait(lock, [&] { return Done(ticket); });
  }

 private:
  void Loop() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return stop_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      lock.lock();
      done_.fetch_add(1, std::memory_order_release);
      finished_.notify_all();
    }
  }

  mutable std::mutex mutex_;
  std::condition_variable wake_, finished_;
  std::deque<std::function<void()>> tasks_;
  Ticket added_ = 0;
  std::atomic<Ticket> done_{0};
  bool stop_ = false;
  std::thread thread_;
};

class ReferenceExecutable : public Executable {
 public:
  explicit ReferenceExecutable(hlo::ModulePtr module) : module_(std::move(module)) {
    try {
      aliases_ = hlo::SignatureOf(*module_).aliases;
    } catch (const Error& error) {
      // The device path has no such types, the evaluator has them: only the aliases are lost.
      if (error.code() != ErrorCode::kUnimplemented) throw;
    }
  }
  const std::vector<int>& aliases() const override { return aliases_; }
  uint64_t TemporaryBytes(const std::vector<int64_t>&) const override { return 0; }
  int launch_count() const override { return 1; }
  std::string Describe() const override { return hlo::ToText(*module_); }

  const xla::HloModule& module() const { return *module_; }

 private:
  hlo::ModulePtr module_;
  std::vector<int> aliases_;
};

class ReferenceDevice : public Device {
 public:
  explicit ReferenceDevice(uint64_t memory) : arena_(memory) {}

  const DeviceInfo& info() const override { return info_; }

  void* Allocate(uint64_t bytes) override { return arena_.Allocate(bytes); }
  void Free(void* address) override {
    queue_.Add([this, address] { arena_.Free(address); });
  }
  bool Owns(const void* address) const override { return arena_.Owns(address); }
  void* AllocateHost(uint64_t bytes) override { return std::aligned_alloc(kAlignment, std::max(RoundUp(bytes), kAlignment)); }
  void FreeHost(void* address) override { std::free(address); }
  MemoryUse memory_use() const override { return arena_.use(); }

  void Upload(void* destination, const void* source, uint64_t bytes) override {
    if (bytes == 0) return;
    const char* first = static_cast<const char*>(source);
    queue_.Add([to = arena_.Host(destination), from = std::vector<char>(first, first + bytes)] { std::memcpy(to, from.data(), from.size()); });
  }
  Ticket Download(void* destination, const void* source, uint64_t bytes) override {
    if (bytes == 0) return 0;
    queue_.Add([=, from = arena_.Host(source)] { std::memcpy(destination, from, bytes); });
    return queue_.Record();
  }
  void Copy(void* destination, const void* source, uint64_t bytes) override {
    if (bytes == 0) return;
    queue_.Add([=, to = arena_.Host(destination), from = arena_.Host(source)] { std::memmove(to, from, bytes); });
  }
  void Fill(void* destination, uint32_t pattern, uint64_t bytes) override {
    if (bytes == 0) return;
    queue_.Add([=, to = arena_.Host(destination)] {
      for (uint64_t i = 0; i < bytes; ++i) to[i] = static_cast<char>(pattern >> (8 * (i % 4)));
    });
  }
  Ticket Record() override { return queue_.Record(); }
  bool Done(Ticket ticket) override { return queue_.Done(ticket); }
  void Wait(Ticket ticket) override { queue_.Wait(ticket); }

  std::shared_ptr<Executable> Compile(hlo::ModulePtr module, const CompileOptions&) override {
    const bool takes_random_state = hlo::RunPasses(*module);
    auto executable = std::make_shared<ReferenceExecutable>(std::move(module));
    executable->takes_random_state = takes_random_state;
    return executable;
  }
  std::shared_ptr<Executable> Compile(const ir::Graph&, const CompileOptions&) override {
    Fail(ErrorCode::kUnimplemented, "[reference back end] Only HLO modules can be run here, not graphs");
  }

  // Waits, so that an evaluator's refusal becomes the error of the op that asked.
  void Run(Executable& executable, const RunArguments& arguments) override {
    std::optional<Error> failure;
    const Ticket ticket = queue_.Add([&] {
      try {
        Evaluate(static_cast<ReferenceExecutable&>(executable), arguments);
      } catch (const Error& error) {
        failure = error;
      } catch (const std::exception& error) {
        failure = Error(ErrorCode::kInternal, error.what());
      }
    });
    queue_.Wait(ticket);
    if (failure) throw *failure;
  }

 private:
  void Evaluate(const ReferenceExecutable& executable, const RunArguments& arguments) {
    std::vector<hlo::HostBytes> parameters;
    for (const DeviceBytes& parameter : arguments.parameters) {
      parameters.push_back({parameter.bytes == 0 ? nullptr : arena_.Host(parameter.address), parameter.bytes});
    }
    const std::vector<hlo::HostResult> results = hlo::Evaluate(executable.module(), parameters);
    Require(results.size() == arguments.outputs.size(), "[reference back end] {} results for {} outputs", results.size(), arguments.outputs.size());
    for (size_t i = 0; i < results.size(); ++i) {
      const DeviceBytes& output = arguments.outputs[i];
      Require(results[i].bytes.size() == output.bytes, "[reference back end] result {} has {} bytes, its tensor {}", i, results[i].bytes.size(), output.bytes);
      if (output.bytes != 0) std::memcpy(arena_.Host(output.address), results[i].bytes.data(), output.bytes);
    }
  }

  const DeviceInfo info_{"HloEvaluator", "XLA", "reference", ""};
  Arena arena_;
  Queue queue_;  // after the arena: its tasks use it
};

class ReferenceBackend : public Backend {
 public:
  ReferenceBackend() {
    // Address space only: pages come with the first touch.
    const char* megabytes = std::getenv("TFVK_REFERENCE_MEMORY_MB");
    const uint64_t memory = (megabytes != nullptr ? std::strtoull(megabytes, nullptr, 10) : 16384) << 20;
    devices_.push_back(std::make_unique<ReferenceDevice>(memory));
  }
  const std::vector<std::unique_ptr<Device>>& devices() const override { return devices_; }
  const std::string& problem() const override { return problem_; }
  bool Supports(DType) const override { return true; }
  bool runs_graphs() const override { return false; }

 private:
  std::vector<std::unique_ptr<Device>> devices_;
  const std::string problem_;
};

}  // namespace

std::unique_ptr<Backend> OpenBackend() { return std::make_unique<ReferenceBackend>(); }

}  // namespace tfvk::plugin
