#include "ir/copy.h"

#include <utility>

namespace tfvk::ir {

GraphCopy::GraphCopy(const Graph& from, Graph& to) : from_(from), to_(to) {
  to.name = from.name;
  to.symbol_count = from.symbol_count;
  for (Node* parameter : from.parameters()) values_[{parameter, 0}] = to.AddParameter(parameter->type(), parameter->origin);
}

void GraphCopy::Copy(const Node& node) {
  Value first{const_cast<Node*>(&node), 0};
  if (values_.count(first) != 0) return;
  std::vector<Value> operands;
  for (const Value& operand : node.operands) operands.push_back(Of(operand));
  std::vector<std::unique_ptr<Graph>> regions;
  for (const auto& region : node.regions) regions.push_back(CopyOf(*region));
  Node* copy = to_.AddNode(node.op, std::move(operands), node.results, node.attributes, std::move(regions), node.origin);
  for (int i = 0; i < static_cast<int>(node.results.size()); ++i) values_[{first.node, i}] = {copy, i};
}

void GraphCopy::CopyOutputs() {
  for (const Value& output : from_.outputs) to_.outputs.push_back(Of(output));
  to_.aliases = from_.aliases;
}

std::unique_ptr<Graph> CopyOf(const Graph& graph) {
  auto copy = std::make_unique<Graph>();
  GraphCopy nodes(graph, *copy);
  for (const auto& node : graph.nodes()) nodes.Copy(*node);
  nodes.CopyOutputs();
  return copy;
}

}  // namespace tfvk::ir
