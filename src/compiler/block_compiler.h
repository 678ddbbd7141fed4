// From one graph (the whole, a loop's body, a branch) to one block of steps.
#pragma once

#include <vector>

#include "compiler/program_builder.h"
#include "ir/graph.h"
#include "program/program.h"

namespace tfvk::compiler {

// Where an output has to be when the block is done.
struct Place {
  program::BufferSlice slice;
  int aliased_parameter = -1;  // its memory may be the same: it must not be written before that parameter was read for the last time
};

// The steps that compute the graph's outputs into their places from parameters in the given slices. Parameters that no place aliases are only read.
program::Block CompileBlock(ProgramBuilder& builder, const ir::Graph& graph, std::vector<program::BufferSlice> parameters, std::vector<Place> places);

}  // namespace tfvk::compiler
