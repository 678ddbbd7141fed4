// What an HLO test file says in its comments about its inputs, and inputs made to fit.
//
//   // input *: positive          every parameter that has no line of its own
//   // input 3: range 0 7         parameter 3 (flattened)
//   // tolerance: 1e-3            the relative tolerance, instead of the one that the dtypes give
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace tfvk::hlo {

struct InputKind {
  // kSmall: normal floats, integers in [-3, 8] or [0, 8]. kPositive: floats in [0.1, 1], integers in [1, 8]. kRange: uniform in [low, high], for integers
  // both included. kBits: any bit pattern. kSpecial: kSmall with every fourth element NaN, an infinity, a zero of either sign, or the largest or smallest
  // value of its dtype (denormals, which devices may flush, are left out). Bools are even odds always.
  enum class Name : uint8_t { kSmall, kPositive, kRange, kBits, kSpecial } name = Name::kSmall;
  double low = 0, high = 0;
};

struct TestDirectives {
  InputKind all;
  std::map<int, InputKind> one;
  std::optional<double> tolerance;
};

// Throws Error(kInvalidArgument) naming a line that starts as a directive and is none.
TestDirectives ReadDirectives(const std::string& text);

// Dense row-major bytes for each parameter; the same seed gives the same numbers everywhere.
std::vector<std::vector<uint8_t>> MakeInputs(const std::vector<ir::TensorType>& parameters, const TestDirectives& directives, uint64_t seed);

}  // namespace tfvk::hlo
