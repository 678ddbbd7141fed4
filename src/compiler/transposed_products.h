// Products whose result is transposed at once, as attention's are between heads and positions: the product writes its results where the transpose would.
#pragma once

#include <memory>

#include "ir/graph.h"

namespace tfvk::compiler {

// The graph with such transposes folded into their products (ir::DotAttr::result_order), reshapes between the two included; null where there are none. Static
// shapes, and transposes that keep the innermost of the product's free dimensions as the last one, so that results are still written side by side. Loops and
// conditionals keep theirs.
std::unique_ptr<ir::Graph> TransposeProducts(const ir::Graph& graph);

}  // namespace tfvk::compiler
