#include "hlo/evaluate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "hlo/comparison.h"
#include "hlo/module.h"
#include "hlo/test_inputs.h"
#include "types/error.h"

namespace tfvk::hlo {
namespace {

constexpr char kTranspose[] = R"(HloModule m
ENTRY main {
  x = s32[2,3] parameter(0)
  ROOT y = s32[3,2] transpose(x), dimensions={1,0}
})";

template <class T>
std::vector<uint8_t> BytesOf(const std::vector<T>& values) {
  std::vector<uint8_t> bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

TEST(Evaluate, GivesRowMajorResults) {
  const std::vector<int32_t> x = {1, 2, 3, 4, 5, 6};
  const auto results = Evaluate(*ModuleFromText(kTranspose), {{x.data(), 24}});
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].shape, (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(results[0].bytes, BytesOf<int32_t>({1, 4, 2, 5, 3, 6}));
}

TEST(Evaluate, RefusesWrongInputs) {
  const std::vector<int32_t> x(7);
  const ModulePtr module = ModuleFromText(kTranspose);
  EXPECT_THROW(Evaluate(*module, {}), Error);
  EXPECT_THROW(Evaluate(*module, {{x.data(), 28}}), Error);
  EXPECT_THROW(Evaluate(*module, {{x.data(), 24}, {x.data(), 24}}), Error);
}

TEST(Evaluate, FlattensTuplesOfEveryElementType) {
  const ModulePtr module = ModuleFromText(R"(HloModule m
ENTRY main {
  t = (c64[1], (pred[2], f32[0])) parameter(0)
  ROOT r = ((c64[1], (pred[2], f32[0]))) tuple(t)
})");
  const std::vector<float> complex = {1, -2};
  const std::vector<uint8_t> bools = {1, 0};
  const auto results = Evaluate(*module, {{complex.data(), 8}, {bools.data(), 2}, {nullptr, 0}});
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(results[0].bytes, BytesOf(complex));
  EXPECT_EQ(results[1].bytes, bools);
  EXPECT_TRUE(results[2].bytes.empty());
}

const ir::TensorType kFour = {DType::kF32, {4}};

TEST(Compare, CountsWhatIsBeyondTheTolerance) {
  const auto expected = BytesOf<float>({1, 2, 4, -8});
  EXPECT_EQ(Compare(kFour, expected, BytesOf<float>({1.0001f, 2, 4, -8}), 1e-3).mismatches, 0);
  const Difference difference = Compare(kFour, expected, BytesOf<float>({1, 2, 5, 8}), 1e-3);
  EXPECT_EQ(difference.mismatches, 2);
  EXPECT_EQ(difference.first, 2);
  EXPECT_DOUBLE_EQ(difference.max_absolute, 16);
  EXPECT_DOUBLE_EQ(difference.max_relative, 2);
}

TEST(Compare, MatchesNaNAndInfinitiesOnlyWithThemselves) {
  const float nan = std::nanf(""), inf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(Compare(kFour, BytesOf<float>({nan, inf, -inf, 0.0f}), BytesOf<float>({-nan, inf, -inf, -0.0f}), 1e-3).mismatches, 0);
  EXPECT_EQ(Compare(kFour, BytesOf<float>({nan, inf, -inf, 1}), BytesOf<float>({1, 3e38f, inf, nan}), 1e-3).mismatches, 4);
}

TEST(Compare, WantsIntegersEqual) {
  const ir::TensorType type = {DType::kS64, {2}};
  const int64_t large = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(Compare(type, BytesOf<int64_t>({large, 0}), BytesOf<int64_t>({large - 1, 0}), 1).mismatches, 1);
}

TEST(MakeInputs, KeepToTheirKinds) {
  const std::vector<ir::TensorType> types = {{DType::kS32, {500}}, {DType::kF32, {500}}, {DType::kBool, {500}}, {DType::kF32, {0}}};
  const TestDirectives directives = ReadDirectives("// input *: positive\n// input 0: range -2 3\n// tolerance: 0.5\nHloModule m");
  EXPECT_EQ(directives.tolerance, 0.5);
  const auto inputs = MakeInputs(types, directives, 1);
  EXPECT_EQ(inputs, MakeInputs(types, directives, 1));
  EXPECT_NE(inputs, MakeInputs(types, directives, 2));
  int32_t low = 100, high = -100;
  for (int i = 0; i < 500; ++i) {
    int32_t integer;
    float real;
    std::memcpy(&integer, &inputs[0][4 * i], 4);
    std::memcpy(&real, &inputs[1][4 * i], 4);
    low = std::min(low, integer), high = std::max(high, integer);
    EXPECT_GE(real, 0.1f);
    EXPECT_LE(real, 1.0f);
    EXPECT_LE(inputs[2][i], 1);
  }
  EXPECT_EQ(low, -2);
  EXPECT_EQ(high, 3);
  EXPECT_TRUE(inputs[3].empty());
}

TEST(ReadDirectives, RefusesWhatItDoesNotKnow) {
  EXPECT_THROW(ReadDirectives("// input 3: nice"), Error);
  EXPECT_THROW(ReadDirectives("// input x: small"), Error);
  EXPECT_THROW(ReadDirectives("// input 1: range 4 2"), Error);
  EXPECT_THROW(ReadDirectives("// tolerance: much"), Error);
}

}  // namespace
}  // namespace tfvk::hlo
