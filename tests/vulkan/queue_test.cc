#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>

#include "types/error.h"
#include "vulkan/device_fixture.h"
#include "vulkan/queue_state.h"

namespace tfvk::vulkan {
namespace {

constexpr uint32_t kSlow = 20000;  // turns of SlowAffine: some milliseconds on a software device

TEST(Queue, LaunchesOverAnyNumberOfWorkgroups) {
  Queue& q = TestDevice().queue();
  for (uint32_t n : {0u, 1u, 63u, 64u, 65u, 100000u, 65535u * 64 + 1}) {  // the last is folded over x and y where x is limited to 65535
    TestBlock x(n * uint64_t{4}), y(n * uint64_t{4});
    std::vector<uint32_t> numbers(n);
    std::iota(numbers.begin(), numbers.end(), 5);
    Send(x, numbers);
    Affine(q, y, x, n, 3, 11);
    for (uint32_t& v : numbers) v = v * 3 + 11;
    ASSERT_EQ(Fetch(y, n), numbers) << n;
  }
}

TEST(Queue, DependentLaunchesSeeEachOther) {
  Queue& q = TestDevice().queue();
  const uint32_t n = 1000;
  TestBlock a(n * 4), b(n * 4);
  Send(a, std::vector<uint32_t>(n, 1));
  uint32_t expected = 1;
  QueueCounters before = q.counters();
  for (int i = 0; i < 300; ++i) {
    Affine(q, i % 2 ? a : b, i % 2 ? b : a, n, 5, static_cast<uint32_t>(i));
    expected = expected * 5 + static_cast<uint32_t>(i);
  }
  // Every command buffer begins with one that is not counted.
  QueueCounters after = q.counters();
  EXPECT_GE((after.barriers - before.barriers) + (after.submissions - before.submissions), 290u);
  EXPECT_EQ(Fetch(a, n), std::vector<uint32_t>(n, expected));
}

TEST(Queue, IndependentLaunchesNeedNoBarrier) {
  Queue& q = TestDevice().queue();
  const uint32_t n = 256, count = 100;
  TestBlock x(n * 4), y(n * 4 * count);
  Send(x, std::vector<uint32_t>(n, 2));
  q.Synchronize();
  QueueCounters before = q.counters();
  for (uint32_t i = 0; i < count; ++i) Affine(q, y + i * n * 4, x, n, 10, i);
  EXPECT_EQ(q.counters().barriers, before.barriers);
  EXPECT_EQ(q.counters().launches, before.launches + count);
  std::vector<uint32_t> got = Fetch(y, n * count);
  for (uint32_t i = 0; i < n * count; ++i) ASSERT_EQ(got[i], 20 + i / n);
}

TEST(Queue, WriteAfterReadWaits) {
  Queue& q = TestDevice().queue();
  const uint32_t n = 4096;
  TestBlock x(n * 4), y(n * 4), z(n * 4);
  for (uint32_t round = 0; round < 10; ++round) {
    Send(x, std::vector<uint32_t>(n, round));
    Send(z, std::vector<uint32_t>(n, 77));
    SlowAffine(q, y, x, n, 1, 0, kSlow / 10);
    Affine(q, x, z, n, 1, 0);  // must not overwrite x while y is made of it
    ASSERT_EQ(Fetch(y, n), std::vector<uint32_t>(n, round));
    ASSERT_EQ(Fetch(x, n), std::vector<uint32_t>(n, 77));
  }
}

TEST(Queue, TicketsAreReachedInOrder) {
  Queue& q = TestDevice().queue();
  TestBlock x(4096), y(4096);
  q.Synchronize();
  EXPECT_TRUE(q.Done(0));
  EXPECT_TRUE(q.Done(q.Record()));  // nothing is under way
  // On a busy machine this thread may come back only when the work is done.
  Ticket first = 0;
  bool pending = false;
  for (int attempt = 0; attempt < 20 && !pending; ++attempt) {
    SlowAffine(q, y, x, 1024, 1, 1, kSlow * 10);
    first = q.Record();
    pending = !q.Done(first);  // submits it
  }
  EXPECT_TRUE(pending);
  SlowAffine(q, x, y, 1024, 1, 1, kSlow);
  Ticket second = q.Record();
  EXPECT_GT(second, first);
  q.Wait(second);
  EXPECT_TRUE(q.Done(first));
  EXPECT_TRUE(q.Done(second));
}

TEST(Queue, DoneMeansThatDownloadsHaveArrived) {
  Queue& q = TestDevice().queue();
  TestBlock x(1 << 20), y(1 << 20);
  for (uint32_t round = 1; round < 20; ++round) {
    Send(x, std::vector<uint32_t>(1 << 18, round));
    SlowAffine(q, y, x, 1 << 18, 2, 0, 10);
    std::vector<uint32_t> got(1 << 18);
    q.Download(got.data(), y, 1 << 20);
    Ticket t = q.Record();
    while (!q.Done(t)) {
    }
    ASSERT_EQ(got, std::vector<uint32_t>(1 << 18, round * 2));
  }
}

TEST(Queue, SubmitsByItself) {
  Queue& q = TestDevice().queue();
  TestBlock x(4096), y(4096);
  q.Synchronize();
  QueueCounters before = q.counters();
  for (int i = 0; i < 2000; ++i) Affine(q, y, x, 16, 1, 0);
  EXPECT_GE(q.counters().submissions - before.submissions, 2000u / 128);
  q.Synchronize();
}

TEST(Queue, ManyThreads) {
  Queue& q = TestDevice().queue();
  constexpr int kThreads = 8;
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const uint32_t n = 30000;  // beyond what is copied with the queue's lock held
      TestBlock x(n * 4), y(n * 4);
      for (uint32_t round = 0; round < 30; ++round) {
        uint32_t value = static_cast<uint32_t>(t) * 1000 + round;
        std::vector<uint32_t> numbers(n, value), got(n);
        q.Upload(x, numbers.data(), n * 4);
        Affine(q, y, x, n, 2, 1);
        Affine(q, x, y, n, 1, 1);
        q.Download(got.data(), x, n * 4);
        Ticket ticket = q.Record();
        if (round % 2) {
          q.Wait(ticket);
        } else {
          while (!q.Done(ticket)) std::this_thread::yield();
        }
        wrong += got != std::vector<uint32_t>(n, value * 2 + 2);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
}

// What one thread records, another may submit at any time: the staged bytes, the arguments and the downloads must not depend on who does.
TEST(Queue, AnotherThreadSubmits) {
  Queue& q = TestDevice().queue();
  std::atomic<bool> stop{false};
  std::thread submitting([&] {
    while (!stop) q.Done(q.Record());
  });
  const auto start = std::chrono::steady_clock::now();
  int uploads = 0, results = 0, rounds = 0;
  TestBlock x(64), y(64), z(64);
  for (uint32_t i = 1; std::chrono::steady_clock::now() - start < std::chrono::milliseconds(400); ++i, ++rounds) {
    const uint32_t sent = i * 2654435761u;
    uint32_t got_x = 0, got_y = 0, got_z = 0;
    q.Upload(x, &sent, 4);
    Affine(q, y, x, 1, 3, i);
    q.Copy(z, y, 4);
    q.Download(&got_x, x, 4);
    q.Download(&got_y, y, 4);
    const Ticket arrived = q.Download(&got_z, z, 4);
    if (i % 2) {
      q.Wait(arrived);
    } else {
      while (!q.Done(arrived)) {
      }
    }
    if (got_x != sent && uploads < 8) std::fprintf(stderr, "round %u sent %x x %x y %x z %x\n", i, sent, got_x, got_y, got_z);
    uploads += got_x != sent;
    results += got_y != sent * 3 + i || got_z != got_y;
  }
  stop = true;
  submitting.join();
  EXPECT_EQ(uploads, 0) << "of " << rounds;
  EXPECT_EQ(results, 0) << "of " << rounds;
}

TEST(Queue, TimesLaunches) {
  Queue& q = TestDevice().queue();
  if (!TestDevice().plan().timestamps) GTEST_SKIP() << "the device has no timestamps";
  TestBlock x(4096), y(4096);
  q.SetTiming(true);
  q.TakeTimings();
  std::vector<LaunchTiming> timings;
  // On a busy machine a software device's short launch may be interrupted and take longer than its slow one.
  for (int attempt = 0; attempt < 20 && (timings.size() != 3 || timings[0].duration_ns <= timings[1].duration_ns); ++attempt) {
    SlowAffine(q, y, x, 1024, 1, 1, kSlow);
    Affine(q, x, y, 1024, 1, 1);
    q.Copy(y, x, 4096);
    q.Synchronize();
    timings = q.TakeTimings();
  }
  q.SetTiming(false);
  ASSERT_EQ(timings.size(), 3u);
  EXPECT_EQ(timings[0].name, "affine");
  EXPECT_EQ(timings[2].name, "copy");
  EXPECT_GT(timings[0].duration_ns, timings[1].duration_ns);
  EXPECT_LE(timings[0].start_ns, timings[1].start_ns);
  Affine(q, x, y, 1024, 1, 1);
  q.Synchronize();
  EXPECT_TRUE(q.TakeTimings().empty());
}

TEST(Queue, ALostDeviceFailsEveryCallAndHangsNobody) {
  Device device(Instance::Get(), TestDeviceIndex());
  Queue& q = device.queue();
  Address a = device.Allocate(1024);
  std::vector<uint8_t> host(1024);
  q.Upload(a, host.data(), 1024);
  Ticket t = q.Record();
  EXPECT_THROW(q.state().Lose(VK_ERROR_DEVICE_LOST), Error);
  EXPECT_TRUE(q.lost());
  EXPECT_TRUE(q.Done(t));
  EXPECT_TRUE(q.Done(t + 1000));
  for (auto action : std::vector<std::function<void()>>{[&] { q.Upload(a, host.data(), 16); }, [&] { q.Download(host.data(), a, 16); },
                                                        [&] { q.Fill(a, 0, 16); }, [&] { q.Wait(t); }, [&] { q.Flush(); }}) {
    try {
      action();
      ADD_FAILURE() << "no error";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kUnavailable);
      EXPECT_NE(std::string(e.what()).find("VK_ERROR_DEVICE_LOST"), std::string::npos) << e.what();
    }
  }
  device.Free(a);
}

TEST(Queue, DevicesComeAndGo) {
  for (int i = 0; i < 3; ++i) {
    Device device(Instance::Get(), TestDeviceIndex());
    Address a = device.Allocate(1 << 16);
    device.queue().Fill(a, 0x01010101, 1 << 16);
    uint32_t got = 0;
    device.queue().Download(&got, a + 4, 4);
    device.queue().Synchronize();
    EXPECT_EQ(got, 0x01010101u);
  }  // blocks that were not freed go with the device
}

}  // namespace
}  // namespace tfvk::vulkan
