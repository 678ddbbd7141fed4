// The rules of optimizers that update single rows of a table, as HLO.
#pragma once

#include <string>
#include <vector>

#include "tensorflow/core/framework/op_kernel.h"
#include "xla/hlo/builder/xla_builder.h"

namespace tfvk::plugin {

// The op's attributes that change its rule.
struct SparseRuleOptions {
  bool use_nesterov = false;
  bool update_slots = true;
  bool multiply_linear_by_lr = false;
};

// From the op's inputs, without the indices and all of one shape, to the variables' new values in the order of the inputs. A variable whose value stays gives
// its old one.
using SparseRule = std::vector<xla::XlaOp> (*)(const std::vector<xla::XlaOp>& in, const SparseRuleOptions& options);

struct SparseRuleRow {
  const char* op;
  SparseRule rule;
  bool of_complex;  // the rule has no order or sign in it
};

// All of them.
const std::vector<SparseRuleRow>& SparseRules();

}  // namespace tfvk::plugin
