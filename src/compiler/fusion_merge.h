// The second half of fusion: merging launches.
#pragma once

#include <vector>

#include "compiler/fusion.h"

namespace tfvk::compiler {

// Merges launches of one graph, given in topological order, where that saves a launch or memory traffic and makes no cycle:
//  1. reductions over the same iteration space (one pass over shared operands);
//  2. maps into the epilogue of the hero whose result they read at the same index;
//  3. maps into maps, along a producer-consumer edge or side by side;
//  4. reductions of rows and what uses their results for the same rows (row_fusion.h).
// Values read by merged launches only are not written any more. The result is in topological order.
std::vector<Fusion> MergeFusions(const ir::Graph& graph, std::vector<Fusion> fusions, const kernels::DeviceLimits& limits);

}  // namespace tfvk::compiler
