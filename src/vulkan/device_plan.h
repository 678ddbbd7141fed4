// What the project makes of a device: whether it can be used, what is switched on, which memory serves what, what kernels may use, and what each missing
// feature costs the user. A pure function of a snapshot.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "types/dtype.h"
#include "vulkan/device_snapshot.h"

namespace tfvk::vulkan {

struct PlannedMatrix {
  uint32_t m = 0, n = 0, k = 0;
  DType a = DType::kF16, b = DType::kF16, c = DType::kF32, result = DType::kF32;
};

// The limits that kernel generators see; program/limits.h turns them into kernels::DeviceLimits. Features that are off for a workaround are off here.
struct KernelLimits {
  enum class Vendor : uint8_t { kOther, kNvidia, kNvk, kAmd, kIntel, kLlvmpipe, kSwiftShader } vendor = Vendor::kOther;
  uint32_t max_invocations = 0, shared_bytes = 0;
  std::array<uint32_t, 3> max_workgroup = {};
  uint32_t subgroup_size = 1, min_subgroup_size = 1, max_subgroup_size = 1;
  bool subgroup_size_control = false, subgroup_arithmetic = false, subgroup_shuffle = false, subgroup_vote = false;
  bool storage_8bit = false, storage_16bit = false;
  bool float16 = false, float64 = false, int64 = false, int8 = false, int16 = false;
  bool bfloat16_matrix = false;
  bool preserve_nan_inf_f16 = false, preserve_nan_inf_f32 = false, round_to_even_f16 = false, preserve_denormals_f16 = false;
  bool vulkan_memory_model = false;
  std::vector<PlannedMatrix> matrices;
  uint32_t compute_units = 0;
};

// Indices of memory types.
struct MemoryPlan {
  uint32_t device = 0;                // tensors: device-local, host-visible only where nothing else is device-local
  uint32_t upload = 0;                // host-visible, coherent: staging of uploads
  uint32_t download = 0;              // host-visible, cached where there is such a type: staging of downloads and pinned host memory
  uint32_t arguments = 0;             // host-visible, coherent, device-local where possible (resizable BAR, unified memory): argument blocks
  bool unified = false;               // every heap is device-local: the device shares the host's memory
  uint64_t max_block_bytes = 0;       // the largest block of tensors
  uint64_t max_allocation_bytes = 0;  // the largest single allocation: blocks of tensors beyond it are bound to several (DeviceFeatures::sparse_binding)
};

struct DevicePlan {
  bool usable = false;
  std::vector<std::string> reasons;     // why it is not usable, one sentence each
  std::vector<std::string> extensions;  // to enable
  DeviceFeatures features;              // to enable
  uint32_t queue_family = 0;
  uint32_t sparse_queue_family = 0;  // which binds blocks of several allocations; of use with features.sparse_binding
  bool timestamps = false;
  std::array<uint32_t, 2> max_workgroups = {65535, 65535};  // of a launch in x and y
  MemoryPlan memory;
  KernelLimits limits;
  std::vector<std::string> costs;        // what each missing feature costs
  std::vector<std::string> workarounds;  // which rows of the table of driver faults were applied
};

DevicePlan MakeDevicePlan(const DeviceSnapshot& snapshot);
nlohmann::json ToJson(const DevicePlan& plan);

}  // namespace tfvk::vulkan
