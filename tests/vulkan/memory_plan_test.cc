#include "vulkan/memory_plan.h"

#include <gtest/gtest.h>

#include "vulkan/snapshot_fixture.h"

namespace tfvk::vulkan {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20, kGiB = uint64_t{1} << 30;

// Types: tensors, uploads, downloads, arguments.
std::vector<uint32_t> Types(const DeviceSnapshot& s, uint32_t allowed = ~0u) {
  std::string problem;
  MemoryPlan plan = PlanMemory(s, allowed, &problem);
  EXPECT_EQ(problem, "");
  return {plan.device, plan.upload, plan.download, plan.arguments};
}
using T = std::vector<uint32_t>;

DeviceSnapshot With(std::vector<MemoryHeap> heaps, std::vector<MemoryType> types) {
  DeviceSnapshot s;
  s.heaps = std::move(heaps);
  s.memory_types = std::move(types);
  return s;
}

constexpr MemoryType DeviceOnly(uint32_t heap) { return {heap, true}; }
constexpr MemoryType Window(uint32_t heap) { return {heap, true, true, true}; }         // on the device, written by the host
constexpr MemoryType Shared(uint32_t heap) { return {heap, true, true, true, true}; }   // of a device without memory of its own
constexpr MemoryType Combined(uint32_t heap) { return {heap, false, true, true}; }      // the host's, write-combined
constexpr MemoryType Cached(uint32_t heap) { return {heap, false, true, true, true}; }  // the host's
constexpr MemoryType Incoherent(uint32_t heap) { return {heap, false, true, false, true}; }
constexpr MemoryType Special(MemoryType type) { return {type.heap, type.device_local, type.host_visible, type.host_coherent, type.host_cached, true}; }

TEST(MemoryPlan, OfACardWithASmallWindow) {
  DeviceSnapshot s = PlainGpu();
  EXPECT_EQ(Types(s), (T{0, 1, 2, 3}));
  EXPECT_FALSE(PlanMemory(s, ~0u, nullptr).unified);
  s.memory_types = {Window(2), Combined(1), Cached(1), DeviceOnly(0)};
  EXPECT_EQ(Types(s), (T{3, 1, 2, 0}));
}

TEST(MemoryPlan, OfACardWithResizableBar) {
  DeviceSnapshot s = With({{8 * kGiB, true}, {16 * kGiB, false}}, {Combined(1), Window(0), DeviceOnly(0), Cached(1)});
  EXPECT_EQ(Types(s), (T{2, 0, 3, 1}));
  s.memory_types = {Window(0), Cached(1)};  // all of it is seen by the host
  EXPECT_EQ(Types(s), (T{0, 1, 1, 0}));
}

TEST(MemoryPlan, OfACardWhoseWindowIsCached) {
  EXPECT_EQ(Types(With({{8 * kGiB, true}, {kGiB, false}}, {Shared(0), Window(0), DeviceOnly(0), Cached(1)})), (T{2, 3, 3, 1}));
}

TEST(MemoryPlan, OfACardWithoutAnyWindow) {
  EXPECT_EQ(Types(With({{8 * kGiB, true}, {kGiB, false}}, {DeviceOnly(0), Combined(1), Cached(1)})), (T{0, 1, 2, 1}));
}

TEST(MemoryPlan, OfADeviceThatSharesTheHostsMemory) {
  DeviceSnapshot s = With({{4 * kGiB, true}}, {Window(0), Shared(0)});
  EXPECT_EQ(Types(s), (T{0, 0, 1, 0}));
  EXPECT_TRUE(PlanMemory(s, ~0u, nullptr).unified);
  s.memory_types = {Shared(0)};
  EXPECT_EQ(Types(s), (T{0, 0, 0, 0}));
  s.heaps.push_back({kGiB, false});  // AMD's, which set a part of it apart
  EXPECT_FALSE(PlanMemory(s, ~0u, nullptr).unified);
}

TEST(MemoryPlan, OfADeviceWithoutMemoryOfItsOwn) {
  DeviceSnapshot s = With({{2 * kGiB, false}, {4 * kGiB, false}}, {Combined(0), Cached(1)});
  EXPECT_EQ(Types(s), (T{1, 0, 1, 0}));
  EXPECT_FALSE(PlanMemory(s, ~0u, nullptr).unified);
  EXPECT_EQ(PlanMemory(s, ~0u, nullptr).max_block_bytes, 4 * kGiB);
}

TEST(MemoryPlan, NeverTakesSpecialTypes) {
  DeviceSnapshot s = With({{8 * kGiB, true}, {16 * kGiB, false}}, {Special(DeviceOnly(0)), Special(Combined(1)), Special(Cached(1)), Special(Window(0))});
  std::string problem;
  PlanMemory(s, ~0u, &problem);
  EXPECT_NE(problem, "");
  for (MemoryType type : {DeviceOnly(0), Combined(1), Cached(1), Window(0)}) s.memory_types.push_back(type);
  EXPECT_EQ(Types(s), (T{4, 5, 6, 7}));
}

TEST(MemoryPlan, TakesAllowedTypesOnly) {
  DeviceSnapshot s =
      With({{8 * kGiB, true}, {16 * kGiB, false}}, {DeviceOnly(0), Combined(1), Cached(1), Window(0), DeviceOnly(0), Combined(1), Cached(1), Window(0)});
  EXPECT_EQ(Types(s, 0xf0), (T{4, 5, 6, 7}));
  EXPECT_EQ(Types(s, 0x84), (T{7, 2, 2, 7}));
  std::string problem;
  PlanMemory(s, 0x11, &problem);
  EXPECT_NE(problem.find("host-visible"), std::string::npos) << problem;
}

TEST(MemoryPlan, NeedsCoherentMemory) {
  std::string problem;
  PlanMemory(With({{8 * kGiB, true}, {kGiB, false}}, {DeviceOnly(0), Incoherent(1)}), ~0u, &problem);
  EXPECT_NE(problem.find("host-coherent"), std::string::npos) << problem;
  EXPECT_EQ(Types(With({{8 * kGiB, true}, {kGiB, false}}, {DeviceOnly(0), Incoherent(1), Combined(1)})), (T{0, 2, 2, 2}));
  constexpr MemoryType kUncached = {1, false, true};
  EXPECT_EQ(Types(With({{8 * kGiB, true}, {kGiB, false}}, {DeviceOnly(0), kUncached, Combined(1)})), (T{0, 2, 2, 2}));
}

TEST(MemoryPlan, TakesNothingFromHeapsOfZero) {
  DeviceSnapshot s = PlainGpu();
  s.heaps[2].bytes = 0;  // no window after all
  EXPECT_EQ(Types(s), (T{0, 1, 2, 1}));
  s.heaps[0].bytes = 0;  // nor memory of its own
  EXPECT_EQ(Types(s), (T{1, 1, 2, 1}));
  s.heaps[1].bytes = 0;
  std::string problem;
  EXPECT_EQ(PlanMemory(s, ~0u, &problem).max_block_bytes, 0u);
  EXPECT_NE(problem, "");
}

TEST(MemoryPlan, SurvivesTypesWithoutAHeap) {
  std::string problem;
  PlanMemory(With({}, {Shared(0), Shared(7)}), ~0u, &problem);
  EXPECT_NE(problem, "");
  PlanMemory(DeviceSnapshot(), ~0u, nullptr);
}

TEST(MemoryPlan, BlocksAreBoundedByHeapAllocationAndBuffer) {
  DeviceSnapshot s = PlainGpu();
  s.features.sparse_binding = false;
  auto block = [&](uint64_t heap, uint64_t allocation, uint64_t buffer) {
    s.heaps[0].bytes = heap;
    s.limits.max_allocation_bytes = allocation;
    s.limits.max_buffer_bytes = buffer;
    MemoryPlan plan = PlanMemory(s, ~0u, nullptr);
    EXPECT_EQ(plan.max_block_bytes, plan.max_allocation_bytes);
    return plan.max_block_bytes;
  };
  EXPECT_EQ(block(512 * kMiB, 1024 * kMiB, 768 * kMiB), 512 * kMiB);
  EXPECT_EQ(block(8 * kGiB, 1024 * kMiB, 768 * kMiB), 768 * kMiB);
  EXPECT_EQ(block(8 * kGiB, 640 * kMiB, 768 * kMiB), 640 * kMiB);
  EXPECT_EQ(block(8 * kGiB, 640 * kMiB, 0), 640 * kMiB);  // zero: not told
  EXPECT_EQ(block(8 * kGiB, 0, 0), 8 * kGiB);
}

TEST(MemoryPlan, SparseBindingMakesBlocksOfSeveralAllocations) {
  DeviceSnapshot s = PlainGpu();
  // The largest block and the largest allocation in MiB.
  auto sizes = [&](uint64_t heap, uint64_t allocation, uint64_t buffer, uint64_t space) {
    s.heaps[0].bytes = heap * kMiB;
    s.limits.max_allocation_bytes = allocation * kMiB;
    s.limits.max_buffer_bytes = buffer * kMiB;
    s.limits.sparse_address_space_bytes = space * kMiB;
    MemoryPlan plan = PlanMemory(s, ~0u, nullptr);
    return std::pair(plan.max_block_bytes / kMiB, plan.max_allocation_bytes / kMiB);
  };
  EXPECT_EQ(sizes(143771, 4094, 1 << 20, 1 << 20), std::pair(uint64_t{143771}, uint64_t{4094}));  // an H200
  EXPECT_EQ(sizes(8192, 640, 768, 4096), std::pair(uint64_t{768}, uint64_t{640}));
  EXPECT_EQ(sizes(8192, 640, 0, 4096), std::pair(uint64_t{4096}, uint64_t{640}));
  EXPECT_EQ(sizes(8192, 640, 0, 0), std::pair(uint64_t{8192}, uint64_t{640}));     // zero: not told
  EXPECT_EQ(sizes(8192, 640, 0, 512), std::pair(uint64_t{640}, uint64_t{640}));    // plain blocks need none of that space
  EXPECT_EQ(sizes(512, 640, 768, 4096), std::pair(uint64_t{512}, uint64_t{512}));  // the heap is the limit
  s.features.sparse_binding = false;
  EXPECT_EQ(sizes(8192, 640, 768, 4096), std::pair(uint64_t{640}, uint64_t{640}));
  s.features.sparse_binding = true;
  for (QueueFamily& family : s.queue_families) family.sparse_binding = false;
  EXPECT_EQ(sizes(8192, 640, 768, 4096), std::pair(uint64_t{640}, uint64_t{640}));
}

TEST(MemoryPlan, TheFamilyThatBindsMemory) {
  DeviceSnapshot s = PlainGpu();
  EXPECT_EQ(SparseQueueFamily(s, 1), std::optional<uint32_t>(1));
  EXPECT_EQ(SparseQueueFamily(s, 7), std::optional<uint32_t>(0));  // there is none
  s.queue_families[1].sparse_binding = false;
  EXPECT_EQ(SparseQueueFamily(s, 1), std::optional<uint32_t>(0));
  s.queue_families[0].count = 0;
  EXPECT_EQ(SparseQueueFamily(s, 1), std::optional<uint32_t>(2));
  s.queue_families[2].sparse_binding = false;
  EXPECT_EQ(SparseQueueFamily(s, 1), std::nullopt);
  s = PlainGpu();
  s.features.sparse_binding = false;
  EXPECT_EQ(SparseQueueFamily(s, 1), std::nullopt);
}

}  // namespace
}  // namespace tfvk::vulkan
