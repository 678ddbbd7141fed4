// Products that read and write other orders of dimensions than they compute in.
#include "compiler/transposed_products.h"

#include <gtest/gtest.h>

#include <vector>

#include "compiler/describe.h"
#include "compiler/program_runner.h"

namespace tfvk::compiler {
namespace {

using testing::ExpectMatchesReference;
using testing::Parse;

std::vector<const ir::Node*> Products(const ir::Graph& graph) {
  std::vector<const ir::Node*> products;
  for (const auto& node : graph.nodes()) {
    if (node->op == ir::Op::kDot) products.push_back(node.get());
  }
  return products;
}

// Queries, keys and values as [batch, position, head, feature]; everything between is a batch of heads.
constexpr char kAttention[] = R"(graph "attention" symbols=0 {
  %0 = parameter() dims=[0] : f32[2,5,3,8]
  %1 = parameter() dims=[1] : f32[2,6,3,8]
  %2 = parameter() dims=[2] : f32[2,6,3,8]
  %3 = transpose(%0) dims=[0,2,1,3] : f32[2,3,5,8]
  %4 = transpose(%1) dims=[0,2,3,1] : f32[2,3,8,6]
  %5 = dot_general(%3, %4) lhs_batch=[0,1] rhs_batch=[0,1] lhs_contract=[3] rhs_contract=[2] precision=highest : f32[2,3,5,6]
  %6 = transpose(%2) dims=[0,2,1,3] : f32[2,3,6,8]
  %7 = dot_general(%5, %6) lhs_batch=[0,1] rhs_batch=[0,1] lhs_contract=[3] rhs_contract=[2] precision=highest : f32[2,3,5,8]
  %8 = transpose(%7) dims=[0,2,1,3] : f32[2,5,3,8]
  %9 = tanh(%8) : f32[2,5,3,8]
  return %9
}
)";

TEST(TransposedProducts, AttentionIsTwoLaunches) {
  const auto graph = Parse(kAttention);
  const auto folded = TransposeProducts(*graph);
  ASSERT_NE(folded, nullptr);
  ir::Verify(*folded);
  EXPECT_EQ(Products(*folded)[1]->attr<ir::DotAttr>().result_order, (std::vector<int64_t>{0, 2, 1, 3}));
  EXPECT_EQ(LaunchCount(Compile(*graph, testing::Limits())), 2);
  ExpectMatchesReference(*graph, testing::RandomArguments(*graph), 1e-4);
}

// The last dimension comes from the left operand: the operands change places, and nothing else has to where that is all.
TEST(TransposedProducts, OperandsChangePlaces) {
  const auto graph = Parse(R"(graph "swapped" symbols=0 {
  %0 = parameter() dims=[0] : f32[2,3,9,4]
  %1 = parameter() dims=[1] : f32[2,3,4,7]
  %2 = dot_general(%0, %1) lhs_batch=[0,1] rhs_batch=[0,1] lhs_contract=[3] rhs_contract=[2] precision=highest : f32[2,3,9,7]
  %3 = transpose(%2) dims=[0,1,3,2] : f32[2,3,7,9]
  %4 = dot_general(%0, %1) lhs_batch=[0,1] rhs_batch=[0,1] lhs_contract=[3] rhs_contract=[2] precision=high : f32[2,3,9,7]
  %5 = transpose(%4) dims=[3,0,1,2] : f32[7,2,3,9]
  return %3, %5
}
)");
  const auto folded = TransposeProducts(*graph);
  ASSERT_NE(folded, nullptr);
  ir::Verify(*folded);
  EXPECT_EQ(Products(*folded)[0]->attr<ir::DotAttr>().result_order, std::vector<int64_t>());
  EXPECT_EQ(Products(*folded)[1]->attr<ir::DotAttr>().result_order, (std::vector<int64_t>{2, 0, 1, 3}));
  ExpectMatchesReference(*graph, testing::RandomArguments(*graph), 1e-4);
}

// A layer's result split into heads, with dimensions of one element in several places.
TEST(TransposedProducts, ReshapesBetweenSplitTheProductsDimensions) {
  const auto graph = Parse(R"(graph "split" symbols=0 {
  %0 = parameter() dims=[0] : f32[10,6]
  %1 = parameter() dims=[1] : f32[6,24]
  %2 = dot_general(%0, %1) lhs_batch=[] rhs_batch=[] lhs_contract=[1] rhs_contract=[0] precision=highest : f32[10,24]
  %3 = reshape(%2) : f32[2,1,5,3,8,1]
  %4 = transpose(%3) dims=[5,0,3,2,1,4] : f32[1,2,3,5,1,8]
  %5 = exponential(%4) : f32[1,2,3,5,1,8]
  return %5
}
)");
  const auto folded = TransposeProducts(*graph);
  ASSERT_EQ(folded, nullptr);  // a unit dimension is the innermost one
  const auto plain = Parse(R"(graph "split" symbols=0 {
  %0 = parameter() dims=[0] : f32[10,6]
  %1 = parameter() dims=[1] : f32[6,24]
  %2 = dot_general(%0, %1) lhs_batch=[] rhs_batch=[] lhs_contract=[1] rhs_contract=[0] precision=highest : f32[10,24]
  %3 = reshape(%2) : f32[2,1,5,3,8]
  %4 = transpose(%3) dims=[0,3,2,1,4] : f32[2,3,5,1,8]
  %5 = exponential(%4) : f32[2,3,5,1,8]
  return %5
}
)");
  ASSERT_NE(TransposeProducts(*plain), nullptr);
  EXPECT_EQ(LaunchCount(Compile(*plain, testing::Limits())), 1);
  ExpectMatchesReference(*plain, testing::RandomArguments(*plain), 1e-4);
}

TEST(TransposedProducts, OfScalarsStay) {
  const auto graph = Parse(R"(graph "scalar" symbols=0 {
  %0 = parameter() dims=[0] : f32[9]
  %1 = dot_general(%0, %0) lhs_batch=[] rhs_batch=[] lhs_contract=[0] rhs_contract=[0] precision=highest : f32[]
  %2 = transpose(%1) dims=[] : f32[]
  return %2
}
)");
  EXPECT_EQ(TransposeProducts(*graph), nullptr);
}

TEST(TransposedProducts, LeavesOthersAlone) {
  const auto unchanged = [](const std::string& behind, const std::string& outputs) {
    const auto graph = Parse(R"(graph "others" symbols=0 {
  %0 = parameter() dims=[0] : f32[2,12,4]
  %1 = parameter() dims=[1] : f32[2,4,16]
  %2 = dot_general(%0, %1) lhs_batch=[0] rhs_batch=[0] lhs_contract=[2] rhs_contract=[1] precision=highest : f32[2,12,16]
)" + behind + "  return " + outputs +
                             "\n}\n");
    return TransposeProducts(*graph) == nullptr;
  };
  EXPECT_FALSE(unchanged("  %3 = transpose(%2) dims=[1,0,2] : f32[12,2,16]\n", "%3"));
  EXPECT_TRUE(unchanged("  %3 = transpose(%2) dims=[1,0,2] : f32[12,2,16]\n", "%3, %2"));                                     // used otherwise
  EXPECT_TRUE(unchanged("  %3 = transpose(%2) dims=[1,2,0] : f32[12,16,2]\n", "%3"));                                         // no row stays together
  EXPECT_TRUE(unchanged("  %3 = reshape(%2) : f32[2,12,4,4]\n  %4 = transpose(%3) dims=[0,2,1,3] : f32[2,4,12,4]\n", "%4"));  // rows of four
  EXPECT_TRUE(unchanged("  %3 = reshape(%2) : f32[8,3,16]\n  %4 = transpose(%3) dims=[1,0,2] : f32[3,8,16]\n", "%4"));        // across its dimensions
  EXPECT_TRUE(unchanged("  %3 = abs(%2) : f32[2,12,16]\n  %4 = transpose(%3) dims=[1,0,2] : f32[12,2,16]\n", "%4"));
}

}  // namespace
}  // namespace tfvk::compiler
