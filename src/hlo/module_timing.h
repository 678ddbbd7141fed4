// Times a Program on a device the way a framework runs it: buffers that stay where they are, many runs that nobody waits for between.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hlo/test_inputs.h"
#include "ir/graph.h"
#include "program/executable.h"
#include "vulkan/device.h"

namespace tfvk::hlo {

// Held while a process times a module: others that time at once would take its device away.
class TimingLock {
 public:
  TimingLock();
  ~TimingLock();
  TimingLock(const TimingLock&) = delete;
  TimingLock& operator=(const TimingLock&) = delete;

 private:
  int file_;
};

struct ModuleTiming {
  double first_ms = 0;       // the first run, which waits for the driver's compiler
  double device_ms = 0;      // a run's launches by the device's timestamps, overlapping ones counted once; 0 where the driver has none
  double wall_ms = 0;        // a run by the host's clock, in a row of `runs` that nobody waits for
  int runs = 0;              // in the row
  uint64_t launches = 0;     // of a run
  int64_t buffer_bytes = 0;  // of parameters, outputs and temporaries
};

// The best of three rows of runs, after the device was kept busy with the Program for `busy_seconds` (an idle GPU has a fraction of its clock); a row takes
// about a fifth of that. Inputs are drawn as MakeInputs does, but large ones repeat their first elements.
ModuleTiming TimeModule(vulkan::Device& device, program::Executable& executable, const std::vector<ir::TensorType>& parameters,
                        const TestDirectives& directives, uint64_t seed, double busy_seconds);

}  // namespace tfvk::hlo
