#include "vulkan/host_copy.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <random>
#include <thread>
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

TEST(HostCopy, ManyThreads) {
  std::atomic<int> wrong_bytes{0}, late_writes{0};
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int round = 0; round < 40; ++round) {
        const uint64_t bytes = (1 << 20) + random() % (3 << 20);
        std::vector<uint8_t> from(bytes, static_cast<uint8_t>(random())), to(bytes);
        CopyOnHost(to.data(), from.data(), bytes);
        if (from != to) ++wrong_bytes;
        std::memset(to.data(), 0x5a, bytes);
        std::this_thread::yield();
        if (to != std::vector<uint8_t>(bytes, 0x5a)) ++late_writes;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong_bytes, 0);
  EXPECT_EQ(late_writes, 0);
}

}  // namespace
}  // namespace tfvk::vulkan
