// The Program under construction: temporaries, constants and kernels, shared where equal.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "compiler/compiler.h"
#include "ir/graph.h"
#include "program/program.h"

namespace tfvk::compiler {

class ProgramBuilder {
 public:
  ProgramBuilder(const kernels::DeviceLimits& limits, const CompileOptions& options) : limits_(limits), options_(options) {}

  const kernels::DeviceLimits& limits() const { return limits_; }
  const CompileOptions& options() const { return options_; }
  program::Program& program() { return program_; }

  program::BufferSlice NewTemporary(program::ByteCount bytes);
  program::BufferSlice NewTemporary(const ir::TensorType& type);
  // The memory of a constant that is not written into kernels.
  program::BufferSlice Constant(const ir::Node& node);
  // Appends the launches of a sequence whose operand and result tensors lie in the given slices.
  void AppendLaunches(program::Block& block, kernels::KernelSequence sequence, const std::vector<program::BufferSlice>& operands,
                      const std::vector<program::BufferSlice>& results, const std::string& name);

 private:
  int KernelNumber(kernels::Kernel kernel);

  const kernels::DeviceLimits& limits_;
  const CompileOptions& options_;
  program::Program program_;
  std::unordered_multimap<uint64_t, int> kernels_by_hash_;
  std::map<const std::vector<uint8_t>*, int> constants_;
};

// Bytes of a tensor.
program::ByteCount BytesOf(const ir::TensorType& type);

}  // namespace tfvk::compiler
