// Programs as text, for tests and for people.
#pragma once

#include <string>

#include "program/program.h"

namespace tfvk::compiler {

// One line a step, indented by loop: `12 launch map_add_exp(p0[1024], t3[4096]) -> o0[4096]  k5 x16  // origin`, with bytes in brackets; a line for each
// parameter and output first, and a summary (launches, kernels, bytes of temporaries and constants) last.
std::string Describe(const program::Program& program);

// How many launches one run takes at least: loops of known trip count multiplied, others and branches counted once.
int64_t LaunchCount(const program::Program& program);

}  // namespace tfvk::compiler
