#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "types/error.h"
#include "vulkan/device_fixture.h"

namespace tfvk::vulkan {
namespace {

std::vector<uint8_t> RandomBytes(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<uint8_t> bytes(count);
  for (uint8_t& b : bytes) b = static_cast<uint8_t>(random());
  return bytes;
}

class Sizes : public testing::TestWithParam<uint64_t> {};

TEST_P(Sizes, UploadAndDownload) {
  uint64_t bytes = GetParam();
  Queue& q = TestDevice().queue();
  TestBlock block(bytes + 64);
  for (uint64_t offset : {0, 1, 3}) {
    std::vector<uint8_t> sent = RandomBytes(bytes, 1), copy = sent, received(bytes + 2, 0xee);
    q.Upload(block + offset, sent.data(), bytes);
    std::fill(sent.begin(), sent.end(), 0);  // the source may change at once
    q.Download(received.data() + 1, block + offset, bytes);
    q.Synchronize();
    ASSERT_EQ(0, std::memcmp(received.data() + 1, copy.data(), bytes));
    EXPECT_EQ(received.front(), 0xee);
    EXPECT_EQ(received.back(), 0xee);
  }
}

TEST_P(Sizes, PinnedTransfersAndCopy) {
  uint64_t bytes = GetParam();
  Device& d = TestDevice();
  Queue& q = d.queue();
  auto* pinned = static_cast<uint8_t*>(d.AllocatePinned(bytes + 8));
  auto* back = static_cast<uint8_t*>(d.AllocatePinned(bytes + 8));
  std::vector<uint8_t> sent = RandomBytes(bytes, 2);
  std::memcpy(pinned + 1, sent.data(), bytes);
  TestBlock a(bytes + 64), b(bytes + 64);
  q.Upload(a + 5, pinned + 1, bytes, /*source_stays=*/true);
  q.Copy(b + 3, a + 5, bytes);
  q.Download(back + 2, b + 3, bytes);
  Ticket t = q.Record();
  while (!q.Done(t)) {
  }
  EXPECT_EQ(0, std::memcmp(back + 2, sent.data(), bytes));
  d.FreePinned(pinned);
  d.FreePinned(back);
}

TEST_P(Sizes, FillAtAnyAlignment) {
  uint64_t bytes = GetParam();
  if (bytes > (1 << 20)) bytes = (1 << 20) + 3;
  Queue& q = TestDevice().queue();
  TestBlock block(bytes + 64);
  for (uint64_t offset : {0, 1, 2, 3, 7}) {
    q.Fill(block, 0, bytes + 64);
    q.Fill(block + offset, 0x04030201, bytes);
    std::vector<uint8_t> got(bytes + 64), expected(bytes + 64, 0);
    for (uint64_t i = 0; i < bytes; ++i) expected[offset + i] = static_cast<uint8_t>(i % 4 + 1);
    q.Download(got.data(), block, got.size());
    q.Synchronize();
    ASSERT_EQ(got, expected) << offset;
  }
}

// The last ones are larger than the staging rings.
INSTANTIATE_TEST_SUITE_P(Transfers, Sizes, testing::Values(0, 1, 2, 3, 4, 5, 7, 255, 256, 257, 65535, 65537, 1000003, (8 << 20) + 1, (40 << 20) + 13));

TEST(Transfers, RefuseWhatIsNotInOneBlock) {
  Queue& q = TestDevice().queue();
  TestBlock a(1024);
  std::vector<uint8_t> host(4096);
  EXPECT_THROW(q.Upload(a, host.data(), 4096), Error);
  EXPECT_THROW(q.Download(host.data(), a + 1000, 100), Error);
  EXPECT_THROW(q.Copy(a, 4096, 16), Error);
  EXPECT_THROW(q.Fill(64, 0, 16), Error);
  EXPECT_THROW(q.Copy(a + 8, a, 16), Error);  // overlap
  q.Copy(a, a, 16);                           // onto itself: nothing
  q.Copy(a + 16, a, 16);
  q.Synchronize();
}

TEST(Transfers, ChainsOfDependentCopies) {
  Queue& q = TestDevice().queue();
  const uint64_t piece = 4096;
  TestBlock block(piece * 40);
  std::vector<uint32_t> numbers(piece / 4);
  for (uint32_t round = 0; round < 20; ++round) {
    for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = round * 1000003 + static_cast<uint32_t>(i);
    Send(block, numbers);
    for (int i = 1; i < 40; ++i) q.Copy(block + i * piece, block + (i - 1) * piece, piece);
    ASSERT_EQ(Fetch(block + 39 * piece, numbers.size()), numbers) << round;
  }
}

// Uploads and downloads of several threads, larger than what the host copies with the queue's lock held, each followed by what would show a late write.
TEST(Transfers, ManyThreads) {
  Queue& q = TestDevice().queue();
  std::atomic<int> wrong_bytes{0}, late_writes{0};
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int round = 0; round < 12; ++round) {
        const uint64_t bytes = (1 << 20) + random() % (11 << 20);
        TestBlock first(bytes), second(bytes);
        std::vector<uint8_t> sent(bytes, static_cast<uint8_t>(random() | 1)), received(bytes, 0);
        for (size_t i = 0; i < bytes; i += 64) sent[i] = static_cast<uint8_t>(random());
        const std::vector<uint8_t> expected = sent;
        q.Upload(first, sent.data(), bytes);
        std::memset(sent.data(), 0, bytes);
        q.Copy(second, first, bytes);
        const Ticket arrived = q.Download(received.data(), second, bytes);
        if (round % 2) {
          q.Wait(arrived);
        } else {
          while (!q.Done(arrived)) std::this_thread::yield();
        }
        if (received != expected) ++wrong_bytes;
        std::memset(received.data(), 0x5a, bytes);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        if (received != std::vector<uint8_t>(bytes, 0x5a)) ++late_writes;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong_bytes, 0);
  EXPECT_EQ(late_writes, 0);
}

TEST(Transfers, CountsBytes) {
  Queue& q = TestDevice().queue();
  TestBlock block(1000);
  std::vector<uint8_t> host(1000);
  QueueCounters before = q.counters();
  q.Upload(block, host.data(), 1000);
  q.Download(host.data(), block, 999);
  q.Synchronize();
  QueueCounters after = q.counters();
  EXPECT_EQ(after.bytes_uploaded - before.bytes_uploaded, 1000u);
  EXPECT_EQ(after.bytes_downloaded - before.bytes_downloaded, 999u);
}

}  // namespace
}  // namespace tfvk::vulkan
