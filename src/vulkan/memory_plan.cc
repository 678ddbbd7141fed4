#include "vulkan/memory_plan.h"

#include <algorithm>

namespace tfvk::vulkan {
namespace {

// The index of the type with the highest score, the first of equals; -1 when every score is negative.
template <class Score>
int Best(const DeviceSnapshot& s, uint32_t allowed, Score score) {
  int best = -1;
  double best_score = -1;
  for (size_t i = 0; i < s.memory_types.size(); ++i) {
    const MemoryType& type = s.memory_types[i];
    if (!(allowed >> i & 1) || type.special || type.heap >= s.heaps.size()) continue;
    if (s.heaps[type.heap].bytes == 0) continue;  // a card's window that the firmware left out
    double value = score(type, static_cast<double>(s.heaps[type.heap].bytes));
    if (value > best_score) {
      best = static_cast<int>(i);
      best_score = value;
    }
  }
  return best;
}

// Where a limit of 0 is one that the driver does not tell.
uint64_t AtMost(uint64_t bytes, uint64_t limit) { return limit ? std::min(bytes, limit) : bytes; }

}  // namespace

std::optional<uint32_t> SparseQueueFamily(const DeviceSnapshot& s, uint32_t preferred) {
  if (!s.features.sparse_binding) return std::nullopt;
  auto binds = [](const QueueFamily& q) { return q.sparse_binding && q.count > 0; };
  if (preferred < s.queue_families.size() && binds(s.queue_families[preferred])) return preferred;
  auto it = std::find_if(s.queue_families.begin(), s.queue_families.end(), binds);
  if (it == s.queue_families.end()) return std::nullopt;
  return static_cast<uint32_t>(it - s.queue_families.begin());
}

MemoryPlan PlanMemory(const DeviceSnapshot& s, uint32_t allowed, std::string* problem) {
  MemoryPlan plan;
  plan.unified = !s.heaps.empty() && std::all_of(s.heaps.begin(), s.heaps.end(), [](const MemoryHeap& h) { return h.device_local; });
  // The biggest device-local heap counts most (a card's host-visible window can be a small heap of its own), then memory that the host does not see.
  int device = Best(s, allowed, [](const MemoryType& t, double heap) { return t.device_local ? heap * (t.host_visible ? 1 : 1.001) : -1; });
  if (device < 0) device = Best(s, allowed, [](const MemoryType& t, double heap) { return heap; });
  int upload = Best(s, allowed, [](const MemoryType& t, double) { return t.host_visible && t.host_coherent ? 4 - 2 * t.device_local - t.host_cached : -1; });
  int download = Best(s, allowed, [](const MemoryType& t, double) { return t.host_visible && t.host_coherent ? 1 + 4 * t.host_cached - t.device_local : -1; });
  int arguments = Best(s, allowed, [](const MemoryType& t, double) { return t.host_visible && t.host_coherent ? 1 + 4 * t.device_local - t.host_cached : -1; });
  if (device < 0 || upload < 0 || download < 0 || arguments < 0) {
    if (problem) *problem = "It has no memory that both host and device reach (host-visible and host-coherent).";
    return plan;
  }
  plan.device = device;
  plan.upload = upload;
  plan.download = download;
  plan.arguments = arguments;
  const uint64_t buffer = AtMost(s.heaps[s.memory_types[device].heap].bytes, s.limits.max_buffer_bytes);
  plan.max_allocation_bytes = AtMost(buffer, s.limits.max_allocation_bytes);
  plan.max_block_bytes = plan.max_allocation_bytes;
  if (SparseQueueFamily(s, 0)) plan.max_block_bytes = std::max(plan.max_block_bytes, AtMost(buffer, s.limits.sparse_address_space_bytes));
  return plan;
}

}  // namespace tfvk::vulkan
