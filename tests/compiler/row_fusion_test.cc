// Launches over rows: what is put into one, and its numbers for rows of many lengths, by shuffles and by shared memory.
#include "compiler/row_fusion.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "compiler/describe.h"
#include "compiler/program_runner.h"
#include "kernels/rows.h"

namespace tfvk::compiler {
namespace {

using testing::ExpectMatchesReference;
using testing::Parse;

// The text with " SUM" and " MAX" at the ends of reductions of `dtype` replaced by their regions.
std::string WithRegions(std::string text, const std::string& dtype = "f32") {
  const auto replace = [&](const std::string& mark, const std::string& op) {
    const std::string region = fmt::format(
        " with 1\n    graph \"{0}\" symbols=0 {{\n      %0 = parameter() dims=[0] : {1}[]\n      %1 = parameter() dims=[1] : {1}[]\n"
        "      %2 = {0}(%0, %1) : {1}[]\n      return %2\n    }}\n",
        op, dtype);
    for (size_t at; (at = text.find(mark)) != std::string::npos;) text.replace(at, mark.size(), region);
  };
  replace(" SUM\n", "add");
  replace(" MAX\n", "maximum");
  return text;
}

std::string Softmax(const std::string& rows, int64_t columns, const std::string& kept, const std::string& dtype = "f32") {
  const std::string whole = fmt::format("{}[{},{}]", dtype, rows, columns), of_row = fmt::format("{}[{}]", dtype, rows);
  const std::string last = fmt::format("{}", std::count(rows.begin(), rows.end(), ',') + 1);
  std::string text = "graph \"softmax\" symbols=0 {\n";
  text += "  %0 = parameter() dims=[0] : " + whole + "\n";
  text += fmt::format("  %1 = constant() splat<-inf> : {0}[]\n  %2 = constant() splat<0> : {0}[]\n", dtype);
  text += "  %3 = reduce(%0, %1) dims=[" + last + "] : " + of_row + " MAX\n";
  text += "  %4 = broadcast_in_dim(%3) dims=[" + kept + "] : " + whole + "\n";
  text += "  %5 = subtract(%0, %4) : " + whole + "\n  %6 = exponential(%5) : " + whole + "\n";
  text += "  %7 = reduce(%6, %2) dims=[" + last + "] : " + of_row + " SUM\n";
  text += "  %8 = broadcast_in_dim(%7) dims=[" + kept + "] : " + whole + "\n";
  text += "  %9 = divide(%6, %8) : " + whole + "\n  return %9\n}\n";
  return WithRegions(text, dtype);
}

int Launches(const std::string& text) { return LaunchCount(Compile(*Parse(text), testing::Limits())); }

TEST(RowFusion, SoftmaxIsOneLaunchForRowsOfAnyLength) {
  for (const int64_t columns : {2, 3, 10, 16, 31, 33, 64, 100, 256, 300, 1000, 1025, 2048}) {
    SCOPED_TRACE(columns);
    const std::string text = Softmax("37", columns, "0");
    EXPECT_EQ(Launches(text), 1);
    ExpectMatchesReference(text);
  }
  EXPECT_EQ(Launches(Softmax("5,7", 12, "0,1")), 1);
  ExpectMatchesReference(Softmax("5,7", 12, "0,1"));
}

TEST(RowFusion, LongestRowsAndLongerOnes) {
  const int64_t longest = kernels::LongestRow(testing::Limits());
  EXPECT_EQ(Launches(Softmax("3", longest, "0")), 1);
  ExpectMatchesReference(Softmax("3", longest, "0"));
  EXPECT_GT(Launches(Softmax("3", longest + 4, "0")), 1);
  EXPECT_GT(Launches(Softmax("1", 100, "0")), 1);  // the device is filled by several workgroups a row
}

TEST(RowFusion, NarrowFloatsAreRoundedAsElsewhere) {
  for (const char* dtype : {"f16", "bf16"}) {
    const std::string text = Softmax("21", 72, "0", dtype);
    EXPECT_EQ(Launches(text), 1);
    ExpectMatchesReference(text);
  }
}

// Without shuffles all goes through shared memory, in a tree where many lanes share a row.
TEST(RowFusion, BySharedMemory) {
  for (const int64_t columns : {10, 100, 1000}) {
    const auto graph = Parse(Softmax("19", columns, "0"));
    kernels::DeviceLimits limits = testing::Limits();
    limits.subgroup_shuffle = false;
    const std::vector<reference::Tensor> arguments = testing::RandomArguments(*graph);
    const auto expected = testing::RunProgram(Compile(*graph, testing::Limits()), arguments), got = testing::RunProgram(Compile(*graph, limits), arguments);
    for (size_t i = 0; i < expected[0].elements.size(); ++i) ASSERT_NEAR(got[0].elements[i].f, expected[0].elements[i].f, 1e-6) << columns << " " << i;
  }
}

// Layer normalisation that keeps what its gradient needs: results of elements and of rows, and operands a column.
constexpr char kNormalisation[] = R"(graph "normalisation" symbols=0 {
  %0 = parameter() dims=[0] : f32[4,11,48]
  %1 = parameter() dims=[1] : f32[48]
  %2 = constant() splat<0> : f32[]
  %3 = constant() splat<48> : f32[4,11]
  %4 = reduce(%0, %2) dims=[2] : f32[4,11] SUM
  %5 = divide(%4, %3) : f32[4,11]
  %6 = reshape(%5) : f32[4,11,1]
  %7 = broadcast_in_dim(%6) dims=[0,1,2] : f32[4,11,48]
  %8 = subtract(%0, %7) : f32[4,11,48]
  %9 = multiply(%8, %8) : f32[4,11,48]
  %10 = reduce(%9, %2) dims=[2] : f32[4,11] SUM
  %11 = divide(%10, %3) : f32[4,11]
  %12 = constant() splat<0.001> : f32[4,11]
  %13 = add(%11, %12) : f32[4,11]
  %14 = rsqrt(%13) : f32[4,11]
  %15 = broadcast_in_dim(%14) dims=[0,1] : f32[4,11,48]
  %16 = multiply(%8, %15) : f32[4,11,48]
  %17 = broadcast_in_dim(%1) dims=[2] : f32[4,11,48]
  %18 = multiply(%16, %17) : f32[4,11,48]
  %19 = tanh(%18) : f32[4,11,48]
  return %19, %8, %14, %5
}
)";

TEST(RowFusion, NormalisationKeepsWhatItsGradientNeeds) {
  EXPECT_EQ(Launches(WithRegions(kNormalisation)), 1);
  ExpectMatchesReference(WithRegions(kNormalisation), 1e-4);
}

TEST(RowFusion, IntegersAndTwoSumsAtATime) {
  const std::string text = WithRegions(R"(graph "integers" symbols=0 {
  %0 = parameter() dims=[0] : s16[50,20]
  %1 = constant() splat<0> : s16[]
  %2 = multiply(%0, %0) : s16[50,20]
  %3 = reduce(%0, %1) dims=[1] : s16[50] SUM
  %4 = reduce(%2, %1) dims=[1] : s16[50] SUM
  %5 = subtract(%4, %3) : s16[50]
  %6 = broadcast_in_dim(%5) dims=[0] : s16[50,20]
  %7 = maximum(%0, %6) : s16[50,20]
  return %7, %3
}
)",
                                       "s16");
  EXPECT_EQ(Launches(text), 1);
  ExpectMatchesReference(text);
}

// A row's total that another row uses is known only when the launch has ended.
TEST(RowFusion, TotalsOfOtherRowsNeedALaunchOfTheirOwn) {
  const auto text = [](const std::string& between) {
    return WithRegions(R"(graph "others" symbols=0 {
  %0 = parameter() dims=[0] : f32[40,40]
  %1 = constant() splat<0> : f32[]
  %2 = reduce(%0, %1) dims=[1] : f32[40] SUM
)" + between + R"(  %5 = add(%0, %4) : f32[40,40]
  return %5
}
)");
  };
  const std::string own = text("  %3 = negate(%2) : f32[40]\n  %4 = broadcast_in_dim(%3) dims=[0] : f32[40,40]\n");
  const std::string reversed = text("  %3 = reverse(%2) dims=[0] : f32[40]\n  %4 = broadcast_in_dim(%3) dims=[0] : f32[40,40]\n");
  const std::string columns = text("  %3 = negate(%2) : f32[40]\n  %4 = broadcast_in_dim(%3) dims=[1] : f32[40,40]\n");
  const std::string turned = text("  %3 = broadcast_in_dim(%2) dims=[0] : f32[40,40]\n  %4 = broadcast_in_dim(%3) dims=[1,0] : f32[40,40]\n");
  EXPECT_EQ(Launches(own), 1);
  EXPECT_EQ(Launches(turned), 2);
  EXPECT_EQ(Launches(reversed), 2);
  EXPECT_EQ(Launches(columns), 2);
  for (const std::string& each : {own, reversed, columns, turned}) ExpectMatchesReference(each, 1e-4);
}

// The largest exponent of what a launch computes is known when it has ended.
TEST(RowFusion, FindsLargestExponentsByTheWay) {
  const std::string text = WithRegions(R"(graph "largest" symbols=0 {
  %0 = parameter() dims=[0] : f32[33,20]
  %1 = constant() splat<0> : f32[]
  %2 = reduce(%0, %1) dims=[1] : f32[33] SUM
  %3 = broadcast_in_dim(%2) dims=[0] : f32[33,20]
  %4 = multiply(%0, %3) : f32[33,20]
  %5 = largest_exponent(%4) : s32[]
  %6 = convert(%5) : f32[]
  %7 = broadcast_in_dim(%6) dims=[] : f32[33,20]
  %8 = add(%4, %7) : f32[33,20]
  return %8, %5
}
)");
  EXPECT_EQ(Launches(text), 2);
  ExpectMatchesReference(text, 1e-4);
}

// Nothing that lies between two launches may wait for the first and be waited for by the second.
TEST(RowFusion, LeavesLaunchesThatAThirdOneStandsBetween) {
  const std::string text = WithRegions(R"(graph "between" symbols=0 {
  %0 = parameter() dims=[0] : f32[24,24]
  %1 = constant() splat<0> : f32[]
  %2 = reduce(%0, %1) dims=[1] : f32[24] SUM
  %3 = broadcast_in_dim(%2) dims=[0] : f32[24,24]
  %4 = add(%0, %3) : f32[24,24]
  %5 = dot_general(%4, %4) lhs_batch=[] rhs_batch=[] lhs_contract=[1] rhs_contract=[0] precision=highest : f32[24,24]
  %6 = reduce(%5, %1) dims=[1] : f32[24] SUM
  %7 = add(%6, %2) : f32[24]
  %8 = broadcast_in_dim(%7) dims=[0] : f32[24,24]
  %9 = multiply(%4, %8) : f32[24,24]
  return %9
}
)");
  ExpectMatchesReference(text, 1e-3);
}

}  // namespace
}  // namespace tfvk::compiler
