// What this room needs of the operating system beyond the standard library.
#pragma once

#include <string>
#include <vector>

namespace tfvk::vulkan::platform {

// Names of the Vulkan loader library, the best first.
std::vector<const char*> VulkanLoaderNames();

enum class Binding { kDefault, kDeep };  // kDeep: the library's own symbols come before the process's
// Opens a shared library for the life of the process; nullptr and a reason when that fails.
void* OpenLibrary(const std::string& path, Binding binding, std::string* problem);
void* FindSymbol(void* library, const char* name);

inline constexpr char kPathSeparator = ':';
// The folders that hold driver manifests besides those that environment variables name.
std::vector<std::string> SystemManifestFolders();
// Whether this process runs with more rights than its user, so that the Vulkan loader ignores the environment.
bool HasElevatedRights();

}  // namespace tfvk::vulkan::platform
