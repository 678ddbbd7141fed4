#include "hlo/composites.h"

#include <string>

#include "xla/hlo/ir/hlo_instruction.h"
#include "xla/primitive_util.h"
#include "xla/service/call_graph.h"
#include "xla/shape_util.h"

namespace tfvk::hlo {
namespace {

using Policy = xla::CallInliner::InlineOverridePolicy;

Policy PolicyFor(const xla::CallGraph& graph, const xla::HloInstruction* instruction) {
  const bool of_arrays = graph.GetNode(instruction->parent()).context() == xla::CallContext::kControlFlow;
  return of_arrays && IsErfc(*instruction) ? Policy::kProhibitInline : Policy::kAllowInline;
}

}  // namespace

bool IsErfc(const xla::HloInstruction& instruction) {
  // Whether a call is a composite is lost on the way through a proto; its name is not.
  if (instruction.opcode() != xla::HloOpcode::kCall || instruction.operand_count() != 1) return false;
  const auto& attributes = instruction.frontend_attributes().map();
  const auto name = attributes.find("composite.name");
  if (name == attributes.end() || name->second != kErfcComposite) return false;
  const xla::Shape& shape = instruction.shape();
  return shape.IsArray() && shape.is_static() && xla::primitive_util::IsFloatingPointType(shape.element_type()) &&
         xla::ShapeUtil::Compatible(shape, instruction.operand(0)->shape());
}

OtherCallInliner::OtherCallInliner()
    : CallInliner(/*single_call_site=*/false, /*update_domain=*/false, /*composites_to_preserve=*/{}, /*uniquify_channel_ids=*/false, PolicyFor) {}

}  // namespace tfvk::hlo
