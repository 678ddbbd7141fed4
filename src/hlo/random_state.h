// Random numbers without a seed of their own (rng) from a state that the caller gives at each run.
#pragma once

namespace xla {
class HloModule;
}

namespace tfvk::hlo {

// Expands rng by XLA's Philox and passes its state, u64[2], through loops and branches from one use to the next. Returns whether there was any: then the entry
// computation has one more parameter, the last, whose 128 bits must be new at each run. Calls must be inlined. Throws Error(kUnimplemented) for random numbers
// in a combiner, a comparator or a loop's condition.
bool ThreadRandomState(xla::HloModule& module);

}  // namespace tfvk::hlo
