// Device memory, shared memory and barriers, and where an invocation is.
#include <cstdint>
#include <numeric>

#include "spirv/kernel_runner.h"

namespace tfvk::spirv::testing {
namespace {

const KernelArgument kIn{KernelArgument::Kind::kRead, 0}, kOut{KernelArgument::Kind::kWrite, 0};

std::vector<uint8_t> Numbered(size_t bytes) {
  std::vector<uint8_t> values(bytes);
  std::iota(values.begin(), values.end(), uint8_t{1});
  return values;
}

// Elements of every dtype go through loads and stores, and through shared memory, with their bits as they are.
TEST(Memory, CopiesOfEveryDTypeAndWidth) {
  Device& device = Device::Get();
  const auto& limits = device.limits();
  for (const DType t : {DType::kBool, DType::kS8, DType::kU8, DType::kS16, DType::kU16, DType::kF16, DType::kBF16, DType::kS32, DType::kU32, DType::kF32,
                        DType::kS64, DType::kU64, DType::kF64}) {
    const int bits = BitSize(t);
    if ((bits == 8 && !limits.storage_8bit) || (bits == 16 && !limits.storage_16bit) || (t == DType::kF64 && !limits.float64)) continue;
    const bool computes = t != DType::kBool && HasIntegers(bits) && (t != DType::kF16 || limits.float16);
    for (const int lanes : {1, 2, 3, 4}) {
      for (const bool shared : {false, true}) {
        if (shared && !computes) continue;
        Builder b({"copy", {16, 1, 1}});
        const Value i = b.GlobalLinearId() * lanes;
        const Pointer in = b.Global(b.Argument(0), t), out = b.Global(b.Argument(1), t);
        const uint32_t alignment = lanes == 3 ? 0 : static_cast<uint32_t>(ByteSize(t)) * static_cast<uint32_t>(lanes);
        Value v = b.Load(in, i, lanes, alignment);
        if (shared) {
          const Shared array = b.SharedArray(t, 16, lanes);
          b.Store(array, 15 - b.LocalLinearId(), v);
          b.Barrier();
          v = b.Load(array, 15 - b.LocalLinearId());
        }
        b.Store(out, i, v, alignment);
        const auto sequence = Sequence(b, {kIn, kOut}, 2);
        EXPECT_EQ(sequence.kernels[0].module.shared_bytes, shared ? 16 * ByteSize(t) * static_cast<size_t>(lanes == 3 ? 4 : lanes) : 0u);
        auto values = Numbered(32 * ByteSize(t) * static_cast<size_t>(lanes));
        if (t == DType::kBool) {
          for (uint8_t& value : values) value &= 1;
        }
        const Buffer from = device.Upload(values), to = device.Allocate(values.size());
        device.Run(sequence, {from}, {to});
        EXPECT_EQ(device.Download<uint8_t>(to), values) << Name(t) << " x " << lanes << (shared ? " through shared memory" : "");
      }
    }
  }
}

TEST(Memory, BytesOtherThanOneAreTrue) {
  if (!Device::Get().limits().storage_8bit) GTEST_SKIP() << Device::Get().name() << " has no bytes in memory";
  const auto results = Computed<uint8_t, uint8_t>(DType::kBool, DType::kBool, {std::vector<uint8_t>{0, 1, 2, 255}}, [](Builder&, const std::vector<Value>& e) {
    return std::vector<Value>{e[0], !e[0]};
  });
  EXPECT_EQ(results, (std::vector<uint8_t>{0, 1, 1, 0, 1, 0, 1, 0}));
}

TEST(Memory, WideIndices) {
  Device& device = Device::Get();
  Builder b({"wide_index", {4, 1, 1}});
  const Value index = b.Convert(b.GlobalLinearId(), DType::kU64) + b.U64(uint64_t{1} << 40);
  const Value base = b.Argument(0) - (int64_t{1} << 42);  // bytes of 2^40 elements below the buffer
  b.Store(b.Global(base, DType::kU32), index, b.GlobalLinearId() + 5);
  const Buffer out = device.Allocate(16);
  device.Run(Sequence(b, {kOut}, 1), {}, {out});
  EXPECT_EQ(device.Download<uint32_t>(out), (std::vector<uint32_t>{5, 6, 7, 8}));
}

TEST(Memory, ArgumentsAreCountedAndReadInAnyOrder) {
  Device& device = Device::Get();
  Builder b({"arguments", {1, 1, 1}});
  const Value last = b.SizeArgument(3), first = b.SizeArgument(0), wide = b.Argument(3);
  EXPECT_EQ(b.SizeArgument(3).id(), last.id());
  const Pointer out = b.Global(b.Argument(2), DType::kU64);
  b.Store(out, b.U32(0), b.Convert(last, DType::kU64));
  b.Store(out, b.U32(1), b.Convert(first, DType::kU64));
  b.Store(out, b.U32(2), wide);
  using Kind = KernelArgument::Kind;
  const auto sequence = Sequence(b, {{Kind::kSize, 0}, {Kind::kSize, 1}, kOut, {Kind::kSize, 2}}, 1);
  EXPECT_EQ(sequence.kernels[0].module.argument_count, 4u);
  const Buffer buffer = device.Allocate(24);
  device.Run(sequence, {}, {buffer}, {17, 18, (int64_t{1} << 35) + 19});
  EXPECT_EQ(device.Download<uint64_t>(buffer), (std::vector<uint64_t>{19, 17, (uint64_t{1} << 35) + 19}));
}

TEST(Memory, WhereAnInvocationIs) {
  Device& device = Device::Get();
  Builder b({"where", {4, 2, 8}});
  const Value x = b.LocalId(0), y = b.LocalId(1), z = b.LocalId(2), i = b.GlobalLinearId() * 3;
  const Pointer out = b.Global(b.Argument(0), DType::kU32);
  b.Store(out, i, b.LocalLinearId());
  b.Store(out, i + 1, x + y * 4 + z * 8);
  b.Store(out, i + 2, b.LinearWorkgroupId() * 64 + b.LocalLinearId());
  const Buffer buffer = device.Allocate(3 * 128 * 4);
  device.Run(Sequence(b, {kOut}, 2), {}, {buffer});
  const auto places = device.Download<uint32_t>(buffer);
  for (uint32_t k = 0; k < 128; ++k) {
    EXPECT_EQ(places[3 * k], k % 64);
    EXPECT_EQ(places[3 * k + 1], k % 64);
    EXPECT_EQ(places[3 * k + 2], k);
  }
}

// Each invocation reads what its neighbours wrote to device memory and to shared memory, in either memory model.
TEST(Memory, Barriers) {
  Device& device = Device::Get();
  for (const bool vulkan_model : {false, true}) {
    if (vulkan_model && !device.limits().vulkan_memory_model) continue;
    BuilderOptions options{"barriers", {64, 1, 1}};
    options.vulkan_memory_model = vulkan_model;
    Builder b(options);
    const Shared words = b.SharedArray(DType::kU32, 64), pairs = b.SharedArray(DType::kF32, 64, 2);
    const Value me = b.LocalLinearId(), neighbour = (me + 1) % 64;
    b.Store(words, me, me * 3);
    b.Store(pairs, me, b.Composite({b.Convert(me, DType::kF32), b.F32(0.5f)}));
    b.DeviceMemoryBarrier();
    b.Barrier();
    const Value pair = b.Load(pairs, neighbour);
    b.Store(b.Global(b.Argument(0), DType::kU32), b.GlobalLinearId(),
            b.Load(words, neighbour) + b.Convert((b.Extract(pair, 0) + b.Extract(pair, 1)) * 2.0, DType::kU32));
    const Buffer buffer = device.Allocate(64 * 4);
    device.Run(Sequence(b, {kOut}, 1), {}, {buffer});
    const auto sums = device.Download<uint32_t>(buffer);
    for (uint32_t k = 0; k < 64; ++k) EXPECT_EQ(sums[k], (k + 1) % 64 * 5 + 1) << k;
  }
}

// All invocations of several workgroups on one number, from branches that only some of them take.
TEST(Memory, AtomicMaximumOfAVariableThatHasItsValueFromTheStart) {
  Device& device = Device::Get();
  for (const bool vulkan_memory_model : {false, true}) {
    if (vulkan_memory_model && !device.limits().vulkan_memory_model) continue;
    BuilderOptions options{"maximum", {32, 1, 1}};
    options.vulkan_memory_model = vulkan_memory_model;
    if (vulkan_memory_model) options.spirv_version = 0x00010600;
    Builder b(options);
    const Pointer in = b.Global(b.Argument(0), DType::kU32), out = b.Global(b.Argument(1), DType::kU32);
    const Value i = b.GlobalLinearId();
    Variable largest;
    b.If((i & 1) == 1, [&] {
      largest = b.DeclareFromStart(b.U32(7));
      largest.Set(b.Max(largest.Get(), b.Load(in, i)));
    });
    b.If(largest.Get() > b.AtomicLoad(out, b.U32(0)), [&] { b.AtomicMax(out, b.U32(0), largest.Get()); });
    const auto sequence = Sequence(b, {kIn, kOut}, 8);
    std::vector<uint32_t> values(256, 3);
    const auto run = [&](uint32_t before) {
      const Buffer to = device.Upload(std::vector<uint32_t>{before});
      device.Run(sequence, {device.Upload(values)}, {to});
      return device.Download<uint32_t>(to)[0];
    };
    EXPECT_EQ(run(0), 7u) << "of invocations that do not take the branch";
    values[100] = 0xFFFFFFFF;
    EXPECT_EQ(run(5), 7u) << "even invocations load nothing";
    values[201] = 0x80000001;
    EXPECT_EQ(run(5), 0x80000001u);
    EXPECT_EQ(run(0x90000000), 0x90000000u);
  }
}

}  // namespace
}  // namespace tfvk::spirv::testing
