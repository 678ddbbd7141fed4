// The one table of what drivers report wrongly or do badly, and what is done about it.
#pragma once

#include "vulkan/device_plan.h"
#include "vulkan/device_snapshot.h"

namespace tfvk::vulkan {

// VkDriverId's numbers, as far as they are needed.
enum DriverId : uint32_t {
  kAmdProprietary = 1,
  kAmdOpenSource = 2,
  kMesaRadv = 3,
  kNvidiaProprietary = 4,
  kIntelMesa = 6,
  kSwiftShader = 10,
  kMesaLlvmpipe = 13,
  kMesaTurnip = 18,
  kMesaDozen = 23,
  kMesaNvk = 24,
};

struct DriverFault {
  const char* name;
  bool (*applies)(const DeviceSnapshot&);
  void (*apply)(DevicePlan&);
  const char* effect;    // a sentence for the user
  const char* evidence;  // where it was seen
};

const std::vector<DriverFault>& DriverFaults();

}  // namespace tfvk::vulkan
