#include "hlo/keep_apart.h"

#include <algorithm>
#include <unordered_set>
#include <vector>

#include "hlo/status.h"
#include "xla/hlo/ir/hlo_casting_utils.h"
#include "xla/hlo/ir/hlo_computation.h"
#include "xla/hlo/ir/hlo_instruction.h"
#include "xla/hlo/ir/hlo_instructions.h"
#include "xla/hlo/ir/hlo_module.h"
#include "xla/primitive_util.h"

namespace tfvk::hlo {
namespace {

using xla::HloInstruction;
using xla::HloOpcode;

HloInstruction* Barrier(HloInstruction* hidden) {
  return hidden->parent()->AddInstruction(HloInstruction::CreateUnary(hidden->shape(), HloOpcode::kOptimizationBarrier, hidden));
}

bool IsDynamicSlice(const HloInstruction* instruction) { return instruction->opcode() == HloOpcode::kDynamicSlice; }

bool ChangesElementSize(const HloInstruction* instruction) {
  return instruction->opcode() == HloOpcode::kBitcastConvert && instruction->shape().dimensions() != instruction->operand(0)->shape().dimensions();
}

using Predicate = bool (*)(const HloInstruction*);

bool HasAny(const xla::HloComputation* computation, Predicate is_one) {
  return std::any_of(computation->instructions().begin(), computation->instructions().end(), [&](const HloInstruction* instruction) {
    return is_one(instruction) || std::any_of(instruction->called_computations().begin(), instruction->called_computations().end(),
                                              [&](const xla::HloComputation* called) { return HasAny(called, is_one); });
  });
}

// Hides what one of them takes wherever that may turn out to be the result of another.
void KeepApart(xla::HloComputation* computation, Predicate is_one) {
  std::unordered_set<const HloInstruction*> after;  // what depends on one
  const bool inner = computation != computation->parent()->entry_computation();
  for (HloInstruction* instruction : computation->MakeInstructionPostOrder()) {
    const bool is_this = is_one(instruction);
    if (is_this && after.count(instruction->operand(0)) != 0) {
      ThrowIfError(instruction->ReplaceOperandWith(0, Barrier(instruction->mutable_operand(0))), "XLA passes");
    }
    const bool holds_one = std::any_of(instruction->called_computations().begin(), instruction->called_computations().end(),
                                       [&](const xla::HloComputation* called) { return HasAny(called, is_one); });
    const bool depends =
        std::any_of(instruction->operands().begin(), instruction->operands().end(), [&](const HloInstruction* operand) { return after.count(operand) != 0; });
    const bool comes_from_outside = inner && instruction->opcode() == HloOpcode::kParameter;
    if (is_this || holds_one || depends || comes_from_outside) after.insert(instruction);
  }
}

// Signed integers that the simplifier never takes for negative, though a result that overflows is.
bool IsTakenForPositive(const HloInstruction* instruction) {
  if (!instruction->shape().IsArray() || !xla::primitive_util::IsSignedIntegralType(instruction->shape().element_type())) return false;
  switch (instruction->opcode()) {
    case HloOpcode::kAbs:
      return true;
    case HloOpcode::kMultiply:
      return instruction->operand(0) == instruction->operand(1);
    case HloOpcode::kIota: {
      const int bits = xla::primitive_util::BitWidth(instruction->shape().element_type());
      return bits < 64 && instruction->shape().dimensions(xla::Cast<xla::HloIotaInstruction>(instruction)->iota_dimension()) > int64_t{1} << (bits - 1);
    }
    default:
      return false;
  }
}

void HideResult(HloInstruction* instruction) {
  const std::vector<HloInstruction*> users = instruction->users();
  HloInstruction* barrier = Barrier(instruction);
  for (HloInstruction* user : users) ThrowIfError(instruction->ReplaceUseWith(user, barrier), "XLA passes");
}

}  // namespace

void KeepApart(xla::HloModule& module) {
  for (xla::HloComputation* computation : module.MakeNonfusionComputations()) {
    KeepApart(computation, IsDynamicSlice);
    KeepApart(computation, ChangesElementSize);
    for (HloInstruction* instruction : computation->MakeInstructionPostOrder()) {
      if (IsTakenForPositive(instruction)) HideResult(instruction);
    }
  }
}

}  // namespace tfvk::hlo
