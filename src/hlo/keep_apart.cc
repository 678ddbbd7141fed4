#include "hlo/keep_apart.h"

#include <algorithm>
#include <unordered_set>

#include "hlo/status.h"
#include "xla/hlo/ir/hlo_computation.h"
#include "xla/hlo/ir/hlo_instruction.h"
#include "xla/hlo/ir/hlo_module.h"
#include "xla/primitive_util.h"

namespace tfvk::hlo {
namespace {

using xla::HloInstruction;
using xla::HloOpcode;

void HideOperand(HloInstruction* instruction, int64_t operand) {
  HloInstruction* hidden = instruction->mutable_operand(operand);
  HloInstruction* barrier = instruction->parent()->AddInstruction(HloInstruction::CreateUnary(hidden->shape(), HloOpcode::kOptimizationBarrier, hidden));
  ThrowIfError(instruction->ReplaceOperandWith(operand, barrier), "XLA passes");
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
    if (is_this && after.count(instruction->operand(0)) != 0) HideOperand(instruction, 0);
    const bool holds_one = std::any_of(instruction->called_computations().begin(), instruction->called_computations().end(),
                                       [&](const xla::HloComputation* called) { return HasAny(called, is_one); });
    const bool depends =
        std::any_of(instruction->operands().begin(), instruction->operands().end(), [&](const HloInstruction* operand) { return after.count(operand) != 0; });
    const bool comes_from_outside = inner && instruction->opcode() == HloOpcode::kParameter;
    if (is_this || holds_one || depends || comes_from_outside) after.insert(instruction);
  }
}

bool IsSquareOfSignedIntegers(const HloInstruction* instruction) {
  return instruction->opcode() == HloOpcode::kMultiply && instruction->operand(0) == instruction->operand(1) &&
         xla::primitive_util::IsSignedIntegralType(instruction->shape().element_type());
}

}  // namespace

void KeepApart(xla::HloModule& module) {
  for (xla::HloComputation* computation : module.MakeNonfusionComputations()) {
    KeepApart(computation, IsDynamicSlice);
    KeepApart(computation, ChangesElementSize);
    for (HloInstruction* instruction : computation->MakeInstructionPostOrder()) {
      if (IsSquareOfSignedIntegers(instruction)) HideOperand(instruction, 1);
    }
  }
}

}  // namespace tfvk::hlo
