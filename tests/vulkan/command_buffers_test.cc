#include "vulkan/command_buffers.h"

#include <gtest/gtest.h>

namespace tfvk::vulkan {
namespace {

using Grid = std::array<uint32_t, 2>;

Grid Fold(Grid most, uint64_t workgroups) {
  DevicePlan plan;
  plan.max_workgroups = most;
  return FoldWorkgroups(plan, workgroups);
}

TEST(FoldWorkgroups, OneRowWhereItFits) {
  EXPECT_EQ(Fold({65535, 65535}, 1), (Grid{1, 1}));
  EXPECT_EQ(Fold({65535, 65535}, 65535), (Grid{65535, 1}));
  EXPECT_EQ(Fold({~0u, 65535}, 4000000000u), (Grid{4000000000u, 1}));
}

TEST(FoldWorkgroups, RowsOfOneLengthCoverAllWithLittleMore) {
  EXPECT_EQ(Fold({65535, 65535}, 65536), (Grid{32768, 2}));
  EXPECT_EQ(Fold({100, 50}, 101), (Grid{51, 2}));
  for (uint64_t n : {201, 999, 1000, 1001, 4999, 5000}) {
    const auto [x, y] = Fold({100, 50}, n);
    EXPECT_GE(uint64_t{x} * y, n);
    EXPECT_LT(uint64_t{x} * y - n, y) << n;
    EXPECT_LE(x, 100u);
    EXPECT_LE(y, 50u);
  }
  EXPECT_EQ(Fold({65535, 65535}, uint64_t{65535} * 65535), (Grid{65535, 65535}));
}

TEST(FoldWorkgroups, RefusesWhatNoGridHolds) {
  for (auto [most, n] : {std::pair{Grid{100, 50}, uint64_t{5001}}, {Grid{65535, 65535}, uint64_t{1} << 40}}) {
    try {
      Fold(most, n);
      ADD_FAILURE() << "no error";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kUnimplemented);
      EXPECT_NE(std::string(e.what()).find(std::to_string(n)), std::string::npos) << e.what();
    }
  }
}

}  // namespace
}  // namespace tfvk::vulkan
