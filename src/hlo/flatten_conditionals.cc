#include "hlo/flatten_conditionals.h"

#include <vector>

#include "hlo/status.h"
#include "xla/hlo/ir/hlo_computation.h"
#include "xla/hlo/ir/hlo_instruction.h"
#include "xla/hlo/ir/hlo_module.h"
#include "xla/shape_util.h"

namespace tfvk::hlo {
namespace {

using xla::HloComputation;
using xla::HloInstruction;
using xla::HloOpcode;

bool IsCheap(const HloComputation& computation);

bool IsCheap(const HloInstruction& instruction) {
  switch (instruction.opcode()) {
    case HloOpcode::kParameter:
    case HloOpcode::kConstant:
    case HloOpcode::kTuple:
    case HloOpcode::kGetTupleElement:
    case HloOpcode::kBroadcast:
    case HloOpcode::kReshape:
    case HloOpcode::kBitcastConvert:
    case HloOpcode::kTranspose:
    case HloOpcode::kSlice:
    case HloOpcode::kPad:
    case HloOpcode::kConcatenate:
    case HloOpcode::kReverse:
    case HloOpcode::kIota:
    case HloOpcode::kReduce:
      return true;
    case HloOpcode::kCall:  // an inner conditional that was flattened
      return IsCheap(*instruction.to_apply());
    default:
      return instruction.IsElementwise() && !instruction.HasSideEffect() && instruction.called_computations().empty();
  }
}

bool IsCheap(const HloComputation& computation) {
  for (const HloInstruction* instruction : computation.instructions()) {
    if (!IsCheap(*instruction)) return false;
  }
  return true;
}

bool HoldsArraysOnly(const xla::Shape& shape) {
  bool arrays = true;
  xla::ShapeUtil::ForEachSubshape(shape, [&](const xla::Shape& part, const xla::ShapeIndex&) { arrays = arrays && (part.IsTuple() || part.IsArray()); });
  return arrays && !shape.is_dynamic();
}

bool CanFlatten(const HloInstruction& conditional) {
  return conditional.branch_count() == 2 && conditional.operand(0)->shape().element_type() == xla::PRED && HoldsArraysOnly(conditional.shape()) &&
         !conditional.HasControlDependencies() && IsCheap(*conditional.branch_computation(0)) && IsCheap(*conditional.branch_computation(1));
}

HloInstruction* Select(HloComputation& computation, HloInstruction* condition, HloInstruction* on_true, HloInstruction* on_false) {
  const xla::Shape& shape = on_true->shape();
  if (shape.IsTuple()) {
    std::vector<HloInstruction*> parts;
    for (int64_t i = 0; i < shape.tuple_shapes().size(); ++i) {
      const auto part = [&](HloInstruction* of) { return computation.AddInstruction(HloInstruction::CreateGetTupleElement(shape.tuple_shapes(i), of, i)); };
      parts.push_back(Select(computation, condition, part(on_true), part(on_false)));
    }
    return computation.AddInstruction(HloInstruction::CreateTuple(parts));
  }
  if (!xla::ShapeUtil::IsScalar(shape)) {
    condition = computation.AddInstruction(HloInstruction::CreateBroadcast(xla::ShapeUtil::ChangeElementType(shape, xla::PRED), condition, {}));
  }
  return computation.AddInstruction(HloInstruction::CreateTernary(shape, HloOpcode::kSelect, condition, on_true, on_false));
}

void Flatten(HloInstruction* conditional) {
  HloComputation& computation = *conditional->parent();
  HloInstruction* results[2];
  for (int branch = 0; branch < 2; ++branch) {
    results[branch] = computation.AddInstruction(
        HloInstruction::CreateCall(conditional->shape(), {conditional->mutable_operand(branch + 1)}, conditional->branch_computation(branch)));
  }
  HloInstruction* result = Select(computation, conditional->mutable_operand(0), results[0], results[1]);
  result->set_metadata(conditional->metadata());
  ThrowIfError(computation.ReplaceInstruction(conditional, result), "XLA passes");
}

}  // namespace

void FlattenConditionals(xla::HloModule& module) {
  for (HloComputation* computation : module.MakeComputationPostOrder()) {
    for (HloInstruction* instruction : computation->MakeInstructionPostOrder()) {
      if (instruction->opcode() == HloOpcode::kConditional && CanFlatten(*instruction)) Flatten(instruction);
    }
  }
}

}  // namespace tfvk::hlo
