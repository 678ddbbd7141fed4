#include "hlo/small_integers.h"

#include <algorithm>
#include <unordered_set>

#include "hlo/status.h"
#include "types/error.h"
#include "xla/hlo/ir/hlo_computation.h"
#include "xla/hlo/ir/hlo_instruction.h"
#include "xla/hlo/ir/hlo_opcode.h"
#include "xla/literal_util.h"
#include "xla/primitive_util.h"
#include "xla/shape_util.h"

namespace tfvk::hlo {
namespace {

using xla::HloInstruction;
using xla::HloOpcode;

bool IsSmall(const xla::Shape& shape) { return shape.element_type() == xla::S4 || shape.element_type() == xla::U4; }

bool HasSmall(const xla::Shape& shape) {
  return IsSmall(shape) || (shape.IsTuple() && std::any_of(shape.tuple_shapes().begin(), shape.tuple_shapes().end(), HasSmall));
}

bool TakesPart(const HloInstruction& instruction) {
  return HasSmall(instruction.shape()) ||
         std::any_of(instruction.operands().begin(), instruction.operands().end(), [](const HloInstruction* operand) { return HasSmall(operand->shape()); });
}

// Numbers in range give numbers in range, and the bytes' are the right ones.
bool StaysInRange(HloOpcode opcode) {
  static const auto* const opcodes = new std::unordered_set<HloOpcode>{
      HloOpcode::kConstant,
      HloOpcode::kTuple,
      HloOpcode::kGetTupleElement,
      HloOpcode::kReshape,
      HloOpcode::kTranspose,
      HloOpcode::kBroadcast,
      HloOpcode::kSlice,
      HloOpcode::kConcatenate,
      HloOpcode::kPad,
      HloOpcode::kReverse,
      HloOpcode::kGather,
      HloOpcode::kScatter,
      HloOpcode::kDynamicSlice,
      HloOpcode::kDynamicUpdateSlice,
      HloOpcode::kCopy,
      HloOpcode::kSelect,
      HloOpcode::kConditional,
      HloOpcode::kWhile,
      HloOpcode::kCall,
      HloOpcode::kOptimizationBarrier,
      HloOpcode::kDomain,
      HloOpcode::kCompare,
      HloOpcode::kMaximum,
      HloOpcode::kMinimum,
      HloOpcode::kClamp,
      HloOpcode::kAnd,
      HloOpcode::kOr,
      HloOpcode::kXor,
      HloOpcode::kRemainder,
      HloOpcode::kSign,
      HloOpcode::kReduce,
      HloOpcode::kReduceWindow,
      HloOpcode::kSort,
      HloOpcode::kMap,
  };
  return opcodes->count(opcode) != 0;
}

// The low halves of the bytes' numbers are right.
bool HasRightLowHalf(HloOpcode opcode) {
  static const auto* const opcodes = new std::unordered_set<HloOpcode>{
      HloOpcode::kAdd, HloOpcode::kSubtract, HloOpcode::kMultiply, HloOpcode::kDivide, HloOpcode::kNegate, HloOpcode::kAbs, HloOpcode::kNot, HloOpcode::kIota,
  };
  return opcodes->count(opcode) != 0;
}

HloInstruction* Scalar(HloInstruction* like, int8_t value) {
  return like->parent()->AddInstruction(HloInstruction::CreateConstant(
      like->shape().element_type() == xla::S4 ? xla::LiteralUtil::CreateR0(xla::s4(value)) : xla::LiteralUtil::CreateR0(xla::u4(static_cast<uint8_t>(value)))));
}

HloInstruction* Binary(HloOpcode opcode, HloInstruction* x, int8_t number) {
  HloInstruction* numbers = x->parent()->AddInstruction(HloInstruction::CreateBroadcast(x->shape(), Scalar(x, number), {}));
  return x->parent()->AddInstruction(HloInstruction::CreateBinary(x->shape(), opcode, x, numbers));
}

// The number that the low half of a byte holds.
HloInstruction* LowHalf(HloInstruction* x) {
  if (x->shape().element_type() == xla::U4) return Binary(HloOpcode::kAnd, x, 15);
  return Binary(HloOpcode::kShiftRightArithmetic, Binary(HloOpcode::kShiftLeft, x, 4), 4);
}

// A conversion to a byte saturates at a byte's limits, and NaN becomes 0.
HloInstruction* Saturated(HloInstruction* x) {
  const bool is_signed = x->shape().element_type() == xla::S4;
  HloInstruction *lowest = Scalar(x, is_signed ? -8 : 0), *highest = Scalar(x, is_signed ? 7 : 15);
  return x->parent()->AddInstruction(HloInstruction::CreateTernary(x->shape(), HloOpcode::kClamp, lowest, x, highest));
}

// What stands for the instruction's result; itself where that is in range.
HloInstruction* InRange(HloInstruction* instruction) {
  const HloOpcode opcode = instruction->opcode();
  if (opcode == HloOpcode::kConvert) {
    if (!IsSmall(instruction->shape())) return instruction;
    const xla::PrimitiveType from = instruction->operand(0)->shape().element_type();
    return xla::primitive_util::IsFloatingPointType(from) ? Saturated(instruction) : LowHalf(instruction);
  }
  if (opcode == HloOpcode::kParameter) {
    const bool is_entry = instruction->parent()->IsEntryComputation();
    if (!is_entry) return instruction;
    if (IsSmall(instruction->shape())) return LowHalf(instruction);
  }
  if (StaysInRange(opcode)) return instruction;
  if (HasRightLowHalf(opcode)) return LowHalf(instruction);
  Fail(ErrorCode::kUnimplemented, "[HLO] {} of integers of 4 bits is not supported, in {} ({})", std::string(xla::HloOpcodeString(opcode)),
       std::string(instruction->name()), instruction->metadata().op_name());
}

}  // namespace

void KeepSmallIntegersInRange(xla::HloModule& module) {
  for (xla::HloComputation* computation : module.computations()) {
    for (HloInstruction* instruction : computation->MakeInstructionPostOrder()) {
      if (!TakesPart(*instruction)) continue;
      const std::vector<HloInstruction*> users = instruction->users();
      const bool is_root = instruction->IsRoot();
      HloInstruction* in_range = InRange(instruction);
      if (in_range == instruction) continue;
      for (HloInstruction* user : users) ThrowIfError(instruction->ReplaceUseWith(user, in_range), "integers of 4 bits");
      if (is_root) computation->set_root_instruction(in_range);
    }
  }
}

}  // namespace tfvk::hlo
