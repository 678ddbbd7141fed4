// Which devices TensorFlow sees, in which order.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vulkan/device_plan.h"
#include "vulkan/device_snapshot.h"

namespace tfvk::vulkan {

struct DeviceSelection {
  std::vector<int> order;             // indices into the snapshots; ordinal 0 first
  std::vector<std::string> messages;  // entries of `visible` that match nothing or name an unusable device
};

// `visible` is the value of TFVK_VISIBLE_DEVICES, unset: nullopt. Without it: usable devices, discrete before integrated before virtual before other (Vulkan's
// order within a kind); CPU devices only where there is nothing else. With it: a comma-separated list that selects and orders; an entry is an index into
// the order just described with the CPU devices behind (what `tfvk doctor` prints), part of a name in any case, or a UUID with or without dashes (every device
// that matches, once). An empty list or "-1" selects nothing.
DeviceSelection SelectDevices(const std::vector<DeviceSnapshot>& snapshots, const std::vector<DevicePlan>& plans, const std::optional<std::string>& visible);

// The order that TFVK_VISIBLE_DEVICES' indices refer to: all usable devices, CPU devices last.
std::vector<int> DeviceOrder(const std::vector<DeviceSnapshot>& snapshots, const std::vector<DevicePlan>& plans);

}  // namespace tfvk::vulkan
