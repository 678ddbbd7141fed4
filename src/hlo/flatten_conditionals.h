// Conditionals whose branches are cheap become selections between the results of both.
//
// A conditional that stays makes the device wait for the host, which reads the predicate, and gives each result a buffer of its own. Keras's loss scaling puts
// the whole optimizer update into one: computing both branches and selecting costs no more memory traffic than the update, and variables stay in place.
#pragma once

namespace xla {
class HloModule;
}

namespace tfvk::hlo {

// Rewrites conditionals on a pred whose branches hold nothing but elementwise instructions, reductions and data movement, inner ones first. Leaves calls
// for xla::CallInliner. Throws Error with the code and message of XLA's status.
void FlattenConditionals(xla::HloModule& module);

}  // namespace tfvk::hlo
