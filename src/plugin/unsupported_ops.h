// What the compiler cannot lower yet. An op named here is not registered, so TensorFlow places it on the CPU, visibly.
#pragma once

#include <string>

#include "plugin/element_types.h"

namespace tfvk::plugin {

// Types of the op's primary type attribute (op_rules.h) that the compiler has no lowering for; all types when `*whole_op` is set.
TypeSet UnsupportedTypes(const std::string& op, bool* whole_op);

}  // namespace tfvk::plugin
