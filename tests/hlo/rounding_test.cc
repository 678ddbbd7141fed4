#include "hlo/rounding.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "hlo/import.h"
#include "hlo/module.h"

namespace tfvk::hlo {
namespace {

std::vector<uint8_t> BytesOf(const std::vector<float>& values) {
  std::vector<uint8_t> bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

std::vector<float> FloatsOf(const std::vector<uint8_t>& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

Difference Of(const std::vector<float>& expected, const std::vector<float>& actual) {
  return Compare({DType::kF32, {static_cast<int64_t>(expected.size())}}, BytesOf(expected), BytesOf(actual), 1e-4);
}

TEST(Rounding, PerturbsFloatsOnlyAndByNoMoreThanTheUnit) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> x = {1, -3, 0, infinity, -0.0F, 1e-30F, 123456};
  const std::vector<uint8_t> integers = {1, 2, 3, 4};
  const auto moved = Perturb({{DType::kF32, {7}}, {DType::kS32, {1}}}, {BytesOf(x), integers}, 0x1p-10, 5);
  const std::vector<float> y = FloatsOf(moved[0]);
  EXPECT_EQ(moved[1], integers);
  int changed = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isinf(x[i])) {
      EXPECT_EQ(y[i], x[i]);
      continue;
    }
    EXPECT_LE(std::abs(y[i] - x[i]), std::abs(x[i]) * 0x1.01p-10);
    changed += y[i] != x[i];
  }
  EXPECT_EQ(changed, 4);
}

TEST(Rounding, UnitIsThatOfTheLeastPreciseType) {
  const auto unit = [](const char* text) { return UnitRoundoff(*Import(*ModuleFromText(text))); };
  EXPECT_EQ(unit("HloModule m\nENTRY e {\n ROOT x = f32[2] parameter(0)\n}"), 0x1p-24);
  EXPECT_EQ(unit("HloModule m\nENTRY e {\n x = f32[2] parameter(0)\n y = bf16[2] convert(x)\n ROOT z = f32[2] convert(y)\n}"), 0x1p-8);
  EXPECT_EQ(unit("HloModule m\nENTRY e {\n ROOT x = s32[2] parameter(0)\n}"), 0);
}

TEST(Rounding, CoversWhatItSawAndNoMore) {
  Movement movement;
  const std::vector<float> expected(100, 1.0F);
  std::vector<float> moved = expected, off = expected;
  moved[3] += 0.01F;
  movement.Add(Of(expected, moved));
  off[7] -= 0.03F;
  EXPECT_TRUE(movement.Covers(Of(expected, off)));
  off[7] -= 0.03F;
  EXPECT_FALSE(movement.Covers(Of(expected, off)));  // too large an error
  for (float& value : off) value = 1.02F;
  EXPECT_FALSE(movement.Covers(Of(expected, off)));  // too many
  off = expected;
  off[0] = std::nanf("");
  EXPECT_FALSE(movement.Covers(Of(expected, off)));
}

TEST(Rounding, SlackIsOfEachElement) {
  const ir::TensorType type{DType::kF32, {4}};
  const std::vector<float> expected = {1, 1, 1, 1};
  std::vector<double> slack;
  Widen(slack, type, BytesOf(expected), BytesOf({1, 1.01F, 1, 1}));
  Widen(slack, type, BytesOf(expected), BytesOf({1, 1.001F, 1, std::numeric_limits<float>::infinity()}));
  const auto mismatches = [&](const std::vector<float>& actual) { return Compare(type, BytesOf(expected), BytesOf(actual), 1e-4, 0, slack).mismatches; };
  EXPECT_EQ(mismatches({1, 0.97F, 1, std::nanf("")}), 0);
  EXPECT_EQ(mismatches({1, 0.95F, 1, 1}), 1);
  EXPECT_EQ(mismatches({1.03F, 1, 1, 1}), 1);
  EXPECT_EQ(mismatches({1, 1, std::nanf(""), 1}), 1);
}

TEST(Rounding, SlackOfABoolIsThatItChanged) {
  const ir::TensorType type{DType::kBool, {2}};
  std::vector<double> slack;
  Widen(slack, type, {0, 0}, {1, 0});
  EXPECT_EQ(Compare(type, {0, 0}, {1, 0}, 0, 0, slack).mismatches, 0);
  EXPECT_EQ(Compare(type, {0, 0}, {0, 1}, 0, 0, slack).mismatches, 1);
}

TEST(Rounding, ParametersReadAsBits) {
  const auto graph = Import(*ModuleFromText(
      "HloModule m\nENTRY e {\n x = f32[2] parameter(0)\n y = f32[2] parameter(1)\n b = s32[2] bitcast-convert(y)\n ROOT r = (f32[2], s32[2]) tuple(x, b)\n}"));
  EXPECT_EQ(ParametersReadAsBits(*graph), (std::set<size_t>{1}));
}

}  // namespace
}  // namespace tfvk::hlo
