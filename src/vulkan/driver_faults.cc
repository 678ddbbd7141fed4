#include "vulkan/driver_faults.h"

#include <algorithm>

namespace tfvk::vulkan {

const std::vector<DriverFault>& DriverFaults() {
  static const std::vector<DriverFault>* const faults = new std::vector<DriverFault>{
      {"dozen-32-bit-offsets", [](const DeviceSnapshot& s) { return s.driver_id == kMesaDozen; },
       [](DevicePlan& p) { p.memory.max_block_bytes = std::min<uint64_t>(p.memory.max_block_bytes, uint64_t{1} << 31); },
       "Memory comes in blocks of at most 2 GiB, because addresses inside a buffer are computed with 32 bits on Direct3D 12.",
       "Mesa src/microsoft/compiler: a device address is a descriptor slot and a 32-bit offset."},
      {"cooperative-matrix-needs-memory-model", [](const DeviceSnapshot& s) { return s.features.cooperative_matrix && !s.features.vulkan_memory_model; },
       [](DevicePlan& p) {
         p.features.cooperative_matrix = false;
         p.limits.matrices.clear();
         p.limits.bfloat16_matrix = false;
       },
       "Cooperative matrices are off, because the driver lacks the Vulkan memory model that they are used with.",
       "SPV_KHR_cooperative_matrix: capability CooperativeMatrixKHR is used with VulkanMemoryModel."},
  };
  return *faults;
}

}  // namespace tfvk::vulkan
