// HLO modules drawn at random, as text: the passes, the import, the compiler and the kernels must give the evaluator's numbers for any of them.
#pragma once

#include <cstdint>
#include <string>

namespace tfvk::hlo {

// The module of this seed, with the directives of test_inputs.h in front. Small arrays of every element type and rank 0 to 4, sizes 0 included. Where rounding
// could tip a result (comparisons, sorts, roundings), only values that no rounding has touched go in; magnitudes of the others stay moderate.
std::string RandomModule(uint64_t seed);

// For Compare (comparison.h): what may be left of numbers that cancel.
inline constexpr double kRandomModuleFloor = 5e-2;

}  // namespace tfvk::hlo
