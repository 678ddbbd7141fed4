// Runs kernels on the first Vulkan device, for the tests of spirv/ and kernels/: memory by address, argument blocks, launches, nothing else. Every module is
// passed through spirv-val before it runs, and memory next to every buffer is checked for stray writes.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "kernels/kernel.h"

namespace tfvk::testing {

// spirv-val's complaints about a module; empty when it is valid.
std::string Validate(const spirv::Module& module);

// Device memory that the host sees. The memory around it is filled with a pattern.
class Buffer {
 public:
  struct Memory;
  explicit Buffer(std::shared_ptr<Memory> memory) : memory_(std::move(memory)) {}
  uint64_t address() const;
  size_t bytes() const;
  void* data() const;
  // Throws when a kernel has written outside of the buffer.
  void CheckGuards() const;

 private:
  std::shared_ptr<Memory> memory_;
};

class Device {
 public:
  // The one device of this process. Throws when there is none.
  static Device& Get();
  ~Device();

  const kernels::DeviceLimits& limits() const;
  const std::string& name() const;

  Buffer Allocate(size_t bytes);  // filled with 0xcd
  template <class T>
  Buffer Upload(const std::vector<T>& values) {
    Buffer buffer = Allocate(values.size() * sizeof(T));
    if (!values.empty()) std::memcpy(buffer.data(), values.data(), buffer.bytes());
    return buffer;
  }
  template <class T>
  std::vector<T> Download(const Buffer& buffer) {
    std::vector<T> values(buffer.bytes() / sizeof(T));
    if (!values.empty()) std::memcpy(values.data(), buffer.data(), values.size() * sizeof(T));
    return values;
  }

  // Launches the kernels one after the other and waits. Throws when a module is invalid or a guard was overwritten.
  void Run(const kernels::KernelSequence& sequence, const std::vector<Buffer>& operands, const std::vector<Buffer>& results,
           const std::vector<int64_t>& symbols = {});

  // Seconds the last Run took on the host's clock, without compilation.
  double last_seconds() const;

 private:
  friend class Buffer;
  Device();
  struct State;
  std::unique_ptr<State> s_;
};

}  // namespace tfvk::testing
