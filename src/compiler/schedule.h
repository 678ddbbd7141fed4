// The order of a graph's launches.
#pragma once

#include <set>
#include <utility>
#include <vector>

#include "compiler/fusion.h"

namespace tfvk::compiler {

// A partial order of things numbered from 0. Add refuses what would make a cycle.
class PartialOrder {
 public:
  explicit PartialOrder(int count) : after_(count) {}
  int count() const { return static_cast<int>(after_.size()); }
  // `first` before `second`. False (and nothing changes) when `second` must come before `first` already, or they are one.
  bool Add(int first, int second);
  const std::set<int>& After(int item) const { return after_[item]; }

 private:
  bool Reaches(int from, int to) const;
  std::vector<std::set<int>> after_;
};

// What an item of the schedule does to memory: bytes that it brings to life, and values that it reads.
struct Footprint {
  double allocates = 0;
  std::vector<ir::Value> reads;  // whose memory is free after their last reader
};

// A linear order of the items that obeys `order`. Among the items that may come next, the one that frees the most memory on balance comes first; ties go
// to the one that became possible last, so that a value is consumed soon after it was made.
std::vector<int> Schedule(const PartialOrder& order, const std::vector<Footprint>& footprints);

}  // namespace tfvk::compiler
