// Floating-point operations and functions, on scalars and vectors.
#include <cmath>
#include <limits>

#include "kernels/host_tensor.h"
#include "spirv/kernel_runner.h"
#include "types/half.h"

namespace tfvk::spirv::testing {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(Floats, Operators) {
  const std::vector<float> x = {0, 1.5f, -2.25f, 7.75f, -7.75f, 100}, y = {2, -0.5f, 4, 2.5f, 2.5f, -0.125f};
  const auto results = Computed<float, float>(DType::kF32, DType::kF32, {x, y}, [](Builder&, const std::vector<Value>& e) {
    return std::vector<Value>{e[0] + e[1], e[0] - e[1], e[0] * e[1], e[0] / e[1], e[0] % e[1], -e[0], 2.0 - e[0] * 0.5, 3 / e[1]};
  });
  for (size_t i = 0; i < x.size(); ++i) {
    const float a = x[i], b = y[i];
    const std::vector<float> expected = {a + b, a - b, a * b, a / b, std::fmod(a, b), -a, 2 - a * 0.5f, 3 / b};
    for (size_t k = 0; k < expected.size(); ++k)
      EXPECT_NEAR(results[8 * i + k], expected[k], 3e-7 * std::fabs(expected[k])) << "operator " << k << " of " << a << " and " << b;
  }
}

TEST(Floats, ComparisonsAndTests) {
  const std::vector<float> x = {1, 2, 1, kNan, 1, kNan, kInf, -kInf, 0.0f, kInf}, y = {1, 1, 2, 1, kNan, kNan, 1, kInf, -0.0f, kInf};
  BuilderOptions options{"comparisons"};
  options.preserve_nan_inf_f32 = Device::Get().limits().preserve_nan_inf_f32;
  const auto results = Computed<uint32_t, float>(
      DType::kU32, DType::kF32, {x, y},
      [](Builder& b, const std::vector<Value>& e) {
        std::vector<Value> values;
        for (const Value v :
             {e[0]<e[1], e[0] <= e[1], e[0]> e[1], e[0] >= e[1], e[0] == e[1], e[0] != e[1], b.IsNan(e[0]), b.IsInf(e[0]), b.Convert(e[0], DType::kBool)}) {
          values.push_back(b.Convert(v, DType::kU32));
        }
        return values;
      },
      options);
  for (size_t i = 0; i < x.size(); ++i) {
    const float a = x[i], b = y[i];
    const std::vector<uint32_t> expected = {a<b, a <= b, a> b, a >= b, a == b, a != b, std::isnan(a), std::isinf(a), a != 0};
    EXPECT_EQ(std::vector<uint32_t>(results.begin() + 9 * static_cast<int64_t>(i), results.begin() + 9 * static_cast<int64_t>(i + 1)), expected)
        << a << " and " << b;
  }
}

TEST(Floats, ExactFunctions) {
  const std::vector<float> x = {0, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.25f, 3.75f, 1e10f, -7};
  const auto results = Computed<float, float>(DType::kF32, DType::kF32, {x}, [](Builder& b, const std::vector<Value>& e) {
    std::vector<Value> values;
    for (const Math f : {Math::kAbs, Math::kSign, Math::kFloor, Math::kCeil, Math::kTrunc, Math::kRoundEven, Math::kFract}) values.push_back(b.Apply(f, e[0]));
    values.insert(values.end(), {b.Min(e[0], b.F32(1)), b.Max(e[0], b.F32(1)), b.Min(b.F32(2), b.F32(3))});
    return values;
  });
  for (size_t i = 0; i < x.size(); ++i) {
    const float a = x[i];
    const std::vector<float> expected = {std::fabs(a),      static_cast<float>((a > 0) - (a < 0)),
                                         std::floor(a),     std::ceil(a),
                                         std::trunc(a),     std::nearbyint(a),
                                         a - std::floor(a), std::min(a, 1.0f),
                                         std::max(a, 1.0f), 2};
    for (size_t k = 0; k < expected.size(); ++k) EXPECT_EQ(results[10 * i + k], expected[k]) << "function " << k << " of " << a;
  }
}

struct Approximation {
  Math function;
  double (*exact)(double);
  std::vector<float> inputs;
};
double InverseSqrt(double x) { return 1 / std::sqrt(x); }

// Precision is the driver's: these tell a function from another.
TEST(Floats, Functions) {
  const std::vector<float> positive = {0.01f, 0.5f, 1, 2, 7.5f, 100}, any = {-3, -1, -0.25f, 0, 0.25f, 1, 3}, unit = {-0.9f, -0.5f, 0, 0.25f, 0.9f};
  const Approximation functions[] = {{Math::kSqrt, std::sqrt, positive}, {Math::kInverseSqrt, InverseSqrt, positive},
                                     {Math::kExp, std::exp, any},        {Math::kExp2, std::exp2, any},
                                     {Math::kLog, std::log, positive},   {Math::kLog2, std::log2, positive},
                                     {Math::kSin, std::sin, any},        {Math::kCos, std::cos, any},
                                     {Math::kTan, std::tan, unit},       {Math::kTanh, std::tanh, any},
                                     {Math::kAsin, std::asin, unit},     {Math::kAcos, std::acos, unit},
                                     {Math::kAtan, std::atan, any},      {Math::kSinh, std::sinh, any},
                                     {Math::kCosh, std::cosh, any}};
  for (const Approximation& f : functions) {
    const auto results = Computed<float, float>(DType::kF32, DType::kF32, {f.inputs},
                                                [&](Builder& b, const std::vector<Value>& e) { return std::vector<Value>{b.Apply(f.function, e[0])}; });
    for (size_t i = 0; i < results.size(); ++i) {
      const double expected = f.exact(f.inputs[i]);
      EXPECT_NEAR(results[i], expected, 2e-3 * std::max(1.0, std::fabs(expected))) << "function " << static_cast<int>(f.function) << " of " << f.inputs[i];
    }
  }
}

TEST(Floats, FunctionsOfSeveralOperands) {
  const std::vector<float> x = {1, 2, 0.5f, 3}, y = {1, -1, 2, 0.5f}, z = {0, 1, -1, 0.25f};
  const auto results = Computed<float, float>(DType::kF32, DType::kF32, {x, y, z}, [](Builder& b, const std::vector<Value>& e) {
    const bool before = b.SetExact(true);
    const Value exact = b.Fma(e[0], e[1], e[2]);
    EXPECT_FALSE(before);
    EXPECT_TRUE(b.SetExact(false));
    return std::vector<Value>{b.Atan2(e[1], e[0]), b.Pow(e[0], e[1]), b.Fma(e[0], e[1], e[2]), exact};
  });
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_NEAR(results[4 * i], std::atan2(y[i], x[i]), 2e-3);
    EXPECT_NEAR(results[4 * i + 1], std::pow(x[i], y[i]), 1e-4);
    EXPECT_EQ(results[4 * i + 2], x[i] * y[i] + z[i]);
    EXPECT_EQ(results[4 * i + 3], x[i] * y[i] + z[i]);
  }
}

// The error of a sum, which contraction and reassociation would make 0.
TEST(Floats, ExactOperationsAreNotReordered) {
  const std::vector<float> x = {1, 3, 1e8f, 0.1f}, y = {1e-9f, 1e-9f, 1.25f, 1e8f};
  const auto results = Computed<float, float>(DType::kF32, DType::kF32, {x, y}, [](Builder& b, const std::vector<Value>& e) {
    b.SetExact(true);
    const Value sum = e[0] + e[1], part = sum - e[0];
    const Value error = (e[0] - (sum - part)) + (e[1] - part);
    b.SetExact(false);
    return std::vector<Value>{sum, error};
  });
  for (size_t i = 0; i < x.size(); ++i) {
    const float sum = x[i] + y[i];
    EXPECT_EQ(results[2 * i], sum);
    EXPECT_EQ(results[2 * i + 1], static_cast<float>(static_cast<long double>(x[i]) + y[i] - sum));
  }
}

TEST(Floats, Doubles) {
  if (!Device::Get().limits().float64) GTEST_SKIP() << Device::Get().name() << " has no f64";
  const std::vector<double> x = {1, -2.5, 1e200, 0.1}, y = {3, 0.5, 1e-100, 0.7};
  const auto results = Computed<double, double>(DType::kF64, DType::kF64, {x, y}, [](Builder& b, const std::vector<Value>& e) {
    return std::vector<Value>{e[0] + e[1],
                              e[0] * e[1],
                              e[0] / e[1],
                              b.Apply(Math::kFloor, e[0]),
                              b.Apply(Math::kSqrt, b.Apply(Math::kAbs, e[0])),
                              b.Max(e[0], e[1]),
                              b.Select(e[0] < e[1], e[0], e[1]),
                              b.Convert(e[0] < e[1], DType::kF64)};
  });
  for (size_t i = 0; i < x.size(); ++i) {
    const double a = x[i], b = y[i];
    const std::vector<double> expected = {a + b, a * b, a / b, std::floor(a), std::sqrt(std::fabs(a)), std::max(a, b), std::min(a, b), double(a < b)};
    for (size_t k = 0; k < expected.size(); ++k) EXPECT_NEAR(results[8 * i + k], expected[k], 1e-15 * std::fabs(expected[k])) << k;
  }
  const std::vector<double> special = {kInf, -kInf, kNan, 1e308, 0};
  const auto tests = Computed<double, double>(DType::kF64, DType::kF64, {special}, [](Builder& b, const std::vector<Value>& e) {
    return std::vector<Value>{b.Convert(b.IsNan(e[0]), DType::kF64), b.Convert(b.IsInf(e[0]), DType::kF64)};
  });
  EXPECT_EQ(tests, (std::vector<double>{0, 1, 0, 1, 1, 0, 0, 0, 0, 0}));
}

TEST(Floats, Halves) {
  const auto& limits = Device::Get().limits();
  if (!limits.float16 || !limits.storage_16bit) GTEST_SKIP() << Device::Get().name() << " does not compute with f16";
  std::vector<uint16_t> x, y;
  const std::vector<float> left = {1.5f, -2, 100, 0.25f}, right = {0.5f, 3, -0.125f, 4};
  for (size_t i = 0; i < left.size(); ++i) {
    x.push_back(FloatToHalf(left[i]));
    y.push_back(FloatToHalf(right[i]));
  }
  BuilderOptions options{"halves"};
  options.preserve_denormals_f16 = limits.preserve_denormals_f16;
  options.round_to_even_f16 = limits.round_to_even_f16;
  const auto results = Computed<uint16_t, uint16_t>(
      DType::kF16, DType::kF16, {x, y},
      [](Builder& b, const std::vector<Value>& e) {
        return std::vector<Value>{e[0] + e[1],
                                  e[0] * e[1],
                                  -e[0],
                                  b.Max(e[0], e[1]),
                                  b.Apply(Math::kAbs, e[0]),
                                  b.Fma(e[0], e[1], b.Constant(DType::kF16, 1.0)),
                                  b.Select(e[0] < e[1], e[0], e[1]),
                                  b.Select(b.IsNan(e[0]) || b.IsInf(e[0]), e[0], b.Constant(DType::kF16, 0.0))};
      },
      options);
  for (size_t i = 0; i < left.size(); ++i) {
    const float a = left[i], b = right[i];
    const std::vector<float> expected = {a + b, a * b, -a, std::max(a, b), std::fabs(a), a * b + 1, std::min(a, b), 0};
    for (size_t k = 0; k < expected.size(); ++k) EXPECT_EQ(HalfToFloat(results[8 * i + k]), expected[k]) << k;
  }
}

TEST(Floats, Vectors) {
  const std::vector<float> x = {1, -2.5f, 9};
  for (const int lanes : {2, 3, 4}) {
    const auto results = Computed<float, float>(DType::kF32, DType::kF32, {x}, [&](Builder& b, const std::vector<Value>& e) {
      std::vector<Value> scalars;
      for (int k = 0; k < lanes; ++k) scalars.push_back(e[0] + static_cast<double>(k));
      const Value v = b.Composite(scalars);
      const Value chosen = b.Select(e[0] > 0.0, b.Fma(v, v, b.Splat(b.F32(0.5f), lanes)), b.Apply(Math::kFloor, -v * 2.0));  // one condition for all lanes
      const Value there_and_back = b.Convert(b.Convert(chosen, DType::kS32), DType::kF32) + (chosen - b.Apply(Math::kTrunc, chosen));
      std::vector<Value> extracted;
      for (int k = 0; k < lanes; ++k) extracted.push_back(b.Extract(there_and_back, k));
      extracted.push_back(b.Extract(e[0], 0));
      extracted.push_back(b.Splat(e[0], 1));
      return extracted;
    });
    const auto width = static_cast<size_t>(lanes) + 2;
    for (size_t i = 0; i < x.size(); ++i) {
      for (int k = 0; k < lanes; ++k) {
        const float v = x[i] + static_cast<float>(k);
        EXPECT_EQ(results[i * width + static_cast<size_t>(k)], x[i] > 0 ? v * v + 0.5f : std::floor(-v * 2)) << v;
      }
      EXPECT_EQ(results[i * width + width - 2], x[i]);
      EXPECT_EQ(results[i * width + width - 1], x[i]);
    }
  }
}

}  // namespace
}  // namespace tfvk::spirv::testing
