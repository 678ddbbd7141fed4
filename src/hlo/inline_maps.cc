#include "hlo/inline_maps.h"

#include <unordered_map>
#include <vector>

#include "hlo/importer.h"
#include "hlo/status.h"
#include "xla/hlo/ir/hlo_module.h"
#include "xla/shape_util.h"

namespace tfvk::hlo {
namespace {

using xla::HloInstruction;
using xla::HloOpcode;

HloInstruction* Whole(const HloInstruction& scalar, const xla::Shape& shape, const std::vector<HloInstruction*>& operands, xla::HloComputation& computation) {
  if (scalar.opcode() == HloOpcode::kConstant) {
    HloInstruction* constant = computation.AddInstruction(scalar.Clone());
    return shape.dimensions().empty() ? constant : computation.AddInstruction(HloInstruction::CreateBroadcast(shape, constant, {}));
  }
  if (!scalar.shape().IsArray() || !scalar.shape().dimensions().empty() || !scalar.IsElementwise() || scalar.opcode() == HloOpcode::kMap) {
    FailUnimplemented(scalar);
  }
  return computation.AddInstruction(scalar.CloneWithNewOperands(shape, operands));
}

void Inline(HloInstruction* map) {
  std::unordered_map<const HloInstruction*, HloInstruction*> whole;
  for (const HloInstruction* scalar : map->to_apply()->MakeInstructionPostOrder()) {
    if (scalar->opcode() == HloOpcode::kParameter) {
      whole[scalar] = map->mutable_operand(scalar->parameter_number());
      continue;
    }
    std::vector<HloInstruction*> operands;
    for (const HloInstruction* operand : scalar->operands()) operands.push_back(whole.at(operand));
    const xla::Shape shape = xla::ShapeUtil::ChangeElementType(map->shape(), scalar->shape().element_type());
    whole[scalar] = Whole(*scalar, shape, operands, *map->parent());
    whole[scalar]->set_metadata(map->metadata());
  }
  ThrowIfError(map->parent()->ReplaceInstruction(map, whole.at(map->to_apply()->root_instruction())), "maps");
}

}  // namespace

void InlineMaps(xla::HloModule& module) {
  for (xla::HloComputation* computation : module.MakeComputationPostOrder()) {
    for (HloInstruction* instruction : computation->MakeInstructionPostOrder()) {
      if (instruction->opcode() == HloOpcode::kMap) Inline(instruction);
    }
  }
}

}  // namespace tfvk::hlo
