#include "compiler/program_builder.h"

#include <utility>

#include "types/error.h"

namespace tfvk::compiler {
namespace {

using program::BufferSlice;

uint64_t Hash(const kernels::Kernel& kernel) {
  uint64_t hash = 1469598103934665603u;  // FNV-1a over words
  for (uint32_t word : kernel.module.words) hash = (hash ^ word) * 1099511628211u;
  return hash;
}

bool Equal(const kernels::Kernel& a, const kernels::Kernel& b) {
  if (a.module.words != b.module.words || a.arguments.size() != b.arguments.size()) return false;
  for (size_t i = 0; i < a.arguments.size(); ++i) {
    if (a.arguments[i].kind != b.arguments[i].kind || a.arguments[i].index != b.arguments[i].index) return false;
  }
  return a.workgroups.sizes == b.workgroups.sizes && a.workgroups.divisor == b.workgroups.divisor && a.workgroups.factor == b.workgroups.factor &&
         a.required_subgroup_size == b.required_subgroup_size;
}

}  // namespace

program::ByteCount BytesOf(const ir::TensorType& type) { return {type.shape, static_cast<int64_t>(ByteSize(type.dtype))}; }

BufferSlice ProgramBuilder::NewTemporary(program::ByteCount bytes) {
  BufferSlice slice;
  slice.kind = BufferSlice::Kind::kTemporary;
  slice.index = static_cast<int>(program_.temporaries.size());
  slice.bytes = bytes;
  program_.temporaries.push_back({std::move(bytes), 0});
  return slice;
}

BufferSlice ProgramBuilder::NewTemporary(const ir::TensorType& type) { return NewTemporary(BytesOf(type)); }

BufferSlice ProgramBuilder::Constant(const ir::Node& node) {
  const auto& bytes = node.attr<ir::ConstantAttr>().bytes;
  auto [it, added] = constants_.try_emplace(bytes.get(), static_cast<int>(program_.constants.size()));
  if (added) program_.constants.push_back(*bytes);
  BufferSlice slice;
  slice.kind = BufferSlice::Kind::kConstant;
  slice.index = it->second;
  slice.bytes = BytesOf(node.type());
  return slice;
}

int ProgramBuilder::KernelNumber(kernels::Kernel kernel) {
  const uint64_t hash = Hash(kernel);
  auto [begin, end] = kernels_by_hash_.equal_range(hash);
  for (auto it = begin; it != end; ++it) {
    if (Equal(program_.kernels[it->second], kernel)) return it->second;
  }
  const int number = static_cast<int>(program_.kernels.size());
  kernels_by_hash_.emplace(hash, number);
  program_.kernels.push_back(std::move(kernel));
  return number;
}

void ProgramBuilder::AppendLaunches(program::Block& block, kernels::KernelSequence sequence, const std::vector<BufferSlice>& operands,
                                    const std::vector<BufferSlice>& results, const std::string& name) {
  using Argument = program::LaunchArgument;
  BufferSlice scratch;
  if (sequence.scratch_bytes > 0) scratch = NewTemporary({{}, sequence.scratch_bytes});
  for (kernels::Kernel& kernel : sequence.kernels) {
    program::Launch launch;
    launch.name = name;
    for (const kernels::KernelArgument& argument : kernel.arguments) {
      switch (argument.kind) {
        case kernels::KernelArgument::Kind::kRead:
          launch.arguments.push_back({Argument::Kind::kRead, operands.at(argument.index), -1});
          break;
        case kernels::KernelArgument::Kind::kWrite:
          launch.arguments.push_back({Argument::Kind::kWrite, results.at(argument.index), -1});
          break;
        case kernels::KernelArgument::Kind::kScratch:
          launch.arguments.push_back({Argument::Kind::kReadWrite, scratch, -1});
          break;
        case kernels::KernelArgument::Kind::kSize:
          launch.arguments.push_back({Argument::Kind::kSize, {}, argument.index});
          break;
      }
    }
    launch.kernel = KernelNumber(std::move(kernel));
    block.push_back({std::move(launch)});
  }
}

}  // namespace tfvk::compiler
