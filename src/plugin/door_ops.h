// Door 2: single ops. One generic kernel, registered for every op that tf2xla has HLO for, compiles its op at first use.
#pragma once

#include "plugin/op_rules.h"

namespace tfvk::plugin {

// Registers the ops, and for int32 their forms in host memory. The tf2xla backend must be registered.
void RegisterOpDoor(const KnownKernels& known);

}  // namespace tfvk::plugin
