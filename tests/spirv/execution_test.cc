// Modules that run: memory, control flow, subgroups, shared memory.
#include <gtest/gtest.h>

#include <cmath>

#include "device_fixture.h"
#include "kernels/kernel.h"
#include "spirv/builder.h"

namespace tfvk::spirv {
namespace {

using kernels::KernelArgument;
using testing::Buffer;
using testing::Device;

kernels::KernelSequence Sequence(Builder& b, std::vector<KernelArgument> arguments, int64_t groups) {
  kernels::Kernel kernel;
  kernel.module = b.Finish();
  kernel.arguments = std::move(arguments);
  kernel.workgroups.sizes = {groups};
  return {{kernel}, 0};
}

const KernelArgument kIn0{KernelArgument::Kind::kRead, 0}, kIn1{KernelArgument::Kind::kRead, 1}, kOut{KernelArgument::Kind::kWrite, 0},
    kSize0{KernelArgument::Kind::kSize, 0};

TEST(Execution, ScalesAVectorOfRunTimeLength) {
  Device& device = Device::Get();
  std::vector<float> x(1000);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i) - 10;
  Builder b({"scale", {64, 1, 1}});
  Value i = b.GlobalLinearId();
  b.If(i < b.SizeArgument(2), [&] {
    Pointer in = b.Global(b.Argument(0), DType::kF32), out = b.Global(b.Argument(1), DType::kF32);
    b.Store(out, i, b.Load(in, i) * 2.0 + 1);
  });
  auto sequence = Sequence(b, {kIn0, kOut, kSize0}, 16);
  Buffer in = device.Upload(x), out = device.Allocate(x.size() * 4);
  device.Run(sequence, {in}, {out}, {999});
  auto y = device.Download<float>(out);
  for (size_t k = 0; k < 999; ++k) EXPECT_EQ(y[k], x[k] * 2 + 1);
  uint32_t untouched;
  std::memcpy(&untouched, &y[999], 4);
  EXPECT_EQ(untouched, 0xcdcdcdcdu);
}

TEST(Execution, LoadsAndStoresVectors) {
  Device& device = Device::Get();
  std::vector<float> x(64);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  Builder b({"vectors", {16, 1, 1}});
  Value i = b.GlobalLinearId() * 4;
  Value v = b.Load(b.Global(b.Argument(0), DType::kF32), i, 4, 16);
  b.Store(b.Global(b.Argument(1), DType::kF32), i, v * 3.0, 16);
  auto sequence = Sequence(b, {kIn0, kOut}, 1);
  Buffer in = device.Upload(x), out = device.Allocate(256);
  device.Run(sequence, {in}, {out});
  auto y = device.Download<float>(out);
  for (size_t k = 0; k < x.size(); ++k) EXPECT_EQ(y[k], x[k] * 3);
}

TEST(Execution, LoopsAndBranches) {
  Device& device = Device::Get();
  Builder b({"collatz", {8, 1, 1}});
  Value i = b.GlobalLinearId();
  Variable n = b.Declare(i + 1), steps = b.Declare(b.U32(0));
  b.While([&] { return n.Get() != 1; },
          [&] {
            b.If(
                n.Get() % 2 == 0, [&] { n.Set(n.Get() / 2); }, [&] { n.Set(n.Get() * 3 + 1); });
            steps.Set(steps.Get() + 1);
          });
  Variable sum = b.Declare(b.U32(0));
  b.For(b.U32(0), i, b.U32(2), [&](Value j) { b.For(3, [&](Value k) { sum.Set(sum.Get() + j * k); }); });
  Pointer out = b.Global(b.Argument(0), DType::kU32);
  b.Store(out, i * 2, steps.Get());
  b.Store(out, i * 2 + 1, sum.Get());
  auto sequence = Sequence(b, {kOut}, 4);
  Buffer buffer = device.Allocate(32 * 8);
  device.Run(sequence, {}, {buffer});
  auto y = device.Download<uint32_t>(buffer);
  for (uint32_t k = 0; k < 32; ++k) {
    uint32_t want = 0, total = 0;
    for (uint32_t m = k + 1; m != 1; m = m % 2 ? m * 3 + 1 : m / 2) ++want;
    for (uint32_t j = 0; j < k; j += 2) total += j * 3;
    EXPECT_EQ(y[2 * k], want);
    EXPECT_EQ(y[2 * k + 1], total);
  }
}

TEST(Execution, SharedMemoryAndBarriers) {
  Device& device = Device::Get();
  Builder b({"reverse", {64, 1, 1}});
  Shared shared = b.SharedArray(DType::kU32, 64);
  Value i = b.LocalLinearId();
  b.Store(shared, i, i * i);
  b.Barrier();
  b.Store(b.Global(b.Argument(0), DType::kU32), b.GlobalLinearId(), b.Load(shared, 63 - i));
  auto sequence = Sequence(b, {kOut}, 2);
  Buffer buffer = device.Allocate(128 * 4);
  device.Run(sequence, {}, {buffer});
  auto y = device.Download<uint32_t>(buffer);
  for (uint32_t k = 0; k < 128; ++k) EXPECT_EQ(y[k], (63 - k % 64) * (63 - k % 64));
}

TEST(Execution, SubgroupOperations) {
  Device& device = Device::Get();
  const auto& limits = device.limits();
  if (!limits.subgroup_arithmetic || !limits.subgroup_shuffle || !limits.subgroup_vote) GTEST_SKIP() << device.name() << " lacks subgroup operations";
  Builder b({"subgroups", {64, 1, 1}});
  Value lane = b.SubgroupLocalId(), i = b.GlobalLinearId();
  Pointer out = b.Global(b.Argument(0), DType::kU64);
  Value wide = b.Convert(lane, DType::kU64) << b.U64(33);
  b.Store(out, i * 6, b.Convert(b.SubgroupReduce(SubgroupOp::kAdd, lane), DType::kU64));
  b.Store(out, i * 6 + 1, b.SubgroupShuffleXor(wide, 1));
  b.Store(out, i * 6 + 2, b.Convert(b.SubgroupExclusiveScan(SubgroupOp::kMax, lane + 5), DType::kU64));
  b.Store(out, i * 6 + 3, b.Convert(b.SubgroupShuffle(lane == 2, b.U32(2)), DType::kU64));
  b.Store(out, i * 6 + 4, b.Convert(b.SubgroupAny(lane == 3), DType::kU64) + b.Convert(b.SubgroupAll(lane == 3), DType::kU64) * 2);
  b.Store(out, i * 6 + 5, b.Convert(b.SubgroupBroadcastFirst(lane + 7), DType::kU64) + b.Convert(lane, DType::kU64) * 1000);
  auto sequence = Sequence(b, {kOut}, 1);
  Buffer buffer = device.Allocate(64 * 48);
  device.Run(sequence, {}, {buffer});
  auto y = device.Download<uint64_t>(buffer);
  uint64_t size = limits.subgroup_size;
  for (size_t k = 0; k < 64; ++k) {
    uint64_t id = y[6 * k + 5] / 1000;
    EXPECT_EQ(y[6 * k], size * (size - 1) / 2);
    EXPECT_EQ(y[6 * k + 1], (id ^ 1) << 33);
    EXPECT_EQ(y[6 * k + 2], id == 0 ? 0 : id + 4);
    EXPECT_EQ(y[6 * k + 3], 1u);
    EXPECT_EQ(y[6 * k + 4], 1u);
    EXPECT_EQ(y[6 * k + 5] % 1000, 7u);
  }
}

TEST(Execution, IndicesWithTheTopBitSetAreUnsigned) {
  Device& device = Device::Get();
  Builder b({"high_index", {1, 1, 1}});
  // The base lies 2^31 bytes below the buffer.
  Value base = b.Argument(0) - (int64_t{1} << 31);
  Value index = b.SizeArgument(1);
  b.Store(b.Global(base, DType::kU8), index, b.Convert(b.U32(77), DType::kU8));
  kernels::KernelArgument size = kSize0;
  auto sequence = Sequence(b, {kOut, size}, 1);
  Buffer buffer = device.Allocate(4);
  device.Run(sequence, {}, {buffer}, {(int64_t{1} << 31) + 2});
  EXPECT_EQ(device.Download<uint8_t>(buffer)[2], 77);
}

TEST(Execution, LaunchesBeyondOneGridRowAreUnfolded) {
  Device& device = Device::Get();
  const uint32_t count = 70000;
  Builder b({"folded", {1, 1, 1}});
  Value i = b.LinearWorkgroupId();
  b.If(i < count, [&] { b.Store(b.Global(b.Argument(0), DType::kU32), i, i); });
  auto sequence = Sequence(b, {kOut}, count);
  Buffer buffer = device.Allocate(count * 4);
  device.Run(sequence, {}, {buffer});
  auto y = device.Download<uint32_t>(buffer);
  for (uint32_t k = 0; k < count; ++k) ASSERT_EQ(y[k], k);
}

}  // namespace
}  // namespace tfvk::spirv
