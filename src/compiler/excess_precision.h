// Which bfloat16 results need not be rounded between the operations of one launch.
//
// Devices compute bfloat16 in f32, and rounding a result to bfloat16 and back takes as many instructions as several additions. XLA drops such roundings for
// CPUs and GPUs (its option xla_allow_excess_precision, on by default), so TensorFlow's compiled functions do as well. Here they are dropped only where a lost
// rounding cannot change what the result means: the value is used by arithmetic of bfloat16 alone. Whatever is compared, selected by, reduced, converted,
// reinterpreted or moved keeps its rounding, so that a maximum equals the element that it came from, wherever either is computed. What is written to memory is
// rounded there.
//
// float16 keeps all roundings: they make infinities of numbers beyond its range, which loss scaling looks for.
#pragma once

#include "compiler/access.h"

namespace tfvk::compiler {

Members ResultsWithExcessPrecision(const ir::Graph& graph);

}  // namespace tfvk::compiler
