// Which memory type serves what.
#pragma once

#include <optional>
#include <string>

#include "vulkan/device_plan.h"
#include "vulkan/device_snapshot.h"

namespace tfvk::vulkan {

// The queue family that binds blocks of several allocations: `preferred` where it can, else the first that can; nullopt when the device has no sparse binding.
std::optional<uint32_t> SparseQueueFamily(const DeviceSnapshot& snapshot, uint32_t preferred);

// Chooses among the types whose bit is set in `allowed` (what the driver says of a buffer like ours). When there is none for a purpose, `problem` gets a
// sentence.
MemoryPlan PlanMemory(const DeviceSnapshot& snapshot, uint32_t allowed, std::string* problem);

}  // namespace tfvk::vulkan
