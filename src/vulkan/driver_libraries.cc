#include "vulkan/driver_libraries.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>

#include "vulkan/platform.h"

namespace tfvk::vulkan {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> SplitPaths(const std::string& paths) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while (begin <= paths.size()) {
    size_t end = std::min(paths.find(platform::kPathSeparator, begin), paths.size());
    if (end > begin) parts.push_back(paths.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// A file itself, or the .json files of a folder in the order of their names.
void AddManifests(const std::string& path, std::vector<std::string>* manifests) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    manifests->push_back(path);
    return;
  }
  std::vector<std::string> found;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".json") found.push_back(it->path().string());
  }
  std::sort(found.begin(), found.end());
  manifests->insert(manifests->end(), found.begin(), found.end());
}

std::vector<std::string> StandardFolders(const std::function<std::string(const char*)>& environment) {
  std::vector<std::string> bases;
  auto add = [&](const char* variable, const std::string& otherwise) {
    std::string value = environment(variable);
    for (const std::string& base : SplitPaths(value.empty() ? otherwise : value)) bases.push_back(base + "/vulkan/icd.d");
  };
  std::string home = environment("HOME");
  if (!home.empty() || !environment("XDG_CONFIG_HOME").empty()) add("XDG_CONFIG_HOME", home + "/.config");
  add("XDG_CONFIG_DIRS", "/etc/xdg");
  for (const std::string& folder : platform::SystemManifestFolders()) bases.push_back(folder);
  if (!home.empty() || !environment("XDG_DATA_HOME").empty()) add("XDG_DATA_HOME", home + "/.local/share");
  add("XDG_DATA_DIRS", "/usr/local/share:/usr/share");
  return bases;
}

// The library that a manifest names. Throws std::exception when the file is no such manifest.
std::string LibraryOf(const std::string& manifest) {
  std::ifstream file(manifest);
  if (!file) throw std::runtime_error("the file cannot be read");
  std::string library = nlohmann::json::parse(file).at("ICD").at("library_path").get<std::string>();
  bool bare = library.find('/') == std::string::npos;  // a bare name is searched for by the dynamic linker
  if (!bare && !fs::path(library).is_absolute()) library = (fs::path(manifest).parent_path() / library).string();
  return library;
}

}  // namespace

std::vector<std::string> FindDriverManifests(const std::function<std::string(const char*)>& environment) {
  std::vector<std::string> manifests;
  std::string chosen = environment("VK_DRIVER_FILES");
  if (chosen.empty()) chosen = environment("VK_ICD_FILENAMES");
  if (!chosen.empty()) {
    for (const std::string& path : SplitPaths(chosen)) AddManifests(path, &manifests);
    return manifests;
  }
  for (const std::string& path : SplitPaths(environment("VK_ADD_DRIVER_FILES"))) AddManifests(path, &manifests);
  for (const std::string& folder : StandardFolders(environment)) {
    std::error_code error;
    if (fs::is_directory(folder, error)) AddManifests(folder, &manifests);
  }
  std::vector<std::string> unique;
  for (std::string& m : manifests) {
    if (std::find(unique.begin(), unique.end(), m) == unique.end()) unique.push_back(std::move(m));
  }
  return unique;
}

std::vector<DriverLibrary> OpenDriverLibraries() {
  bool elevated = platform::HasElevatedRights();
  auto environment = [&](const char* name) -> std::string {
    const char* value = elevated ? nullptr : std::getenv(name);
    return value ? value : "";
  };
  bool deep = environment("TFVK_DEEPBIND") != "0";
  std::vector<DriverLibrary> drivers;
  for (const std::string& manifest : FindDriverManifests(environment)) {
    DriverLibrary driver{manifest, "", false, ""};
    try {
      driver.library = LibraryOf(manifest);
      if (deep) driver.opened = platform::OpenLibrary(driver.library, platform::Binding::kDeep, &driver.problem) != nullptr;
    } catch (const std::exception& e) {
      driver.problem = fs::path(manifest).filename().string() + " is not a usable driver manifest: " + e.what();
    }
    drivers.push_back(std::move(driver));
  }
  return drivers;
}

}  // namespace tfvk::vulkan
