#include "hlo/formula.h"

#include <limits>

#include "xla/literal_util.h"
#include "xla/shape_util.h"

namespace tfvk::hlo {

using xla::HloInstruction;
using xla::HloOpcode;

HloInstruction* ComputationWriter::Add(std::unique_ptr<HloInstruction> instruction) {
  instruction->set_metadata(metadata_);
  return builder_.AddInstruction(std::move(instruction));
}

Formula Formula::Constant(double value) const {
  const xla::Shape scalar = xla::ShapeUtil::MakeShape(shape().element_type(), {});
  auto literal = xla::LiteralUtil::CreateR0<double>(value).Convert(shape().element_type());
  HloInstruction* constant = writer_->Add(HloInstruction::CreateConstant(*std::move(literal)));
  if (shape().dimensions().empty()) return {*writer_, constant};
  return {*writer_, writer_->Add(HloInstruction::CreateBroadcast(shape(), constant, {}))};
}

Formula Formula::Unary(HloOpcode opcode) const { return {*writer_, writer_->Add(HloInstruction::CreateUnary(shape(), opcode, instruction_))}; }

Formula Formula::Binary(HloOpcode opcode, const Formula& other) const {
  return {*writer_, writer_->Add(HloInstruction::CreateBinary(shape(), opcode, instruction_, other.instruction_))};
}

Formula Formula::Compare(xla::ComparisonDirection direction, const Formula& other) const {
  const xla::Shape bools = xla::ShapeUtil::ChangeElementType(shape(), xla::PRED);
  return {*writer_, writer_->Add(HloInstruction::CreateCompare(bools, instruction_, other.instruction_, direction))};
}

Formula Select(const Formula& condition, const Formula& on_true, const Formula& on_false) {
  return {*condition.writer_, condition.writer_->Add(HloInstruction::CreateTernary(on_true.shape(), HloOpcode::kSelect, condition.instruction_,
                                                                                   on_true.instruction_, on_false.instruction_))};
}

Formula SignBit(const Formula& x) {
  const xla::PrimitiveType bits = x.shape().element_type() == xla::F64 ? xla::S64 : xla::S32;
  const xla::Shape shape = xla::ShapeUtil::ChangeElementType(x.shape(), bits);
  return Formula(*x.writer_, x.writer_->Add(HloInstruction::CreateBitcastConvert(shape, x.instruction_))) < 0.0;
}

Formula CopySign(const Formula& magnitude, const Formula& sign) { return Select(SignBit(sign), -magnitude, magnitude); }

Formula IsInfinite(const Formula& x) { return Abs(x) == std::numeric_limits<double>::infinity(); }

}  // namespace tfvk::hlo
