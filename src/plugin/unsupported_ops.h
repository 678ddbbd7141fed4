// What cannot be lowered, and where tf2xla gives other results than TensorFlow. An op named here is not registered, so TensorFlow places it on the CPU,
// visibly.
#pragma once

#include <string>

#include "plugin/element_types.h"

namespace tfvk::plugin {

// Types of the op's primary type attribute (op_rules.h) that must run on the CPU; all types when `*whole_op` is set.
TypeSet UnsupportedTypes(const std::string& op, bool* whole_op);

}  // namespace tfvk::plugin
