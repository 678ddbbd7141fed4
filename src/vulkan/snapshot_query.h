// Takes a DeviceSnapshot from a driver.
#pragma once

#include "vulkan/device_snapshot.h"
#include "vulkan/functions.h"

namespace tfvk::vulkan {

// A device below Vulkan 1.2 gives its name, type and versions only, which is enough to say why it is not usable. Throws Error when the driver fails.
DeviceSnapshot QuerySnapshot(const InstanceFunctions& functions, VkPhysicalDevice device);

}  // namespace tfvk::vulkan
