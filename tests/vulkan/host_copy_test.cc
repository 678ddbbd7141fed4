#include "vulkan/host_copy.h"

#include <gtest/gtest.h>

#include <vector>

namespace tfvk::vulkan {
namespace {

TEST(HostCopy, EveryByteOnceAndNothingElse) {
  for (uint64_t bytes :
       {uint64_t{0}, uint64_t{1}, uint64_t{4095}, uint64_t{1} << 20, (uint64_t{2} << 20) - 1, (uint64_t{2} << 20) + 1, (uint64_t{13} << 20) + 777}) {
    std::vector<uint8_t> from(bytes + 2), to(bytes + 2, 0xcd);
    for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<uint8_t>(i * 2654435761u >> 24);
    CopyOnHost(to.data() + 1, from.data() + 1, bytes);
    EXPECT_EQ(to.front(), 0xcd);
    EXPECT_EQ(to.back(), 0xcd);
    EXPECT_TRUE(std::equal(from.begin() + 1, from.end() - 1, to.begin() + 1)) << bytes;
  }
}

}  // namespace
}  // namespace tfvk::vulkan
