#include "vulkan/pipeline_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "spirv/builder.h"
#include "types/error.h"
#include "vulkan/device_fixture.h"
#include "vulkan/pipeline_file.h"

namespace tfvk::vulkan {
namespace {

namespace fs = std::filesystem;

// A folder that goes away with the test.
class TemporaryFolder {
 public:
  TemporaryFolder() : path_(fs::temp_directory_path() / ("tfvk-test-" + std::to_string(std::random_device()()))) {}
  ~TemporaryFolder() { fs::remove_all(path_); }
  std::string path() const { return path_.string(); }
  std::vector<fs::path> files() const {
    std::vector<fs::path> found;
    if (fs::exists(path_)) {
      for (const auto& entry : fs::directory_iterator(path_)) found.push_back(entry.path());
    }
    return found;
  }

 private:
  fs::path path_;
};

// A kernel of its own for each number.
std::vector<uint32_t> NumberedKernel(uint32_t number) {
  spirv::BuilderOptions options;
  spirv::Builder b(options);
  spirv::Value i = b.GlobalLinearId();
  b.If(i < b.SizeArgument(1), [&] { b.Store(b.Global(b.Argument(0), DType::kU32), i, b.U32(number)); });
  return b.Finish().words;
}

void Build(PipelineCache& cache, uint32_t count) {
  std::vector<const Pipeline*> pipelines;
  for (uint32_t i = 0; i < count; ++i) pipelines.push_back(&cache.Get(NumberedKernel(i), 0, "numbered"));
  for (const Pipeline* p : pipelines) p->Wait();
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
        file.Write(mine);
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
  ASSERT_TRUE(file.Write({1, 2, 3}));
  EXPECT_EQ(file.Read(), (std::vector<uint8_t>{1, 2, 3}));
  EXPECT_TRUE(other.Read().empty());
  EXPECT_TRUE(longer.Read().empty());
}

}  // namespace
}  // namespace tfvk::vulkan
