// Integers of 4 bits (int4, uint4), which neither tf2xla's kernels for this device nor the compiler know: the device casts them and fills tensors with them.
#pragma once

namespace tfvk::plugin {

void RegisterSmallIntegerOps();

}  // namespace tfvk::plugin
