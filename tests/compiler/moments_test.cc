// Mean and variance of columns from one reading: what is joined, and how exact it is.
#include "compiler/moments.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "compiler/fusion.h"
#include "compiler/program_runner.h"

namespace tfvk::compiler {
namespace {

using testing::Parse;

constexpr int64_t kRows = 128 * 256, kColumns = 8;

// Sums, then means and variances; `mean` and `squared` are what the second sum is made with.
std::string Moments(const std::string& mean = "%6", const std::string& squared = "%9") {
  std::string text = R"(graph "moments" symbols=0 {
  %0 = parameter() dims=[0] : f32[128,256,8]
  %1 = constant() splat<0> : f32[]
  %2 = reduce(%0, %1) dims=[0,1] : f32[8] SUM
  %3 = constant() splat<3.0517578125e-05> : f32[8]
  %4 = multiply(%2, %3) : f32[8]
  %5 = reshape(%4) : f32[1,1,8]
  %6 = broadcast_in_dim(%5) dims=[0,1,2] : f32[128,256,8]
  %7 = broadcast_in_dim(%2) dims=[2] : f32[128,256,8]
  %8 = subtract(%0, MEAN) : f32[128,256,8]
  %9 = multiply(%8, %8) : f32[128,256,8]
  %10 = multiply(%8, %0) : f32[128,256,8]
  %11 = reduce(SQUARED, %1) dims=[0,1] : f32[8] SUM
  %12 = multiply(%11, %3) : f32[8]
  return %4, %12
}
)";
  const auto replace = [&](const std::string& mark, const std::string& by) {
    for (size_t at; (at = text.find(mark)) != std::string::npos;) text.replace(at, mark.size(), by);
  };
  replace("MEAN", mean);
  replace("SQUARED", squared);
  replace(" SUM\n",
          " with 1\n    graph \"sum\" symbols=0 {\n      %0 = parameter() dims=[0] : f32[]\n      %1 = parameter() dims=[1] : f32[]\n"
          "      %2 = add(%0, %1) : f32[]\n      return %2\n    }\n");
  return text;
}

// The largest relative errors of means and variances, the means' as shares of the standard deviation.
struct Errors {
  double mean = 0, variance = 0;
};

Errors ErrorsOf(const std::vector<reference::Tensor>& arguments) {
  const auto got = testing::RunProgram(Compile(*Parse(Moments()), testing::Limits()), arguments);
  Errors errors;
  for (int64_t c = 0; c < kColumns; ++c) {
    double sum = 0, squares = 0;
    for (int64_t r = 0; r < kRows; ++r) sum += arguments[0].elements[r * kColumns + c].f;
    const double mean = sum / kRows;
    for (int64_t r = 0; r < kRows; ++r) squares += std::pow(arguments[0].elements[r * kColumns + c].f - mean, 2);
    const double variance = squares / kRows;
    errors.mean = std::max(errors.mean, std::abs(got[0].elements[c].f - mean) / std::sqrt(variance));
    errors.variance = std::max(errors.variance, std::abs(got[1].elements[c].f - variance) / variance);
  }
  return errors;
}

TEST(Moments, AreOneReading) {
  const auto graph = Parse(Moments());
  const auto joined = JoinMoments(*graph);
  ASSERT_NE(joined, nullptr);
  ir::Verify(*joined);
  int reductions = 0;
  for (const Fusion& fusion : FormFusions(*joined, testing::Limits())) reductions += !fusion.is_map() && fusion.hero()->op == ir::Op::kReduce;
  EXPECT_EQ(reductions, 1);
  testing::ExpectMatchesReference(*graph, testing::RandomArguments(*graph), 1e-4);
}

TEST(Moments, KeepTheirDigits) {
  const auto graph = Parse(Moments());
  std::vector<reference::Tensor> arguments = testing::RandomArguments(*graph);
  const Errors plain = ErrorsOf(arguments);
  EXPECT_LT(plain.mean, 1e-5);
  EXPECT_LT(plain.variance, 1e-5);
  // Far from zero: the squares' mean less the mean's square would have no digit left.
  std::vector<reference::Tensor> far = arguments;
  for (reference::Number& number : far[0].elements) number = reference::Rounded(DType::kF32, {number.f + 30000, 0});
  const Errors of_far = ErrorsOf(far);
  EXPECT_LT(of_far.mean, 1e-2);  // of a standard deviation of about one, where numbers are 0.002 apart
  EXPECT_LT(of_far.variance, 1e-4);
  // Rows that are a thousand standard deviations off: one of three pivots, and two.
  std::vector<reference::Tensor> outlier = arguments;
  const auto set_row = [&](int64_t quarters) {
    const int64_t row = 128 * quarters / 4 * 256 + 256 * quarters / 4;
    for (int64_t c = 0; c < kColumns; ++c) outlier[0].elements[row * kColumns + c].f = 1000;
  };
  set_row(1);
  EXPECT_LT(ErrorsOf(outlier).mean, 1e-5);
  EXPECT_LT(ErrorsOf(outlier).variance, 1e-5);
  set_row(3);
  EXPECT_LT(ErrorsOf(outlier).mean, 1e-4);
  EXPECT_LT(ErrorsOf(outlier).variance, 5e-3);
}

TEST(Moments, OthersStayAsTheyAre) {
  EXPECT_EQ(JoinMoments(*Parse(Moments("%7"))), nullptr);         // less the sum, not the mean
  EXPECT_EQ(JoinMoments(*Parse(Moments("%6", "%10"))), nullptr);  // not a square
  // Means of columns taken for those of positions, of which there are as many.
  std::string turned = Moments();
  for (size_t at; (at = turned.find("128,256,8")) != std::string::npos;) turned.replace(at, 9, "4096,8,8");
  const std::string columns = "reshape(%4) : f32[1,1,8]", positions = "reshape(%4) : f32[1,8,1]";
  EXPECT_NE(JoinMoments(*Parse(turned)), nullptr);
  turned.replace(turned.find(columns), columns.size(), positions);
  EXPECT_EQ(JoinMoments(*Parse(turned)), nullptr);
  std::string other = Moments();
  other.replace(other.find("3.0517578125e-05"), 16, "3.1517578125e-05");
  EXPECT_EQ(JoinMoments(*Parse(other)), nullptr);  // another count
  std::string small = Moments();
  for (size_t at; (at = small.find("128,256,8")) != std::string::npos;) small.replace(at, 9, "128,8,8");
  EXPECT_EQ(JoinMoments(*Parse(small)), nullptr);
}

}  // namespace
}  // namespace tfvk::compiler
