#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "types/error.h"
#include "vulkan/device_fixture.h"
#include "vulkan/device_internals.h"

namespace tfvk::vulkan {
namespace {

ErrorCode CodeOf(const std::function<void()>& action, std::string* message = nullptr) {
  try {
    action();
  } catch (const Error& e) {
    if (message) *message = e.what();
    return e.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::kInternal;
}

TEST(Memory, BlocksAreAlignedAndFoundByInteriorAddresses) {
  Device& d = TestDevice();
  for (uint64_t bytes : {0, 1, 255, 256, 257, 1 << 20}) {
    Address a = d.Allocate(bytes);
    EXPECT_EQ(a % 256, 0u);
    auto start = d.Locate(a);
    ASSERT_TRUE(start);
    EXPECT_EQ(start->block, a);
    EXPECT_EQ(start->offset, 0u);
    EXPECT_GE(start->bytes_left, bytes);
    if (bytes > 1) {
      auto inside = d.Locate(a + bytes - 1);
      ASSERT_TRUE(inside);
      EXPECT_EQ(inside->block, a);
      EXPECT_EQ(inside->offset, bytes - 1);
    }
    EXPECT_TRUE(d.HoldsTensors(a));
    EXPECT_TRUE(d.HoldsTensors(a + std::max<uint64_t>(bytes, 1) - 1));
    d.Free(a);
    EXPECT_FALSE(d.Locate(a));
    EXPECT_FALSE(d.HoldsTensors(a));
  }
  EXPECT_FALSE(d.Locate(0));
  EXPECT_FALSE(d.Locate(~Address{0}));
}

// TensorFlow's plain pointers are told apart by this: a block that only the device has must not be taken for a tensor's when the host has memory there.
TEST(Memory, NothingOfTheHostHoldsTensors) {
  Device& d = TestDevice();
  const Address tensors = d.Allocate(1 << 20), piece = d.AllocateSmall(100);
  void* const pinned = d.AllocatePinned(1000);
  const std::vector<char> heap(1 << 20);
  EXPECT_FALSE(d.HoldsTensors(piece));
  EXPECT_FALSE(d.HoldsTensors(reinterpret_cast<Address>(pinned)));
  EXPECT_FALSE(d.HoldsTensors(d.PinnedAddress(pinned)));
  EXPECT_FALSE(d.HoldsTensors(reinterpret_cast<Address>(heap.data())));
  EXPECT_TRUE(d.HoldsTensors(tensors));
  EXPECT_TRUE(d.HoldsTensors(tensors + (1 << 20) - 1));
  d.FreePinned(pinned);
  d.FreeSmall(piece);
  d.Free(tensors);
}

TEST(Memory, CountsWhatIsInUse) {
  Device& d = TestDevice();
  MemoryUsage before = d.Usage();
  Address a = d.Allocate(1 << 20);
  MemoryUsage during = d.Usage();
  EXPECT_EQ(during.in_use_bytes, before.in_use_bytes + (1 << 20));
  EXPECT_EQ(during.block_count, before.block_count + 1);
  EXPECT_GE(during.peak_bytes, during.in_use_bytes);
  EXPECT_GT(during.total_bytes, 0u);
  EXPECT_LT(during.free_bytes, during.total_bytes);
  d.Free(a);
  EXPECT_EQ(d.Usage().in_use_bytes, before.in_use_bytes);
}

TEST(Memory, RefusesABlockThatIsTooLarge) {
  Device& d = TestDevice();
  std::string message;
  EXPECT_EQ(CodeOf([&] { d.Allocate(d.max_block_bytes() + 1); }, &message), ErrorCode::kResourceExhausted);
  EXPECT_NE(message.find("MiB"), std::string::npos) << message;
  EXPECT_NE(message.find(d.snapshot().name), std::string::npos) << message;
  EXPECT_EQ(CodeOf([&] { d.Allocate(uint64_t{1} << 60); }), ErrorCode::kResourceExhausted);
}

TEST(Memory, RefusesToFreeWhatIsNoBlock) {
  Device& d = TestDevice();
  Address a = d.Allocate(1024);
  EXPECT_EQ(CodeOf([&] { d.Free(a + 256); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf([&] { d.Free(12345); }), ErrorCode::kInvalidArgument);
  d.Free(0);
  d.Free(a);
  EXPECT_EQ(CodeOf([&] { d.Free(a); }), ErrorCode::kInvalidArgument);
  int on_the_stack;
  EXPECT_EQ(CodeOf([&] { d.FreePinned(&on_the_stack); }), ErrorCode::kInvalidArgument);
}

TEST(Memory, FreedBlocksOutliveTheirWork) {
  Device& d = TestDevice();
  TestBlock result(4096);
  for (int round = 0; round < 20; ++round) {
    Address a = d.Allocate(4096), b = d.Allocate(4096);
    Send(a, std::vector<uint32_t>(1024, 7));
    SlowAffine(d.queue(), b, a, 1024, 3, static_cast<uint32_t>(round), 2000);
    d.queue().Copy(result, b, 4096);
    d.Free(a);
    d.Free(b);
    ASSERT_EQ(Fetch(result, 1024), std::vector<uint32_t>(1024, 21 + static_cast<uint32_t>(round)));
  }
}

TEST(Memory, PinnedMemoryIsFoundByAnyPointerIntoIt) {
  Device& d = TestDevice();
  auto* p = static_cast<uint8_t*>(d.AllocatePinned(1000));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % 64, 0u);
  Address a = d.PinnedAddress(p);
  EXPECT_NE(a, 0u);
  EXPECT_EQ(d.PinnedAddress(p + 999), a + 999);
  EXPECT_EQ(d.PinnedAddress(p - 1), 0u);
  int on_the_stack = 0;
  EXPECT_EQ(d.PinnedAddress(&on_the_stack), 0u);
  std::memset(p, 0xab, 1000);
  TestBlock block(1024);
  d.queue().Copy(block, a, 1000);
  EXPECT_EQ(Fetch(block, 1)[0], 0xababababu);
  d.FreePinned(p);
  EXPECT_EQ(d.PinnedAddress(p), 0u);
}

TEST(Memory, ThousandsOfSmallPieces) {
  Device& d = TestDevice();
  std::vector<Address> pieces;
  for (int i = 0; i < 5000; ++i) pieces.push_back(d.AllocateSmall(static_cast<uint64_t>(i % 7) * 100));
  std::vector<Address> sorted = pieces;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(std::unique(sorted.begin(), sorted.end()), sorted.end());
  for (Address p : pieces) {
    EXPECT_EQ(p % 256, 0u);
    EXPECT_TRUE(d.Locate(p));
    d.FreeSmall(p);
  }
  EXPECT_EQ(CodeOf([&] { d.FreeSmall(pieces[0]); }), ErrorCode::kInvalidArgument);
  d.queue().Synchronize();
  Address all = d.AllocateSmall(3 << 20);  // fits only where the pieces were, merged again
  EXPECT_EQ(d.internals().small_pieces->bytes_in_blocks(), uint64_t{4} << 20);
  d.FreeSmall(all);
}

constexpr uint64_t kMiB = uint64_t{1} << 20, kGiB = uint64_t{1} << 30;

// Allocations that the driver made, those given back, and the call at which it has no more.
struct CountedAllocations {
  PFN_vkAllocateMemory allocate = nullptr;
  PFN_vkFreeMemory free = nullptr;
  int made = 0, freed = 0, fails_at = -1;
};
CountedAllocations counted;

VkResult VKAPI_CALL AllocateCounted(VkDevice device, const VkMemoryAllocateInfo* info, const VkAllocationCallbacks* callbacks, VkDeviceMemory* memory) {
  if (counted.made == counted.fails_at) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
  ++counted.made;
  return counted.allocate(device, info, callbacks, memory);
}
void VKAPI_CALL FreeCounted(VkDevice device, VkDeviceMemory memory, const VkAllocationCallbacks* callbacks) {
  ++counted.freed;
  counted.free(device, memory, callbacks);
}

// 16 MiB are the largest allocation, so that blocks of several are small enough for any test.
class LargeBlocks : public testing::Test {
 protected:
  static constexpr uint64_t kPiece = 16 * kMiB, kBytes = 100 * kMiB;

  void SetUp() override {
    if (!d_.plan().features.sparse_binding) {
      GTEST_SKIP() << d_.snapshot().name << " (" << d_.snapshot().driver_info << ") binds no buffer to several allocations (sparseBinding).";
    }
    d_.internals().plan.memory.max_allocation_bytes = kPiece;
    DeviceFunctions& f = d_.internals().f;
    counted = {f.AllocateMemory, f.FreeMemory};
    f.AllocateMemory = AllocateCounted;
    f.FreeMemory = FreeCounted;
  }
  void Reclaim() {
    d_.queue().Synchronize();
    d_.internals().Reclaim(true);
  }
  std::vector<uint32_t> Download(Address from, uint64_t bytes) {
    std::vector<uint32_t> words(bytes / 4);
    d_.queue().Download(words.data(), from, bytes);
    d_.queue().Synchronize();
    return words;
  }
  Device d_{Instance::Get(), TestDeviceIndex()};
};

std::vector<uint32_t> Pattern(uint64_t words) {
  std::vector<uint32_t> pattern(words);
  for (uint64_t i = 0; i < words; ++i) pattern[i] = static_cast<uint32_t>(i * 2654435761u + 1);
  return pattern;
}

TEST_F(LargeBlocks, HoldWhatIsWrittenToEveryPiece) {
  MemoryUsage before = d_.Usage();
  Address a = d_.Allocate(kBytes);
  EXPECT_EQ(a % 256, 0u);
  EXPECT_EQ(d_.Usage().in_use_bytes, before.in_use_bytes + kBytes);
  ASSERT_TRUE(d_.Locate(a + kBytes - 1));
  EXPECT_EQ(d_.Locate(a + kBytes - 1)->block, a);
  std::vector<uint32_t> expected = Pattern(kBytes / 4);
  d_.queue().Upload(a, expected.data(), kBytes);
  EXPECT_TRUE(Download(a, kBytes) == expected);

  // Copies and fills over the edges of pieces, of whole pieces and of several.
  for (auto [to, from, bytes] :
       {std::tuple{kPiece - 4096, 3 * kPiece - 64, uint64_t{8192}}, {0 * kPiece, 2 * kPiece, kPiece}, {3 * kPiece + 4, 12, 2 * kPiece + 8}}) {
    d_.queue().Copy(a + to, a + from, bytes);
    std::copy_n(expected.begin() + static_cast<int64_t>(from / 4), bytes / 4, expected.begin() + static_cast<int64_t>(to / 4));
  }
  for (auto [at, bytes] : {std::pair{5 * kPiece - 8, uint64_t{16}}, {6 * kPiece - kMiB, kMiB + 4}}) {
    d_.queue().Fill(a + at, 0xc0ffee, bytes);
    std::fill_n(expected.begin() + static_cast<int64_t>(at / 4), bytes / 4, 0xc0ffeeu);
  }
  EXPECT_TRUE(Download(a, kBytes) == expected);
  d_.Free(a);
  MemoryUsage after = d_.Usage();
  EXPECT_EQ(after.in_use_bytes, before.in_use_bytes);
  EXPECT_EQ(after.block_count, before.block_count);
  EXPECT_FALSE(d_.Locate(a));
}

TEST_F(LargeBlocks, AreOneRangeOfAddressesForKernels) {
  constexpr uint32_t kWords = 6 * kPiece / 4;
  Address from = d_.Allocate(kBytes), to = d_.Allocate(kBytes);
  std::vector<uint32_t> numbers = Pattern(kWords);
  d_.queue().Upload(from, numbers.data(), kWords * uint64_t{4});
  const uint64_t arguments[] = {to, from, kWords, 3, 7};
  const Access accesses[] = {{to, kWords * uint64_t{4}, true}, {from, kWords * uint64_t{4}, false}};
  LaunchInfo launch;
  launch.pipeline = &d_.pipelines().Get(AffineKernel(), 0, "affine");
  launch.arguments = {arguments, 5};
  launch.workgroups = kWords / 64;
  launch.accesses = {accesses, 2};
  launch.name = "affine";
  d_.queue().Launch(launch);
  for (uint32_t& x : numbers) x = x * 3 + 7;
  EXPECT_TRUE(Download(to, kWords * uint64_t{4}) == numbers);
  d_.Free(from);
  d_.Free(to);
}

TEST_F(LargeBlocks, TakeAsManyAllocationsAsNeeded) {
  for (auto [bytes, count] : {std::pair{kPiece, 1}, {kPiece + 1, 2}, {2 * kPiece, 2}, {kBytes, 7}}) {
    counted.made = counted.freed = 0;
    d_.Free(d_.Allocate(bytes));
    Reclaim();
    EXPECT_EQ(counted.made, count) << bytes;
    EXPECT_EQ(counted.freed, count) << bytes;
  }
}

TEST_F(LargeBlocks, AreGivenBackInFullWhenTheDriverRunsOut) {
  MemoryUsage before = d_.Usage();
  counted.fails_at = 3;
  std::string message;
  EXPECT_EQ(CodeOf([&] { d_.Allocate(kBytes); }, &message), ErrorCode::kResourceExhausted);
  EXPECT_NE(message.find("has no 100.0 MiB for tensors: vkAllocateMemory gave VK_ERROR_OUT_OF_DEVICE_MEMORY"), std::string::npos) << message;
  EXPECT_EQ(counted.made, 3);
  EXPECT_EQ(counted.freed, 3);
  EXPECT_EQ(d_.Usage().in_use_bytes, before.in_use_bytes);
  EXPECT_EQ(d_.Usage().block_count, before.block_count);
  counted.fails_at = -1;
  d_.Free(d_.Allocate(kBytes));
  Reclaim();
  EXPECT_EQ(counted.made, 10);
  EXPECT_EQ(counted.freed, 10);
}

TEST_F(LargeBlocks, AreMadeWhileTheQueueIsAtWork) {
  Address a = d_.Allocate(kMiB);
  std::thread worker([&] {
    for (uint32_t i = 0; i < 300; ++i) {
      d_.queue().Fill(a, i, kMiB);
      d_.queue().Flush();
    }
  });
  for (uint32_t i = 0; i < 30; ++i) {
    Address b = d_.Allocate(3 * kPiece);
    d_.queue().Fill(b + 2 * kPiece - 4, i, 8);
    EXPECT_EQ(Download(b + 2 * kPiece - 4, 8), (std::vector<uint32_t>{i, i}));
    d_.Free(b);
  }
  worker.join();
  EXPECT_EQ(Download(a, 4), std::vector<uint32_t>{299});
  d_.Free(a);
}

TEST(Memory, MoreThanFourGibibytesInOneBlock) {
  Device& d = TestDevice();
  constexpr uint64_t kBytes = 5 * kGiB;
  const uint64_t total = d.Usage().total_bytes, largest = d.plan().memory.max_allocation_bytes;
  if (d.snapshot().type == DeviceType::kCpu) GTEST_SKIP() << d.snapshot().name << " is a CPU: the host may not have 5 GiB to spare.";
  if (total <= 16 * kGiB) GTEST_SKIP() << d.snapshot().name << " has " << total << " bytes of memory; this test is for more than 16 GiB.";
  if (d.max_block_bytes() < kBytes) GTEST_SKIP() << d.snapshot().name << " takes blocks of at most " << d.max_block_bytes() << " bytes.";
  RecordProperty("allocations", static_cast<int>((kBytes + largest - 1) / largest));
  MemoryUsage before = d.Usage();
  Address a = d.Allocate(kBytes);
  EXPECT_EQ(d.Usage().in_use_bytes, before.in_use_bytes + kBytes);
  d.queue().Fill(a, 0x01020304, kBytes);
  // The first and last words, and those on both sides of 4 GiB and of where the second allocation begins.
  const std::vector<uint64_t> places = {0, 4 * kGiB - 512, std::min(largest, kBytes / 2) / 4096 * 4096 - 512, kBytes - 1024};
  for (uint64_t place : places) EXPECT_EQ(Fetch(a + place, 256), std::vector<uint32_t>(256, 0x01020304)) << place;
  for (uint64_t place : places) {
    Send(a + place, Pattern(256));
    EXPECT_EQ(Fetch(a + place, 256), Pattern(256)) << place;
    Affine(d.queue(), a + 2 * kGiB, a + place, 256, 3, static_cast<uint32_t>(place >> 20));  // read by a kernel
    Affine(d.queue(), a + place, a + 2 * kGiB, 256, 1, 1);                                   // and written
    std::vector<uint32_t> expected = Pattern(256);
    for (uint32_t& x : expected) x = x * 3 + static_cast<uint32_t>(place >> 20) + 1;
    EXPECT_EQ(Fetch(a + place, 256), expected) << place;
  }
  EXPECT_EQ(Fetch(a + 3 * kGiB, 1)[0], 0x01020304u);  // what nobody wrote to
  d.Free(a);
  EXPECT_EQ(d.Usage().in_use_bytes, before.in_use_bytes);
}

}  // namespace
}  // namespace tfvk::vulkan
