#include "hlo/module_timing.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <limits>

namespace tfvk::hlo {
namespace {

constexpr int64_t kDrawnElements = 1 << 20;  // of a parameter; normal numbers take the host longer to draw than the device to use
constexpr int kRows = 3, kMostRuns = 2000, kTimedRuns = 20;

using Clock = std::chrono::steady_clock;

double MillisecondsSince(Clock::time_point begin) { return std::chrono::duration<double, std::milli>(Clock::now() - begin).count(); }

class Buffers {
 public:
  explicit Buffers(vulkan::Device& device) : device_(device) {}
  ~Buffers() {
    for (vulkan::Address block : blocks_) device_.Free(block);
  }
  Buffers(const Buffers&) = delete;
  Buffers& operator=(const Buffers&) = delete;

  vulkan::Address Add(int64_t bytes) {
    blocks_.push_back(device_.Allocate(std::max<int64_t>(bytes, 4)));
    bytes_ += bytes;
    return blocks_.back();
  }
  int64_t bytes() const { return bytes_; }

 private:
  vulkan::Device& device_;
  std::vector<vulkan::Address> blocks_;
  int64_t bytes_ = 0;
};

int64_t Bytes(DType dtype, const Shape& shape) { return ElementCount(shape) * static_cast<int64_t>(ByteSize(dtype)); }

// The elements of each parameter that are drawn.
std::vector<std::vector<uint8_t>> Draw(const std::vector<ir::TensorType>& parameters, const TestDirectives& directives, uint64_t seed) {
  std::vector<ir::TensorType> drawn;
  for (const ir::TensorType& type : parameters) drawn.push_back({type.dtype, {std::min<int64_t>(ElementCount(type.shape), kDrawnElements)}});
  return MakeInputs(drawn, directives, seed);
}

void UploadRepeated(vulkan::Queue& queue, vulkan::Address to, int64_t bytes, const std::vector<uint8_t>& pattern) {
  for (int64_t at = 0; at < bytes; at += static_cast<int64_t>(pattern.size())) {
    queue.Upload(to + at, pattern.data(), std::min<int64_t>(bytes - at, static_cast<int64_t>(pattern.size())));
  }
}

program::Arguments Bind(Buffers& buffers, vulkan::Queue& queue, const program::Executable& executable, const std::vector<ir::TensorType>& parameters,
                        const std::vector<std::vector<uint8_t>>& drawn) {
  program::Arguments arguments;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const int64_t bytes = Bytes(parameters[i].dtype, parameters[i].shape);
    arguments.parameters.push_back(buffers.Add(bytes));
    UploadRepeated(queue, arguments.parameters.back(), bytes, drawn[i]);
  }
  for (const program::TensorInfo& output : executable.program().outputs) arguments.outputs.push_back(buffers.Add(Bytes(output.dtype, output.shape)));
  if (const int64_t bytes = executable.TemporaryBytes(); bytes > 0) arguments.temporaries = buffers.Add(bytes);
  queue.Synchronize();
  return arguments;
}

}  // namespace

TimingLock::TimingLock() : file_(open((std::filesystem::temp_directory_path() / "tfvk-hlo.timing").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0666)) {
  flock(file_, LOCK_EX);
}
TimingLock::~TimingLock() { close(file_); }

ModuleTiming TimeModule(vulkan::Device& device, program::Executable& executable, const std::vector<ir::TensorType>& parameters,
                        const TestDirectives& directives, uint64_t seed, double busy_seconds) {
  vulkan::Queue& queue = device.queue();
  Buffers buffers(device);
  const program::Arguments arguments = Bind(buffers, queue, executable, parameters, Draw(parameters, directives, seed));
  const auto run_row = [&](int runs) {
    const auto begin = Clock::now();
    for (int i = 0; i < runs; ++i) executable.Run(arguments);
    queue.Synchronize();
    return MillisecondsSince(begin) / runs;
  };
  ModuleTiming timing;
  timing.buffer_bytes = buffers.bytes();
  timing.first_ms = run_row(1);
  const TimingLock lock;
  const auto runs_within = [](double milliseconds, double one) { return std::clamp(static_cast<int>(milliseconds / std::max(one, 1e-3)), 1, kMostRuns); };
  double one = run_row(1);
  for (const auto begin = Clock::now(); MillisecondsSince(begin) < busy_seconds * 1e3;) one = std::min(one, run_row(runs_within(20, one)));

  timing.runs = runs_within(busy_seconds * 1e3 / 5, one);
  timing.wall_ms = std::numeric_limits<double>::infinity();
  for (int row = 0; row < kRows; ++row) timing.wall_ms = std::min(timing.wall_ms, run_row(timing.runs));

  queue.TakeTimings();
  queue.SetTiming(true);
  const int timed_runs = std::min(timing.runs, kTimedRuns);
  double best = std::numeric_limits<double>::infinity();
  for (int row = 0; row < kRows; ++row) {
    run_row(timed_runs);
    double sum = 0;
    const std::vector<vulkan::LaunchTiming> launches = queue.TakeTimings();
    for (const vulkan::LaunchTiming& launch : launches) sum += static_cast<double>(launch.duration_ns) / 1e6;
    timing.launches = launches.size() / timed_runs;
    best = std::min(best, sum / timed_runs);
  }
  queue.SetTiming(false);
  timing.device_ms = best;
  return timing;
}

}  // namespace tfvk::hlo
