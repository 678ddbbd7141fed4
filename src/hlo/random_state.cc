#include "hlo/random_state.h"

#include <algorithm>
#include <vector>

#include "hlo/composites.h"
#include "hlo/importer.h"
#include "hlo/status.h"
#include "xla/hlo/ir/hlo_module.h"
#include "xla/hlo/pass/hlo_pass_pipeline.h"
#include "xla/hlo/transforms/expanders/rng_expander.h"
#include "xla/hlo/transforms/simplifiers/flatten_call_graph.h"
#include "xla/literal_util.h"
#include "xla/shape_util.h"

namespace tfvk::hlo {
namespace {

using xla::HloComputation;
using xla::HloInstruction;
using xla::HloOpcode;
using xla::ShapeUtil;

bool Contains(const HloComputation& computation, HloOpcode opcode) {
  for (const HloInstruction* instruction : computation.instructions()) {
    if (instruction->opcode() == opcode) return true;
    for (const HloComputation* called : instruction->called_computations()) {
      if (Contains(*called, opcode)) return true;
    }
  }
  return false;
}

bool UsesState(const HloComputation& computation) { return Contains(computation, HloOpcode::kRngGetAndUpdateState); }

HloInstruction* Element(HloInstruction* tuple, int64_t i) {
  return tuple->parent()->AddInstruction(HloInstruction::CreateGetTupleElement(tuple->shape().tuple_shapes(i), tuple, i));
}

HloInstruction* Pair(HloInstruction* a, HloInstruction* b) { return a->parent()->AddInstruction(HloInstruction::CreateTuple({a, b})); }

// The computation's one parameter becomes a tuple of it and the state. Returns the state.
HloInstruction* PairParameter(HloComputation& computation, const xla::Shape& state) {
  const xla::Shape shape = computation.parameter_instruction(0)->shape();
  const std::vector<HloInstruction*> users = computation.parameter_instruction(0)->users();
  const bool is_root = computation.root_instruction() == computation.parameter_instruction(0);
  HloInstruction* pair = computation.ReplaceParameter(0, HloInstruction::CreateParameter(0, ShapeUtil::MakeTupleShape({shape, state}), "with_random_state"));
  HloInstruction* first = Element(pair, 0);
  for (HloInstruction* user : users) ThrowIfError(pair->ReplaceUseWithDifferentShape(user, first), "random numbers");
  if (is_root) computation.set_root_instruction(first, /*accept_different_shape=*/true);
  return Element(pair, 1);
}

// The state after `state`, which is a counter of 2^64 blocks.
HloInstruction* Advanced(HloInstruction* state, int64_t delta) {
  HloComputation& computation = *state->parent();
  HloInstruction* step = computation.AddInstruction(HloInstruction::CreateConstant(xla::LiteralUtil::CreateR1<uint64_t>({static_cast<uint64_t>(delta), 0})));
  return computation.AddInstruction(HloInstruction::CreateBinary(state->shape(), HloOpcode::kAdd, state, step));
}

HloInstruction* Thread(HloComputation& computation, HloInstruction* state);

void ThreadRegion(HloComputation& region, const xla::Shape& state) {
  HloInstruction* last = Thread(region, PairParameter(region, state));
  region.set_root_instruction(Pair(region.root_instruction(), last), /*accept_different_shape=*/true);
}

// Passes the state through a loop or a branch; returns it as it comes out.
HloInstruction* ThreadControlFlow(HloInstruction* instruction, HloInstruction* state) {
  HloComputation& computation = *instruction->parent();
  const xla::Shape shape = ShapeUtil::MakeTupleShape({instruction->shape(), state->shape()});
  HloInstruction* made = nullptr;
  if (instruction->opcode() == HloOpcode::kWhile) {
    if (UsesState(*instruction->while_condition())) FailUnimplemented(*instruction);
    PairParameter(*instruction->while_condition(), state->shape());
    ThreadRegion(*instruction->while_body(), state->shape());
    made = computation.AddInstruction(
        HloInstruction::CreateWhile(shape, instruction->while_condition(), instruction->while_body(), Pair(instruction->mutable_operand(0), state)));
  } else if (instruction->opcode() == HloOpcode::kConditional) {
    std::vector<HloInstruction*> operands = {instruction->mutable_operand(0)};
    for (HloComputation* branch : instruction->branch_computations()) ThreadRegion(*branch, state->shape());
    for (int64_t i = 1; i < instruction->operand_count(); ++i) operands.push_back(Pair(instruction->mutable_operand(i), state));
    made = computation.AddInstruction(instruction->CloneWithNewOperands(shape, operands));
  } else {
    FailUnimplemented(*instruction);
  }
  made->set_metadata(instruction->metadata());
  ThrowIfError(computation.ReplaceInstruction(instruction, Element(made, 0)), "random numbers");
  return Element(made, 1);
}

HloInstruction* Thread(HloComputation& computation, HloInstruction* state) {
  for (HloInstruction* instruction : computation.MakeInstructionPostOrder()) {
    const auto& called = instruction->called_computations();
    if (instruction->opcode() == HloOpcode::kRngGetAndUpdateState) {
      HloInstruction* next = Advanced(state, xla::Cast<xla::HloRngGetAndUpdateStateInstruction>(instruction)->delta());
      ThrowIfError(computation.ReplaceInstruction(instruction, state), "random numbers");
      state = next;
    } else if (std::any_of(called.begin(), called.end(), [](const HloComputation* c) { return UsesState(*c); })) {
      state = ThreadControlFlow(instruction, state);
    }
  }
  return state;
}

}  // namespace

bool ThreadRandomState(xla::HloModule& module) {
  if (!Contains(*module.entry_computation(), HloOpcode::kRng)) return false;
  // Without a seed the expander draws one from a sequence of the process. The state alone makes all the difference here.
  module.mutable_config().set_seed(1);
  xla::HloPassPipeline expand("random numbers");
  expand.AddPass<xla::RngExpander>();
  expand.AddPass<OtherCallInliner>();
  expand.AddPass<xla::FlattenCallGraph>();
  ThrowIfError(expand.Run(&module).status(), "random numbers");
  HloComputation& entry = *module.entry_computation();
  Thread(entry,
         entry.AddEntryComputationParameter(HloInstruction::CreateParameter(entry.num_parameters(), ShapeUtil::MakeShape(xla::U64, {2}), "random_state")));
  return true;
}

}  // namespace tfvk::hlo
