// Quotients and remainders of integers, whose operands are constants or each other; arith_test.cc has those of any two numbers.
#include <gtest/gtest.h>

#include <limits>
#include <spirv/unified1/spirv.hpp11>
#include <type_traits>

#include "device_fixture.h"
#include "kernels/arith.h"
#include "kernels/element_functions.h"
#include "kernels/map.h"

namespace tfvk::kernels {
namespace {

using spirv::Value;
using testing::Buffer;
using testing::Device;
using testing::Operand;

template <class T>
std::vector<T> Edges() {
  using L = std::numeric_limits<T>;
  return {T(0), T(1), T(-1), T(2), T(-2), T(7), T(-7), T(10), T(64), T(-64), L::max(), T(L::max() - 1), L::min(), T(L::min() + 1)};
}

// XLA's: x / 0 is -1, x % 0 is x, and the lowest number / -1 is itself.
template <class T>
T Quotient(T a, T b) {
  if (b == 0) return static_cast<T>(-1);
  if (std::is_signed_v<T> && b == static_cast<T>(-1)) return static_cast<T>(uint64_t{0} - static_cast<uint64_t>(a));
  return static_cast<T>(a / b);
}

template <class T>
T Rest(T a, T b) {
  if (b == 0) return a;
  return std::is_signed_v<T> && b == static_cast<T>(-1) ? T(0) : static_cast<T>(a % b);
}

// x / d and x % d of each divisor in turn, then x / x and x % x: one result each.
KernelSequence Division(DType dtype, int64_t count, const std::vector<int64_t>& divisors) {
  MapSpec spec;
  spec.name = "division";
  spec.shape = {count};
  spec.results.assign(2 * divisors.size() + 2, dtype);
  spec.body = [=](Emitter& e, const Index& i) {
    const Value x = e.Read(Operand(0, dtype, {count}), i);
    std::vector<Value> values;
    const auto divide = [&](Value y) {
      for (const BinaryFunction f : {BinaryFunction::kDivide, BinaryFunction::kRemainder}) values.push_back(Apply(e, f, dtype, x, y));
    };
    for (const int64_t divisor : divisors) divide(e.b().Constant(ComputeType(dtype), divisor));
    divide(x);
    return values;
  };
  return MakeMap(spec, Device::Get().limits());
}

template <class T>
void CheckDivision(DType dtype) {
  Device& device = Device::Get();
  const std::vector<T> x = Edges<T>();
  const auto count = static_cast<int64_t>(x.size());
  const std::vector<int64_t> divisors(x.begin(), x.end());
  std::vector<Buffer> results;
  for (size_t k = 0; k < 2 * divisors.size() + 2; ++k) results.push_back(device.Allocate(x.size() * sizeof(T)));
  device.Run(Division(dtype, count, divisors), {device.Upload(x)}, results);
  for (size_t k = 0; k < results.size(); ++k) {
    const std::vector<T> got = device.Download<T>(results[k]);
    for (size_t i = 0; i < x.size(); ++i) {
      const T y = k / 2 < x.size() ? x[k / 2] : x[i];
      const char* what = k / 2 < x.size() ? " by the constant " : " by the same ";
      EXPECT_EQ(got[i], k % 2 == 0 ? Quotient(x[i], y) : Rest(x[i], y)) << Name(dtype) << (k % 2 == 0 ? " quotient of " : " rest of ") << +x[i] << what << +y;
    }
  }
}

TEST(IntegerDivision, ByConstantsAndByItself) {
  CheckDivision<int8_t>(DType::kS8);
  CheckDivision<uint8_t>(DType::kU8);
  CheckDivision<int16_t>(DType::kS16);
  CheckDivision<uint16_t>(DType::kU16);
  CheckDivision<int32_t>(DType::kS32);
  CheckDivision<uint32_t>(DType::kU32);
  CheckDivision<int64_t>(DType::kS64);
  CheckDivision<uint64_t>(DType::kU64);
}

int CountOf(const KernelSequence& sequence, spv::Op op) {
  const std::vector<uint32_t>& words = sequence.kernels.at(0).module.words;
  int count = 0;
  for (size_t at = 5; at < words.size(); at += words[at] >> 16) count += (words[at] & 0xffff) == static_cast<uint32_t>(op);
  return count;
}

// What NVIDIA's compiler was reported to get wrong, and what it fails at.
TEST(IntegerDivision, DriversAreNotGivenWideSignedDivisionsOrANumberByItself) {
  const KernelSequence wide = Division(DType::kS64, 64, {3, -5, 0, -1});
  for (const spv::Op op : {spv::Op::OpSDiv, spv::Op::OpSRem, spv::Op::OpSMod}) EXPECT_EQ(CountOf(wide, op), 0) << static_cast<int>(op);
  EXPECT_GT(CountOf(wide, spv::Op::OpUDiv), 0);
  EXPECT_EQ(CountOf(Division(DType::kS64, 64, {}), spv::Op::OpUDiv), 0);
}

}  // namespace
}  // namespace tfvk::kernels
