// A Program's steps as the executable runs them: straight runs of launches, copies and fills, between the control flow that the host decides.
#pragma once

#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "program/program.h"

namespace tfvk::program {

struct ScheduledWhile;
struct ScheduledConditional;

// Launches, copies and fills in order; loops of known, small trip counts are unrolled into it. The steps belong to the Program.
using StraightRun = std::vector<const Step*>;
using ScheduleNode = std::variant<StraightRun, std::unique_ptr<ScheduledWhile>, std::unique_ptr<ScheduledConditional>>;
using Schedule = std::vector<ScheduleNode>;

struct ScheduledWhile {
  const While* loop;
  std::optional<int64_t> trip_count;
  Schedule condition, body;
};
struct ScheduledConditional {
  const Conditional* choice;
  std::vector<Schedule> branches;
};

Schedule MakeSchedule(const Block& block);

}  // namespace tfvk::program
