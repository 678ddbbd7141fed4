#include "vulkan/early_results.h"

#include <algorithm>

namespace tfvk::vulkan {
namespace {

constexpr size_t kMostResults = 16;  // each write of the queue is compared with every one

template <class Predicate>
void EraseIf(std::vector<EarlyResults::Result>& results, Predicate predicate) {
  results.erase(std::remove_if(results.begin(), results.end(), predicate), results.end());
}

}  // namespace

EarlyResults::Place EarlyResults::Take() {
  const size_t place = next_;
  next_ = (next_ + 1) % read_until_.size();
  EraseIf(results_, [&](const Result& r) { return r.place == place; });
  return {place, read_until_[place]};
}

void EarlyResults::Add(const Result& result) {
  if (results_.size() == kMostResults) results_.erase(results_.begin());
  results_.push_back(result);
}

std::optional<EarlyResults::Result> EarlyResults::Find(Address address, uint64_t bytes) const {
  for (const Result& r : results_) {
    if (r.address <= address && address + bytes <= r.address + r.bytes) return r;
  }
  return std::nullopt;
}

void EarlyResults::Forget(Span<const Access> accesses) {
  if (results_.empty()) return;
  EraseIf(results_, [&](const Result& r) {
    return std::any_of(accesses.begin(), accesses.end(),
                       [&](const Access& a) { return a.write && a.address < r.address + r.bytes && r.address < a.address + a.bytes; });
  });
}

}  // namespace tfvk::vulkan
