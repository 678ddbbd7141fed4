#include "hlo/device_run.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "types/error.h"

namespace tfvk::hlo {
namespace {

constexpr uint64_t kGuard = 256;
constexpr uint8_t kGarbage = 0xfd;  // a NaN in every float dtype, far out of range in every integer one

// One block of device memory, mirrored on the host, with guards between the buffers in it.
class Arena {
 public:
  // Where the next buffer of this size starts.
  uint64_t Add(uint64_t bytes) {
    const uint64_t offset = (host_.size() + kGuard + 255) / 256 * 256;
    host_.resize(offset + bytes, kGarbage);
    buffers_.push_back({offset, bytes});
    return offset;
  }
  uint64_t Add(const std::vector<uint8_t>& bytes) {
    const uint64_t offset = Add(bytes.size());
    std::copy(bytes.begin(), bytes.end(), host_.begin() + offset);
    return offset;
  }
  void Upload(vulkan::Device& device) {
    host_.resize((host_.size() + kGuard + 255) / 256 * 256, kGarbage);
    address_ = device.Allocate(host_.size());
    device.queue().Upload(address_, host_.data(), host_.size());
    device.queue().Synchronize();
  }
  // Reads everything back and checks the guards.
  void Download(vulkan::Device& device) {
    device.queue().Download(host_.data(), address_, host_.size());
    device.queue().Synchronize();
    device.Free(address_);
    uint64_t at = 0;
    for (const auto& [offset, bytes] : buffers_) {
      CheckGuard(at, offset);
      at = offset + bytes;
    }
    CheckGuard(at, host_.size());
  }
  uint64_t address(uint64_t offset) const { return address_ + offset; }
  std::vector<uint8_t> Bytes(uint64_t offset, uint64_t size) const { return {host_.begin() + offset, host_.begin() + offset + size}; }

 private:
  void CheckGuard(uint64_t begin, uint64_t end) const {
    for (uint64_t at = begin; at < end; ++at) {
      if (host_[at] != kGarbage)
        Fail(ErrorCode::kInternal, "[Device run] The Program wrote outside of its buffers, {} bytes behind the end of one", at - begin);
    }
  }

  struct Buffer {
    uint64_t offset, bytes;
  };
  std::vector<Buffer> buffers_;
  std::vector<uint8_t> host_;
  vulkan::Address address_ = 0;
};

int64_t CountLaunches(const program::Block& block) {
  int64_t count = 0;
  for (const program::Step& step : block) {
    if (std::holds_alternative<program::Launch>(step.action)) ++count;
    if (const auto* loop = std::get_if<program::While>(&step.action)) {
      count += CountLaunches(loop->condition) + CountLaunches(loop->body) * loop->trip_count.value_or(1);
    }
    if (const auto* conditional = std::get_if<program::Conditional>(&step.action)) {
      for (const program::Block& branch : conditional->branches) count += CountLaunches(branch);
    }
  }
  return count;
}

void CheckParameters(const Arena& arena, const std::vector<uint64_t>& offsets, const std::vector<std::vector<uint8_t>>& inputs,
                     const std::vector<bool>& writable) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!writable[i] && arena.Bytes(offsets[i], inputs[i].size()) != inputs[i]) {
      Fail(ErrorCode::kInternal, "[Device run] The Program changed parameter {}, which no output takes the memory of", i);
    }
  }
}

}  // namespace

DeviceRun RunOnDevice(vulkan::Device& device, program::Executable& executable, const std::vector<std::vector<uint8_t>>& inputs, bool in_place,
                      double awake_ms) {
  const program::Program& program = executable.program();
  Arena arena;
  std::vector<uint64_t> parameters, outputs;
  std::vector<bool> writable(inputs.size(), false);
  for (const auto& input : inputs) parameters.push_back(arena.Add(input));
  for (size_t i = 0; i < program.outputs.size(); ++i) {
    const int alias = in_place && i < program.aliases.size() ? program.aliases[i] : -1;
    if (alias >= 0) writable[alias] = true;
    const program::TensorInfo& info = program.outputs[i];
    outputs.push_back(alias >= 0 ? parameters.at(alias) : arena.Add(ElementCount(info.shape) * ByteSize(info.dtype)));
  }
  const int64_t temporary_bytes = executable.TemporaryBytes();
  const uint64_t temporaries = arena.Add(temporary_bytes);
  arena.Upload(device);

  program::Arguments arguments;
  for (uint64_t offset : parameters) arguments.parameters.push_back(arena.address(offset));
  for (uint64_t offset : outputs) arguments.outputs.push_back(arena.address(offset));
  arguments.temporaries = temporary_bytes == 0 ? 0 : arena.address(temporaries);
  using Clock = std::chrono::steady_clock;
  using Milliseconds = std::chrono::duration<double, std::milli>;
  for (const auto awake = Clock::now(); Milliseconds(Clock::now() - awake).count() < awake_ms;) {
    executable.Run(arguments);
    device.queue().Synchronize();
  }
  device.queue().TakeTimings();
  const auto start = Clock::now();
  executable.Run(arguments);
  device.queue().Synchronize();
  DeviceRun run;
  run.milliseconds = Milliseconds(Clock::now() - start).count();

  arena.Download(device);
  CheckParameters(arena, parameters, inputs, writable);
  for (size_t i = 0; i < outputs.size(); ++i) {
    const program::TensorInfo& info = program.outputs[i];
    run.outputs.push_back(arena.Bytes(outputs[i], ElementCount(info.shape) * ByteSize(info.dtype)));
  }
  return run;
}

int64_t LaunchCount(const program::Program& program) { return CountLaunches(program.steps); }

}  // namespace tfvk::hlo
