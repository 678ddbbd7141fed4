#include "program/memory_kernels.h"

#include "types/error.h"

namespace tfvk::program {
namespace {

using spirv::Builder;
using spirv::Pointer;
using spirv::Value;

constexpr uint32_t kWorkgroup = 128;

}  // namespace

std::optional<MemoryKernel> MakeCopyKernel(int64_t alignment, const kernels::DeviceLimits& limits) {
  MemoryKernel kernel;
  DType dtype = DType::kU32;
  int lanes = 1;
  if (alignment % 16 == 0) {
    kernel.unit = 16;
    lanes = 4;
  } else if (alignment % 4 == 0) {
    kernel.unit = 4;
  } else if (alignment % 2 == 0 && limits.storage_16bit) {
    kernel.unit = 2;
    dtype = DType::kU16;
  } else if (limits.storage_8bit) {
    kernel.unit = 1;
    dtype = DType::kU8;
  } else {
    return std::nullopt;
  }
  spirv::BuilderOptions options;
  options.name = fmt::format("copy_{}", kernel.unit);
  options.workgroup = {kWorkgroup, 1, 1};
  Builder b(options);
  Value i = b.GlobalLinearId();
  b.If(i < b.SizeArgument(2), [&] {
    Pointer source = b.Global(b.Argument(0), dtype), destination = b.Global(b.Argument(1), dtype);
    Value at = i * lanes;
    b.Store(destination, at, b.Load(source, at, lanes, static_cast<uint32_t>(kernel.unit)), static_cast<uint32_t>(kernel.unit));
  });
  kernel.module = b.Finish();
  return kernel;
}

MemoryKernel MakeFillKernel() {
  MemoryKernel kernel;
  kernel.unit = 4;
  spirv::BuilderOptions options;
  options.name = "fill";
  options.workgroup = {kWorkgroup, 1, 1};
  Builder b(options);
  Value i = b.GlobalLinearId();
  b.If(i < b.SizeArgument(2), [&] { b.Store(b.Global(b.Argument(0), DType::kU32), i, b.SizeArgument(1)); });
  kernel.module = b.Finish();
  return kernel;
}

uint64_t MemoryKernelWorkgroups(int64_t count) { return (static_cast<uint64_t>(count) + kWorkgroup - 1) / kWorkgroup; }

}  // namespace tfvk::program
