#include "vulkan/ring_allocator.h"

#include <gtest/gtest.h>

#include <random>

namespace tfvk::vulkan {
namespace {

TEST(RingAllocator, FillsToTheLastByte) {
  RingAllocator ring(64);
  auto a = ring.Allocate(32, 16), b = ring.Allocate(32, 16);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->offset, 0u);
  EXPECT_EQ(b->offset, 32u);
  EXPECT_FALSE(ring.Allocate(1, 1));
  ring.SetTicket(a->id, 1);
  EXPECT_EQ(ring.oldest(), 1u);
  ring.Release(0);
  EXPECT_FALSE(ring.Allocate(1, 1));
  ring.Release(1);
  EXPECT_EQ(ring.oldest(), RingAllocator::kInUse);
  auto c = ring.Allocate(32, 16);
  ASSERT_TRUE(c);
  EXPECT_EQ(c->offset, 0u);
}

TEST(RingAllocator, ReleasesInOrderOnly) {
  RingAllocator ring(64);
  auto a = ring.Allocate(16, 16), b = ring.Allocate(16, 16);
  ring.SetTicket(b->id, 1);
  ring.Release(5);
  EXPECT_EQ(ring.oldest(), RingAllocator::kInUse);  // a is still being filled
  ring.SetTicket(a->id, 2);
  ring.Release(5);
  EXPECT_EQ(ring.oldest(), 0u);
}

TEST(RingAllocator, TakesItsWholeSizeFromAnyPosition) {
  RingAllocator ring(64);
  for (uint64_t bytes : {16, 64, 48, 64, 1, 64}) {
    auto piece = ring.Allocate(bytes, 16);
    ASSERT_TRUE(piece) << bytes;
    EXPECT_LE(piece->offset + bytes, 64u);
    ring.SetTicket(piece->id, 1);
    ring.Release(1);
  }
  EXPECT_FALSE(ring.Allocate(65, 16));
}

TEST(RingAllocator, NeverGivesOverlappingPieces) {
  std::mt19937 random(7);
  RingAllocator ring(1024);
  struct Piece {
    uint64_t begin, end, id;
    Ticket ticket;
  };
  std::deque<Piece> live;
  Ticket now = 0;
  for (int step = 0; step < 20000; ++step) {
    uint64_t bytes = random() % 300 + 1;
    auto piece = ring.Allocate(bytes, 16);
    if (!piece) {
      ASSERT_FALSE(live.empty());
      ring.Release(live.front().ticket);
      live.pop_front();
      continue;
    }
    ASSERT_EQ(piece->offset % 16, 0u);
    ASSERT_LE(piece->offset + bytes, 1024u);
    for (const Piece& p : live) ASSERT_TRUE(piece->offset + bytes <= p.begin || p.end <= piece->offset);
    live.push_back({piece->offset, piece->offset + bytes, piece->id, ++now});
    ring.SetTicket(piece->id, now);
  }
}

}  // namespace
}  // namespace tfvk::vulkan
