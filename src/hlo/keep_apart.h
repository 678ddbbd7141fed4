// Where XLA's simplifier would otherwise change a module's results: barriers, or other instructions that say the same.
#pragma once

namespace xla {
class HloModule;
}

namespace tfvk::hlo {

// Makes the simplifier leave alone
// - bitcasts in a row that change the elements' size: it makes one of two, of the wrong shape;
// - dynamic slices in a row: it adds their starts before they are clamped;
// - squares and magnitudes of signed integers, and iotas longer than their type counts: it takes them for positive, which those that overflow are not.
// - convolutions of which it makes a product and a reduction, as far as it does so wrongly: it forgets that a window is reversed, and it rounds each term to
//   a result of 16 bits, which the largest overflow. Their filters are reversed and their terms in fp32 before.
// The first two also where other instructions lie between that it might remove: copies, loops of one step, transpositions.
void KeepApart(xla::HloModule& module);

}  // namespace tfvk::hlo
