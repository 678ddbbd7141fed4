// Operations across a subgroup, compared with the same on the host lane by lane. Execution.SubgroupOperations has the rest.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "kernels/host_tensor.h"
#include "spirv/kernel_runner.h"

namespace tfvk::spirv::testing {
namespace {

using kernels::DeviceLimits;
using tfvk::testing::Decode;
using tfvk::testing::Encode;

constexpr uint32_t kInvocations = 64;

// Element i is that of invocation i of one workgroup; the second result is the lane's number and the third the subgroup's.
struct Lanes {
  std::vector<double> values;
  std::vector<uint32_t> lane, subgroup, size;
};
Lanes Across(DType t, const std::vector<double>& x, const std::function<Value(Builder&, Value)>& f) {
  Device& device = Device::Get();
  Builder b({"subgroups", {kInvocations, 1, 1}});
  const Value i = b.LocalLinearId();
  b.Store(b.Global(b.Argument(1), t), i, f(b, b.Load(b.Global(b.Argument(0), t), i)));
  const Pointer places = b.Global(b.Argument(2), DType::kU32);
  b.Store(places, i * 3, b.SubgroupLocalId());
  b.Store(places, i * 3 + 1, b.SubgroupId());
  b.Store(places, i * 3 + 2, b.SubgroupSize());
  using Kind = KernelArgument::Kind;
  const Buffer in = device.Upload(Encode(t, x)), out = device.Allocate(kInvocations * ByteSize(t)), at = device.Allocate(kInvocations * 12);
  device.Run(Sequence(b, {{Kind::kRead, 0}, {Kind::kWrite, 0}, {Kind::kWrite, 1}}, 1), {in}, {out, at});
  Lanes lanes{Decode(t, device.Download<uint8_t>(out)), {}, {}, {}};
  const auto numbers = device.Download<uint32_t>(at);
  for (size_t k = 0; k < kInvocations; ++k) {
    lanes.lane.push_back(numbers[3 * k]);
    lanes.subgroup.push_back(numbers[3 * k + 1]);
    lanes.size.push_back(numbers[3 * k + 2]);
  }
  return lanes;
}

// The invocation at `lane` of invocation `i`'s subgroup; kInvocations when there is none.
size_t At(const Lanes& l, size_t i, uint32_t lane) {
  size_t k = 0;
  while (k < kInvocations && (l.subgroup[k] != l.subgroup[i] || l.lane[k] != lane)) ++k;
  return k;
}

TEST(Subgroups, PlacesAreDistinct) {
  const Lanes l = Across(DType::kU32, std::vector<double>(kInvocations, 0), [](Builder&, Value v) { return v; });
  for (size_t i = 0; i < kInvocations; ++i) {
    EXPECT_EQ(l.size[i], Device::Get().limits().subgroup_size);
    EXPECT_LT(l.lane[i], l.size[i]);
    EXPECT_EQ(At(l, i, l.lane[i]), i);
  }
}

double Fold(SubgroupOp op, double a, double b) {
  const auto x = static_cast<int64_t>(a), y = static_cast<int64_t>(b);
  switch (op) {
    case SubgroupOp::kAdd:
      return a + b;
    case SubgroupOp::kMul:
      return a * b;
    case SubgroupOp::kMin:
      return std::min(a, b);
    case SubgroupOp::kMax:
      return std::max(a, b);
    case SubgroupOp::kAnd:
      return static_cast<double>(x & y);
    case SubgroupOp::kOr:
      return static_cast<double>(x | y);
    case SubgroupOp::kXor:
      return static_cast<double>(x ^ y);
  }
  return 0;
}

void ExpectArithmetic(DType t, SubgroupOp op, const std::vector<double>& x) {
  const Lanes reduced = Across(t, x, [=](Builder& b, Value v) { return b.SubgroupReduce(op, v); });
  const Lanes inclusive = Across(t, x, [=](Builder& b, Value v) { return b.SubgroupInclusiveScan(op, v); });
  const Lanes exclusive = Across(t, x, [=](Builder& b, Value v) { return b.SubgroupExclusiveScan(op, v); });
  const std::string what = std::string(Name(t)) + " operation " + std::to_string(static_cast<int>(op));
  for (size_t i = 0; i < kInvocations; ++i) {
    for (const Lanes* l : {&reduced, &inclusive, &exclusive}) {
      const uint32_t count = l == &reduced ? l->size[i] : l == &inclusive ? l->lane[i] + 1 : l->lane[i];
      if (count == 0) continue;  // the identity, in the dtype's own terms
      double expected = 0;
      for (uint32_t lane = 0; lane < count; ++lane) {
        const size_t k = At(*l, i, lane);
        if (k < kInvocations) expected = lane == 0 ? x[k] : Fold(op, expected, x[k]);
      }
      EXPECT_EQ(l->values[i], expected) << what << " at " << i;
    }
  }
}

TEST(Subgroups, Arithmetic) {
  const auto& limits = Device::Get().limits();
  if (!limits.subgroup_arithmetic) GTEST_SKIP() << Device::Get().name() << " has no subgroup arithmetic";
  if (limits.subgroup_size > 32) GTEST_SKIP() << "products of " << limits.subgroup_size << " lanes overflow";
  std::vector<double> positive(kInvocations), any(kInvocations), small(kInvocations);
  for (size_t i = 0; i < kInvocations; ++i) {
    positive[i] = static_cast<double>(i * 37 % 64 + 1);
    any[i] = static_cast<double>(i * 37 % 64) - 30;
    small[i] = i % 3 == 0 ? 2 : 1;
  }
  using Op = SubgroupOp;
  for (const DType t : {DType::kU32, DType::kS32, DType::kF32, DType::kF64}) {
    if (t == DType::kF64 && !limits.float64) continue;
    for (const Op op : {Op::kAdd, Op::kMin, Op::kMax}) ExpectArithmetic(t, op, IsUnsigned(t) ? positive : any);
    ExpectArithmetic(t, Op::kMul, small);
    if (IsFloat(t)) continue;
    for (const Op op : {Op::kAnd, Op::kOr, Op::kXor}) ExpectArithmetic(t, op, IsUnsigned(t) ? positive : any);
  }
  if (!limits.storage_8bit) return;
  for (size_t i = 0; i < kInvocations; ++i) small[i] = i % 5 != 0;
  for (const Op op : {Op::kAnd, Op::kOr, Op::kXor}) ExpectArithmetic(DType::kBool, op, small);
}

class Shuffles : public ::testing::TestWithParam<DType> {};
TEST_P(Shuffles, OfEveryDType) {
  const auto& limits = Device::Get().limits();
  const DType t = GetParam();
  if (!limits.subgroup_shuffle) GTEST_SKIP() << Device::Get().name() << " has no subgroup shuffles";
  const bool computes = t == DType::kBool || (IsInteger(t) && HasIntegers(BitSize(t))) || t == DType::kF32 || (t == DType::kF64 && limits.float64) ||
                        (IsFloat(t) && BitSize(t) == 16 && HasIntegers(16) && limits.float16);
  if (!computes) GTEST_SKIP() << Device::Get().name() << " does not compute with " << Name(t);
  std::vector<double> x(kInvocations);
  for (size_t i = 0; i < kInvocations; ++i) x[i] = t == DType::kBool ? static_cast<double>(i * 7 % 3 == 0) : static_cast<double>(i) * (IsUnsigned(t) ? 1 : -2);
  if (BitSize(t) == 64) {
    for (double& v : x) v *= 4294967296.0 + 3;  // both words count
  }
  const uint32_t mask = limits.subgroup_size > 2 ? 3 : 1;
  const Lanes flipped = Across(t, x, [=](Builder& b, Value v) { return b.SubgroupShuffleXor(v, mask); });
  const Lanes turned = Across(t, x, [](Builder& b, Value v) { return b.SubgroupShuffle(v, (b.SubgroupLocalId() + 1) % b.SubgroupSize()); });
  for (size_t i = 0; i < kInvocations; ++i) {
    const size_t partner = At(flipped, i, flipped.lane[i] ^ mask), next = At(turned, i, (turned.lane[i] + 1) % turned.size[i]);
    // A subgroup that is not full lacks some partners.
    if (partner < kInvocations) {
      EXPECT_EQ(flipped.values[i], x[partner]) << i;
    }
    if (next < kInvocations) {
      EXPECT_EQ(turned.values[i], x[next]) << i;
    }
  }
  if (t == DType::kF16 && limits.vendor == DeviceLimits::Vendor::kLlvmpipe && limits.matrices.empty()) {
    GTEST_SKIP() << "LLVM 15 aborts at a broadcast of an f16 that becomes an f32";
  }
  const Lanes first = Across(t, x, [](Builder& b, Value v) { return b.SubgroupBroadcastFirst(v); });
  for (size_t i = 0; i < kInvocations; ++i) EXPECT_EQ(first.values[i], x[At(first, i, 0)]) << i;
}
INSTANTIATE_TEST_SUITE_P(All, Shuffles,
                         ::testing::Values(DType::kBool, DType::kS8, DType::kS16, DType::kS32, DType::kS64, DType::kU8, DType::kU16, DType::kU32, DType::kU64,
                                           DType::kF16, DType::kBF16, DType::kF32, DType::kF64),
                         [](const auto& info) { return std::string(Name(info.param)); });

TEST(Subgroups, Votes) {
  if (!Device::Get().limits().subgroup_vote) GTEST_SKIP() << Device::Get().name() << " has no subgroup votes";
  std::vector<double> x(kInvocations, 0);
  x[5] = 1;
  for (size_t i = 32; i < kInvocations; ++i) x[i] = 1;
  const Lanes l = Across(DType::kU32, x, [](Builder& b, Value v) {
    return b.Convert(b.SubgroupAny(v == 1), DType::kU32) + b.Convert(b.SubgroupAll(v == 1), DType::kU32) * 2 +
           b.Convert(b.SubgroupAny(v == 7), DType::kU32) * 4;
  });
  for (size_t i = 0; i < kInvocations; ++i) {
    bool any = false, all = true;
    for (size_t k = 0; k < kInvocations; ++k) {
      if (l.subgroup[k] != l.subgroup[i]) continue;
      any = any || x[k] == 1;
      all = all && x[k] == 1;
    }
    EXPECT_EQ(l.values[i], any + 2 * all) << i;
  }
}

TEST(Subgroups, ShufflesOfVectors) {
  if (!Device::Get().limits().subgroup_shuffle) GTEST_SKIP() << Device::Get().name() << " has no subgroup shuffles";
  std::vector<double> x(kInvocations);
  for (size_t i = 0; i < kInvocations; ++i) x[i] = static_cast<double>(i);
  const Lanes l = Across(DType::kF32, x, [](Builder& b, Value v) {
    const Value moved = b.SubgroupShuffleXor(b.Composite({v, v * 100.0}), 1);
    return b.Extract(moved, 0) + b.Extract(moved, 1);
  });
  for (size_t i = 0; i < kInvocations; ++i) {
    const size_t partner = At(l, i, l.lane[i] ^ 1);
    if (partner < kInvocations) {
      EXPECT_EQ(l.values[i], 101 * x[partner]) << i;
    }
  }
}

}  // namespace
}  // namespace tfvk::spirv::testing
