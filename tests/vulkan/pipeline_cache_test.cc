#include "vulkan/pipeline_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "vulkan/device_fixture.h"
#include "vulkan/device_internals.h"
#include "vulkan/long_wait.h"
#include "vulkan/pipeline_file.h"
#include "vulkan/pipeline_fixture.h"

namespace tfvk::vulkan {
namespace {

namespace fs = std::filesystem;

bool Replace(const PipelineFile& file, const std::vector<uint8_t>& binaries) {
  return file.Update([&](const std::vector<uint8_t>&) { return binaries; });
}

TEST(PipelineCache, EqualModulesShareAPipeline) {
  PipelineCache cache(TestDevice(), "");
  const Pipeline &a = cache.Get(NumberedKernel(1)), &b = cache.Get(NumberedKernel(1)), &c = cache.Get(NumberedKernel(2));
  EXPECT_EQ(&a, &b);
  EXPECT_NE(&a, &c);
  uint32_t subgroup = TestDevice().plan().limits.min_subgroup_size;
  if (TestDevice().plan().limits.subgroup_size_control) {
    const Pipeline& d = cache.Get(NumberedKernel(1), subgroup);
    EXPECT_NE(&a, &d);
    d.Wait();
  }
  a.Wait();
  c.Wait();
  EXPECT_EQ(cache.counters().shared, 1u);
}

TEST(PipelineCache, BuildsOnceForManyThreads) {
  PipelineCache cache(TestDevice(), "");
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) threads.emplace_back([&] { Build(cache, 20); });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(cache.counters().built, 20u);
  EXPECT_EQ(cache.counters().requested, 160u);
}

TEST(PipelineCache, BuiltKernelsRun) {
  TestBlock y(4);
  Queue& q = TestDevice().queue();
  for (uint32_t number : {3u, 4u}) {
    uint64_t words[] = {y, 1};
    Access access{y, 4, true};
    LaunchInfo launch;
    launch.pipeline = &TestDevice().pipelines().Get(NumberedKernel(number));
    launch.arguments = {words, 2};
    launch.accesses = {&access, 1};
    q.Launch(launch);
    EXPECT_EQ(Fetch(y, 1)[0], number);
  }
}

// A driver whose builds last, in played time, until they are let go.
struct SlowDriver {
  SlowDriver() : functions(TestDevice().internals().f), real(functions.CreateComputePipelines) {
    functions.CreateComputePipelines = Create;
    LongWait::now = [] { return LongWait::Clock::time_point(std::chrono::seconds(seconds)); };
    seconds = begun = let_go = 0;
  }
  ~SlowDriver() {
    functions.CreateComputePipelines = real;
    LongWait::now = LongWait::Clock::now;
  }
  static VkResult VKAPI_CALL Create(VkDevice, VkPipelineCache, uint32_t, const VkComputePipelineCreateInfo*, const VkAllocationCallbacks*, VkPipeline*) {
    for (const int number = ++begun; number > let_go;) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return VK_ERROR_UNKNOWN;
  }
  static void Await(int count) {
    while (begun < count) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  // What is told when a hundred seconds seem to have passed; then all builds end.
  static std::string Told() {
    testing::internal::CaptureStderr();
    seconds = 100;
    std::this_thread::sleep_for(LongWait::kTurn * 5 / 2);
    let_go = 1000;
    return testing::internal::GetCapturedStderr();
  }

  DeviceFunctions& functions;
  const PFN_vkCreateComputePipelines real;
  static inline std::atomic<int> seconds, begun, let_go;
};

TEST(PipelineCache, TellsOfABuildThatLasts) {
  SlowDriver driver;
  PipelineCache cache(TestDevice(), "");
  const Pipeline& pipeline = cache.Get(NumberedKernel(70), 0, "endless");
  std::thread waiting([&] { EXPECT_THROW(pipeline.Wait(), Error); });
  driver.Await(1);
  const std::string told = driver.Told();
  waiting.join();
  EXPECT_EQ(told.find("tensorflow-vulkan: 100 s of waiting: the driver of " + TestDevice().snapshot().name + " has not built the kernel \"endless\" ("), 0u)
      << told;
  EXPECT_EQ(std::count(told.begin(), told.end(), '\n'), 1);
}

TEST(PipelineCache, TellsOfABuildByTheThreadThatWaits) {
  SlowDriver driver;
  PipelineCache cache(TestDevice(), "");
  const int threads = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 16u));
  for (int i = 0; i < threads; ++i) {  // keeps the cache's threads busy
    cache.Get(NumberedKernel(80 + i), 0, "other");
    driver.Await(i + 1);
  }
  const Pipeline& pipeline = cache.Get(NumberedKernel(79), 0, "own");
  std::thread waiting([&] { EXPECT_THROW(pipeline.Wait(), Error); });
  driver.Await(threads + 1);
  driver.let_go = 1;  // one of them has nothing to do then
  const std::string told = driver.Told();
  waiting.join();
  EXPECT_NE(told.find(" has not built the kernel \"own\" ("), std::string::npos) << told;
}

TEST(PipelineCache, SurvivesTheProcess) {
  TemporaryFolder folder;
  {
    PipelineCache cache(TestDevice(), folder.path());
    EXPECT_EQ(cache.counters().loaded_bytes, 0u);
    Build(cache, 3);
  }
  ASSERT_EQ(folder.files().size(), 1u);
  PipelineCache cache(TestDevice(), folder.path());
  EXPECT_GT(cache.counters().loaded_bytes, 0u);
  Build(cache, 4);
  cache.Save();
  EXPECT_EQ(folder.files().size(), 1u);
}

TEST(PipelineCache, SavesByItselfAfterAWhile) {
  TemporaryFolder folder;
  PipelineCache cache(TestDevice(), folder.path());
  Build(cache, 2);
  for (int i = 0; i < 100 && folder.files().empty(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(folder.files().size(), 1u);
}

TEST(PipelineCache, IgnoresAnyDamage) {
  TemporaryFolder folder;
  { Build(*std::make_unique<PipelineCache>(TestDevice(), folder.path()), 2); }
  fs::path file = folder.files().at(0);
  std::string whole;
  {
    std::ifstream in(file, std::ios::binary);
    whole.assign(std::istreambuf_iterator<char>(in), {});
  }
  auto write = [&](const std::string& content) { std::ofstream(file, std::ios::binary) << content; };
  auto loaded = [&] {
    PipelineCache cache(TestDevice(), folder.path());
    uint64_t bytes = cache.counters().loaded_bytes;
    Build(cache, 1);
    return bytes;
  };
  for (size_t cut : {size_t{0}, size_t{5}, size_t{40}, whole.size() / 2, whole.size() - 1}) {
    write(whole.substr(0, cut));
    EXPECT_EQ(loaded(), 0u) << cut;
  }
  for (size_t place : {size_t{0}, size_t{8}, size_t{16}, size_t{24}, size_t{33}, whole.size() / 2, whole.size() - 1}) {
    std::string damaged = whole;
    damaged[place] = static_cast<char>(damaged[place] ^ 0x10);
    write(damaged);
    EXPECT_EQ(loaded(), 0u) << place;
  }
  write(whole + "x");
  EXPECT_EQ(loaded(), 0u);
  write(whole);
  EXPECT_GT(loaded(), 0u);
}

TEST(PipelineCache, AFolderThatCannotBeWrittenCostsTimeOnly) {
  PipelineCache cache(TestDevice(), "/proc/tensorflow-vulkan");
  Build(cache, 1);
  cache.Save();
}

TEST(PipelineFile, ManyWritersLeaveOneWholeFile) {
  TemporaryFolder folder;
  PipelineFile file{folder.path() + "/p.bin", "identity"};
  std::vector<std::thread> threads;
  std::atomic<int> torn{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::vector<uint8_t> mine(100000 + static_cast<size_t>(t), static_cast<uint8_t>(t));
      for (int i = 0; i < 30; ++i) {
        file.Update([&](const std::vector<uint8_t>&) { return mine; });
        std::vector<uint8_t> got = file.Read();
        torn += got.size() < 100000 || std::any_of(got.begin(), got.end(), [&](uint8_t b) { return b != got[0]; }) || got.size() != 100000u + got[0];
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(torn, 0);
  EXPECT_EQ(folder.files().size(), 1u);
}

TEST(PipelineFile, OfAnotherIdentityIsNotRead) {
  TemporaryFolder folder;
  PipelineFile file{folder.path() + "/p.bin", "driver 1"}, other{folder.path() + "/p.bin", "driver 2"}, longer{folder.path() + "/p.bin", "driver 1 "};
  ASSERT_TRUE(Replace(file, {1, 2, 3}));
  EXPECT_EQ(file.Read(), (std::vector<uint8_t>{1, 2, 3}));
  EXPECT_TRUE(other.Read().empty());
  EXPECT_TRUE(longer.Read().empty());
}

TEST(PipelineFile, ThatHasGrownTooLargeIsStartedAnew) {
  TemporaryFolder folder;
  PipelineFile file{folder.path() + "/p.bin", "identity", 4};
  ASSERT_TRUE(Replace(file, {1, 2, 3, 4}));
  EXPECT_EQ(file.Read().size(), 4u);
  const auto append = [](std::vector<uint8_t> found) {
    found.push_back(5);
    return found;
  };
  ASSERT_TRUE(file.Update(append));
  EXPECT_TRUE(file.Read().empty());
  ASSERT_TRUE(file.Update(append));
  EXPECT_EQ(file.Read(), (std::vector<uint8_t>{5}));
}

TEST(PipelineFile, NothingIsWrittenForNoBinariesOrAfterAnError) {
  TemporaryFolder folder;
  PipelineFile file{folder.path() + "/p.bin", "identity"};
  ASSERT_TRUE(Replace(file, {1, 2, 3}));
  EXPECT_FALSE(Replace(file, {}));
  EXPECT_THROW(file.Update([](const std::vector<uint8_t>&) -> std::vector<uint8_t> { throw std::runtime_error("of the driver"); }), std::runtime_error);
  EXPECT_EQ(file.Read(), (std::vector<uint8_t>{1, 2, 3}));
  EXPECT_TRUE(Replace(file, {4}));
  EXPECT_EQ(folder.files().size(), 1u);
}

}  // namespace
}  // namespace tfvk::vulkan
