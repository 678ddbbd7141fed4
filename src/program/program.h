// A Program: what the compiler makes of a graph, as plain data. Launches, copies and loops over four kinds of memory: parameters, outputs, constants and one
// block of temporaries. program/executable.h runs it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "kernels/kernel.h"
#include "types/dtype.h"
#include "types/size.h"

namespace tfvk::program {

struct TensorInfo {
  DType dtype = DType::kF32;
  Shape shape;
  std::string name;
};

// bytes = product of sizes * factor
struct ByteCount {
  Shape sizes;
  int64_t factor = 1;
  int64_t Evaluate(const std::vector<int64_t>& symbols) const { return ElementCount(sizes, symbols) * factor; }
};

// A range of memory that a step reads or writes.
struct BufferSlice {
  enum class Kind : uint8_t { kParameter, kOutput, kConstant, kTemporary } kind = Kind::kParameter;
  int index = 0;
  int64_t offset = 0;  // bytes from the buffer's start
  ByteCount bytes;
};

struct Step;
using Block = std::vector<Step>;

// One argument word of a launch: a slice's address or a run-time size's value.
struct LaunchArgument {
  enum class Kind : uint8_t { kRead, kWrite, kReadWrite, kSize } kind = Kind::kRead;
  BufferSlice slice;
  int symbol = -1;
};
struct Launch {
  int kernel = 0;  // of Program::kernels
  std::vector<LaunchArgument> arguments;
  std::string name;  // for profiles: TensorFlow op and HLO instruction
};
struct Copy {
  BufferSlice source, destination;  // of one size
};
struct Fill {
  BufferSlice destination;  // bytes a multiple of 4
  uint32_t pattern = 0;
};
struct While {
  Block condition;        // writes `predicate`
  BufferSlice predicate;  // one bool byte
  Block body;
  std::optional<int64_t> trip_count;  // known: the body is recorded that often and the condition never runs
};
struct Conditional {
  BufferSlice selector;  // a bool (branch 0 when true) or an s32 (clamped to the last branch)
  bool selector_is_bool = false;
  std::vector<Block> branches;
};
struct Step {
  std::variant<Launch, Copy, Fill, While, Conditional> action;
};

struct Temporary {
  ByteCount bytes;
  int64_t offset = 0;  // in the block of temporaries, when all sizes are static
};

struct Program {
  std::string name;
  std::vector<TensorInfo> parameters, outputs;
  std::vector<int> aliases;  // output i may be given parameter aliases[i]'s memory; -1: must not overlap any parameter
  std::vector<std::vector<uint8_t>> constants;
  std::vector<kernels::Kernel> kernels;  // equal ones shared
  std::vector<Temporary> temporaries;
  int64_t temporary_bytes = 0;  // the block's size when all sizes are static; else offsets are laid out one after the other at run time, 256-byte aligned
  int symbol_count = 0;
  Block steps;
};

}  // namespace tfvk::program
