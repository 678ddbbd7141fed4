// Devices as data, for the tests of what is planned with them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "vulkan/device_snapshot.h"

namespace tfvk::vulkan {

// The files of tests/vulkan/snapshots, sorted, without ".json". tools/record_snapshot.py writes them; dzn's are made by hand from what its source says.
std::vector<std::string> SnapshotNames();
nlohmann::json SnapshotFile(const std::string& name);
DeviceSnapshot ReadSnapshot(const std::string& name);

// A made-up discrete GPU of Vulkan 1.3 that lacks nothing but matrices: 8 GiB (heap 0, type 0), the host's memory (heap 1; type 1 coherent, type 2 cached), and
// a window of 256 MiB that the host writes (heap 2, type 3). Its queue families: graphics and compute; compute; transfer; all
// bind memory. One allocation has at most 4 GiB.
DeviceSnapshot PlainGpu();

}  // namespace tfvk::vulkan
