#include "vulkan/device_snapshot.h"

#include <algorithm>

#include "vulkan/device_fields.h"

namespace tfvk::vulkan {

bool DeviceSnapshot::HasExtension(const std::string& extension) const { return std::find(extensions.begin(), extensions.end(), extension) != extensions.end(); }

std::vector<std::string> DisableFeatures(DeviceSnapshot& snapshot, const std::string& names) {
  std::vector<std::string> unknown;
  size_t begin = 0;
  while (begin <= names.size()) {
    size_t end = std::min(names.find(',', begin), names.size());
    std::string wanted = names.substr(begin, end - begin);
    begin = end + 1;
    if (wanted.empty()) continue;
    bool found = false;
    VisitFeatures(snapshot.features, [&](const char* name, bool& on) {
      if (wanted != name) return;
      on = false;
      found = true;
    });
    if (!found) unknown.push_back(wanted);
  }
  return unknown;
}

}  // namespace tfvk::vulkan
