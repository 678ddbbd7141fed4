#include "program/address_map.h"

#include <numeric>

#include "types/error.h"

namespace tfvk::program {

bool IsStatic(const Program& program) { return program.symbol_count == 0; }

AddressMap::AddressMap(const Program& program, std::vector<uint64_t> constant_offsets)
    : first_output_(static_cast<uint32_t>(program.parameters.size()) + 1),
      output_count_(static_cast<uint32_t>(program.outputs.size())),
      constant_offsets_(std::move(constant_offsets)),
      shared_(buffer_count()) {
  std::iota(shared_.begin(), shared_.end(), 0u);
  for (size_t i = 0; i < program.aliases.size() && i < output_count_; ++i) {
    if (program.aliases[i] >= 0) shared_[first_output_ + i] = static_cast<uint32_t>(program.aliases[i]) + 1;
  }
}

Location AddressMap::Of(const BufferSlice& slice, const std::vector<uint64_t>& temporary_offsets) const {
  auto index = static_cast<uint32_t>(slice.index);
  auto offset = static_cast<uint64_t>(slice.offset);
  switch (slice.kind) {
    case BufferSlice::Kind::kParameter:
      Require(index + 1 < first_output_, "A step names parameter {} of {}.", index, first_output_ - 1);
      return {index + 1, offset};
    case BufferSlice::Kind::kOutput:
      Require(index < output_count_, "A step names output {} of {}.", index, output_count_);
      return {first_output_ + index, offset};
    case BufferSlice::Kind::kConstant:
      Require(index < constant_offsets_.size(), "A step names constant {} of {}.", index, constant_offsets_.size());
      return {first_output_ + output_count_, constant_offsets_[index] + offset};
    case BufferSlice::Kind::kTemporary:
      Require(index < temporary_offsets.size(), "A step names temporary {} of {}.", index, temporary_offsets.size());
      return {first_output_ + output_count_ + 1, temporary_offsets[index] + offset};
  }
  Fail(ErrorCode::kInternal, "A step names memory of no kind.");
}

std::vector<uint64_t> AddressMap::Bases(const Arguments& arguments, vulkan::Address constants) const {
  std::vector<uint64_t> bases;
  bases.reserve(buffer_count());
  bases.push_back(0);
  bases.insert(bases.end(), arguments.parameters.begin(), arguments.parameters.end());
  bases.insert(bases.end(), arguments.outputs.begin(), arguments.outputs.end());
  bases.push_back(constants);
  bases.push_back(arguments.temporaries);
  return bases;
}

std::vector<uint64_t> AddressMap::TemporaryOffsets(const Program& program, const std::vector<int64_t>& symbols, int64_t* bytes) {
  std::vector<uint64_t> offsets;
  int64_t next = 0;
  for (const Temporary& t : program.temporaries) {
    offsets.push_back(static_cast<uint64_t>(IsStatic(program) ? t.offset : next));
    if (!IsStatic(program)) next += (t.bytes.Evaluate(symbols) + 255) / 256 * 256;
  }
  *bytes = IsStatic(program) ? program.temporary_bytes : next;
  return offsets;
}

}  // namespace tfvk::program
