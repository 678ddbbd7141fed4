// Where temporaries lie: those whose lives do not overlap share memory.
#pragma once

#include <cstdint>
#include <vector>

#include "program/program.h"

namespace tfvk::compiler {

// The steps during which a temporary is needed, both included, in the order of ForEachSlice below; last < first: never.
struct LiveRange {
  int64_t first = INT64_MAX, last = -1;
};

// The live range of each temporary of the program. A temporary from outside a loop that is used inside it lives until the loop ends, and one that is written
// before its loop's body is left (a loop state) lives through the whole loop.
std::vector<LiveRange> LiveRanges(const program::Program& program);

// Gives every temporary an offset (256-byte aligned, first fit in the order of decreasing size) and the program its temporary_bytes. A program with
// run-time sizes in temporaries is left alone: its executor lays them out one after the other.
void PlanMemory(program::Program& program);

}  // namespace tfvk::compiler
