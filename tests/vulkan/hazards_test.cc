#include "vulkan/hazards.h"

#include <gtest/gtest.h>

namespace tfvk::vulkan {
namespace {

Access Read(uint64_t address, uint64_t bytes) { return {address, bytes, false}; }
Access Write(uint64_t address, uint64_t bytes) { return {address, bytes, true}; }

TEST(HazardTracker, ReadsNeverConflict) {
  HazardTracker t;
  EXPECT_FALSE(t.Add({Read(0, 100)}));
  EXPECT_FALSE(t.Add({Read(0, 100), Read(50, 100)}));
}

TEST(HazardTracker, FindsEveryKindOfConflict) {
  for (auto [first, second] : {std::pair{Write(0, 8), Read(4, 8)}, {Read(4, 8), Write(0, 8)}, {Write(0, 8), Write(7, 1)}}) {
    HazardTracker t;
    EXPECT_FALSE(t.Add({first}));
    EXPECT_TRUE(t.Add({second}));
  }
}

TEST(HazardTracker, NeighboursAreIndependent) {
  HazardTracker t;
  EXPECT_FALSE(t.Add({Write(8, 8)}));
  EXPECT_FALSE(t.Add({Write(0, 8)}));
  EXPECT_FALSE(t.Add({Read(16, 8)}));
}

TEST(HazardTracker, ABarrierForgetsWhatWasBefore) {
  HazardTracker t;
  EXPECT_FALSE(t.Add({Write(0, 8)}));
  EXPECT_TRUE(t.Add({Read(0, 8), Write(8, 8)}));
  EXPECT_FALSE(t.Add({Read(0, 8)}));  // the write is behind the barrier
  EXPECT_TRUE(t.Add({Read(8, 8)}));   // this one is not
  t.Clear();
  EXPECT_FALSE(t.Add({Write(8, 8)}));
}

TEST(HazardTracker, OneLaunchMayUpdateInPlace) {
  HazardTracker t;
  EXPECT_FALSE(t.Add({Read(0, 8), Write(0, 8)}));
  EXPECT_TRUE(t.Add({Read(0, 8), Write(0, 8)}));
}

TEST(HazardTracker, NothingConflictsWithNoBytes) {
  HazardTracker t;
  EXPECT_FALSE(t.Add({Write(0, 8)}));
  EXPECT_FALSE(t.Add({Read(4, 0), Write(4, 0)}));
}

TEST(HazardTracker, GivesUpCountingWithABarrier) {
  HazardTracker t;
  int barriers = 0;
  for (uint64_t i = 0; i < 10000; ++i) barriers += t.Add({Write(i * 16, 8)});
  EXPECT_GT(barriers, 0);
  EXPECT_LT(barriers, 20);
}

}  // namespace
}  // namespace tfvk::vulkan
