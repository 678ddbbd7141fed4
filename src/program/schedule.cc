#include "program/schedule.h"

namespace tfvk::program {
namespace {

// Steps that unrolling a loop may make; beyond, its body is run again and again.
constexpr size_t kMostUnrolled = 4096;

StraightRun& LastRun(Schedule& schedule) {
  if (schedule.empty() || !std::holds_alternative<StraightRun>(schedule.back())) schedule.emplace_back(StraightRun());
  return std::get<StraightRun>(schedule.back());
}

void AddWhile(const While& loop, Schedule& schedule) {
  if (loop.trip_count == 0) return;
  Schedule body = MakeSchedule(loop.body);
  if (loop.trip_count) {
    if (body.empty()) return;
    auto* run = body.size() == 1 ? std::get_if<StraightRun>(&body[0]) : nullptr;
    if (run && run->size() * static_cast<size_t>(*loop.trip_count) <= kMostUnrolled) {
      StraightRun& last = LastRun(schedule);
      for (int64_t i = 0; i < *loop.trip_count; ++i) last.insert(last.end(), run->begin(), run->end());
      return;
    }
  }
  auto scheduled = std::make_unique<ScheduledWhile>(ScheduledWhile{&loop, loop.trip_count, {}, std::move(body)});
  if (!loop.trip_count) scheduled->condition = MakeSchedule(loop.condition);
  schedule.emplace_back(std::move(scheduled));
}

}  // namespace

Schedule MakeSchedule(const Block& block) {
  Schedule schedule;
  for (const Step& step : block) {
    if (auto* loop = std::get_if<While>(&step.action)) {
      AddWhile(*loop, schedule);
    } else if (auto* choice = std::get_if<Conditional>(&step.action)) {
      auto scheduled = std::make_unique<ScheduledConditional>();
      scheduled->choice = choice;
      for (const Block& branch : choice->branches) scheduled->branches.push_back(MakeSchedule(branch));
      schedule.emplace_back(std::move(scheduled));
    } else {
      LastRun(schedule).push_back(&step);
    }
  }
  return schedule;
}

}  // namespace tfvk::program
