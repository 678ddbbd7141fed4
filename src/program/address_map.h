// Where a Program's buffers are in one run: numbers of buffers, their start addresses, and the layout of the temporaries.
#pragma once

#include <cstdint>
#include <vector>

#include "program/executable.h"

namespace tfvk::program {

// A slice as a buffer's number and an offset from that buffer's start. All temporaries are one buffer, and so are all constants.
struct Location {
  uint32_t buffer = 0;
  uint64_t offset = 0;
};

class AddressMap {
 public:
  // Buffer 0 starts at 0, so that a plain number is a location too; then parameters, outputs, constants, temporaries.
  static constexpr uint32_t kNumber = 0;

  AddressMap(const Program& program, std::vector<uint64_t> constant_offsets);

  uint32_t buffer_count() const { return first_output_ + output_count_ + 2; }
  Location Of(const BufferSlice& slice, const std::vector<uint64_t>& temporary_offsets) const;
  // The number under which accesses of a buffer are compared: an output that may be a parameter's memory counts as that parameter.
  uint32_t SharedWith(uint32_t buffer) const { return shared_[buffer]; }
  // Start addresses by buffer number.
  std::vector<uint64_t> Bases(const Arguments& arguments, vulkan::Address constants) const;

  // Offsets of the temporaries for run-time sizes, and the block's bytes.
  static std::vector<uint64_t> TemporaryOffsets(const Program& program, const std::vector<int64_t>& symbols, int64_t* bytes);

 private:
  uint32_t first_output_, output_count_;
  std::vector<uint64_t> constant_offsets_;
  std::vector<uint32_t> shared_;
};

// Whether all sizes of the Program are known, so that it can be recorded.
bool IsStatic(const Program& program);

}  // namespace tfvk::program
