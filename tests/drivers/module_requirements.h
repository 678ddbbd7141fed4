// What a SPIR-V module asks of a device: modules are emitted for one device, and another may lack what they use.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "vulkan/device_snapshot.h"

namespace tfvk::testing {

// Why the device cannot be given the module ("needs Float64", "needs matrices of 8x8"); empty when it can. Throws std::runtime_error when `words` is no SPIR-V.
std::string MissingFor(const std::vector<uint32_t>& words, const vulkan::DeviceSnapshot& device);

}  // namespace tfvk::testing
