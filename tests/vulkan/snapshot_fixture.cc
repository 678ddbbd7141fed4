#include "vulkan/snapshot_fixture.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "vulkan/device_fields.h"
#include "vulkan/vulkan_compat.h"

namespace tfvk::vulkan {
namespace {

namespace fs = std::filesystem;

fs::path Folder() { return fs::path(TFVK_TEST_DATA) / "vulkan" / "snapshots"; }

}  // namespace

std::vector<std::string> SnapshotNames() {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(Folder())) {
    if (entry.path().extension() == ".json") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

nlohmann::json SnapshotFile(const std::string& name) {
  std::ifstream file(Folder() / (name + ".json"));
  if (!file) throw std::runtime_error("there is no snapshot " + name);
  return nlohmann::json::parse(file);
}

DeviceSnapshot ReadSnapshot(const std::string& name) { return SnapshotFromJson(SnapshotFile(name)); }

DeviceSnapshot PlainGpu() {
  constexpr uint64_t kGiB = uint64_t{1} << 30;
  DeviceSnapshot s;
  s.name = "Plain GPU";
  s.type = DeviceType::kDiscrete;
  s.api_version = VK_API_VERSION_1_3;
  s.extensions = {"VK_EXT_memory_budget"};
  VisitFeatures(s.features, [](const std::string& name, bool& on) { on = name.find("matri") == std::string::npos && name != "bfloat16_type"; });
  s.limits.max_invocations = 1024;
  s.limits.max_workgroup_size = {1024, 1024, 64};
  s.limits.max_workgroup_count = {100000, 65535, 65535};
  s.limits.shared_bytes = 48 << 10;
  s.limits.max_allocation_bytes = 4 * kGiB;
  s.subgroup = {32, 32, 32, true, true, true, true, true, true, true, true, true};
  s.float_controls.preserve_nan_inf_f32 = true;
  s.heaps = {{8 * kGiB, true}, {16 * kGiB, false}, {kGiB / 4, true}};
  s.memory_types = {{0, true}, {1, false, true, true}, {1, false, true, true, true}, {2, true, true, true}};
  s.queue_families = {{1, 64, true, true, true, true}, {4, 64, false, true, true, true}, {2, 0, false, false, true, true}};
  return s;
}

}  // namespace tfvk::vulkan
