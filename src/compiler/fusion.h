// Fusion: which nodes of a graph are computed together in one launch.
//
// Every node that is not elemental (access.h) is the hero of a launch. Elemental nodes are computed inside the launches that use them, unless several
// launches would repeat expensive work or memory traffic: then they get a launch of their own (kMap), which writes them to memory. Afterwards launches are
// merged: reductions over the same elements, elementwise consumers into the epilogue of the hero that they follow, and maps over equally many elements.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compiler/access.h"
#include "ir/graph.h"
#include "kernels/kernel.h"

namespace tfvk::compiler {

// A launch over rows (row_fusion.h): index {row..., column}, the row's dimensions without unit ones.
struct Rows {
  Shape rows;
  int64_t columns = 1;
  std::vector<std::vector<const ir::Node*>> stages;  // the heroes, each after those that it uses
};

struct Fusion {
  std::vector<const ir::Node*> heroes;       // none: a map. Several: reductions of one iteration space, or of one set of rows
  Members members;                           // heroes included
  std::vector<ir::Value> outputs;            // written to memory; never reshapes (Base); those made by the way (IsByTheWay) last
  Access access;                             // its keys `reads` are the operands
  std::optional<Rows> rows;                  // a launch over rows, whose outputs have an element for each of theirs or one a row
  std::shared_ptr<const Members> exceeding;  // of the whole graph: results that are not rounded (excess_precision.h)

  bool is_map() const { return heroes.empty(); }
  const ir::Node* hero() const { return heroes.empty() ? nullptr : heroes[0]; }
  // One of the nodes that give the launch its name: the hero, or the last output.
  const ir::Node& root() const { return heroes.empty() ? *outputs.back().node : *heroes[0]; }
};

// The shape of a launch's results: static shapes are {number of elements}, so that reshapes make no difference; others are themselves without unit dimensions.
Shape SpaceOf(const ir::TensorType& type);
Shape SpaceOf(const Fusion& fusion);

// Whether the launch of this node can go on with elementwise operations on its results before it writes them.
bool HasEpilogue(const ir::Node& hero);

// Whether the launch of this node updates its operand 0 in place instead of writing a whole result (dynamic_update_slice).
bool IsInPlaceUpdate(const ir::Node& node);

// All launches of a graph, in topological order. Reshapes, parameters and constants have none.
std::vector<Fusion> FormFusions(const ir::Graph& graph, const kernels::DeviceLimits& limits, bool fuse = true, bool excess_precision = true);

}  // namespace tfvk::compiler
