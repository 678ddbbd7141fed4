// The installed Vulkan drivers (ICDs), found and opened before the Vulkan loader opens them itself.
//
// TensorFlow's Python package leaves libtensorflow_cc.so.2 in the global symbol scope, with some 25,000 llvm:: symbols. A driver that links libLLVM (Mesa's
// lavapipe and radeon) and is opened afterwards binds to them and crashes. Opened first with RTLD_DEEPBIND a driver binds to its own, and the
// loader's later dlopen gets the same library. TFVK_DEEPBIND=0 switches it off (AddressSanitizer refuses RTLD_DEEPBIND).
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace tfvk::vulkan {

struct DriverLibrary {
  std::string manifest;  // the JSON file
  std::string library;   // its library_path, resolved; empty when the manifest is broken
  bool opened = false;
  std::string problem;  // why it was not opened; empty when it was, or when deep binding is off
};

// The manifests that the Vulkan loader would read, in its order: VK_DRIVER_FILES (else VK_ICD_FILENAMES) instead of the standard folders, VK_ADD_DRIVER_FILES
// before them. An entry may be a file or a folder. `environment` gives a variable's value, "" when unset.
std::vector<std::string> FindDriverManifests(const std::function<std::string(const char*)>& environment);

// Opens the drivers with deep binding. The libraries stay open for the life of the process. A broken manifest is a problem of its own entry only.
std::vector<DriverLibrary> OpenDriverLibraries();

}  // namespace tfvk::vulkan
