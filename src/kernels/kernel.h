// What a kernel generator takes and gives: it takes a description (shapes, dtypes, element functions) and the device's limits as plain data, and gives a
// SPIR-V module and how to launch it. Generators call no Vulkan.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "spirv/builder.h"
#include "types/dtype.h"
#include "types/size.h"

namespace tfvk::kernels {

// One cooperative-matrix shape of VK_KHR_cooperative_matrix at subgroup scope.
struct MatrixShape {
  uint32_t m = 0, n = 0, k = 0;
  DType a = DType::kF16, b = DType::kF16, c = DType::kF32, result = DType::kF32;
};

// What generators may use of a device; vulkan/'s DevicePlan fills it. The defaults are what every supported device has.
struct DeviceLimits {
  uint32_t max_invocations = 256;  // of a workgroup
  std::array<uint32_t, 3> max_workgroup = {256, 256, 64};
  uint32_t shared_bytes = 16384;
  uint32_t subgroup_size = 1;  // the size that pipelines get unless they require another
  uint32_t min_subgroup_size = 1, max_subgroup_size = 128;
  bool subgroup_size_control = false;  // Kernel::required_subgroup_size may be set
  bool subgroup_arithmetic = false, subgroup_shuffle = false, subgroup_vote = false;
  bool storage_8bit = false, storage_16bit = false;                                   // loads and stores of 1- and 2-byte elements
  bool float16 = false, float64 = false, int64 = false, int8 = false, int16 = false;  // arithmetic
  bool bfloat16_matrix = false;
  bool preserve_nan_inf_f16 = false, preserve_nan_inf_f32 = false, round_to_even_f16 = false, preserve_denormals_f16 = false;  // float controls
  bool vulkan_memory_model = false;
  std::vector<MatrixShape> matrices;  // empty: no cooperative matrices (or not trusted on this driver)
  uint32_t compute_units = 16;        // SMs, CUs or Xe cores; a guess where the driver does not tell
  enum class Vendor : uint8_t { kOther, kNvidia, kNvk, kAmd, kIntel, kLlvmpipe, kSwiftShader } vendor = Vendor::kOther;
};

// One word of the argument block.
struct KernelArgument {
  enum class Kind : uint8_t { kRead, kWrite, kScratch, kSize } kind = Kind::kRead;
  int index =
      0;  // which operand (kRead) or result (kWrite) of the description; for kSize the symbol; kScratch: the sequence's scratch memory, read and written
};

// A number of workgroups: ceil(product of sizes / divisor), times `factor`, times ceil(product of t.sizes / t.tile) for each t of `tiles`.
struct WorkgroupCount {
  struct Tiles {
    std::vector<Size> sizes;
    int64_t tile = 1;
  };
  std::vector<Size> sizes;
  int64_t divisor = 1, factor = 1;
  std::vector<Tiles> tiles = {};
  int64_t Evaluate(const std::vector<int64_t>& symbols) const {
    int64_t count = (ElementCount(sizes, symbols) + divisor - 1) / divisor * factor;
    for (const Tiles& t : tiles) count *= (ElementCount(t.sizes, symbols) + t.tile - 1) / t.tile;
    return count;
  }
};

struct Kernel {
  spirv::Module module;
  std::vector<KernelArgument> arguments;  // argument k of the module
  WorkgroupCount workgroups;              // linear; Builder::LinearWorkgroupId unfolds it
  uint32_t required_subgroup_size = 0;    // 0: any
  // Estimates for scheduling and profiles.
  double flops = 0, bytes = 0;
  // Of a product's blocks: the plan's name, and how many workgroups the model of its tiles counts on at a time on a compute unit. Only reports read them.
  std::string plan;
  double resident_workgroups = 0;  // 0: there is no such model
};

// What a description becomes: kernels launched one after the other (each sees what those before wrote) with scratch memory between them.
struct KernelSequence {
  std::vector<Kernel> kernels;
  int64_t scratch_bytes = 0;
};

// An index into a tensor: one u32 value a dimension, row-major. (u64 where a tensor has 2^32 elements or more.)
using Index = std::vector<spirv::Value>;

}  // namespace tfvk::kernels
