// Conversions between all dtypes, and the rounding of 16-bit floats.
#include <cmath>
#include <limits>
#include <string>

#include "kernels/host_tensor.h"
#include "spirv/kernel_runner.h"
#include "types/half.h"

namespace tfvk::spirv::testing {
namespace {

using tfvk::testing::Decode;
using tfvk::testing::Encode;

constexpr DType kAll[] = {DType::kBool, DType::kS8,  DType::kS16, DType::kS32,  DType::kS64, DType::kU8, DType::kU16,
                          DType::kU32,  DType::kU64, DType::kF16, DType::kBF16, DType::kF32, DType::kF64};

bool InMemory(DType t) {
  const auto& limits = Device::Get().limits();
  return (BitSize(t) != 8 || limits.storage_8bit) && (BitSize(t) != 16 || limits.storage_16bit) && (t != DType::kF64 || limits.float64);
}

// Each element of `from`'s bytes converted to `to`.
std::vector<uint8_t> Converted(const std::vector<uint8_t>& bytes, DType from, DType to, BuilderOptions options = {"convert"}) {
  Device& device = Device::Get();
  const auto count = static_cast<uint32_t>(bytes.size() / ByteSize(from));
  Builder b(std::move(options));
  const Value i = b.GlobalLinearId();
  b.If(i < count, [&] { b.Store(b.Global(b.Argument(1), to), i, b.Convert(b.Load(b.Global(b.Argument(0), from), i), to)); });
  const Buffer in = device.Upload(bytes), out = device.Allocate(count * ByteSize(to));
  device.Run(Sequence(b, {{KernelArgument::Kind::kRead, 0}, {KernelArgument::Kind::kWrite, 0}}, (count + 63) / 64), {in}, {out});
  return device.Download<uint8_t>(out);
}
template <class T>
std::vector<uint8_t> BytesOf(const std::vector<T>& values) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(values.data());
  return {bytes, bytes + values.size() * sizeof(T)};
}
template <class T>
std::vector<T> FromBytes(const std::vector<uint8_t>& bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

// Numbers that `from` holds and `to` holds after truncation or rounding.
std::vector<double> NumbersFor(DType from, DType to) {
  std::vector<double> numbers = {0, 1, 2, 3, 100, 127};
  const bool is_signed = !IsUnsigned(from) && !IsUnsigned(to) && from != DType::kBool;
  if (is_signed) numbers.insert(numbers.end(), {-1, -2, -100, -128});
  if (IsFloat(from)) numbers.insert(numbers.end(), {0.25, 0.75, 2.5, 99.5});
  if (IsFloat(from) && is_signed) numbers.insert(numbers.end(), {-0.25, -0.75, -2.5, -99.5});
  if (BitSize(from) >= 32 && BitSize(to) >= 32) numbers.insert(numbers.end(), {65536, 16777216, 2147483520});
  if (BitSize(from) == 64 && BitSize(to) == 64) numbers.insert(numbers.end(), {4294967296, 1e15, 9007199254740992});
  return numbers;
}
double Expected(double number, DType to) {
  if (to == DType::kBool) return number != 0;
  return IsFloat(to) ? Decode(to, Encode(to, {number}))[0] : std::trunc(number);
}

class FromDType : public ::testing::TestWithParam<DType> {};
TEST_P(FromDType, ToEveryOther) {
  const DType from = GetParam();
  if (!InMemory(from)) GTEST_SKIP() << Device::Get().name() << " has no " << Name(from);
  for (const DType to : kAll) {
    if (!InMemory(to)) continue;
    const auto bytes = Encode(from, NumbersFor(from, to));
    const auto numbers = Decode(from, bytes), results = Decode(to, Converted(bytes, from, to));
    for (size_t i = 0; i < numbers.size(); ++i) EXPECT_EQ(results[i], Expected(numbers[i], to)) << Name(from) << " " << numbers[i] << " to " << Name(to);
  }
}
INSTANTIATE_TEST_SUITE_P(All, FromDType, ::testing::ValuesIn(kAll), [](const auto& info) { return std::string(Name(info.param)); });

TEST(Conversions, IntegersWrap) {
  if (!HasIntegers(8) || !HasIntegers(16)) GTEST_SKIP() << Device::Get().name() << " has no narrow integers";
  const std::vector<int64_t> x = {
      -1, 255, 256, -129, 32768, 65535, int64_t{1} << 31, int64_t{1} << 32, std::numeric_limits<int64_t>::min(), 0x123456789abcdef0};
  const auto s8 = FromBytes<int8_t>(Converted(BytesOf(x), DType::kS64, DType::kS8));
  const auto u16 = FromBytes<uint16_t>(Converted(BytesOf(x), DType::kS64, DType::kU16));
  const auto s32 = FromBytes<int32_t>(Converted(BytesOf(x), DType::kS64, DType::kS32));
  const auto u64 = FromBytes<uint64_t>(Converted(BytesOf(s8), DType::kS8, DType::kU64));
  const auto s64 = FromBytes<int64_t>(Converted(BytesOf(u16), DType::kU16, DType::kS64));
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(s8[i], static_cast<int8_t>(x[i]));
    EXPECT_EQ(u16[i], static_cast<uint16_t>(x[i]));
    EXPECT_EQ(s32[i], static_cast<int32_t>(x[i]));
    EXPECT_EQ(u64[i], static_cast<uint64_t>(static_cast<int64_t>(s8[i])));
    EXPECT_EQ(s64[i], u16[i]);
  }
}

// Floats around every border of rounding: ties, one step beside them, overflow, subnormals, special numbers.
std::vector<float> Borders() {
  std::vector<float> x = {
      0.0f,       -0.0f, INFINITY, -INFINITY, NAN,   -NAN,   FloatFromBits(0x7f800001), FloatFromBits(0xffc12345), 65504,
      65519.996f, 65520, 65536,    -65520,    1e30f, -3e38f, FloatFromBits(0x7f7fffff), FloatFromBits(0x7f7f8000), FloatFromBits(0x7f7f7fff)};
  for (int exponent = -27; exponent <= 17; ++exponent) {
    for (const uint32_t mantissa :
         {0x0u, 0x1u, 0xfffu, 0x1000u, 0x1001u, 0x2000u, 0x2fffu, 0x3000u, 0x3001u, 0x7fffu, 0x8000u, 0x8001u, 0x18000u, 0x7fefffu, 0x7ff000u, 0x7fffffu}) {
      const float positive = FloatFromBits(static_cast<uint32_t>(exponent + 127) << 23 | mantissa);
      x.push_back(positive);
      x.push_back(-positive);
    }
  }
  return x;
}
bool IsNanHalf(uint16_t h) { return (h & 0x7fff) > 0x7c00; }
bool IsNanBrain(uint16_t h) { return (h & 0x7fff) > 0x7f80; }

TEST(Conversions, SinglesToHalves) {
  if (!InMemory(DType::kF16)) GTEST_SKIP() << Device::Get().name() << " has no 16-bit elements";
  const auto x = Borders();
  for (const bool controlled : {false, true}) {
    BuilderOptions options{"to_half"};
    options.round_to_even_f16 = controlled;
    if (controlled && !Device::Get().limits().round_to_even_f16) continue;
    const auto halves = FromBytes<uint16_t>(Converted(BytesOf(x), DType::kF32, DType::kF16, options));
    for (size_t i = 0; i < x.size(); ++i) {
      const uint16_t expected = FloatToHalf(x[i]);
      if (controlled && (expected & 0x7c00) == 0) continue;  // subnormals are the driver's unless it preserves them
      if (std::isnan(x[i])) {
        EXPECT_TRUE(IsNanHalf(halves[i]));
      } else {
        EXPECT_EQ(halves[i], expected) << x[i];
      }
    }
  }
}
TEST(Conversions, SinglesToBrainFloats) {
  if (!InMemory(DType::kBF16)) GTEST_SKIP() << Device::Get().name() << " has no 16-bit elements";
  const auto x = Borders();
  const auto results = FromBytes<uint16_t>(Converted(BytesOf(x), DType::kF32, DType::kBF16));
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i])) {
      EXPECT_TRUE(IsNanBrain(results[i]));
    } else {
      EXPECT_EQ(results[i], FloatToBFloat16(x[i])) << x[i];
    }
  }
}
// Rounded once: by way of f32 these would be ties.
TEST(Conversions, DoublesAreRoundedOnce) {
  if (!InMemory(DType::kF64) || !InMemory(DType::kF16)) GTEST_SKIP() << Device::Get().name() << " has no f64 or no 16-bit elements";
  const double half_tie = 1 + std::ldexp(1, -11), brain_tie = 1 + std::ldexp(1, -8), little = std::ldexp(1, -40);
  const std::vector<double> x = {half_tie,
                                 half_tie + little,
                                 half_tie - little,
                                 -half_tie - little,
                                 brain_tie,
                                 brain_tie + little,
                                 brain_tie - little,
                                 -brain_tie - little,
                                 1e300,
                                 -1e300,
                                 INFINITY,
                                 NAN,
                                 65519.99999999,
                                 0,
                                 -0.0,
                                 0.1};
  const auto halves = FromBytes<uint16_t>(Converted(BytesOf(x), DType::kF64, DType::kF16));
  const auto brains = FromBytes<uint16_t>(Converted(BytesOf(x), DType::kF64, DType::kBF16));
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i])) {
      EXPECT_TRUE(IsNanHalf(halves[i]) && IsNanBrain(brains[i]));
      continue;
    }
    EXPECT_EQ(halves[i], tfvk::testing::HalfFromDouble(x[i])) << x[i];
  }
  EXPECT_EQ(std::vector<uint16_t>(brains.begin() + 4, brains.begin() + 12),
            (std::vector<uint16_t>{0x3f80, 0x3f81, 0x3f80, 0xbf81, 0x7f80, 0xff80, 0x7f80, brains[11]}));
}

// All 65536 patterns there and back.
TEST(Conversions, EveryHalfAndEveryBrainFloat) {
  if (!InMemory(DType::kF16)) GTEST_SKIP() << Device::Get().name() << " has no 16-bit elements";
  std::vector<uint16_t> all(65536);
  for (uint32_t i = 0; i < 65536; ++i) all[i] = static_cast<uint16_t>(i);
  const auto halves = Converted(BytesOf(all), DType::kF16, DType::kF32), brains = Converted(BytesOf(all), DType::kBF16, DType::kF32);
  const auto half_values = FromBytes<float>(halves), brain_values = FromBytes<float>(brains);
  const auto back = FromBytes<uint16_t>(Converted(halves, DType::kF32, DType::kF16)),
             brains_back = FromBytes<uint16_t>(Converted(brains, DType::kF32, DType::kBF16));
  for (uint32_t i = 0; i < 65536; ++i) {
    const auto h = static_cast<uint16_t>(i);
    if (IsNanHalf(h)) {
      ASSERT_TRUE(std::isnan(half_values[i]) && IsNanHalf(back[i])) << i;
    } else {
      ASSERT_EQ(BitsOf(half_values[i]), BitsOf(HalfToFloat(h))) << i;
      ASSERT_EQ(back[i], h);
    }
    if (IsNanBrain(h)) {
      ASSERT_TRUE(std::isnan(brain_values[i]) && IsNanBrain(brains_back[i])) << i;
    } else {
      ASSERT_EQ(BitsOf(brain_values[i]), i << 16);
      ASSERT_EQ(brains_back[i], h);
    }
  }
}

// Of each number its half's bits, and twice the f32 of them: the second with something in the other half of the word.
std::vector<uint32_t> HalvesByBits(const std::vector<float>& x, const BuilderOptions& options) {
  const auto code = [](Builder& b, const std::vector<Value>& e) {
    const Value half = b.HalfBits(e[0]);
    return std::vector<Value>{half, b.Bitcast(b.FromHalfBits(half), DType::kU32), b.Bitcast(b.FromHalfBits(half | 0x12340000), DType::kU32)};
  };
  return Computed<uint32_t, float>(DType::kU32, DType::kF32, {x}, code, options);
}
void ExpectHalves(const std::vector<float>& x, const std::vector<uint32_t>& bits, bool subnormals) {
  for (size_t i = 0; i < x.size(); ++i) {
    const uint16_t expected = FloatToHalf(x[i]);
    if (!subnormals && (expected & 0x7c00) == 0) continue;
    if (std::isnan(x[i])) {
      EXPECT_TRUE(IsNanHalf(static_cast<uint16_t>(bits[3 * i])) && bits[3 * i] < 0x10000 && std::isnan(FloatFromBits(bits[3 * i + 1])));
      continue;
    }
    EXPECT_EQ(bits[3 * i], expected) << x[i];
    EXPECT_EQ(bits[3 * i + 1], BitsOf(HalfToFloat(expected))) << x[i];
    EXPECT_EQ(bits[3 * i + 2], BitsOf(HalfToFloat(expected))) << x[i];  // the other half is not looked at
  }
}
TEST(Conversions, HalvesWithoutA16BitType) {
  const auto x = Borders();
  ExpectHalves(x, HalvesByBits(x, {"halves"}), true);
}
// Drivers that take a conversion there and back for the number itself must not see one.
TEST(Conversions, HalvesByTheDriversConversion) {
  const auto& limits = Device::Get().limits();
  if (!limits.float16 || !limits.round_to_even_f16 || !limits.preserve_nan_inf_f16) {
    GTEST_SKIP() << Device::Get().name() << " does not compute with f16, does not round to even, or loses infinities";
  }
  BuilderOptions options{"halves"};
  options.exact_f16_conversion = options.round_to_even_f16 = true;
  options.preserve_denormals_f16 = limits.preserve_denormals_f16;
  const auto x = Borders();
  ExpectHalves(x, HalvesByBits(x, options), limits.preserve_denormals_f16);
}

TEST(Conversions, Bitcasts) {
  const std::vector<float> x = {1.5f, -0.0f, INFINITY, -2.25f};
  const auto bits = Computed<uint32_t, float>(DType::kU32, DType::kF32, {x}, [](Builder& b, const std::vector<Value>& e) {
    const Value pair = b.Bitcast(b.Composite({e[0], -e[0]}), DType::kS32);
    return std::vector<Value>{b.Bitcast(e[0], DType::kU32), b.Bitcast(b.Bitcast(e[0], DType::kS32), DType::kU32), b.Bitcast(b.Extract(pair, 1), DType::kU32)};
  });
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(bits[3 * i], BitsOf(x[i]));
    EXPECT_EQ(bits[3 * i + 1], BitsOf(x[i]));
    EXPECT_EQ(bits[3 * i + 2], BitsOf(-x[i]));
  }
}
TEST(Conversions, BitcastsOfOtherWidths) {
  const auto& limits = Device::Get().limits();
  if (!limits.float64 || !limits.float16 || !HasIntegers(16)) GTEST_SKIP() << Device::Get().name() << " does not compute with f16, u16 and f64";
  const std::vector<double> wide = {1.5, -0.0, 1e300};
  const auto wide_bits = Computed<uint64_t, double>(DType::kU64, DType::kF64, {wide}, [](Builder& b, const std::vector<Value>& e) {
    return std::vector<Value>{b.Bitcast(e[0], DType::kU64), b.Bitcast(b.Bitcast(b.Bitcast(e[0], DType::kS64), DType::kF64), DType::kU64)};
  });
  for (size_t i = 0; i < wide.size(); ++i) {
    uint64_t expected;
    std::memcpy(&expected, &wide[i], 8);
    EXPECT_EQ(wide_bits[2 * i], expected);
    EXPECT_EQ(wide_bits[2 * i + 1], expected);
  }
  const std::vector<uint16_t> narrow = {0x3c00, 0x7c00, 0x8001, 0xffff};
  const auto back = Computed<uint16_t, uint16_t>(DType::kU16, DType::kF16, {narrow}, [](Builder& b, const std::vector<Value>& e) {
    return std::vector<Value>{b.Bitcast(e[0], DType::kU16), b.Bitcast(b.Bitcast(b.Bitcast(e[0], DType::kBF16), DType::kS16), DType::kU16)};
  });
  for (size_t i = 0; i < narrow.size(); ++i) {
    EXPECT_EQ(back[2 * i], narrow[i]);
    EXPECT_EQ(back[2 * i + 1], narrow[i]);
  }
}

}  // namespace
}  // namespace tfvk::spirv::testing
