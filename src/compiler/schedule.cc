#include "compiler/schedule.h"

#include <map>
#include <queue>

#include "types/error.h"

namespace tfvk::compiler {

bool PartialOrder::Reaches(int from, int to) const {
  std::vector<char> seen(after_.size(), 0);
  std::vector<int> stack = {from};
  seen[from] = 1;
  while (!stack.empty()) {
    const int item = stack.back();
    stack.pop_back();
    if (item == to) return true;
    for (int next : after_[item]) {
      if (!seen[next]) stack.push_back(next);
      seen[next] = 1;
    }
  }
  return false;
}

bool PartialOrder::Add(int first, int second) {
  if (after_[first].count(second)) return true;
  if (Reaches(second, first)) return false;
  after_[first].insert(second);
  return true;
}

namespace {

class Scheduler {
 public:
  Scheduler(const PartialOrder& order, const std::vector<Footprint>& footprints) : order_(order), footprints_(footprints), waits_(order.count(), 0) {
    for (int item = 0; item < order.count(); ++item) {
      for (int next : order.After(item)) ++waits_[next];
      for (ir::Value v : footprints[item].reads) ++readers_[v];
    }
    for (int item = order.count(); item-- > 0;) {
      if (waits_[item] == 0) ready_.push_back(item);
    }
  }

  std::vector<int> Run() {
    std::vector<int> result;
    while (!ready_.empty()) {
      const int item = TakeBest();
      result.push_back(item);
      for (ir::Value v : footprints_[item].reads) --readers_[v];
      const auto& after = order_.After(item);
      for (auto next = after.rbegin(); next != after.rend(); ++next) {
        if (--waits_[*next] == 0) ready_.push_back(*next);
      }
    }
    Require(static_cast<int>(result.size()) == order_.count(), "the launches of a graph wait for each other");
    return result;
  }

 private:
  int TakeBest() {
    size_t best = ready_.size() - 1;
    double best_gain = Gain(ready_[best]);
    for (size_t i = best; i-- > 0;) {
      const double gain = Gain(ready_[i]);
      if (gain > best_gain) {
        best = i;
        best_gain = gain;
      }
    }
    const int item = ready_[best];
    ready_.erase(ready_.begin() + static_cast<std::ptrdiff_t>(best));
    return item;
  }

  double Gain(int item) const {
    double gain = -footprints_[item].allocates;
    for (ir::Value v : footprints_[item].reads) {
      if (readers_.at(v) == 1) gain += EstimatedBytes(v.type());
    }
    return gain;
  }

  const PartialOrder& order_;
  const std::vector<Footprint>& footprints_;
  std::vector<int> waits_;
  std::vector<int> ready_;
  std::map<ir::Value, int> readers_;
};

}  // namespace

std::vector<int> Schedule(const PartialOrder& order, const std::vector<Footprint>& footprints) { return Scheduler(order, footprints).Run(); }

}  // namespace tfvk::compiler
