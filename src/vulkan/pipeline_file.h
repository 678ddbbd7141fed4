// The file in which a driver's pipeline binaries survive the process. It may be damaged, of another driver, or be replaced by another process at any
// time; reading gives its content or nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tfvk::vulkan {

struct PipelineFile {
  std::string path;
  std::string identity;  // of device and driver; content of another identity is not read

  // The binaries; empty when there is no file, or when it is damaged (any bit of it) or of another identity.
  std::vector<uint8_t> Read() const;
  // Replaces the file at once (a reader sees the old one or the new one), making its folder. False when that is not possible.
  bool Write(const std::vector<uint8_t>& binaries) const;
};

}  // namespace tfvk::vulkan
