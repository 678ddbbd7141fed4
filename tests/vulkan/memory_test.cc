#include <gtest/gtest.h>

#include <cstring>

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
    d.Free(a);
    EXPECT_FALSE(d.Locate(a));
  }
  EXPECT_FALSE(d.Locate(0));
  EXPECT_FALSE(d.Locate(~Address{0}));
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

}  // namespace
}  // namespace tfvk::vulkan
