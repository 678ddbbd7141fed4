// A Program made ready for one device, and run.
//
// A Program without run-time sizes and without control flow that the host must read is recorded once and replayed with another table of addresses; all
// others go launch by launch.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "program/program.h"
#include "vulkan/device.h"

namespace tfvk::program {

// Addresses of one run, each a multiple of 16 (the allocators give multiples of 256 and 64).
struct Arguments {
  std::vector<vulkan::Address> parameters, outputs;  // one for each of the Program's; a tensor of no bytes may be 0
  vulkan::Address temporaries = 0;                   // a block of Executable::TemporaryBytes(symbols), 256-byte aligned; 0 when that is 0
  std::vector<int64_t> symbols;                      // Program::symbol_count run-time sizes
};

class Executable {
 public:
  // Starts building the pipelines (in parallel, in the background) and uploads the constants. The device must outlive it.
  Executable(vulkan::Device& device, Program program);
  ~Executable();
  Executable(const Executable&) = delete;
  Executable& operator=(const Executable&) = delete;

  const Program& program() const;
  int64_t TemporaryBytes(const std::vector<int64_t>& symbols = {}) const;
  // Queues the Program's work; thread-safe. Blocks only where the host must read a loop's or conditional's predicate, or while pipelines are being built.
  // Throws Error(kInvalidArgument) when the arguments' numbers are wrong.
  void Run(const Arguments& arguments);
  // Whether runs replay a recording.
  bool recorded() const;

  struct State;  // for executable.cc

 private:
  std::unique_ptr<State> state_;
};

}  // namespace tfvk::program
