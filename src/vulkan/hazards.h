// Which work must wait for which: the ranges read and written since the last barrier.
#pragma once

#include <cstdint>
#include <vector>

#include "types/span.h"
#include "vulkan/queue.h"

namespace tfvk::vulkan {

class HazardTracker {
 public:
  // Takes note of work with these accesses. True when it must wait for earlier work (read after write, write after read, write after write): a barrier is then
  // to be recorded before it, and all earlier work is forgotten. Accesses of one call never conflict with each other.
  bool Add(Span<const Access> accesses);
  // A barrier was recorded for another reason.
  void Clear();

 private:
  struct Range {
    uint64_t begin, end;
  };
  bool Conflicts(const Access& access) const;
  std::vector<Range> reads_, writes_;
};

}  // namespace tfvk::vulkan
