// Composite calls: functions that a module names and says in HLO besides. The evaluator runs what they say; Import makes one operation of those it knows.
#pragma once

#include "xla/service/call_inliner.h"

namespace xla {
class HloInstruction;
}

namespace tfvk::hlo {

// The name of a call whose result is the complementary error function of its one operand, an array of floats: CHLO's operation.
inline constexpr char kErfcComposite[] = "chlo.erfc";

bool IsErfc(const xla::HloInstruction& instruction);

// Inlines all calls but those of the composites that Import knows. In combiners, comparators and maps it inlines these too.
class OtherCallInliner : public xla::CallInliner {
 public:
  OtherCallInliner();
};

}  // namespace tfvk::hlo
