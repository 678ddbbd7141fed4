#include "kernels/sort.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "device_fixture.h"
#include "kernels/element_functions.h"

namespace tfvk::testing {
namespace {

kernels::Comparator Less() {
  return [](kernels::Emitter&, const Values& a, const Values& b) { return a[0] < b[0]; };
}
kernels::Comparator Greater() {
  return [](kernels::Emitter&, const Values& a, const Values& b) { return a[0] > b[0]; };
}

kernels::SortSpec Spec(Shape shape, int64_t dimension, std::vector<DType> dtypes, kernels::Comparator before) {
  kernels::SortSpec spec;
  spec.name = "sort";
  spec.shape = shape;
  spec.dimension = dimension;
  spec.dtypes = dtypes;
  std::vector<kernels::Tensor> operands;
  for (size_t i = 0; i < dtypes.size(); ++i) operands.push_back(Operand(static_cast<int>(i), dtypes[i], shape));
  spec.body = ReadAll(operands);
  spec.before = std::move(before);
  return spec;
}

// Sorts keys with their places as second operand, along `dimension` of [outer, n, inner]; equal keys must keep their order.
template <class T>
void ExpectSorted(DType dtype, const std::vector<T>& keys, int64_t outer, int64_t n, int64_t inner, bool descending = false) {
  const auto spec = Spec({outer, n, inner}, 1, {dtype, DType::kS32}, descending ? Greater() : Less());
  std::vector<int32_t> places(keys.size());
  std::iota(places.begin(), places.end(), 0);
  Device& device = Device::Get();
  const Buffer in = device.Upload(keys), order = device.Upload(places), out = device.Allocate(in.bytes()), out_order = device.Allocate(order.bytes());
  device.Run(kernels::MakeSort(spec, device.limits()), {in, order}, {out, out_order});
  const auto sorted = device.Download<T>(out);
  const auto sorted_places = device.Download<int32_t>(out_order);
  for (int64_t row = 0; row < outer * inner; ++row) {
    const int64_t base = row / inner * n * inner + row % inner;
    std::vector<int32_t> expected(n);
    for (int64_t i = 0; i < n; ++i) expected[i] = static_cast<int32_t>(base + i * inner);
    std::stable_sort(expected.begin(), expected.end(), [&](int32_t a, int32_t b) { return descending ? keys[b] < keys[a] : keys[a] < keys[b]; });
    for (int64_t i = 0; i < n; ++i) {
      ASSERT_EQ(sorted_places[base + i * inner], expected[i]) << "row " << row << " place " << i << " of " << n;
      ASSERT_EQ(sorted[base + i * inner], keys[expected[i]]);
    }
  }
}

std::vector<float> Keys(int64_t n, int different) {
  std::mt19937 random(3);
  std::vector<float> keys(n);
  for (float& key : keys) key = static_cast<float>(static_cast<int>(random() % different)) - 20;
  return keys;
}

TEST(Sort, EveryLength) {
  for (const int64_t n : {1, 2, 3, 5, 8, 31, 32, 33, 100, 255, 256, 257, 1000, 1023, 1024, 1025, 2047, 2048, 2049, 3000, 4097, 10000}) {
    ExpectSorted(DType::kF32, Keys(3 * n, 1 << 20), 3, n, 1);
    ExpectSorted(DType::kF32, Keys(3 * n, 7), 3, n, 1);  // many ties
  }
}
TEST(Sort, Descending) {
  ExpectSorted(DType::kF32, Keys(77, 10), 1, 77, 1, true);
  ExpectSorted(DType::kF32, Keys(5000, 1000), 1, 5000, 1, true);
}
TEST(Sort, AlongAnInnerDimension) {
  ExpectSorted(DType::kF32, Keys(2 * 50 * 7, 30), 2, 50, 7);
  ExpectSorted(DType::kF32, Keys(2 * 5000 * 3, 3000), 2, 5000, 3);
}
TEST(Sort, ManyShortRows) { ExpectSorted(DType::kF32, Keys(1001 * 10, 6), 1001, 10, 1); }
TEST(Sort, AlreadySortedAndReversed) {
  std::vector<float> keys(5000);
  std::iota(keys.begin(), keys.end(), 0.0f);
  ExpectSorted(DType::kF32, keys, 1, 5000, 1);
  ExpectSorted(DType::kF32, keys, 1, 5000, 1, true);
  ExpectSorted(DType::kF32, std::vector<float>(5000, 1.0f), 1, 5000, 1);
}
TEST(Sort, Nothing) {
  Device& device = Device::Get();
  const Buffer none = device.Allocate(0);
  device.Run(kernels::MakeSort(Spec({3, 0}, 1, {DType::kF32}, Less()), device.limits()), {none}, {none});
  device.Run(kernels::MakeSort(Spec({0, 5000}, 1, {DType::kF32}, Less()), device.limits()), {none}, {none});
}

template <class T>
void ExpectIntegersSorted(DType dtype) {
  std::mt19937_64 random(5);
  std::vector<T> keys(3000);
  for (T& key : keys) key = static_cast<T>(random());
  ExpectSorted(dtype, keys, 10, 300, 1);
  ExpectSorted(dtype, keys, 1, 3000, 1);
}
TEST(Sort, Integers) {
  ExpectIntegersSorted<int32_t>(DType::kS32);
  ExpectIntegersSorted<uint32_t>(DType::kU32);
  ExpectIntegersSorted<int64_t>(DType::kS64);
  ExpectIntegersSorted<uint64_t>(DType::kU64);
  if (Device::Get().limits().storage_8bit) {
    ExpectIntegersSorted<int8_t>(DType::kS8);
    ExpectIntegersSorted<uint8_t>(DType::kU8);
  }
  if (Device::Get().limits().storage_16bit) {
    ExpectIntegersSorted<int16_t>(DType::kS16);
    ExpectIntegersSorted<uint16_t>(DType::kU16);
  }
  if (Device::Get().limits().float64) ExpectSorted(DType::kF64, std::vector<double>{3.5, -0.25, 1e300, -1e300, 2, 2}, 2, 3, 1);
}

// A total order puts -NaN first and NaN last, and -0 before +0.
TEST(Sort, FloatsByTotalOrder) {
  const float nan = std::nanf(""), inf = std::numeric_limits<float>::infinity();
  for (const size_t n : {12u, 6000u}) {
    std::vector<float> keys = {nan, 1, -inf, 0.0f, -0.0f, inf, -nan, -1, nan, -0.0f, 0.0f, 1e-42f};
    while (keys.size() < n) keys.push_back(keys[keys.size() % 12]);
    auto spec = Spec({static_cast<int64_t>(n)}, 0, {DType::kF32}, nullptr);
    spec.before = [](kernels::Emitter& e, const Values& a, const Values& b) {
      const auto ordered = [&](spirv::Value v) {
        const auto bits = e.b().Bitcast(v, DType::kS32);
        return e.b().Select(bits < 0, bits ^ 0x7fffffff, bits);
      };
      return ordered(a[0]) < ordered(b[0]);
    };
    Device& device = Device::Get();
    const Buffer in = device.Upload(keys), out = device.Allocate(in.bytes());
    device.Run(kernels::MakeSort(spec, device.limits()), {in}, {out});
    const auto bits = [](float f) {
      int32_t b;
      std::memcpy(&b, &f, 4);
      return b < 0 ? b ^ 0x7fffffff : b;
    };
    std::vector<int32_t> sorted, expected;
    for (float f : device.Download<float>(out)) sorted.push_back(bits(f));
    for (float f : keys) expected.push_back(bits(f));
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(sorted, expected);
  }
}

TEST(Sort, BoolOperand) {
  if (!Device::Get().limits().storage_8bit) GTEST_SKIP() << "no 8-bit storage";
  std::vector<uint8_t> flags;
  for (int i = 0; i < 5000; ++i) flags.push_back(i % 3 == 0);
  auto spec = Spec({5000}, 0, {DType::kBool}, [](kernels::Emitter&, const Values& a, const Values& b) { return !a[0] && b[0]; });
  Device& device = Device::Get();
  const Buffer in = device.Upload(flags), out = device.Allocate(5000);
  device.Run(kernels::MakeSort(spec, device.limits()), {in}, {out});
  std::sort(flags.begin(), flags.end());
  EXPECT_EQ(device.Download<uint8_t>(out), flags);
}

TEST(Sort, SmallSharedMemory) {
  kernels::DeviceLimits limits = Device::Get().limits();
  limits.shared_bytes = 1024;
  limits.max_invocations = 64;
  auto keys = Keys(3000, 1000);
  Device& device = Device::Get();
  const Buffer in = device.Upload(keys), out = device.Allocate(in.bytes());
  device.Run(kernels::MakeSort(Spec({3000}, 0, {DType::kF32}, Less()), limits), {in}, {out});
  std::sort(keys.begin(), keys.end());
  EXPECT_EQ(device.Download<float>(out), keys);
}

TEST(Sort, RunTimeNumberOfRows) {
  Device& device = Device::Get();
  const auto sequence = kernels::MakeSort(Spec({Size::Symbol(0), 20}, 1, {DType::kF32}, Less()), device.limits());
  for (const int64_t rows : {1, 13, 300}) {
    auto keys = Keys(rows * 20, 100);
    const Buffer in = device.Upload(keys), out = device.Allocate(in.bytes());
    device.Run(sequence, {in}, {out}, {rows});
    for (int64_t row = 0; row < rows; ++row) std::sort(keys.begin() + row * 20, keys.begin() + row * 20 + 20);
    EXPECT_EQ(device.Download<float>(out), keys);
  }
}

}  // namespace
}  // namespace tfvk::testing
