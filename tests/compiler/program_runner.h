// Compiles graphs, runs them on the first Vulkan device and compares with the reference evaluator.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "compiler/compiler.h"
#include "compiler/reference_evaluator.h"
#include "ir/graph.h"

namespace tfvk::testing {

// The limits of the first device.
const kernels::DeviceLimits& Limits();

// The outputs of one run. Aliased outputs get their parameters' memory when `in_place`. The memory of temporaries and outputs is filled with garbage first.
std::vector<reference::Tensor> RunProgram(const program::Program& program, const std::vector<reference::Tensor>& arguments, bool in_place = true,
                                          const std::vector<int64_t>& symbols = {});

// Reads the text form and verifies the graph.
std::unique_ptr<ir::Graph> Parse(const std::string& text);

// Numbers that suit the dtype: floats around 1 of both signs, small integers.
reference::Tensor RandomTensor(const ir::TensorType& type, std::mt19937& random);
std::vector<reference::Tensor> RandomArguments(const ir::Graph& graph, uint32_t seed = 1);

// Checks what must hold for every program: temporaries whose lives overlap lie apart, slices lie inside their buffers, kernels and constants exist.
void ExpectValidPlan(const program::Program& program);

// Compiles with and without fusion, runs in place and apart, and expects the reference's results: integers exactly, floats within `tolerance` times the
// larger of 1 and the magnitude (f16 and bf16: at least a few of their roundings).
void ExpectMatchesReference(const ir::Graph& graph, const std::vector<reference::Tensor>& arguments, double tolerance = 1e-5);
void ExpectMatchesReference(const std::string& text, double tolerance = 1e-5);
// For a graph with run-time sizes: compiles it once, runs it for each of these values of its symbols, and compares with the graph in which they are numbers.
void ExpectMatchesReferenceAt(const std::string& text, const std::vector<std::vector<int64_t>>& symbols, double tolerance = 1e-5);

}  // namespace tfvk::testing
