#include "vulkan/hazards.h"

#include <algorithm>

namespace tfvk::vulkan {
namespace {

// Beyond this many ranges a barrier costs less than looking for the conflict.
constexpr size_t kMostRanges = 1024;

template <class Ranges>
bool AnyOverlap(const Ranges& ranges, uint64_t begin, uint64_t end) {
  return std::any_of(ranges.begin(), ranges.end(), [=](const auto& r) { return r.begin < end && begin < r.end; });
}

}  // namespace

bool HazardTracker::Conflicts(const Access& access) const {
  if (access.bytes == 0) return false;
  uint64_t begin = access.address, end = access.address + access.bytes;
  return AnyOverlap(writes_, begin, end) || (access.write && AnyOverlap(reads_, begin, end));
}

bool HazardTracker::Add(Span<const Access> accesses) {
  bool barrier = reads_.size() + writes_.size() > kMostRanges || std::any_of(accesses.begin(), accesses.end(), [&](const Access& a) { return Conflicts(a); });
  if (barrier) Clear();
  for (const Access& a : accesses) {
    if (a.bytes) (a.write ? writes_ : reads_).push_back({a.address, a.address + a.bytes});
  }
  return barrier;
}

void HazardTracker::Clear() {
  reads_.clear();
  writes_.clear();
}

}  // namespace tfvk::vulkan
