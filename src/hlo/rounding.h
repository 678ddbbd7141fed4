// What rounding alone can do to a module's results: how far they move when every floating-point input moves by less than the module's types can tell. A
// training step through fifty normalisations or with a maximum's ties has results that no two orders of summation agree on; a fault moves them further than
// this.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "hlo/comparison.h"
#include "ir/graph.h"

namespace tfvk::hlo {

// Floats times 1 + u, u uniform in [-unit, unit], or in what takes their own dtype to a neighbour where that is more; infinities, NaN and other types as they
// are. `unit` is a rounding's largest relative error, so the inputs stand for numbers that the same module would have rounded to the given ones.
std::vector<std::vector<uint8_t>> Perturb(const std::vector<ir::TensorType>& types, std::vector<std::vector<uint8_t>> inputs, double unit, uint64_t seed);

// Half a unit in the last place of 1 in the least precise float dtype of the graph: 2^-24 for fp32 alone.
double UnitRoundoff(const ir::Graph& graph);

// The parameters whose bits the graph reads as another type: to move these moves more than rounding does.
std::set<size_t> ParametersReadAsBits(const ir::Graph& graph);

// How far an output moved, of all the perturbations that were added.
class Movement {
 public:
  void Add(const Difference& difference);
  // Whether a difference is no larger than rounding makes: its largest error and its root mean square error are at most kFactor times those seen here. Elements
  // that are infinite or NaN on one side only must have been so here too.
  bool Covers(const Difference& difference) const;
  std::string ToText() const;

  // The inputs' perturbations stand for those of every intermediate result, of which there are many more.
  static constexpr double kFactor = 4;

 private:
  Difference largest_;
};

// Makes the slack of Compare at least kFactor times what each element moved by, and infinite where only one of the two is a finite number. Where Covers takes
// an output as a whole, this leaves a fault no more room than the element itself has.
void Widen(std::vector<double>& slack, const ir::TensorType& type, const std::vector<uint8_t>& expected, const std::vector<uint8_t>& moved);

}  // namespace tfvk::hlo
