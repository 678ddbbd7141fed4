// Loops, branches and variables at run time. Execution.LoopsAndBranches has While.
#include <algorithm>
#include <cstdint>
#include <limits>

#include "spirv/kernel_runner.h"

namespace tfvk::spirv::testing {
namespace {

// Sum and last of the loop's counters, for bounds known only at run time.
template <class T>
void ExpectLoops(DType t, const std::vector<T>& begins, const std::vector<T>& ends, const std::vector<T>& steps, Builder::Unroll unroll) {
  const auto results = Computed<T, T>(t, t, {begins, ends, steps}, [&](Builder& b, const std::vector<Value>& e) {
    const Variable sum = b.Declare(b.Constant(t, int64_t{0})), trips = b.Declare(t);
    trips.Set(b.Constant(t, int64_t{0}));
    b.For(
        e[0], e[1], e[2],
        [&](Value i) {
          sum.Set(sum.Get() + i);
          trips.Set(trips.Get() + 1);
        },
        unroll);
    return std::vector<Value>{sum.Get(), trips.Get()};
  });
  for (size_t k = 0; k < begins.size(); ++k) {
    uint64_t sum = 0, trips = 0;
    for (auto i = static_cast<int64_t>(begins[k]); i < static_cast<int64_t>(ends[k]); i += static_cast<int64_t>(steps[k])) {
      sum += static_cast<uint64_t>(i);
      ++trips;
    }
    EXPECT_EQ(results[2 * k], static_cast<T>(sum)) << +begins[k] << " to " << +ends[k];
    EXPECT_EQ(results[2 * k + 1], static_cast<T>(trips));
  }
}

TEST(ControlFlow, LoopsOfRunTimeBounds) {
  for (const auto unroll : {Builder::Unroll::kNo, Builder::Unroll::kHint, Builder::Unroll::kFull}) {
    ExpectLoops<uint32_t>(DType::kU32, {0, 3, 5, 5, 0x80000000, 0}, {10, 4, 5, 3, 0x80000005, 0}, {3, 1, 1, 1, 2, 1}, unroll);
    ExpectLoops<int32_t>(DType::kS32, {-7, -3, 0, 5, -1}, {8, -3, -4, 6, 1}, {4, 1, 1, 100, 1}, unroll);
    ExpectLoops<uint64_t>(DType::kU64, {0, uint64_t{1} << 33}, {5, (uint64_t{1} << 33) + 7}, {1, 3}, unroll);
    ExpectLoops<int64_t>(DType::kS64, {-(int64_t{1} << 40), 0}, {5 - (int64_t{1} << 40), -1}, {2, 1}, unroll);
  }
}

TEST(ControlFlow, UnrolledLoops) {
  const std::vector<int32_t> x = {1, -2, 3};
  const auto results = Computed<int32_t, int32_t>(DType::kS32, DType::kS32, {x}, [](Builder& b, const std::vector<Value>& e) {
    const Variable full = b.Declare(e[0]), hint = b.Declare(e[0]), counted = b.Declare(e[0]);
    b.For(
        b.S32(-2), b.S32(7), b.S32(3), [&](Value i) { full.Set(full.Get() * 3 + i); }, Builder::Unroll::kFull);
    b.For(
        b.S32(-2), b.S32(7), b.S32(3), [&](Value i) { hint.Set(hint.Get() * 3 + i); }, Builder::Unroll::kHint);
    b.For(3, [&](Value i) { counted.Set(counted.Get() * 3 + (b.Convert(i, DType::kS32) * 3 - 2)); });
    return std::vector<Value>{full.Get(), hint.Get(), counted.Get()};
  });
  for (size_t k = 0; k < x.size(); ++k) {
    int32_t expected = x[k];
    for (int i = -2; i < 7; i += 3) expected = expected * 3 + i;
    for (size_t way = 0; way < 3; ++way) EXPECT_EQ(results[3 * k + way], expected) << way;
  }
}

TEST(ControlFlow, LoopsAndBranchesInsideOneAnother) {
  const std::vector<uint32_t> x = {0, 1, 2, 7, 20};
  const auto results = Computed<uint32_t, uint32_t>(DType::kU32, DType::kU32, {x}, [](Builder& b, const std::vector<Value>& e) {
    const Variable count = b.Declare(b.U32(0));
    b.For(b.U32(0), e[0], b.U32(1), [&](Value i) {
      b.If(
          i % 3 == 0, [&] { b.For(b.U32(0), i, b.U32(1), [&](Value j) { b.If(j % 2 == 1, [&] { count.Set(count.Get() + i * j); }); }); },
          [&] {
            const Variable left = b.Declare(i);
            b.While([&] { return left.Get() > 2; },
                    [&] {
                      left.Set(left.Get() / 2);
                      b.If(
                          left.Get() == 3, [&] { count.Set(count.Get() + 1000); }, [&] { b.If(left.Get() == 1, [&] { count.Set(count.Get() + 7); }); });
                    });
          });
    });
    return std::vector<Value>{count.Get()};
  });
  for (size_t k = 0; k < x.size(); ++k) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < x[k]; ++i) {
      if (i % 3 == 0) {
        for (uint32_t j = 1; j < i; j += 2) count += i * j;
      } else {
        for (uint32_t left = i; left > 2;) {
          left /= 2;
          count += left == 3 ? 1000 : left == 1 ? 7 : 0;
        }
      }
    }
    EXPECT_EQ(results[k], count) << x[k];
  }
}

TEST(ControlFlow, VariablesOfVectorsAndBools) {
  const std::vector<float> x = {1, -2, 5};
  const auto results = Computed<float, float>(DType::kF32, DType::kF32, {x}, [](Builder& b, const std::vector<Value>& e) {
    const Variable vector = b.Declare(DType::kF32, 3), flag = b.Declare(b.Bool(false));
    EXPECT_EQ(vector.dtype(), DType::kF32);
    vector.Set(b.Splat(e[0], 3));
    b.For(4, [&](Value i) {
      vector.Set(vector.Get() + b.Composite({b.F32(1), e[0], b.Convert(i, DType::kF32)}));
      flag.Set(flag.Get() || (i == 3 && e[0] > 2.0));
    });
    return std::vector<Value>{b.Extract(vector.Get(), 0), b.Extract(vector.Get(), 1), b.Extract(vector.Get(), 2), b.Convert(flag.Get(), DType::kF32)};
  });
  for (size_t k = 0; k < x.size(); ++k) {
    EXPECT_EQ(std::vector<float>(results.begin() + 4 * static_cast<int64_t>(k), results.begin() + 4 * static_cast<int64_t>(k + 1)),
              (std::vector<float>{x[k] + 4, x[k] * 5, x[k] + 6, x[k] > 2 ? 1.0f : 0.0f}));
  }
}

TEST(ControlFlow, LogicalOperators) {
  const std::vector<uint32_t> x = {0, 1, 2, 3};
  const auto results = Computed<uint32_t, uint32_t>(DType::kU32, DType::kU32, {x}, [](Builder& b, const std::vector<Value>& e) {
    const Value p = (e[0] & 1) == 1, q = (e[0] >> 1) == 1;
    std::vector<Value> values;
    for (const Value v : {p && q, p || q, !p, p == q, p != q, p ^ q, p & q, p | q, b.Select(p, q, !q)}) values.push_back(b.Convert(v, DType::kU32));
    return values;
  });
  for (size_t k = 0; k < x.size(); ++k) {
    const bool p = x[k] & 1, q = x[k] >> 1;
    EXPECT_EQ(std::vector<uint32_t>(results.begin() + 9 * static_cast<int64_t>(k), results.begin() + 9 * static_cast<int64_t>(k + 1)),
              (std::vector<uint32_t>{p && q, p || q, !p, p == q, p != q, p != q, p && q, p || q, p ? q : !q}));
  }
}

// Pipelines are built without specialization here: the defaults hold.
TEST(ControlFlow, SpecializationConstants) {
  const std::vector<uint32_t> x = {3, 10};
  const auto results = Computed<uint32_t, uint32_t>(DType::kU32, DType::kU32, {x}, [](Builder& b, const std::vector<Value>& e) {
    const Value limit = b.Specialization(0, DType::kU32, 5), offset = b.Specialization(1, DType::kS32, static_cast<uint32_t>(-2)),
                scale = b.Specialization(2, DType::kF32, 0x40200000), yes = b.Specialization(3, DType::kBool, 1), no = b.Specialization(4, DType::kBool, 0);
    EXPECT_FALSE(limit.constant() || offset.constant() || scale.constant() || yes.constant() || no.constant());
    const Variable sum = b.Declare(b.U32(0));
    b.For(b.U32(0), limit, b.U32(1), [&](Value i) { sum.Set(sum.Get() + e[0] * i); });
    b.If(no, [&] { sum.Set(b.U32(0)); });
    return std::vector<Value>{sum.Get(), b.Bitcast(b.Bitcast(e[0], DType::kS32) + offset, DType::kU32),
                              b.Convert(b.Convert(e[0], DType::kF32) * scale, DType::kU32), b.Convert(yes, DType::kU32)};
  });
  for (size_t k = 0; k < x.size(); ++k) {
    EXPECT_EQ(results[4 * k], x[k] * 10);
    EXPECT_EQ(results[4 * k + 1], x[k] - 2);
    EXPECT_EQ(results[4 * k + 2], x[k] * 5 / 2);
    EXPECT_EQ(results[4 * k + 3], 1u);
  }
}

}  // namespace
}  // namespace tfvk::spirv::testing
