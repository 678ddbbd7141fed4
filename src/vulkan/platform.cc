#include "vulkan/platform.h"

#include <dlfcn.h>
#include <unistd.h>

namespace tfvk::vulkan::platform {

std::vector<const char*> VulkanLoaderNames() { return {"libvulkan.so.1", "libvulkan.so"}; }

void* OpenLibrary(const std::string& path, Binding binding, std::string* problem) {
  int flags = RTLD_NOW | RTLD_LOCAL;
#ifdef RTLD_DEEPBIND
  if (binding == Binding::kDeep) flags |= RTLD_DEEPBIND;
#endif
  void* library = dlopen(path.c_str(), flags);
  if (!library && problem) {
    const char* reason = dlerror();
    *problem = reason ? reason : "unknown reason";
  }
  return library;
}

void* FindSymbol(void* library, const char* name) { return dlsym(library, name); }

std::vector<std::string> SystemManifestFolders() { return {"/usr/local/etc/vulkan/icd.d", "/etc/vulkan/icd.d"}; }

bool HasElevatedRights() { return geteuid() != getuid() || getegid() != getgid(); }

}  // namespace tfvk::vulkan::platform
