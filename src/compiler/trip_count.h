// How often a loop runs, when that can be seen from its graph.
#pragma once

#include <cstdint>
#include <optional>

#include "ir/graph.h"

namespace tfvk::compiler {

// The trip count of a loop that counts one integer state from a constant by a constant step towards a constant bound (i < n, i <= n, i > n, i >= n, i != n).
// The bound may also be a state that the loop leaves as it is. None for all others.
std::optional<int64_t> TripCount(const ir::Node& loop);

}  // namespace tfvk::compiler
