#include "vulkan/recording.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <thread>

#include "types/error.h"
#include "vulkan/device_fixture.h"

namespace tfvk::vulkan {
namespace {

constexpr uint32_t kCount = 1000;
constexpr uint64_t kBytes = kCount * 4;

const Pipeline* AffinePipeline() { return &TestDevice().pipelines().Get(AffineKernel(), 0, "affine"); }

// Appends buffer[to] = buffer[from] * 3 + 1; gives the place of its arguments.
size_t AddAffine(Recording& r, uint32_t to, uint32_t from) {
  return r.Launch({AffinePipeline(), 5, (kCount + 63) / 64, {{to, 0, kBytes, true}, {from, 0, kBytes, false}}, "affine"});
}
void SetWords(std::vector<uint64_t>& table, size_t first, Address to, Address from, uint64_t factor = 3, uint64_t summand = 1) {
  const uint64_t words[] = {to, from, kCount, factor, summand};
  std::copy(std::begin(words), std::end(words), table.begin() + static_cast<std::ptrdiff_t>(first));
}

TEST(Recording, BarriersOnlyBetweenDependentLaunches) {
  Recording r(TestDevice());
  AddAffine(r, 1, 0);
  AddAffine(r, 2, 0);
  AddAffine(r, 3, 0);
  EXPECT_EQ(r.barrier_count(), 0u);
  AddAffine(r, 4, 3);
  EXPECT_EQ(r.barrier_count(), 1u);
  AddAffine(r, 5, 1);
  EXPECT_EQ(r.barrier_count(), 1u);
  AddAffine(r, 0, 5);
  EXPECT_EQ(r.barrier_count(), 2u);
  EXPECT_EQ(r.launch_count(), 6u);
}

TEST(Recording, ReplaysWithOtherAddresses) {
  Queue& q = TestDevice().queue();
  Recording r(TestDevice());
  size_t first = AddAffine(r, 1, 0), second = AddAffine(r, 2, 1);
  std::vector<uint64_t> table(r.table_words());
  TestBlock in(kBytes * 10), middle(kBytes), out(kBytes * 10);
  std::vector<uint32_t> numbers(kCount * 10);
  std::iota(numbers.begin(), numbers.end(), 0);
  Send(in, numbers);
  for (uint64_t i = 0; i < 10; ++i) {  // more than there are slots, none waited for; `middle` is used by all
    SetWords(table, first, middle, in + i * kBytes);
    SetWords(table, second, out + i * kBytes, middle, 2, i);
    q.Replay(r, table);
  }
  std::vector<uint32_t> got = Fetch(out, kCount * 10);
  for (uint32_t i = 0; i < kCount * 10; ++i) ASSERT_EQ(got[i], (i * 3 + 1) * 2 + i / kCount) << i;
}

TEST(Recording, IsOrderedWithOtherWork) {
  Queue& q = TestDevice().queue();
  Recording r(TestDevice());
  size_t first = AddAffine(r, 1, 0);
  std::vector<uint64_t> table(r.table_words());
  TestBlock a(kBytes), b(kBytes);
  uint32_t expected = 5;
  Send(a, std::vector<uint32_t>(kCount, expected));
  for (int i = 0; i < 50; ++i) {
    SetWords(table, first, b, a);
    q.Replay(r, table);
    Affine(q, a, b, kCount, 7, 2);
    expected = (expected * 3 + 1) * 7 + 2;
  }
  EXPECT_EQ(Fetch(a, kCount), std::vector<uint32_t>(kCount, expected));
}

TEST(Recording, CannotGrowOnceReplayed) {
  Recording r(TestDevice());
  size_t first = AddAffine(r, 1, 0);
  std::vector<uint64_t> table(r.table_words());
  TestBlock a(kBytes), b(kBytes);
  SetWords(table, first, b, a);
  TestDevice().queue().Replay(r, table);
  EXPECT_THROW(AddAffine(r, 2, 1), Error);
  EXPECT_THROW(TestDevice().queue().Replay(r, {1, 2}), Error);
}

TEST(Recording, OfNothing) {
  Recording r(TestDevice());
  TestDevice().queue().Replay(r, {});
  Recording zero(TestDevice());
  size_t first = zero.Launch({AffinePipeline(), 5, 0, {}, "none"});
  std::vector<uint64_t> table(zero.table_words());
  SetWords(table, first, 0, 0);
  TestDevice().queue().Replay(zero, table);
  TestDevice().queue().Synchronize();
}

TEST(Recording, LongWorkIsSplit) {
  Queue& q = TestDevice().queue();
  Recording r(TestDevice());
  std::vector<size_t> places;
  TestBlock a(kBytes), b(kBytes);
  for (uint32_t i = 0; i < 20; ++i) {
    RecordedLaunch launch{AffinePipeline(), 5, (kCount + 63) / 64, {{i % 2, 0, kBytes, false}, {1 - i % 2, 0, kBytes, true}}, "affine", 1e15};
    places.push_back(r.Launch(std::move(launch)));
  }
  std::vector<uint64_t> table(r.table_words());
  for (size_t i = 0; i < places.size(); ++i) SetWords(table, places[i], i % 2 ? a : b, i % 2 ? b : a, 3, i);
  uint32_t expected = 1;
  for (uint32_t i = 0; i < 20; ++i) expected = expected * 3 + i;
  Send(a, std::vector<uint32_t>(kCount, 1));
  QueueCounters before = q.counters();
  q.Replay(r, table);
  EXPECT_GE(q.counters().submissions - before.submissions, 19u);
  EXPECT_EQ(Fetch(a, kCount), std::vector<uint32_t>(kCount, expected));
}

TEST(Recording, IsTimed) {
  Queue& q = TestDevice().queue();
  if (!TestDevice().plan().timestamps) GTEST_SKIP() << "the device has no timestamps";
  Recording r(TestDevice());
  size_t first = AddAffine(r, 1, 0), second = AddAffine(r, 2, 1);
  std::vector<uint64_t> table(r.table_words());
  TestBlock a(kBytes), b(kBytes), c(kBytes);
  SetWords(table, first, b, a);
  SetWords(table, second, c, b);
  q.Replay(r, table);
  q.SetTiming(true);
  for (int i = 0; i < 5; ++i) q.Replay(r, table);
  q.Synchronize();
  std::vector<LaunchTiming> timings = q.TakeTimings();
  q.SetTiming(false);
  ASSERT_EQ(timings.size(), 10u);
  for (size_t i = 1; i < timings.size(); ++i) EXPECT_GE(timings[i].start_ns, timings[i - 1].start_ns);
  q.Replay(r, table);
  q.Synchronize();
  EXPECT_TRUE(q.TakeTimings().empty());
}

TEST(Recording, ReplayedByManyThreads) {
  Queue& q = TestDevice().queue();
  Recording r(TestDevice());
  size_t first = AddAffine(r, 1, 0), second = AddAffine(r, 2, 1);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (uint32_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      TestBlock a(kBytes), b(kBytes), c(kBytes);
      std::vector<uint64_t> table(r.table_words());
      for (uint32_t round = 0; round < 20; ++round) {
        std::vector<uint32_t> numbers(kCount, t * 100 + round), got(kCount);
        q.Upload(a, numbers.data(), kBytes);
        SetWords(table, first, b, a);
        SetWords(table, second, c, b, 5, 0);
        q.Replay(r, table);
        q.Download(got.data(), c, kBytes);
        q.Synchronize();
        wrong += got != std::vector<uint32_t>(kCount, ((t * 100 + round) * 3 + 1) * 5);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
}

// ---- Results that are published ----

// out[0] = in[0] * 3 + 1, published, then work on `rest` that takes `turns` turns.
class PublishingRecording {
 public:
  explicit PublishingRecording(uint32_t turns = 1'000'000)
      : turns_(turns), recording_(TestDevice()), pipeline_(&TestDevice().pipelines().Get(SlowAffineKernel(), 0, "slow affine")) {
    first_ = recording_.Launch({AffinePipeline(), 5, 1, {{1, 0, 4, true}, {0, 0, 4, false}}, "first"});
    publish_ = recording_.Launch({AffinePipeline(), 5, 1, {{1, 0, 4, false}}, "publish"});
    recording_.Publish(publish_ + 1, publish_, 4);
    slow_ = recording_.Launch({pipeline_, 6, 1, {{3, 0, 256, true}, {2, 0, 256, false}}, "slow"});
  }
  void Replay(Address out, Address in, Address rest) {
    std::vector<uint64_t> table(recording_.table_words());
    Fill(table, first_, {out, in, 1, 3, 1});
    Fill(table, publish_, {0, out, 1, 1, 0});
    Fill(table, slow_, {rest, rest, 64, 1, 0, turns_});
    const std::vector<Access> writes = {{out, 4, true}, {rest, 256, true}};
    TestDevice().queue().Replay(recording_, table, writes);
  }

 private:
  static void Fill(std::vector<uint64_t>& table, size_t first, const std::vector<uint64_t>& words) {
    std::copy(words.begin(), words.end(), table.begin() + static_cast<std::ptrdiff_t>(first));
  }
  const uint32_t turns_;
  Recording recording_;
  const Pipeline* pipeline_;
  size_t first_, publish_, slow_;
};

uint32_t FetchOne(Address address) { return Fetch(address, 1)[0]; }

TEST(Recording, APublishedResultIsThereBeforeTheRecordingEnds) {
  Queue& q = TestDevice().queue();
  PublishingRecording r;
  TestBlock in(256), out(256), rest(256);
  Send(in, {7});
  const uint64_t submissions = q.counters().submissions;
  r.Replay(out, in, rest);
  uint32_t value = 0;
  const Ticket ticket = q.Download(&value, out, 4), end = q.Record();
  EXPECT_LT(ticket, end);
  EXPECT_EQ(q.counters().submissions, submissions + 2);
  q.Wait(ticket);
  EXPECT_EQ(value, 22u);
  q.Wait(end);
}

TEST(Recording, ResultsAreAllThatTheHostWaitsForUntilOtherWorkFollows) {
  Queue& q = TestDevice().queue();
  PublishingRecording r;
  TestBlock in(256), out(256), rest(256), numbers(256);
  Send(in, {7});
  Send(numbers, {100});
  const std::vector<std::function<void()>> works = {
      [&] { q.Copy(rest, numbers, 4); },
      [&] { q.Fill(rest, 9, 4); },
      [&] { Affine(q, rest, numbers, 1, 1, 1); },
  };
  for (const auto& work : works) {
    r.Replay(out, in, rest);
    const Ticket results = q.RecordResults();
    EXPECT_LT(results, q.Record());
    Send(numbers, {100});
    EXPECT_EQ(q.RecordResults(), results) << "transfers change nothing";
    uint32_t value = 0;
    EXPECT_LE(q.Download(&value, out, 4), results);
    q.Wait(results);
    EXPECT_EQ(value, 22u);
    work();
    EXPECT_EQ(q.RecordResults(), q.Record());
  }
  q.Synchronize();
}

TEST(Recording, APublishedResultIsForgottenWhenItsMemoryIsWritten) {
  Queue& q = TestDevice().queue();
  PublishingRecording r, other;
  TestBlock in(256), out(256), rest(256), numbers(256);
  Send(in, {7});
  Send(numbers, {100});
  const std::vector<std::pair<std::function<void()>, uint32_t>> writes = {
      {[&] { Send(out, {5}); }, 5},
      {[&] { q.Copy(out, numbers, 4); }, 100},
      {[&] { q.Fill(out, 9, 4); }, 9},
      {[&] { Affine(q, out, numbers, 1, 1, 1); }, 101},
  };
  for (size_t i = 0; i < writes.size(); ++i) {
    r.Replay(out, in, rest);
    writes[i].first();
    EXPECT_EQ(FetchOne(out), writes[i].second) << i;
  }
  r.Replay(out, in, rest);
  Send(in, {8});
  r.Replay(out, in, rest);  // the same memory again
  EXPECT_EQ(FetchOne(out), 25u);
  r.Replay(out, in, rest);
  other.Replay(rest, numbers, out);  // other memory of its own, but `out` among its writes
  EXPECT_EQ(FetchOne(rest), 301u);
  const uint64_t early = q.counters().early_downloads;
  EXPECT_EQ(FetchOne(out), 25u);
  EXPECT_EQ(q.counters().early_downloads, early);
}

TEST(Recording, PublishedResultsAreReadLateAndInAnyOrder) {
  Queue& q = TestDevice().queue();
  Recording r(TestDevice());
  const size_t first = AddAffine(r, 1, 0), publish = r.Launch({AffinePipeline(), 5, 1, {{1, 0, 4, false}}, "publish"});
  r.Publish(publish + 1, publish, 4);
  const size_t last = AddAffine(r, 2, 1);
  constexpr uint32_t kRuns = 1500;  // more than there are places
  TestBlock in(kBytes), out(kBytes * 4), end(kBytes);
  std::vector<uint32_t> got(kRuns);
  for (uint32_t i = 0; i < kRuns; ++i) {
    const Address to = out + (i % 4) * kBytes;
    Send(in, {i});
    std::vector<uint64_t> table(r.table_words());
    SetWords(table, first, to, in);
    SetWords(table, publish, 0, to, 1, 0);
    table[publish + 2] = 1;
    SetWords(table, last, end, to);
    const std::vector<Access> writes = {{to, kBytes, true}, {end, kBytes, true}};
    q.Replay(r, table, writes);
    if (i % 4 == 3) {
      for (uint32_t back = 0; back < 4; ++back) q.Download(&got[i - back], out + ((i - back) % 4) * kBytes, 4);
    }
  }
  q.Synchronize();
  for (uint32_t i = 0; i < kRuns; ++i) ASSERT_EQ(got[i], i * 3 + 1) << i;
}

TEST(Recording, PublishedResultsOfSeveralThreadsBesideLargeDownloads) {
  Queue& q = TestDevice().queue();
  TestBlock large(8 << 20);
  q.Fill(large, 7, 8 << 20);
  const auto replay = [&](uint32_t number) {
    PublishingRecording r(100);
    TestBlock in(256), out(256), rest(256);
    for (uint32_t i = 0; i < 100; ++i) {
      Send(in, {number + i});
      r.Replay(out, in, rest);
      uint32_t value = 0;
      q.Wait(q.Download(&value, out, 4));
      ASSERT_EQ(value, (number + i) * 3 + 1);
    }
  };
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 3; ++t) threads.emplace_back(replay, t * 1000);
  for (int i = 0; i < 20; ++i) {
    const std::vector<uint32_t> got = Fetch(large, 2 << 20);
    ASSERT_TRUE(std::all_of(got.begin(), got.end(), [](uint32_t n) { return n == 7; }));
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace tfvk::vulkan
