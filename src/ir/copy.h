// Copies of graphs, for passes that put other nodes in the place of some.
#pragma once

#include <map>
#include <memory>

#include "ir/graph.h"

namespace tfvk::ir {

// Copies nodes of one graph to another, in any order in which operands come before what uses them.
class GraphCopy {
 public:
  // Copies name, symbols, and the parameters, so that they keep their numbers. Both graphs outlive the copy.
  GraphCopy(const Graph& from, Graph& to);

  // Appends a copy of the node, unless it was copied or replaced before.
  void Copy(const Node& node);
  // What uses `value` will use `by`, a value of the other graph, instead of a copy.
  void Replace(Value value, Value by) { values_[value] = by; }
  // The copy of a value.
  Value Of(Value value) const { return values_.at(value); }
  // Gives the other graph the copies of this one's outputs, with their aliases.
  void CopyOutputs();

 private:
  const Graph& from_;
  Graph& to_;
  std::map<Value, Value> values_;
};

std::unique_ptr<Graph> CopyOf(const Graph& graph);

}  // namespace tfvk::ir
