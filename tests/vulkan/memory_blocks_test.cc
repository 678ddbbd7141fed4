// Blocks of several allocations over a driver that is played here, which gives out at a chosen call: what a real one does then cannot be had at will.
#include "vulkan/memory_blocks.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <thread>

#include "types/error.h"

namespace tfvk::vulkan {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20, kGranularity = 64 << 10;
constexpr Address kBase = 0x700000000000;

struct Played {
  std::set<uint64_t> buffers, fences, waited;
  std::map<uint64_t, uint64_t> memory;  // bytes
  uint64_t next = 1;
  VkBufferCreateFlags flags = 0;  // of the last buffer
  uint64_t buffer_bytes = 0;
  uint32_t types = ~0u;  // that a buffer may live in
  std::vector<VkSparseMemoryBind> binds;
  VkQueue queue = VK_NULL_HANDLE;
  int plain_binds = 0;
  int vain_waits = 0;                        // that end before the fence is signalled
  bool locked = false;                       // the queue's mutex was held at vkQueueBindSparse
  std::map<std::string, VkResult> failures;  // by call
  int allocations_until_failure = 1 << 30;
};
Played played;
std::mutex queue_mutex;

template <class Handle>
Handle NewHandle(std::set<uint64_t>* live) {
  uint64_t number = played.next++;
  live->insert(number);
  return (Handle)number;  // NOLINT: a pointer or a number
}
template <class Handle>
uint64_t NumberOf(Handle handle) {
  return (uint64_t)handle;  // NOLINT: as above
}
VkResult ResultOf(const char* call) {
  auto it = played.failures.find(call);
  return it == played.failures.end() ? VK_SUCCESS : it->second;
}

VkResult VKAPI_CALL CreateBuffer(VkDevice, const VkBufferCreateInfo* info, const VkAllocationCallbacks*, VkBuffer* buffer) {
  played.flags = info->flags;
  played.buffer_bytes = info->size;
  *buffer = NewHandle<VkBuffer>(&played.buffers);
  return VK_SUCCESS;
}
void VKAPI_CALL DestroyBuffer(VkDevice, VkBuffer buffer, const VkAllocationCallbacks*) { EXPECT_EQ(played.buffers.erase(NumberOf(buffer)), 1u); }
void VKAPI_CALL GetBufferMemoryRequirements(VkDevice, VkBuffer, VkMemoryRequirements* needs) {
  *needs = {(played.buffer_bytes + kGranularity - 1) / kGranularity * kGranularity, kGranularity, played.types};
}
VkResult VKAPI_CALL AllocateMemory(VkDevice, const VkMemoryAllocateInfo* info, const VkAllocationCallbacks*, VkDeviceMemory* memory) {
  if (played.allocations_until_failure-- <= 0) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
  auto* flags = static_cast<const VkMemoryAllocateFlagsInfo*>(info->pNext);
  EXPECT_TRUE(flags && flags->flags == VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT);
  EXPECT_EQ(info->memoryTypeIndex, 0u);
  uint64_t number = played.next++;
  played.memory[number] = info->allocationSize;
  *memory = (VkDeviceMemory)number;  // NOLINT: as above
  return VK_SUCCESS;
}
void VKAPI_CALL FreeMemory(VkDevice, VkDeviceMemory memory, const VkAllocationCallbacks*) {
  EXPECT_TRUE(played.buffers.empty()) << "the buffer goes first";
  EXPECT_EQ(played.memory.erase(NumberOf(memory)), 1u);
}
VkResult VKAPI_CALL BindBufferMemory(VkDevice, VkBuffer, VkDeviceMemory, VkDeviceSize) {
  ++played.plain_binds;
  return VK_SUCCESS;
}
VkDeviceAddress VKAPI_CALL GetBufferDeviceAddress(VkDevice, const VkBufferDeviceAddressInfo*) { return kBase; }
VkResult VKAPI_CALL CreateFence(VkDevice, const VkFenceCreateInfo* info, const VkAllocationCallbacks*, VkFence* fence) {
  EXPECT_EQ(info->flags, 0u);
  if (ResultOf("fence") != VK_SUCCESS) return ResultOf("fence");
  *fence = NewHandle<VkFence>(&played.fences);
  return VK_SUCCESS;
}
void VKAPI_CALL DestroyFence(VkDevice, VkFence fence, const VkAllocationCallbacks*) { EXPECT_EQ(played.fences.erase(NumberOf(fence)), 1u); }
VkResult VKAPI_CALL WaitForFences(VkDevice, uint32_t count, const VkFence* fences, VkBool32, uint64_t timeout) {
  EXPECT_EQ(count, 1u);
  EXPECT_EQ(timeout, 1'000'000'000u);
  EXPECT_TRUE(queue_mutex.try_lock()) << "others may use the queue meanwhile";
  queue_mutex.unlock();
  if (played.vain_waits > 0) {
    --played.vain_waits;
    return VK_TIMEOUT;
  }
  played.waited.insert(NumberOf(fences[0]));
  return ResultOf("wait");
}
VkResult VKAPI_CALL QueueBindSparse(VkQueue queue, uint32_t count, const VkBindSparseInfo* info, VkFence fence) {
  EXPECT_EQ(count, 1u);
  EXPECT_EQ(info->bufferBindCount, 1u);
  EXPECT_EQ(played.fences.count(NumberOf(fence)), 1u);
  played.queue = queue;
  const VkSparseBufferMemoryBindInfo& binds = info->pBufferBinds[0];
  EXPECT_EQ(played.buffers.count(NumberOf(binds.buffer)), 1u);
  played.binds.assign(binds.pBinds, binds.pBinds + binds.bindCount);
  std::thread([] {
    played.locked = !queue_mutex.try_lock();
    if (!played.locked) queue_mutex.unlock();
  }).join();
  return ResultOf("bind");
}

class BlocksOfAPlayedDriver : public testing::Test {
 protected:
  BlocksOfAPlayedDriver() {
    played = {};
    functions_.CreateBuffer = CreateBuffer;
    functions_.DestroyBuffer = DestroyBuffer;
    functions_.GetBufferMemoryRequirements = GetBufferMemoryRequirements;
    functions_.GetBufferDeviceAddress = GetBufferDeviceAddress;
    functions_.AllocateMemory = AllocateMemory;
    functions_.FreeMemory = FreeMemory;
    functions_.BindBufferMemory = BindBufferMemory;
    functions_.CreateFence = CreateFence;
    functions_.DestroyFence = DestroyFence;
    functions_.WaitForFences = WaitForFences;
    functions_.QueueBindSparse = QueueBindSparse;
    snapshot_.name = "Played GPU";
    snapshot_.heaps = {{uint64_t{1} << 30, true}};
    snapshot_.memory_types = {{0, true}};
    plan_.max_allocation_bytes = 16 * kMiB;
  }
  static VkQueue Queue() { return reinterpret_cast<VkQueue>(uintptr_t{0x51}); }
  MemoryBlocks Blocks(VkQueue queue = Queue()) const { return {functions_, VK_NULL_HANDLE, snapshot_, plan_, {queue, &queue_mutex}}; }

  // What Create throws for 100 MiB, after which nothing may be left.
  std::string ProblemOf(ErrorCode code, MemoryBlocks& blocks) {
    std::string message = "no error";
    try {
      blocks.Create(100 * kMiB, 0, false, "tensors");
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), code);
      message = e.what();
    }
    EXPECT_TRUE(played.memory.empty() && played.buffers.empty() && played.fences.empty()) << message;
    EXPECT_FALSE(blocks.Locate(kBase));
    return message;
  }

  DeviceFunctions functions_;
  DeviceSnapshot snapshot_;
  MemoryPlan plan_;
};

TEST_F(BlocksOfAPlayedDriver, BindsPiecesOneAfterTheOther) {
  played.vain_waits = 2;
  MemoryBlocks blocks = Blocks();
  plan_.max_allocation_bytes += 4;  // pieces keep the driver's granularity
  MemoryBlock block = blocks.Create(100 * kMiB + 1, 0, false, "tensors");
  EXPECT_EQ(played.flags, VkBufferCreateFlags{VK_BUFFER_CREATE_SPARSE_BINDING_BIT});
  EXPECT_EQ(played.queue, Queue());
  EXPECT_TRUE(played.locked);
  EXPECT_EQ(played.vain_waits, 0);
  EXPECT_EQ(played.waited.size(), 1u);
  EXPECT_TRUE(played.fences.empty());
  EXPECT_EQ(played.plain_binds, 0);
  ASSERT_EQ(played.binds.size(), 7u);
  uint64_t at = 0;
  std::set<uint64_t> used;
  for (const VkSparseMemoryBind& bind : played.binds) {
    EXPECT_EQ(bind.resourceOffset, at);
    EXPECT_EQ(bind.resourceOffset % kGranularity, 0u);
    EXPECT_EQ(bind.size, std::min(16 * kMiB, 100 * kMiB + kGranularity - at));
    EXPECT_EQ(bind.memoryOffset, 0u);
    EXPECT_EQ(bind.size, played.memory.at(NumberOf(bind.memory)));
    EXPECT_TRUE(used.insert(NumberOf(bind.memory)).second);
    at += bind.size;
  }
  EXPECT_EQ(at, 100 * kMiB + kGranularity);
  EXPECT_EQ(block.allocated, at);
  EXPECT_EQ(block.bytes, 100 * kMiB + 256);
  EXPECT_EQ(block.address, kBase);
  auto last = blocks.Locate(kBase + 100 * kMiB);
  ASSERT_TRUE(last);
  EXPECT_EQ(last->block, kBase);
  EXPECT_EQ(blocks.RangeOf(kBase + 16 * kMiB - 1, 2, "Copy").offset, 16 * kMiB - 1);  // over the edge of a piece
  blocks.Destroy(block);
  EXPECT_TRUE(played.memory.empty() && played.buffers.empty());
}

TEST_F(BlocksOfAPlayedDriver, TakesOneAllocationWhileItSuffices) {
  MemoryBlocks blocks = Blocks();
  MemoryBlock block = blocks.Create(16 * kMiB, 0, false, "tensors");
  EXPECT_EQ(played.flags, 0u);
  EXPECT_EQ(played.memory.size(), 1u);
  EXPECT_EQ(played.plain_binds, 1);
  EXPECT_TRUE(played.binds.empty());
  blocks.Destroy(block);
  block = blocks.Create(16 * kMiB + 1, 0, false, "tensors");
  EXPECT_EQ(played.memory.size(), 2u);
  blocks.Destroy(block);
  EXPECT_TRUE(played.memory.empty() && played.buffers.empty());
}

TEST_F(BlocksOfAPlayedDriver, RefusesLargeBlocksWithoutSparseBinding) {
  MemoryBlocks blocks = Blocks(VK_NULL_HANDLE);
  std::string problem = ProblemOf(ErrorCode::kResourceExhausted, blocks);
  EXPECT_NE(problem.find("Played GPU has no 100.0 MiB for tensors: One allocation has at most 16.0 MiB"), std::string::npos) << problem;
  EXPECT_EQ(played.next, 1u);  // nothing was asked of the driver
}

TEST_F(BlocksOfAPlayedDriver, FreesEverythingWhenAnAllocationFails) {
  MemoryBlocks blocks = Blocks();
  for (int good = 0; good < 7; ++good) {
    played.allocations_until_failure = good;
    std::string problem = ProblemOf(ErrorCode::kResourceExhausted, blocks);
    EXPECT_NE(problem.find("vkAllocateMemory gave VK_ERROR_OUT_OF_DEVICE_MEMORY"), std::string::npos) << problem;
    EXPECT_TRUE(played.binds.empty());
  }
  played.allocations_until_failure = 7;
  blocks.Destroy(blocks.Create(100 * kMiB, 0, false, "tensors"));
  EXPECT_TRUE(played.memory.empty());
}

TEST_F(BlocksOfAPlayedDriver, FreesEverythingWhenBindingFails) {
  MemoryBlocks blocks = Blocks();
  played.failures = {{"fence", VK_ERROR_OUT_OF_HOST_MEMORY}};
  EXPECT_NE(ProblemOf(ErrorCode::kResourceExhausted, blocks).find("vkCreateFence gave VK_ERROR_OUT_OF_HOST_MEMORY"), std::string::npos);
  played.failures = {{"bind", VK_ERROR_OUT_OF_DEVICE_MEMORY}};
  EXPECT_NE(ProblemOf(ErrorCode::kResourceExhausted, blocks).find("vkQueueBindSparse gave VK_ERROR_OUT_OF_DEVICE_MEMORY"), std::string::npos);
  EXPECT_TRUE(played.waited.empty());  // nothing would ever signal the fence
  played.failures = {{"bind", VK_ERROR_DEVICE_LOST}};
  EXPECT_NE(ProblemOf(ErrorCode::kUnavailable, blocks).find("vkQueueBindSparse gave VK_ERROR_DEVICE_LOST"), std::string::npos);
  played.failures = {{"wait", VK_ERROR_DEVICE_LOST}};
  EXPECT_NE(ProblemOf(ErrorCode::kUnavailable, blocks).find("vkWaitForFences gave VK_ERROR_DEVICE_LOST"), std::string::npos);
}

TEST_F(BlocksOfAPlayedDriver, TellsWhatPiecesCannotBe) {
  MemoryBlocks blocks = Blocks();
  played.types = 0b110;
  EXPECT_NE(ProblemOf(ErrorCode::kResourceExhausted, blocks).find("of types 0b110"), std::string::npos);
  played.types = ~0u;
  plan_.max_allocation_bytes = kGranularity - 1;
  EXPECT_NE(ProblemOf(ErrorCode::kResourceExhausted, blocks).find("in pieces of 65536 bytes"), std::string::npos);
}

}  // namespace
}  // namespace tfvk::vulkan
