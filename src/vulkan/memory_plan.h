// Which memory type serves what.
#pragma once

#include <string>

#include "vulkan/device_plan.h"
#include "vulkan/device_snapshot.h"

namespace tfvk::vulkan {

// Chooses among the types whose bit is set in `allowed` (what the driver says of a buffer like ours). When there is none for a purpose, `problem` gets a
// sentence.
MemoryPlan PlanMemory(const DeviceSnapshot& snapshot, uint32_t allowed, std::string* problem);

}  // namespace tfvk::vulkan
