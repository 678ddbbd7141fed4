#include "compiler/memory_plan.h"

#include <algorithm>
#include <numeric>
#include <type_traits>

#include "types/error.h"

namespace tfvk::compiler {
namespace {

using program::BufferSlice;

constexpr int64_t kAlignment = 256;

// Numbers the steps depth first and notes at which numbers each temporary is touched.
class Liveness {
 public:
  explicit Liveness(const program::Program& program) : ranges_(program.temporaries.size()) { Walk(program.steps); }
  std::vector<LiveRange> Take() { return std::move(ranges_); }

 private:
  void Walk(const program::Block& block) {
    for (const program::Step& step : block) {
      ++now_;
      std::visit([&](const auto& action) { Touch(action); }, step.action);
    }
  }

  void Touch(const BufferSlice& slice) {
    if (slice.kind != BufferSlice::Kind::kTemporary) return;
    LiveRange& range = ranges_.at(slice.index);
    range.first = std::min(range.first, now_);
    range.last = std::max(range.last, now_);
  }
  void Touch(const program::Launch& launch) {
    for (const program::LaunchArgument& argument : launch.arguments) {
      if (argument.kind != program::LaunchArgument::Kind::kSize) Touch(argument.slice);
    }
  }
  void Touch(const program::Copy& copy) {
    Touch(copy.source);
    Touch(copy.destination);
  }
  void Touch(const program::Fill& fill) { Touch(fill.destination); }
  void Touch(const program::While& loop) {
    const int64_t begin = now_;
    Walk(loop.condition);
    ++now_;
    if (!loop.trip_count) Touch(loop.predicate);
    Walk(loop.body);
    const int64_t end = ++now_;
    for (LiveRange& range : ranges_) {
      if (range.first < begin && range.last >= begin) range.last = end;
    }
  }
  void Touch(const program::Conditional& conditional) {
    Touch(conditional.selector);
    for (const program::Block& branch : conditional.branches) {
      Walk(branch);
      ++now_;
    }
  }

  std::vector<LiveRange> ranges_;
  int64_t now_ = 0;
};

int64_t AlignUp(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

bool Overlap(const LiveRange& a, const LiveRange& b) { return a.first <= b.last && b.first <= a.last; }

// The lowest offset at which `bytes` fit between the placed neighbours, which are sorted by offset.
int64_t FirstFit(const std::vector<std::pair<int64_t, int64_t>>& taken, int64_t bytes) {
  int64_t offset = 0;
  for (const auto& [begin, end] : taken) {
    if (offset + bytes <= begin) break;
    offset = std::max(offset, end);
  }
  return offset;
}

}  // namespace

std::vector<LiveRange> LiveRanges(const program::Program& program) { return Liveness(program).Take(); }

void PlanMemory(program::Program& program) {
  const bool is_static =
      std::all_of(program.temporaries.begin(), program.temporaries.end(), [](const program::Temporary& t) { return IsStatic(t.bytes.sizes); });
  if (!is_static) return;
  const std::vector<LiveRange> ranges = LiveRanges(program);
  std::vector<int64_t> bytes;
  for (const program::Temporary& t : program.temporaries) bytes.push_back(AlignUp(t.bytes.Evaluate({})));
  std::vector<size_t> order(bytes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return bytes[a] > bytes[b]; });

  std::vector<size_t> placed;
  program.temporary_bytes = 0;
  for (size_t i : order) {
    if (ranges[i].last < ranges[i].first) continue;
    std::vector<std::pair<int64_t, int64_t>> taken;
    for (size_t other : placed) {
      const int64_t begin = program.temporaries[other].offset;
      if (Overlap(ranges[i], ranges[other])) taken.emplace_back(begin, begin + bytes[other]);
    }
    std::sort(taken.begin(), taken.end());
    program.temporaries[i].offset = FirstFit(taken, bytes[i]);
    program.temporary_bytes = std::max(program.temporary_bytes, program.temporaries[i].offset + bytes[i]);
    placed.push_back(i);
  }
}

}  // namespace tfvk::compiler
