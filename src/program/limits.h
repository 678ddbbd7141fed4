// From a device's plan to what kernel generators may use.
#pragma once

#include "kernels/kernel.h"
#include "vulkan/device_plan.h"

namespace tfvk::program {

kernels::DeviceLimits LimitsOf(const vulkan::DevicePlan& plan);

}  // namespace tfvk::program
