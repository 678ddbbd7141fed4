// Integer operations of every width and signedness: computed by the device, and folded by the builder.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>

#include "spirv/kernel_runner.h"

namespace tfvk::spirv::testing {
namespace {

template <class T>
constexpr DType DTypeOf() {
  constexpr int kWidth = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
  return static_cast<DType>(static_cast<int>(std::is_signed_v<T> ? DType::kS8 : DType::kU8) + kWidth);
}

template <class T>
struct Operation {
  std::string name;
  std::function<Value(Builder&, Value, Value)> emit;
  std::function<T(T, T)> compute;
};
template <class T>
T Wrapped(uint64_t bits) {
  return static_cast<T>(bits);
}

template <class T>
std::vector<Operation<T>> Divisions() {
  return {{"/", [](Builder&, Value a, Value b) { return a / b; }, [](T a, T b) { return static_cast<T>(a / b); }},
          {"%", [](Builder&, Value a, Value b) { return a % b; }, [](T a, T b) { return static_cast<T>(a % b); }}};
}
template <class T>
std::vector<Operation<T>> Foldable() {
  constexpr DType t = DTypeOf<T>();
  constexpr int kBits = sizeof(T) * 8;
  const auto as_number = [](Builder& b, Value v) { return b.Convert(v, t); };
  return {
      {"+", [](Builder&, Value a, Value b) { return a + b; }, [](T a, T b) { return Wrapped<T>(uint64_t(a) + uint64_t(b)); }},
      {"-", [](Builder&, Value a, Value b) { return a - b; }, [](T a, T b) { return Wrapped<T>(uint64_t(a) - uint64_t(b)); }},
      {"*", [](Builder&, Value a, Value b) { return a * b; }, [](T a, T b) { return Wrapped<T>(uint64_t(a) * uint64_t(b)); }},
      {"&", [](Builder&, Value a, Value b) { return a & b; }, [](T a, T b) { return static_cast<T>(a & b); }},
      {"|", [](Builder&, Value a, Value b) { return a | b; }, [](T a, T b) { return static_cast<T>(a | b); }},
      {"^", [](Builder&, Value a, Value b) { return a ^ b; }, [](T a, T b) { return static_cast<T>(a ^ b); }},
      {"<<", [](Builder&, Value a, Value b) { return a << (b & (kBits - 1)); }, [](T a, T b) { return Wrapped<T>(uint64_t(a) << (b & (kBits - 1))); }},
      {">>", [](Builder&, Value a, Value b) { return a >> (b & (kBits - 1)); }, [](T a, T b) { return static_cast<T>(a >> (b & (kBits - 1))); }},
      {"<", [=](Builder& b, Value x, Value y) { return as_number(b, x < y); }, [](T a, T b) { return static_cast<T>(a < b); }},
      {"<=", [=](Builder& b, Value x, Value y) { return as_number(b, x <= y); }, [](T a, T b) { return static_cast<T>(a <= b); }},
      {">", [=](Builder& b, Value x, Value y) { return as_number(b, x > y); }, [](T a, T b) { return static_cast<T>(a > b); }},
      {">=", [=](Builder& b, Value x, Value y) { return as_number(b, x >= y); }, [](T a, T b) { return static_cast<T>(a >= b); }},
      {"==", [=](Builder& b, Value x, Value y) { return as_number(b, x == y); }, [](T a, T b) { return static_cast<T>(a == b); }},
      {"!=", [=](Builder& b, Value x, Value y) { return as_number(b, x != y); }, [](T a, T b) { return static_cast<T>(a != b); }},
      {"negation", [](Builder&, Value a, Value) { return -a; }, [](T a, T) { return Wrapped<T>(0 - uint64_t(a)); }},
      {"~", [](Builder&, Value a, Value) { return ~a; }, [](T a, T) { return static_cast<T>(~a); }},
      {"min", [](Builder& b, Value x, Value y) { return b.Min(x, y); }, [](T a, T b) { return std::min(a, b); }},
      {"max", [](Builder& b, Value x, Value y) { return b.Max(x, y); }, [](T a, T b) { return std::max(a, b); }},
      {"from a number", [](Builder&, Value a, Value) { return 7 - (a + 3) * 5; }, [](T a, T) { return Wrapped<T>(7 - (uint64_t(a) + 3) * 5); }},
  };
}
template <class T>
std::vector<Operation<T>> NeverFolded() {
  const auto magnitude = [](T a) { return Wrapped<T>(a < 0 ? 0 - uint64_t(a) : uint64_t(a)); };
  return {
      {"abs", [](Builder& b, Value x, Value) { return b.Apply(Math::kAbs, x); }, [=](T a, T) { return magnitude(a); }},
      {"sign", [](Builder& b, Value x, Value) { return b.Apply(Math::kSign, x); }, [](T a, T) { return static_cast<T>((a > 0) - (a < 0)); }},
      {"bits", [](Builder& b, Value x, Value) { return b.PopCount(x); },
       [](T a, T) { return static_cast<T>(__builtin_popcountll(uint64_t(static_cast<std::make_unsigned_t<T>>(a)))); }},
  };
}

// Pairs of what lies at the borders of the range and of halves of it.
template <class T>
std::vector<std::pair<T, T>> Pairs() {
  using Limits = std::numeric_limits<T>;
  const T half = static_cast<T>(Limits::max() >> (sizeof(T) * 4));
  const std::vector<T> values = {0,
                                 1,
                                 2,
                                 3,
                                 7,
                                 100,
                                 static_cast<T>(-1),
                                 static_cast<T>(-5),
                                 half,
                                 static_cast<T>(half + 1),
                                 Limits::max(),
                                 static_cast<T>(Limits::max() - 1),
                                 Limits::min(),
                                 static_cast<T>(Limits::min() + 1)};
  std::vector<std::pair<T, T>> pairs;
  for (const T a : values) {
    for (const T b : values) pairs.emplace_back(a, b);
  }
  return pairs;
}
template <class T>
bool CanDivide(T a, T b) {
  return b != 0 && !(std::is_signed_v<T> && a == std::numeric_limits<T>::min() && b == static_cast<T>(-1));
}

template <class T>
void ExpectComputed(const std::vector<Operation<T>>& operations, const std::vector<std::pair<T, T>>& pairs) {
  std::vector<T> left, right;
  for (const auto& [a, b] : pairs) {
    left.push_back(a);
    right.push_back(b);
  }
  const auto results = Computed<T, T>(DTypeOf<T>(), DTypeOf<T>(), {left, right}, [&](Builder& b, const std::vector<Value>& x) {
    std::vector<Value> values;
    for (const auto& operation : operations) values.push_back(operation.emit(b, x[0], x[1]));
    return values;
  });
  for (size_t i = 0; i < pairs.size(); ++i) {
    for (size_t k = 0; k < operations.size(); ++k) {
      ASSERT_EQ(+results[i * operations.size() + k], +operations[k].compute(left[i], right[i]))
          << operations[k].name << " of " << +left[i] << " and " << +right[i];
    }
  }
}

template <class T>
void ExpectFolded(const std::vector<Operation<T>>& operations, const std::vector<std::pair<T, T>>& pairs) {
  Builder b({"folded"});
  for (const auto& [left, right] : pairs) {
    const Value x = b.Constant(DTypeOf<T>(), static_cast<int64_t>(left)), y = b.Constant(DTypeOf<T>(), static_cast<int64_t>(right));
    for (const auto& operation : operations) {
      const Value v = operation.emit(b, x, y);
      ASSERT_TRUE(v.constant()) << operation.name << " of " << +left << " and " << +right;
      ASSERT_EQ(+static_cast<T>(*v.constant()), +operation.compute(left, right)) << operation.name << " of " << +left << " and " << +right;
      ASSERT_EQ(*v.constant(), static_cast<int64_t>(operation.compute(left, right))) << operation.name << " is not extended as its dtype is";
    }
  }
  EXPECT_EQ(Validate(b.Finish()), "");
}

template <class T>
class Integer : public ::testing::Test {};
using AllIntegers = ::testing::Types<int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t>;
struct DTypeNames {
  template <class T>
  static std::string GetName(int) {
    return std::string(Name(DTypeOf<T>()));
  }
};
TYPED_TEST_SUITE(Integer, AllIntegers, DTypeNames);

TYPED_TEST(Integer, OperationsOnTheDevice) {
  if (!HasIntegers(sizeof(TypeParam) * 8)) GTEST_SKIP() << Device::Get().name() << " does not compute with " << Name(DTypeOf<TypeParam>());
  ExpectComputed(Foldable<TypeParam>(), Pairs<TypeParam>());
  ExpectComputed(NeverFolded<TypeParam>(), Pairs<TypeParam>());
  auto pairs = Pairs<TypeParam>();
  pairs.erase(std::remove_if(pairs.begin(), pairs.end(), [](const auto& p) { return !CanDivide(p.first, p.second); }), pairs.end());
  ExpectComputed(Divisions<TypeParam>(), pairs);
}

TYPED_TEST(Integer, OperationsOnConstants) {
  ExpectFolded(Foldable<TypeParam>(), Pairs<TypeParam>());
  auto pairs = Pairs<TypeParam>();
  // Quotients by -1 are left to the device: one of them overflows.
  const auto left_alone = [](const auto& p) { return p.second == 0 || (std::is_signed_v<TypeParam> && p.second == static_cast<TypeParam>(-1)); };
  pairs.erase(std::remove_if(pairs.begin(), pairs.end(), left_alone), pairs.end());
  ExpectFolded(Divisions<TypeParam>(), pairs);
}

TYPED_TEST(Integer, WhatHasNoResultIsNotFolded) {
  using T = TypeParam;
  Builder b({"not_folded"});
  const auto number = [&](T v) { return b.Constant(DTypeOf<T>(), static_cast<int64_t>(v)); };
  EXPECT_FALSE((number(5) / number(0)).constant());
  EXPECT_FALSE((number(5) % number(0)).constant());
  EXPECT_FALSE((number(5) << number(sizeof(T) * 8)).constant());
  EXPECT_FALSE((number(5) >> number(sizeof(T) * 8)).constant());
  if (std::is_signed_v<T>) {
    EXPECT_FALSE((number(std::numeric_limits<T>::min()) / number(static_cast<T>(-1))).constant());
    EXPECT_FALSE((number(5) << number(static_cast<T>(-1))).constant());
  }
  EXPECT_EQ(Validate(b.Finish()), "");
}

TEST(Integers, Vectors) {
  const std::vector<int32_t> x = {5, -7, 100, std::numeric_limits<int32_t>::min()};
  for (const int lanes : {2, 3, 4}) {
    const auto results = Computed<int32_t, int32_t>(DType::kS32, DType::kS32, {x}, [&](Builder& b, const std::vector<Value>& e) {
      std::vector<Value> scalars;
      for (int k = 0; k < lanes; ++k) scalars.push_back(e[0] + k);
      const Value v = b.Composite(scalars), three = b.Splat(b.S32(3), lanes), x_of_all = b.Splat(e[0], lanes);
      const Value mixed = b.Select(v % three == 1, v * 10 + x_of_all, b.Max(v, -v) >> 1);
      std::vector<Value> extracted;
      for (int k = 0; k < lanes; ++k) extracted.push_back(b.Extract(mixed, k));
      return extracted;
    });
    for (size_t i = 0; i < x.size(); ++i) {
      for (int k = 0; k < lanes; ++k) {
        const auto v = static_cast<int32_t>(static_cast<uint32_t>(x[i]) + static_cast<uint32_t>(k));
        const auto negated = static_cast<int32_t>(0u - static_cast<uint32_t>(v));
        const auto if_one = static_cast<int32_t>(static_cast<uint32_t>(v) * 10 + static_cast<uint32_t>(x[i]));
        EXPECT_EQ(results[i * static_cast<size_t>(lanes) + static_cast<size_t>(k)], v % 3 == 1 ? if_one : std::max(v, negated) >> 1) << v;
      }
    }
  }
}

TEST(Integers, MulExtended) {
  const std::vector<uint32_t> x = {0, 1, 0xffffffff, 0x80000000, 12345678, 0xfffffffe}, y = {5, 0xffffffff, 0xffffffff, 2, 987654321, 0x10001};
  const auto results = Computed<uint32_t, uint32_t>(DType::kU32, DType::kU32, {x, y}, [](Builder& b, const std::vector<Value>& e) {
    const auto [low, high] = b.MulExtended(e[0], e[1]);
    const auto [low_of_constants, high_of_constants] = b.MulExtended(b.U32(0xdeadbeef), b.U32(0xcafebabe));
    return std::vector<Value>{low, high, low_of_constants, high_of_constants};
  });
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(uint64_t{results[4 * i + 1]} << 32 | results[4 * i], uint64_t{x[i]} * y[i]);
    EXPECT_EQ(uint64_t{results[4 * i + 3]} << 32 | results[4 * i + 2], uint64_t{0xdeadbeef} * 0xcafebabe);
  }
}

TEST(Integers, FindMsb) {
  std::vector<uint32_t> x = {0, 1, 2, 3, 0x7fffffff, 0x80000000, 0xffffffff};
  const auto as_unsigned = Computed<uint32_t, uint32_t>(DType::kU32, DType::kU32, {x}, [](Builder& b, const std::vector<Value>& e) {
    return std::vector<Value>{b.FindMsb(e[0]), b.FindMsb(b.Bitcast(e[0], DType::kS32))};
  });
  for (size_t i = 0; i < x.size(); ++i) {
    const uint32_t expected = x[i] == 0 ? ~0u : 31u - static_cast<uint32_t>(__builtin_clz(x[i]));
    EXPECT_EQ(as_unsigned[2 * i], expected) << x[i];
    EXPECT_EQ(as_unsigned[2 * i + 1], expected) << x[i];
  }
}

TEST(Integers, Lookup) {
  const std::vector<uint32_t> table = {7, 0xffffffff, 0, 42, 5}, x = {4, 3, 2, 1, 0, 3};
  const auto results = Computed<uint32_t, uint32_t>(DType::kU32, DType::kU32, {x}, [&](Builder& b, const std::vector<Value>& e) {
    return std::vector<Value>{b.Lookup(table, e[0]), b.Lookup({9}, e[0] * 0)};
  });
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(results[2 * i], table[x[i]]);
    EXPECT_EQ(results[2 * i + 1], 9u);
  }
}

}  // namespace
}  // namespace tfvk::spirv::testing
