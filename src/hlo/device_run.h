// Runs a Program on a device as its tests need it: every buffer between guards, outputs and temporaries full of garbage beforehand.
#pragma once

#include <cstdint>
#include <vector>

#include "program/executable.h"
#include "vulkan/device.h"

namespace tfvk::hlo {

struct DeviceRun {
  std::vector<std::vector<uint8_t>> outputs;
  double milliseconds = 0;  // from the call of Run to the end of its work
};

// `inputs`: dense bytes of each parameter. `in_place`: outputs take the memory of the parameters that they alias. Throws Error(kInternal) when the Program
// wrote outside its buffers or changed a parameter that it may not write. `awake_ms`: how long the Program runs again and again beforehand, without timings of
// its launches; an idle device has a fraction of its clock, and needs half a second of work to leave it.
DeviceRun RunOnDevice(vulkan::Device& device, program::Executable& executable, const std::vector<std::vector<uint8_t>>& inputs, bool in_place,
                      double awake_ms = 0);

// Launches in one run, both branches of a conditional and one iteration of a loop of unknown length counted.
int64_t LaunchCount(const program::Program& program);

}  // namespace tfvk::hlo
