#include "ir/graph.h"

#include <gtest/gtest.h>

#include "types/error.h"

namespace tfvk::ir {
namespace {

const TensorType kF32x4{DType::kF32, {4}};

TEST(Graph, NumbersNodesInOrder) {
  Graph graph;
  const Value x = graph.AddParameter(kF32x4), y = graph.AddParameter(kF32x4);
  const Value sum = graph.Add(Op::kAdd, {x, y}, {kF32x4}, {}, "model/add");
  EXPECT_EQ(x.node->id, 0);
  EXPECT_EQ(y.node->attr<DimsAttr>().dims[0], 1);
  EXPECT_EQ(sum.node->id, 2);
  EXPECT_EQ(sum.node->origin, "model/add");
  EXPECT_EQ(graph.parameters().size(), 2u);
}

TEST(Graph, RefusesEmptyOperand) {
  Graph graph;
  EXPECT_THROW(graph.Add(Op::kAbs, {Value{}}, {kF32x4}), Error);
}

TEST(Graph, RemovesDeadNodesButKeepsParameters) {
  Graph graph;
  const Value x = graph.AddParameter(kF32x4);
  graph.AddParameter(kF32x4);
  const Value dead = graph.Add(Op::kExp, {x}, {kF32x4});
  graph.Add(Op::kAbs, {dead}, {kF32x4});
  const Value live = graph.Add(Op::kLog, {x}, {kF32x4});
  graph.outputs = {live};
  graph.RemoveDeadNodes();
  ASSERT_EQ(graph.nodes().size(), 3u);
  EXPECT_EQ(live.node->id, 2);
  EXPECT_EQ(graph.nodes()[2].get(), live.node);
  Verify(graph);
}

TEST(Graph, RemovesDeadNodesInRegions) {
  const TensorType scalar{DType::kF32, {}};
  auto region = std::make_unique<Graph>();
  const Value a = region->AddParameter(scalar), b = region->AddParameter(scalar);
  region->Add(Op::kMultiply, {a, b}, {scalar});
  region->outputs = {region->Add(Op::kAdd, {a, b}, {scalar})};
  Graph* body = region.get();
  Graph graph;
  const Value x = graph.AddParameter(kF32x4), zero = graph.AddParameter(scalar);
  std::vector<std::unique_ptr<Graph>> regions;
  regions.push_back(std::move(region));
  graph.outputs = {{graph.AddNode(Op::kReduce, {x, zero}, {scalar}, DimsAttr{{0}}, std::move(regions)), 0}};
  graph.RemoveDeadNodes();
  EXPECT_EQ(body->nodes().size(), 3u);
  Verify(graph);
}

TEST(Graph, ReplacesUsesInOperandsAndOutputs) {
  Graph graph;
  const Value x = graph.AddParameter(kF32x4);
  const Value old = graph.Add(Op::kExp, {x}, {kF32x4}), now = graph.Add(Op::kTanh, {x}, {kF32x4});
  const Value user = graph.Add(Op::kAdd, {old, old}, {kF32x4});
  graph.outputs = {user, old};
  graph.ReplaceUses(old, now);
  EXPECT_EQ(user.node->operands[0], now);
  EXPECT_EQ(user.node->operands[1], now);
  EXPECT_EQ(graph.outputs[1], now);
  graph.RemoveDeadNodes();
  EXPECT_EQ(graph.nodes().size(), 3u);
}

TEST(Graph, NamesAreStableHlos) {
  EXPECT_STREQ(Name(Op::kExp), "exponential");
  EXPECT_STREQ(Name(Op::kBroadcast), "broadcast_in_dim");
  EXPECT_STREQ(Name(Op::kDot), "dot_general");
  EXPECT_STREQ(Name(Op::kConditional), "case");
  EXPECT_STREQ(Name(Op::kClamp), "clamp");
  EXPECT_STREQ(Name(Op::kSort), "sort");
}

}  // namespace
}  // namespace tfvk::ir
