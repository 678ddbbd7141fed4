// Copies and fills as kernels: in a recording the addresses are known only when it is replayed, so transfer commands cannot be recorded.
#pragma once

#include <optional>

#include "kernels/kernel.h"

namespace tfvk::program {

struct MemoryKernel {
  spirv::Module module;
  int64_t unit = 1;  // bytes that an invocation moves; the argument `count` counts these
};

// Arguments: source, destination, count. `alignment` divides both addresses and the number of bytes. nullopt when the device cannot address units so small.
std::optional<MemoryKernel> MakeCopyKernel(int64_t alignment, const kernels::DeviceLimits& limits);
// Arguments: destination, pattern (its low 32 bits), count of 4-byte units.
MemoryKernel MakeFillKernel();
// Workgroups for a count.
uint64_t MemoryKernelWorkgroups(int64_t count);

}  // namespace tfvk::program
