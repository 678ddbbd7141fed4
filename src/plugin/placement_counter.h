// Counts, in every graph that TensorFlow prepares to run, the ops that it placed on the CPU although the graph also uses the device.
#pragma once

namespace tfvk::plugin {

// The counts go to Statistics::CountPlacedOnCpu, once for each graph.
void RegisterPlacementCounter();

}  // namespace tfvk::plugin
