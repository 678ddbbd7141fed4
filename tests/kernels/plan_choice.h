// Which plans of a contraction a test runs.
#pragma once

#include <map>
#include <vector>

#include "kernels/gemm_tiles.h"

namespace tfvk::testing {

// All plans on a GPU. Software drivers take a second to compile each: there, every third plan of each family, beginning with the first or, by `turn`, with
// a later one where the family has as many.
inline std::vector<kernels::GemmPlan> PlansToTry(const std::vector<kernels::GemmPlan>& plans, const kernels::DeviceLimits& limits, size_t turn) {
  using Vendor = kernels::DeviceLimits::Vendor;
  if (limits.vendor != Vendor::kLlvmpipe && limits.vendor != Vendor::kSwiftShader) return plans;
  std::map<kernels::GemmPlan::Family, std::vector<kernels::GemmPlan>> families;
  for (const kernels::GemmPlan& plan : plans) families[plan.family].push_back(plan);
  std::vector<kernels::GemmPlan> chosen;
  for (const auto& [family, members] : families) {
    for (size_t i = turn % 3 % members.size(); i < members.size(); i += 3) chosen.push_back(members[i]);
  }
  return chosen;
}

}  // namespace tfvk::testing
