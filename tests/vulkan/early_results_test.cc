#include "vulkan/early_results.h"

#include <gtest/gtest.h>

namespace tfvk::vulkan {
namespace {

EarlyResults::Result ResultAt(Address address, size_t place, Ticket ticket = 1) { return {address, 4, place, ticket}; }

TEST(EarlyResults, FindsWhatAResultHolds) {
  EarlyResults early(4);
  early.Add({0x1000, 8, early.Take().index, 7});
  ASSERT_TRUE(early.Find(0x1004, 4));
  EXPECT_EQ(early.Find(0x1004, 4)->ticket, 7u);
  EXPECT_FALSE(early.Find(0x1004, 8));
  EXPECT_FALSE(early.Find(0xffc, 8));
}

TEST(EarlyResults, ForgetsWhatIsWrittenAndNothingElse) {
  EarlyResults early(4);
  early.Add(ResultAt(0x1000, early.Take().index));
  early.Add(ResultAt(0x2000, early.Take().index));
  const Access read{0x1000, 4, false}, beside{0x1004, 16, true};
  early.Forget({&read, 1});
  early.Forget({&beside, 1});
  EXPECT_TRUE(early.Find(0x1000, 4));
  const Access write{0xff0, 17, true};
  early.Forget({&write, 1});
  EXPECT_FALSE(early.Find(0x1000, 4));
  EXPECT_TRUE(early.Find(0x2000, 4));
}

TEST(EarlyResults, APlaceIsOneResultsAndTellsWhoReadsIt) {
  EarlyResults early(2);
  const size_t first = early.Take().index;
  early.Add(ResultAt(0x1000, first));
  early.NoteRead(first, 5);
  early.Add(ResultAt(0x2000, early.Take().index));
  const EarlyResults::Place again = early.Take();
  EXPECT_EQ(again.index, first);
  EXPECT_EQ(again.read_until, 5u);
  EXPECT_FALSE(early.Find(0x1000, 4));
  EXPECT_TRUE(early.Find(0x2000, 4));
}

TEST(EarlyResults, KeepsTheNewest) {
  EarlyResults early(100);
  for (Address i = 0; i < 100; ++i) early.Add(ResultAt(0x1000 + 16 * i, early.Take().index));
  EXPECT_FALSE(early.Find(0x1000, 4));
  EXPECT_TRUE(early.Find(0x1000 + 16 * 99, 4));
}

}  // namespace
}  // namespace tfvk::vulkan
