// The file in which a driver's pipeline binaries survive the process. It may be damaged or of another driver, and several processes may write it at any time
// and be killed while they do; reading gives its content or nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tfvk::vulkan {

struct PipelineFile {
  std::string path;
  std::string identity;                    // of device and driver; content of another identity is not read
  uint64_t largest = uint64_t{256} << 20;  // bytes of binaries; more are not read, so that a file that has grown so far is started anew

  // The binaries; empty when there is no file, or when it is damaged (any bit of it), of another identity or too large.
  std::vector<uint8_t> Read() const;
  // Puts `change` of the binaries found in their place at once: a reader sees the old file or the new one. One writer at a time, of all threads and processes,
  // so no change is lost. Makes the folder. False when nothing was written: `change` gave nothing, the file cannot be made, or others held it for too long.
  bool Update(const std::function<std::vector<uint8_t>(std::vector<uint8_t> found)>& change) const;
};

}  // namespace tfvk::vulkan
