// Scalar arithmetic against the host's, with edge cases, for all dtypes.
#include "kernels/arith.h"

#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <limits>
#include <random>

#include "device_fixture.h"
#include "kernels/map.h"
#include "types/half.h"

namespace tfvk::kernels {
namespace {

using spirv::Value;
using testing::Buffer;
using testing::Device;

template <class T>
constexpr DType DTypeOf() {
  if constexpr (std::is_same_v<T, int8_t>) return DType::kS8;
  if constexpr (std::is_same_v<T, int16_t>) return DType::kS16;
  if constexpr (std::is_same_v<T, int32_t>) return DType::kS32;
  if constexpr (std::is_same_v<T, int64_t>) return DType::kS64;
  if constexpr (std::is_same_v<T, uint8_t>) return DType::kU8;
  if constexpr (std::is_same_v<T, uint16_t>) return DType::kU16;
  if constexpr (std::is_same_v<T, uint32_t>) return DType::kU32;
  if constexpr (std::is_same_v<T, uint64_t>) return DType::kU64;
  if constexpr (std::is_same_v<T, float>) return DType::kF32;
  if constexpr (std::is_same_v<T, double>) return DType::kF64;
}

using Function = std::function<Value(Emitter&, const std::vector<Value>&)>;

// result[i] = function(operands[0][i], operands[1][i], ...)
template <class R, class T>
std::vector<R> Compute(const Function& function, DType in, DType out, const std::vector<std::vector<T>>& operands, const DeviceLimits& limits) {
  Device& device = Device::Get();
  auto count = static_cast<int64_t>(operands[0].size());
  MapSpec spec;
  spec.name = "function";
  spec.shape = {count};
  spec.results = {out};
  spec.body = [&](Emitter& e, const Index& i) -> std::vector<Value> {
    std::vector<Value> values;
    for (size_t k = 0; k < operands.size(); ++k) values.push_back(e.Read({Tensor::Role::kOperand, static_cast<int>(k), in, {count}}, i));
    return {function(e, values)};
  };
  std::vector<Buffer> buffers;
  for (const auto& operand : operands) buffers.push_back(device.Upload(operand));
  Buffer result = device.Allocate(operands[0].size() * ByteSize(out));
  device.Run(MakeMap(spec, limits), buffers, {result});
  return device.Download<R>(result);
}

template <class T>
std::vector<T> Unary(UnaryFunction f, const std::vector<T>& x, const DeviceLimits& limits = Device::Get().limits()) {
  constexpr DType t = DTypeOf<T>();
  return Compute<T, T>([f](Emitter& e, const std::vector<Value>& v) { return Apply(e, f, DTypeOf<T>(), v[0]); }, t, t, {x}, limits);
}

template <class T>
std::vector<T> Binary(BinaryFunction f, const std::vector<T>& x, const std::vector<T>& y, const DeviceLimits& limits = Device::Get().limits()) {
  constexpr DType t = DTypeOf<T>();
  return Compute<T, T>([f](Emitter& e, const std::vector<Value>& v) { return Apply(e, f, DTypeOf<T>(), v[0], v[1]); }, t, t, {x, y}, limits);
}

// Vulkan lets devices flush results below the smallest normal number to zero; NVIDIA's f32 and lavapipe 26.1 do, lavapipe 22.3 does not.
template <class T>
bool IsFlushed(T got, long double want) {
  return got == 0 && std::fabs(want) < std::numeric_limits<T>::min();
}

// How many units in the last place of `want` the result is off. Subnormal results count in units of the smallest normal number's.
template <class T>
double Ulps(T got, long double want) {
  if (IsFlushed(got, want)) return 0;
  if (std::isnan(want)) return std::isnan(got) ? 0 : 1e30;
  if (std::isnan(got)) return 1e30;
  T rounded = static_cast<T>(want);
  if (std::isinf(rounded) || std::isinf(got))
    return got == rounded ? 0
           : (std::fabs(got) >= std::numeric_limits<T>::max() || std::isinf(rounded)) && std::signbit(got) == std::signbit(rounded) &&
                   std::fabs(got) > std::numeric_limits<T>::max() * T(0.999999)
               ? 1
               : 1e30;
  if (want == 0 && got == 0) return std::signbit(got) == std::signbit(want) ? 0 : 1e30;
  int exponent;
  std::frexp(std::max<long double>(std::fabs(want), std::numeric_limits<T>::min()), &exponent);
  return static_cast<double>(std::fabs(static_cast<long double>(got) - want) / std::ldexp(1.0L, exponent - std::numeric_limits<T>::digits));
}

// Edge cases, then numbers of every size, then ordinary ones.
template <class T>
std::vector<T> Arguments(size_t count = 20000) {
  using L = std::numeric_limits<T>;
  std::vector<T> x = {T(0),
                      T(-0.0),
                      T(1),
                      T(-1),
                      T(0.5),
                      T(-0.5),
                      T(2),
                      T(-2),
                      T(1.5),
                      T(2.5),
                      T(-2.5),
                      T(0.3),
                      L::infinity(),
                      -L::infinity(),
                      L::quiet_NaN(),
                      L::max(),
                      L::lowest(),
                      L::min(),
                      -L::min(),
                      L::epsilon(),
                      -L::epsilon(),
                      T(10),
                      T(-10),
                      T(88),
                      T(89),
                      T(-87),
                      T(-103),
                      T(-104),
                      T(700),
                      T(709.5),
                      T(-745),
                      T(100),
                      T(1e5),
                      T(-1e5),
                      T(1e10),
                      T(1e22),
                      T(1.57079632679),
                      T(3.14159265359),
                      T(-3.14159265359),
                      T(6.28318530718),
                      T(0.693147180559945),
                      T(1e-10),
                      T(-1e-10),
                      T(1e-30),
                      T(0.9999999),
                      T(1.0000001),
                      T(-0.9999999)};
  std::mt19937_64 random(11);
  std::uniform_real_distribution<double> unit(-1, 1), exponent(-36, 36);
  while (x.size() < count / 3) x.push_back(static_cast<T>(unit(random) * std::pow(10.0, exponent(random))));
  while (x.size() < count * 2 / 3) x.push_back(static_cast<T>(unit(random) * 20));
  while (x.size() < count) x.push_back(static_cast<T>(unit(random)));
  return x;
}

struct Accuracy {
  const char* name;
  UnaryFunction function;
  long double (*reference)(long double);
  double ulps;
};

long double Sigmoid(long double x) { return 1 / (1 + std::exp(-x)); }
long double ReciprocalRoot(long double x) { return 1 / std::sqrt(x); }

const Accuracy kAccuracies[] = {
    {"exp", UnaryFunction::kExp, std::exp, 2},           {"expm1", UnaryFunction::kExpm1, std::expm1, 3},    {"log", UnaryFunction::kLog, std::log, 2},
    {"log1p", UnaryFunction::kLog1p, std::log1p, 3},     {"logistic", UnaryFunction::kLogistic, Sigmoid, 4}, {"sqrt", UnaryFunction::kSqrt, std::sqrt, 0.51},
    {"rsqrt", UnaryFunction::kRsqrt, ReciprocalRoot, 2}, {"cbrt", UnaryFunction::kCbrt, std::cbrt, 2},       {"sin", UnaryFunction::kSin, std::sin, 2.5},
    {"cos", UnaryFunction::kCos, std::cos, 2.5},         {"tan", UnaryFunction::kTan, std::tan, 5},          {"tanh", UnaryFunction::kTanh, std::tanh, 5},
    {"erf", UnaryFunction::kErf, std::erf, 3},           {"erfc", UnaryFunction::kErfc, std::erfc, 8},
};

template <class T>
void CheckAccuracies(const DeviceLimits& limits) {
  std::vector<T> x = Arguments<T>();
  for (const Accuracy& a : kAccuracies) {
    std::vector<T> y = Unary(a.function, x, limits);
    double worst = 0;
    for (size_t k = 0; k < x.size(); ++k) {
      double ulps = Ulps(y[k], a.reference(static_cast<long double>(x[k])));
      worst = std::max(worst, ulps);
      const double limit = std::max(a.ulps, std::is_same_v<T, float> ? 1.01 : 0.0);  // where tiny terms vanish a correction of the last bit is not made
      EXPECT_LE(ulps, limit) << a.name << "(" << std::hexfloat << x[k] << ") = " << y[k] << ", not " << static_cast<T>(a.reference(x[k]));
      if (ulps > limit && ::testing::UnitTest::GetInstance()->current_test_info()->result()->total_part_count() > 30) return;
    }
    ::testing::Test::RecordProperty(a.name, std::to_string(worst));
    std::printf("  %-10s %.2f ulp\n", a.name, worst);
  }
}

TEST(Arith, F32FunctionsAreAccurate) { CheckAccuracies<float>(Device::Get().limits()); }

TEST(Arith, F64FunctionsAreAccurate) {
  if (!Device::Get().limits().float64) GTEST_SKIP() << Device::Get().name() << " has no f64";
  CheckAccuracies<double>(Device::Get().limits());
}

TEST(Arith, ErfcKeepsItsDigitsDownToTheSmallestNormalNumbers) {
  std::vector<float> x = {0, -0.0f, INFINITY, -INFINITY, NAN, FLT_MAX, -FLT_MAX, FLT_MIN, 9.19454861f, 9.19454956f, 9.4f, 10.1f, 15, -9.2f, 1e10f, 1e19f};
  for (int k = 0; k <= 400000; ++k) x.push_back(-6 + static_cast<float>(k) * 4e-5f);
  const std::vector<float> y = Unary(UnaryFunction::kErfc, x);
  // Its quotient may be off by a few units elsewhere.
  using Vendor = DeviceLimits::Vendor;
  const Vendor vendor = Device::Get().limits().vendor;
  const double limit = vendor == Vendor::kLlvmpipe || vendor == Vendor::kSwiftShader ? 4.5 : 8;
  double worst = 0, before_two = 0;
  for (size_t k = 0; k < x.size(); ++k) {
    const double ulps = Ulps(y[k], std::erfc(static_cast<long double>(x[k])));
    worst = std::max(worst, ulps);
    if (x[k] < 2) before_two = std::max(before_two, ulps);
    ASSERT_LE(ulps, limit) << "erfc(" << x[k] << ") = " << y[k];
  }
  std::printf("  erfc       %.2f ulp, %.2f up to x = 2\n", worst, before_two);
}

// Fewer digits are computed for these; the rounding to them must hide it, and never make a zero or an infinity.
template <class Decode>
void CheckNarrowErfc(DType dtype, const Decode& decode, int digits, int lowest) {
  std::vector<uint16_t> x(65536);
  for (size_t k = 0; k < x.size(); ++k) x[k] = static_cast<uint16_t>(k);
  const auto y = Compute<uint16_t, uint16_t>([dtype](Emitter& e, const std::vector<Value>& v) { return Apply(e, UnaryFunction::kErfc, dtype, v[0]); }, dtype,
                                             dtype, {x}, Device::Get().limits());
  double worst = 0;
  for (size_t k = 0; k < x.size(); ++k) {
    const double want = std::erfc(static_cast<double>(decode(x[k]))), got = decode(y[k]);
    if (std::isnan(want)) {
      ASSERT_TRUE(std::isnan(got)) << Name(dtype) << " bits " << k;
      continue;
    }
    int exponent;
    std::frexp(std::max(want, std::ldexp(1.0, lowest)), &exponent);
    const bool flushed = got == 0 && want < FLT_MIN;
    const double ulps = flushed ? 0 : std::fabs(got - want) / std::ldexp(1.0, exponent - digits);
    worst = std::max(worst, ulps);
    ASSERT_LE(ulps, 0.52) << Name(dtype) << " erfc(" << decode(x[k]) << ") = " << got << ", not " << want;
  }
  std::printf("  erfc       %.4f ulp of %s\n", worst, std::string(Name(dtype)).c_str());
}

TEST(Arith, ErfcOfNarrowTypesIsRounded) {
  CheckNarrowErfc(DType::kF16, HalfToFloat, 11, -14);
  CheckNarrowErfc(
      DType::kBF16, [](uint16_t bits) { return FloatFromBits(static_cast<uint32_t>(bits) << 16); }, 8, -126);
}

TEST(Arith, DivisionAndRootsAreCorrectedOnOtherDevices) {
  DeviceLimits limits = Device::Get().limits();
  limits.vendor = DeviceLimits::Vendor::kOther;
  std::vector<float> x = Arguments<float>(), y = x, root = Unary(UnaryFunction::kSqrt, x, limits);
  std::shuffle(y.begin(), y.end(), std::mt19937(3));
  std::vector<float> quotient = Binary(BinaryFunction::kDivide, x, y, limits);
  for (size_t k = 0; k < x.size(); ++k) {
    EXPECT_LE(Ulps(root[k], std::sqrt(static_cast<long double>(x[k]))), 1.01) << x[k];
    EXPECT_LE(Ulps(quotient[k], static_cast<long double>(x[k]) / y[k]), 1.5) << x[k] << " / " << y[k];
  }
}

template <class T>
void CheckPairs(BinaryFunction f, long double (*reference)(long double, long double), double limit, const char* name) {
  std::vector<T> edges = Arguments<T>(0), x, y;
  edges.push_back(T(3));
  edges.push_back(T(-3));
  edges.push_back(T(16777216));
  for (T a : edges) {
    for (T b : edges) {
      x.push_back(a);
      y.push_back(b);
    }
  }
  std::vector<T> more = Arguments<T>(), other = more;
  std::shuffle(other.begin(), other.end(), std::mt19937(5));
  x.insert(x.end(), more.begin(), more.end());
  y.insert(y.end(), other.begin(), other.end());
  std::mt19937_64 random(5);
  std::uniform_real_distribution<double> base(0, 30), exponent(-60, 60);
  for (int k = 0; k < 20000; ++k) {
    x.push_back(static_cast<T>(base(random)));
    y.push_back(static_cast<T>(exponent(random)));
  }
  std::vector<T> z = Binary(f, x, y);
  double worst = 0;
  int shown = 0;
  for (size_t k = 0; k < x.size(); ++k) {
    long double want = reference(x[k], y[k]);
    double ulps = Ulps(z[k], want);
    worst = std::max(worst, ulps);
    if (ulps > limit && ++shown < 20) ADD_FAILURE() << name << "(" << x[k] << ", " << y[k] << ") = " << z[k] << ", not " << want;
  }
  std::printf("  %-10s %.2f ulp\n", name, worst);
}

TEST(Arith, Powers) {
  CheckPairs<float>(BinaryFunction::kPower, std::pow, 3, "pow f32");
  if (Device::Get().limits().float64) CheckPairs<double>(BinaryFunction::kPower, std::pow, 3, "pow f64");
}
TEST(Arith, ArcTangents) {
  CheckPairs<float>(BinaryFunction::kAtan2, std::atan2, 4, "atan2 f32");
  if (Device::Get().limits().float64) CheckPairs<double>(BinaryFunction::kAtan2, std::atan2, 4, "atan2 f64");
}
TEST(Arith, FloatRemainders) {
  CheckPairs<float>(BinaryFunction::kRemainder, std::fmod, 0, "fmod f32");
  if (Device::Get().limits().float64) CheckPairs<double>(BinaryFunction::kRemainder, std::fmod, 0, "fmod f64");
}

template <class T>
void CheckSmallFunctions() {
  std::vector<T> x = Arguments<T>(500);
  for (double v :
       {0.49999997, -0.49999997, 0.49999999999999994, 8388609.0, 4503599627370497.5, -34015958.715037927, 30996267287067.402, 2.5, 3.5, -0.3, -1.5, -0.0}) {
    x.push_back(static_cast<T>(v));
  }
  auto same = [&](UnaryFunction f, T (*reference)(T)) {
    auto y = Unary(f, x);
    for (size_t k = 0; k < x.size(); ++k) {
      T want = reference(x[k]);
      EXPECT_TRUE(std::isnan(want) ? std::isnan(y[k]) : want == y[k] && std::signbit(want) == std::signbit(y[k]))
          << static_cast<int>(f) << " of " << x[k] << ": " << y[k];
    }
  };
  same(UnaryFunction::kAbs, [](T v) { return std::fabs(v); });
  same(UnaryFunction::kNegate, [](T v) { return -v; });
  same(UnaryFunction::kFloor, [](T v) { return std::floor(v); });
  same(UnaryFunction::kCeil, [](T v) { return std::ceil(v); });
  same(UnaryFunction::kRoundNearestAfz, [](T v) { return std::round(v); });
  same(UnaryFunction::kRoundNearestEven, [](T v) { return std::nearbyint(v); });
  same(UnaryFunction::kSign, [](T v) { return v == 0 || std::isnan(v) ? v : std::copysign(T(1), v); });
}
TEST(Arith, SmallFloatFunctions) {
  CheckSmallFunctions<float>();
  if (Device::Get().limits().float64) CheckSmallFunctions<double>();
}

// ---- Integers ----

template <class T>
std::vector<T> Integers() {
  using L = std::numeric_limits<T>;
  std::vector<T> x = {T(0),  T(1),  T(2),  T(3), T(7),  T(-1), T(-2),    T(-3),    T(-7),           T(10),          T(63),
                      T(64), T(31), T(32), T(8), T(16), T(15), L::max(), L::min(), T(L::max() - 1), T(L::max() / 2)};
  std::mt19937_64 random(2);
  for (int k = 0; k < 10; ++k) x.push_back(static_cast<T>(random()));
  return x;
}

template <class T>
T ReferenceBinary(BinaryFunction f, T a, T b) {
  using U = std::make_unsigned_t<T>;
  using W = uint64_t;
  constexpr int bits = sizeof(T) * 8;
  bool lowest_by_minus = std::is_signed_v<T> && b == static_cast<T>(-1);
  switch (f) {
    case BinaryFunction::kAdd:
      return static_cast<T>(static_cast<W>(a) + static_cast<W>(b));
    case BinaryFunction::kSubtract:
      return static_cast<T>(static_cast<W>(a) - static_cast<W>(b));
    case BinaryFunction::kMultiply:
      return static_cast<T>(static_cast<W>(a) * static_cast<W>(b));
    case BinaryFunction::kDivide:
      return b == 0 ? static_cast<T>(-1) : lowest_by_minus ? static_cast<T>(W{0} - static_cast<W>(a)) : static_cast<T>(a / b);
    case BinaryFunction::kRemainder:
      return b == 0 ? a : lowest_by_minus ? T(0) : static_cast<T>(a % b);
    case BinaryFunction::kMaximum:
      return std::max(a, b);
    case BinaryFunction::kMinimum:
      return std::min(a, b);
    case BinaryFunction::kAnd:
      return a & b;
    case BinaryFunction::kOr:
      return a | b;
    case BinaryFunction::kXor:
      return a ^ b;
    case BinaryFunction::kShiftLeft:
      return static_cast<U>(b) >= bits ? T(0) : static_cast<T>(static_cast<U>(a) << b);
    case BinaryFunction::kShiftRightLogical:
      return static_cast<U>(b) >= bits ? T(0) : static_cast<T>(static_cast<U>(a) >> b);
    case BinaryFunction::kShiftRightArithmetic: {
      auto s = static_cast<std::make_signed_t<T>>(a);
      return static_cast<T>(s >> (static_cast<U>(b) >= bits ? bits - 1 : static_cast<int>(b)));
    }
    case BinaryFunction::kPower: {
      if (std::is_signed_v<T> && b < 0) return a == 1 ? T(1) : a == static_cast<T>(-1) ? (b & 1 ? static_cast<T>(-1) : T(1)) : T(0);
      W result = 1, base = static_cast<W>(a);
      for (U e = static_cast<U>(b); e; e >>= 1, base *= base) {
        if (e & 1) result *= base;
      }
      return static_cast<T>(result);
    }
    default:
      return 0;
  }
}

template <class T>
void CheckIntegers() {
  std::vector<T> values = Integers<T>(), x, y;
  for (T a : values) {
    for (T b : values) {
      x.push_back(a);
      y.push_back(b);
    }
  }
  for (int f = 0; f <= static_cast<int>(BinaryFunction::kShiftRightArithmetic); ++f) {
    auto function = static_cast<BinaryFunction>(f);
    if (function == BinaryFunction::kAtan2) continue;
    std::vector<T> z = Binary(function, x, y);
    for (size_t k = 0; k < x.size(); ++k) {
      ASSERT_EQ(z[k], ReferenceBinary(function, x[k], y[k])) << Name(DTypeOf<T>()) << " function " << f << " of " << +x[k] << " and " << +y[k];
    }
  }
  auto unary = [&](UnaryFunction f, auto reference) {
    std::vector<T> z = Unary(f, values);
    for (size_t k = 0; k < values.size(); ++k)
      ASSERT_EQ(z[k], static_cast<T>(reference(values[k]))) << Name(DTypeOf<T>()) << " function " << static_cast<int>(f) << " of " << +values[k];
  };
  using U = std::make_unsigned_t<T>;
  unary(UnaryFunction::kNegate, [](T v) { return uint64_t{0} - static_cast<uint64_t>(v); });
  unary(UnaryFunction::kAbs, [](T v) { return v < 0 ? uint64_t{0} - static_cast<uint64_t>(v) : static_cast<uint64_t>(v); });
  unary(UnaryFunction::kSign, [](T v) { return v > 0 ? 1 : v < 0 ? -1 : 0; });
  unary(UnaryFunction::kNot, [](T v) { return ~v; });
  unary(UnaryFunction::kPopcnt, [](T v) { return __builtin_popcountll(static_cast<U>(v)); });
  unary(UnaryFunction::kClz,
        [](T v) { return v == 0 ? static_cast<int>(sizeof(T) * 8) : __builtin_clzll(static_cast<U>(v)) - (64 - static_cast<int>(sizeof(T)) * 8); });
}

TEST(Arith, SignedIntegers) {
  CheckIntegers<int8_t>();
  CheckIntegers<int16_t>();
  CheckIntegers<int32_t>();
  CheckIntegers<int64_t>();
}
TEST(Arith, UnsignedIntegers) {
  CheckIntegers<uint8_t>();
  CheckIntegers<uint16_t>();
  CheckIntegers<uint32_t>();
  CheckIntegers<uint64_t>();
}

// ---- Comparisons ----

TEST(Arith, ExtremesAndClampPropagateNan) {
  std::vector<float> edges = {0.0f, -0.0f, 1, -1, INFINITY, -INFINITY, NAN, FLT_MAX}, x, y;
  for (float a : edges) {
    for (float b : edges) {
      x.push_back(a);
      y.push_back(b);
    }
  }
  auto largest = Binary(BinaryFunction::kMaximum, x, y), smallest = Binary(BinaryFunction::kMinimum, x, y);
  auto clamped = Compute<float, float>([](Emitter& e, const std::vector<Value>& v) { return Clamp(e, DType::kF32, e.b().F32(-0.5f), v[0], v[1]); }, DType::kF32,
                                       DType::kF32, {x, y}, Device::Get().limits());
  auto same = [](float a, float b) { return std::isnan(a) ? std::isnan(b) : a == b && std::signbit(a) == std::signbit(b); };
  auto larger = [](float a, float b) { return std::isnan(a) || std::isnan(b) ? NAN : a == b ? (std::signbit(a) ? b : a) : std::max(a, b); };
  auto smaller = [](float a, float b) { return std::isnan(a) || std::isnan(b) ? NAN : a == b ? (std::signbit(a) ? a : b) : std::min(a, b); };
  for (size_t k = 0; k < x.size(); ++k) {
    EXPECT_TRUE(same(largest[k], larger(x[k], y[k]))) << x[k] << " " << y[k] << " " << largest[k];
    EXPECT_TRUE(same(smallest[k], smaller(x[k], y[k]))) << x[k] << " " << y[k] << " " << smallest[k];
    EXPECT_TRUE(same(clamped[k], smaller(larger(x[k], -0.5f), y[k]))) << x[k] << " " << y[k] << " " << clamped[k];
  }
}

TEST(Arith, Comparisons) {
  std::vector<float> order = {-NAN, -INFINITY, -1, -1e-20f, -0.0f, 0.0f, 1e-20f, 1, INFINITY, NAN}, x, y;
  std::vector<int> rank_x, rank_y;
  for (int a = 0; a < 10; ++a) {
    for (int b = 0; b < 10; ++b) {
      x.push_back(order[a]);
      y.push_back(order[b]);
      rank_x.push_back(a);
      rank_y.push_back(b);
    }
  }
  for (bool total : {false, true}) {
    for (int kind = 0; kind < 6; ++kind) {
      auto got = Compute<uint8_t, float>(
          [=](Emitter& e, const std::vector<Value>& v) { return Compare(e, static_cast<ComparisonKind>(kind), total, DType::kF32, v[0], v[1]); }, DType::kF32,
          DType::kBool, {x, y}, Device::Get().limits());
      for (size_t k = 0; k < x.size(); ++k) {
        auto holds = [kind](auto a, auto b) {
          return kind == 0 ? a == b : kind == 1 ? a != b : kind == 2 ? a < b : kind == 3 ? a <= b : kind == 4 ? a > b : a >= b;
        };
        bool want = total ? holds(rank_x[k], rank_y[k]) : holds(x[k], y[k]);
        EXPECT_EQ(got[k], want) << x[k] << " " << y[k] << " kind " << kind << " total " << total;
      }
    }
  }
}

// ---- Conversions ----

template <class To, class From>
To ReferenceConvert(From v) {
  if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    if (std::isnan(v)) return 0;
    long double w = std::trunc(static_cast<long double>(v));
    if (w <= static_cast<long double>(std::numeric_limits<To>::min())) return std::numeric_limits<To>::min();
    if (w >= static_cast<long double>(std::numeric_limits<To>::max())) return std::numeric_limits<To>::max();
    return static_cast<To>(w);
  } else {
    return static_cast<To>(v);
  }
}

template <class To, class From>
void CheckConvert(const std::vector<From>& x) {
  auto y = Compute<To, From>([](Emitter& e, const std::vector<Value>& v) { return ConvertElement(e, DTypeOf<From>(), DTypeOf<To>(), v[0]); }, DTypeOf<From>(),
                             DTypeOf<To>(), {x}, Device::Get().limits());
  for (size_t k = 0; k < x.size(); ++k) {
    To want = ReferenceConvert<To>(x[k]);
    bool flushed = std::is_same_v<To, float> && std::fabs(static_cast<double>(want)) < FLT_MIN && y[k] == 0;
    EXPECT_TRUE(y[k] == want || (want != want && y[k] != y[k]) || flushed)
        << Name(DTypeOf<From>()) << " " << +x[k] << " to " << Name(DTypeOf<To>()) << " gives " << +y[k] << ", not " << +want;
  }
}

template <class From>
void CheckConversions(const std::vector<From>& x) {
  CheckConvert<int8_t>(x);
  CheckConvert<int16_t>(x);
  CheckConvert<int32_t>(x);
  CheckConvert<int64_t>(x);
  CheckConvert<uint8_t>(x);
  CheckConvert<uint16_t>(x);
  CheckConvert<uint32_t>(x);
  CheckConvert<uint64_t>(x);
  CheckConvert<float>(x);
  CheckConvert<double>(x);
}

TEST(Arith, ConversionsOfIntegers) {
  CheckConversions(Integers<int8_t>());
  CheckConversions(Integers<int16_t>());
  CheckConversions(Integers<int32_t>());
  CheckConversions(Integers<uint8_t>());
  CheckConversions(Integers<uint16_t>());
  CheckConversions(Integers<uint32_t>());
  auto wide = Integers<int64_t>();
  auto unsigned_wide = Integers<uint64_t>();
  for (int shift = 0; shift < 63; ++shift) {
    for (int64_t near : {int64_t{0x1000001}, int64_t{0x1000003}, int64_t{0xffffff}, int64_t{0x1ffffff}, int64_t{1}}) {
      wide.push_back((near << shift) + 1);
      wide.push_back(-(near << shift));
      unsigned_wide.push_back(static_cast<uint64_t>(near) << shift);
      unsigned_wide.push_back((static_cast<uint64_t>(near) << shift) - 1);
    }
  }
  CheckConversions(wide);
  CheckConversions(unsigned_wide);
}

TEST(Arith, ConversionsOfFloats) {
  std::vector<float> x = Arguments<float>(300);
  x.insert(x.end(), {127.5f, 128.5f, -128.9f, -129.f, 255.9f, 256.f, 32767.9f, 32768.f, 65535.5f, 65536.f, 2147483520.f, 2147483648.f, -2147483648.f,
                     4294967040.f, 4294967296.f, 9.2e18f, 9.3e18f, 1.8e19f, 1.9e19f});
  CheckConversions(x);
  CheckConversions(std::vector<double>(x.begin(), x.end()));
}

TEST(Arith, NarrowFloatsAndBits) {
  // Every f16 and bf16 to f32 and back, by value and by bits.
  std::vector<uint16_t> all(65536);
  for (size_t k = 0; k < all.size(); ++k) all[k] = static_cast<uint16_t>(k);
  for (DType t : {DType::kF16, DType::kBF16}) {
    auto back =
        Compute<uint16_t, uint16_t>([t](Emitter& e, const std::vector<Value>& v) { return ElementFromBits(e, t, ElementBits(e, t, RoundTo(e, t, v[0]))); }, t,
                                    t, {all}, Device::Get().limits());
    auto bits = Compute<uint16_t, uint16_t>([t](Emitter& e, const std::vector<Value>& v) { return BitcastElement(e, t, DType::kU16, v[0]); }, t, DType::kU16,
                                            {all}, Device::Get().limits());
    int infinity = t == DType::kF16 ? 0x7c00 : 0x7f80;
    for (size_t k = 0; k < all.size(); ++k) {
      if ((all[k] & 0x7fff) > infinity) {
        ASSERT_GT(back[k] & 0x7fff, infinity);
      } else {
        ASSERT_EQ(back[k], all[k]) << Name(t);
        ASSERT_EQ(bits[k], all[k]) << Name(t);
      }
    }
  }
  std::vector<double> doubles = {1 + std::ldexp(1.0, -11) + std::ldexp(1.0, -40), 1 + std::ldexp(1.0, -11), 1 + std::ldexp(1.0, -9),
                                 1 + std::ldexp(1.0, -8) + std::ldexp(1.0, -50)};
  auto half = Compute<uint16_t, double>([](Emitter& e, const std::vector<Value>& v) { return ConvertElement(e, DType::kF64, DType::kF16, v[0]); }, DType::kF64,
                                        DType::kF16, {doubles}, Device::Get().limits());
  EXPECT_EQ(half, (std::vector<uint16_t>{0x3c01, 0x3c00, 0x3c02, 0x3c04}));
  auto brain = Compute<uint16_t, double>([](Emitter& e, const std::vector<Value>& v) { return ConvertElement(e, DType::kF64, DType::kBF16, v[0]); },
                                         DType::kF64, DType::kBF16, {doubles}, Device::Get().limits());
  EXPECT_EQ(brain, (std::vector<uint16_t>{0x3f80, 0x3f80, 0x3f80, 0x3f81}));
}

TEST(Arith, ReducedPrecision) {
  std::vector<float> x = {1, 1.0009765625f, 1.00048828125f, 1.00146484375f, 65504, 65519.9f, 65520, 1e-5f, -1e-5f, 6.2e-5f, INFINITY, NAN, -0.0f, 1e30f};
  std::vector<float> want = {1, 1.0009765625f, 1, 1.001953125f, 65504, 65504, INFINITY, 0, -0.0f, 6.2e-5f, INFINITY, NAN, -0.0f, INFINITY};
  want[9] = std::ldexp(std::nearbyint(std::ldexp(6.2e-5f, 24)), -24);
  auto got = Compute<float, float>([](Emitter& e, const std::vector<Value>& v) { return ReducePrecision(e, DType::kF32, 5, 10, v[0]); }, DType::kF32,
                                   DType::kF32, {x}, Device::Get().limits());
  for (size_t k = 0; k < x.size(); ++k)
    EXPECT_TRUE(std::isnan(want[k]) ? std::isnan(got[k]) : got[k] == want[k] && std::signbit(got[k]) == std::signbit(want[k])) << x[k] << " " << got[k];
}

}  // namespace
}  // namespace tfvk::kernels
