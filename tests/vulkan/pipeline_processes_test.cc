// Processes that write one cache of pipelines at once, or are killed while they do. A child is this program started anew with a role to play, for a forked copy
// would have the device without the driver's threads.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>
#include <thread>

#include "vulkan/device_fixture.h"
#include "vulkan/pipeline_file.h"
#include "vulkan/pipeline_fixture.h"

namespace tfvk::vulkan {
namespace {

namespace fs = std::filesystem;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr size_t kLargeBytes = 8 << 20;  // takes milliseconds to write
constexpr int kAppends = 1000;
constexpr uint32_t kKernels = 20;

// ---- What a child does ----

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

PipelineFile FileIn(const std::string& folder) { return {folder + "/pipelines.bin", "identity"}; }

// One content after the other, each of one byte repeated, until it is killed.
void ReplaceForEver(const PipelineFile& file) {
  for (uint8_t content = 1;; content = content == 255 ? 1 : content + 1) {
    file.Update([&](const std::vector<uint8_t>&) { return std::vector<uint8_t>(kLargeBytes, content); });
  }
}

// Adds one byte of its own at a time to what is there.
void AppendOwn(const PipelineFile& file, uint8_t own) {
  for (int i = 0; i < kAppends; ++i) {
    file.Update([&](std::vector<uint8_t> found) {
      found.push_back(own);
      return found;
    });
  }
}

// Saves after each of `count` kernels; until it is killed if that is 0.
void BuildAndSave(const std::string& folder, uint32_t first, uint32_t count) {
  PipelineCache cache(TestDevice(), folder);
  for (uint32_t i = 0; count == 0 || i < count; ++i) {
    Build(cache, 1, first + i);
    cache.Save();
  }
}

class ChildRole : public testing::Environment {
 public:
  void SetUp() override {
    const std::string role = Variable("TFVK_TEST_ROLE"), folder = Variable("TFVK_TEST_FOLDER");
    if (role.empty()) return;
    const auto number = static_cast<uint32_t>(std::stoul(Variable("TFVK_TEST_NUMBER")));
    if (role == "replace") ReplaceForEver(FileIn(folder));
    if (role == "append") AppendOwn(FileIn(folder), static_cast<uint8_t>(number));
    if (role == "build for ever") BuildAndSave(folder, number, 0);
    if (role == "build") BuildAndSave(folder, number, kKernels);
    std::exit(0);  // with the handlers that save caches
  }
};
const auto* const kChildRole = testing::AddGlobalTestEnvironment(new ChildRole);

// ---- What the parent does ----

class Child {
 public:
  Child(const std::string& role, const std::string& folder, uint32_t number) {
    std::vector<std::string> variables = {"TFVK_TEST_ROLE=" + role, "TFVK_TEST_FOLDER=" + folder, "TFVK_TEST_NUMBER=" + std::to_string(number)};
    std::vector<char*> environment;
    for (std::string& variable : variables) environment.push_back(variable.data());
    for (char** variable = environ; *variable; ++variable) {
      if (std::strncmp(*variable, "GTEST_", 6) != 0) environment.push_back(*variable);
    }
    environment.push_back(nullptr);
    char program[] = "/proc/self/exe", filter[] = "--gtest_filter=PipelineProcesses.*";
    char* arguments[] = {program, filter, nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (posix_spawn(&process_, program, &actions, nullptr, arguments, environment.data()) != 0) process_ = -1;
    posix_spawn_file_actions_destroy(&actions);
  }
  ~Child() { Kill(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // How it ended; -1 when it could not be started.
  int Wait() {
    int status = -1;
    if (process_ > 0) waitpid(process_, &status, 0);
    process_ = -1;
    return status;
  }
  // True when it was this that ended it.
  bool Kill() {
    if (process_ <= 0) return false;
    kill(process_, SIGKILL);
    const int status = Wait();
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  }

 private:
  pid_t process_ = -1;
};

// Returns at the moment at which a file of this name appears; false when that takes too long.
bool Appears(const fs::path& path) {
  const auto end = steady_clock::now() + std::chrono::seconds(10);
  while (access(path.c_str(), F_OK) != 0) {
    if (steady_clock::now() > end) return false;
  }
  return true;
}

// A process that comes later: it reads the file, and its kernels compute what they should.
void ExpectUsable(const std::string& folder, bool filled) {
  PipelineCache cache(TestDevice(), folder);
  EXPECT_EQ(cache.counters().loaded_bytes != 0, filled);
  TestBlock y(4);
  for (uint32_t number : {0u, 1u, 1000u}) {
    uint64_t words[] = {y, 1};
    Access access{y, 4, true};
    LaunchInfo launch;
    launch.pipeline = &cache.Get(NumberedKernel(number));
    launch.arguments = {words, 2};
    launch.accesses = {&access, 1};
    TestDevice().queue().Launch(launch);
    EXPECT_EQ(Fetch(y, 1)[0], number);
  }
}

TEST(PipelineProcesses, KilledWhileWriting) {
  TemporaryFolder folder;
  const PipelineFile file = FileIn(folder.path());
  std::mt19937 random(5);
  int cut_short = 0, read = 0;
  for (int kill = 0; kill < 30; ++kill) {
    const fs::path next = file.path + ".next";
    fs::remove(next);
    Child child("replace", folder.path(), 0);
    ASSERT_TRUE(Appears(next)) << "the child has not begun to write";
    // Some at once, so within the first write, and some within or between later ones.
    if (kill % 2) std::this_thread::sleep_for(microseconds(random() % 40000));
    ASSERT_TRUE(child.Kill());
    cut_short += fs::exists(next);
    EXPECT_LE(folder.files().size(), 2u) << "files are left behind";
    const std::vector<uint8_t> found = file.Read();
    read += !found.empty();
    if (found.empty()) continue;
    EXPECT_EQ(found.size(), kLargeBytes);
    EXPECT_TRUE(std::all_of(found.begin(), found.end(), [&](uint8_t b) { return b == found[0]; }));
  }
  EXPECT_GT(cut_short, 10);  // or the kills hit nothing
  EXPECT_GT(read, 10);
  EXPECT_TRUE(file.Update([](const std::vector<uint8_t>&) { return std::vector<uint8_t>{1}; }));
  EXPECT_EQ(file.Read().size(), 1u);
  EXPECT_EQ(folder.files().size(), 1u);
}

TEST(PipelineProcesses, AtOnceLoseNothing) {
  TemporaryFolder folder;
  Child first("append", folder.path(), 1), second("append", folder.path(), 2);
  EXPECT_EQ(first.Wait(), 0);
  EXPECT_EQ(second.Wait(), 0);
  const std::vector<uint8_t> found = FileIn(folder.path()).Read();
  EXPECT_EQ(std::count(found.begin(), found.end(), 1), kAppends);
  EXPECT_EQ(std::count(found.begin(), found.end(), 2), kAppends);
  EXPECT_EQ(folder.files().size(), 1u);
}

TEST(PipelineProcesses, KilledWhileCompilingAndSaving) {
  TemporaryFolder folder;
  std::mt19937 random(6);
  for (int kill = 0; kill < 12; ++kill) {
    const bool filled = !folder.files().empty();
    Child child("build for ever", folder.path(), 0);
    if (kill != 0) std::this_thread::sleep_for(milliseconds(random() % 400));
    EXPECT_TRUE(child.Kill());
    EXPECT_LE(folder.files().size(), 2u);
    if (filled) ExpectUsable(folder.path(), true);
    if (kill == 0) ExpectUsable(folder.path(), false);
  }
  EXPECT_EQ(folder.files().size(), 1u);
}

TEST(PipelineProcesses, AtOnceCompileAndSave) {
  TemporaryFolder folder;
  Child first("build", folder.path(), 0), second("build", folder.path(), kKernels / 2);
  EXPECT_EQ(first.Wait(), 0);
  EXPECT_EQ(second.Wait(), 0);
  ExpectUsable(folder.path(), true);
  EXPECT_EQ(folder.files().size(), 1u);
}

}  // namespace
}  // namespace tfvk::vulkan
