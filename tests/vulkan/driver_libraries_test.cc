#include "vulkan/driver_libraries.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

namespace tfvk::vulkan {
namespace {

namespace fs = std::filesystem;

class Manifests : public testing::Test {
 protected:
  Manifests() : root_(fs::temp_directory_path() / ("tfvk-icd-" + std::to_string(std::random_device()()))) {}
  ~Manifests() override { fs::remove_all(root_); }

  std::string Write(const std::string& file, const std::string& content = "{}") {
    fs::path path = root_ / file;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << content;
    return path.string();
  }
  std::vector<std::string> Find(std::map<std::string, std::string> environment) const {
    return FindDriverManifests([&](const char* name) { return environment[name]; });
  }
  std::string Path(const std::string& file) const { return (root_ / file).string(); }

  fs::path root_;
};

TEST_F(Manifests, VariablesNameFilesAndFolders) {
  std::string a = Write("a.json"), b = Write("folder/b.json"), c = Write("folder/c.json");
  Write("folder/readme.txt");
  EXPECT_EQ(Find({{"VK_DRIVER_FILES", a + ":" + Path("folder")}, {"VK_ICD_FILENAMES", "/nothing.json"}}), (std::vector<std::string>{a, b, c}));
  EXPECT_EQ(Find({{"VK_ICD_FILENAMES", a}}), std::vector<std::string>{a});
}

TEST_F(Manifests, StandardFoldersFollowXdg) {
  std::string config = Write("config/vulkan/icd.d/1.json"), data = Write("data/vulkan/icd.d/2.json"), home = Write("home/.local/share/vulkan/icd.d/3.json"),
              added = Write("added.json");
  std::vector<std::string> found = Find(
      {{"XDG_CONFIG_DIRS", Path("config")}, {"XDG_DATA_DIRS", Path("nowhere") + ":" + Path("data")}, {"HOME", Path("home")}, {"VK_ADD_DRIVER_FILES", added}});
  ASSERT_GE(found.size(), 4u);
  EXPECT_EQ(found[0], added);
  for (const std::string& file : {config, data, home}) EXPECT_EQ(std::count(found.begin(), found.end(), file), 1) << file;
}

TEST_F(Manifests, ABrokenOneIsOnlyItsOwnProblem) {
  std::string list;
  for (auto [name, content] : std::map<std::string, std::string>{{"1.json", "not json"},
                                                                 {"2.json", "{}"},
                                                                 {"3.json", R"({"ICD": {"library_path": 5}})"},
                                                                 {"4.json", R"({"ICD": {"library_path": "./missing.so"}})"},
                                                                 {"5.json", R"({"ICD": {"library_path": "libm.so.6"}})"}}) {
    list += (list.empty() ? "" : ":") + Write(name, content);
  }
  list += ":" + Path("absent.json");
  const char* before = std::getenv("VK_DRIVER_FILES");
  std::string saved = before ? before : "";
  setenv("VK_DRIVER_FILES", list.c_str(), 1);
  std::vector<DriverLibrary> drivers = OpenDriverLibraries();
  if (before) {
    setenv("VK_DRIVER_FILES", saved.c_str(), 1);
  } else {
    unsetenv("VK_DRIVER_FILES");
  }
  ASSERT_EQ(drivers.size(), 6u);
  for (size_t i : {0, 1, 2, 3, 5}) {
    EXPECT_FALSE(drivers[i].opened);
    EXPECT_FALSE(drivers[i].problem.empty()) << i;
  }
  EXPECT_EQ(drivers[3].library, Path("./missing.so"));
  EXPECT_TRUE(drivers[4].opened) << drivers[4].problem;
  EXPECT_EQ(drivers[4].library, "libm.so.6");
}

}  // namespace
}  // namespace tfvk::vulkan
