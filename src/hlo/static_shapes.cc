#include "hlo/static_shapes.h"

#include <algorithm>

#include "hlo/importer.h"
#include "hlo/status.h"
#include "xla/hlo/ir/hlo_module.h"
#include "xla/hlo/pass/hlo_pass_pipeline.h"
#include "xla/hlo/transforms/simplifiers/dynamic_dimension_simplifier.h"
#include "xla/hlo/transforms/simplifiers/hlo_dce.h"
#include "xla/hlo/transforms/simplifiers/tuple_simplifier.h"
#include "xla/service/dynamic_padder.h"

namespace tfvk::hlo {
namespace {

bool IsDynamic(const xla::HloInstruction* instruction) { return instruction->shape().is_dynamic(); }

// A static part of a dynamic dimension: tf2xla counts from the end of the bound, and does not see where the elements end.
bool CutsDynamicDimension(const xla::HloInstruction& slice) {
  const xla::Shape& from = slice.operand(0)->shape();
  for (int64_t d = 0; d < from.dimensions().size(); ++d) {
    if (from.is_dynamic_dimension(d) && !slice.shape().is_dynamic_dimension(d)) return true;
  }
  return false;
}

// XLA's padder handles these; of windows, for one, it gets the sizes wrong.
bool MayBeDynamic(const xla::HloInstruction& instruction) {
  using Opcode = xla::HloOpcode;
  switch (instruction.opcode()) {
    case Opcode::kBroadcast:
    case Opcode::kReshape:
    case Opcode::kDynamicReshape:
    case Opcode::kTranspose:
    case Opcode::kConcatenate:
    case Opcode::kGather:
    case Opcode::kScatter:
    case Opcode::kReduce:
    case Opcode::kDot:
    case Opcode::kSort:
    case Opcode::kGetDimensionSize:
    case Opcode::kSetDimensionSize:
    case Opcode::kTuple:
    case Opcode::kGetTupleElement:
    case Opcode::kWhile:
    case Opcode::kConditional:
    case Opcode::kCall:
    case Opcode::kParameter:
      return true;
    case Opcode::kSlice:
    case Opcode::kDynamicSlice:
      return !CutsDynamicDimension(instruction);
    default:
      return instruction.IsElementwise();
  }
}

}  // namespace

void MakeShapesStatic(xla::HloModule& module) {
  bool dynamic = false;
  for (const xla::HloComputation* computation : module.MakeNonfusionComputations()) {
    for (const xla::HloInstruction* instruction : computation->instructions()) {
      const auto& operands = instruction->operands();
      if (!IsDynamic(instruction) && std::none_of(operands.begin(), operands.end(), IsDynamic)) continue;
      if (!MayBeDynamic(*instruction)) FailUnimplemented(*instruction);
      dynamic = true;
    }
  }
  if (!dynamic) return;
  const xla::HloInstruction* root = module.entry_computation()->root_instruction();
  for (const xla::HloInstruction* operand : root->operands()) {
    if (root->opcode() == xla::HloOpcode::kTuple && IsDynamic(operand)) FailUnimplemented(*operand);
  }
  if (IsDynamic(root)) FailUnimplemented(*root);
  xla::DynamicPadderOptions options;
  options.slice_dynamic_output = false;
  xla::HloPassPipeline pipeline("dynamic shapes");
  pipeline.AddPass<xla::DynamicDimensionSimplifier>();
  pipeline.AddPass<xla::DynamicPadder>(options);
  pipeline.AddPass<xla::TupleSimplifier>();
  pipeline.AddPass<xla::HloDCE>();
  ThrowIfError(pipeline.Run(&module).status(), "dynamic shapes");
}

}  // namespace tfvk::hlo
