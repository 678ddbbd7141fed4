#include "hlo/narrow_types.h"

#include <set>
#include <string>

#include "hlo/status.h"
#include "types/error.h"
#include "xla/literal.h"

namespace tfvk::hlo {
namespace {

using Predicate = bool (*)(xla::PrimitiveType);

bool IsFloat8(xla::PrimitiveType type) { return type == xla::F8E4M3FN || type == xla::F8E5M2; }
bool IsInteger4(xla::PrimitiveType type) { return type == xla::S4 || type == xla::U4; }
bool IsNarrow(xla::PrimitiveType type) { return IsFloat8(type) || IsInteger4(type); }

bool Has(const xla::ShapeProto& shape, Predicate is_one) {
  if (is_one(shape.element_type())) return true;
  for (const xla::ShapeProto& element : shape.tuple_shapes()) {
    if (Has(element, is_one)) return true;
  }
  return false;
}

bool Has(const xla::HloModuleProto& module, Predicate is_one) {
  for (const xla::HloComputationProto& computation : module.computations()) {
    for (const xla::HloInstructionProto& instruction : computation.instructions()) {
      if (Has(instruction.shape(), is_one)) return true;
    }
  }
  return false;
}

void Rewrite(xla::ShapeProto& shape) {
  if (IsNarrow(shape.element_type())) {
    shape.set_element_type(shape.element_type() == xla::S4 ? xla::S8 : xla::U8);
    if (shape.has_layout()) shape.mutable_layout()->clear_element_size_in_bits();
  }
  for (xla::ShapeProto& element : *shape.mutable_tuple_shapes()) Rewrite(element);
}

void Rewrite(xla::ProgramShapeProto& shape) {
  for (xla::ShapeProto& parameter : *shape.mutable_parameters()) Rewrite(parameter);
  Rewrite(*shape.mutable_result());
}

void Rewrite(xla::LiteralProto& literal) {
  const xla::PrimitiveType type = literal.shape().element_type();
  if (type == xla::F8E4M3FN) literal.set_u8s(literal.f8e4m3fns());
  if (type == xla::F8E5M2) literal.set_u8s(literal.f8e5m2s());
  if (IsInteger4(type)) {
    const xla::Literal packed = ValueOrThrow(xla::Literal::CreateFromProto(literal), "a literal of 4-bit integers");
    literal = ValueOrThrow(packed.Convert(type == xla::S4 ? xla::S8 : xla::U8), "a literal of 4-bit integers").ToProto();
  }
  Rewrite(*literal.mutable_shape());
  for (xla::LiteralProto& element : *literal.mutable_tuple_literals()) Rewrite(element);
}

bool Moves(const xla::HloInstructionProto& instruction) {
  static const auto* const opcodes = new std::set<std::string>{
      "parameter", "constant",    "tuple",  "get-tuple-element", "bitcast-convert",      "reshape", "transpose", "broadcast",   "slice", "concatenate",
      "pad",       "reverse",     "gather", "dynamic-slice",     "dynamic-update-slice", "copy",    "select",    "conditional", "while", "call",
      "domain",    "opt-barrier",
  };
  return opcodes->count(instruction.opcode()) != 0;
}

}  // namespace

bool HasNarrowTypes(const xla::HloModuleProto& module) { return Has(module, IsNarrow); }
bool HasSmallIntegers(const xla::HloModuleProto& module) { return Has(module, IsInteger4); }

void StoreNarrowTypesAsBytes(xla::HloModuleProto& module) {
  for (xla::HloComputationProto& computation : *module.mutable_computations()) {
    std::set<int64_t> floats;
    for (const xla::HloInstructionProto& instruction : computation.instructions()) {
      if (Has(instruction.shape(), IsFloat8)) floats.insert(instruction.id());
    }
    for (xla::HloInstructionProto& instruction : *computation.mutable_instructions()) {
      bool takes_part = floats.count(instruction.id()) != 0;
      for (const int64_t operand : instruction.operand_ids()) takes_part = takes_part || floats.count(operand) != 0;
      if (takes_part && !Moves(instruction)) {
        Fail(ErrorCode::kUnimplemented, "[HLO] {} of floats of 8 bits is not supported, in {} ({})", instruction.opcode(), instruction.name(),
             instruction.metadata().op_name());
      }
      Rewrite(*instruction.mutable_shape());
      if (instruction.has_literal()) Rewrite(*instruction.mutable_literal());
    }
    Rewrite(*computation.mutable_program_shape());
  }
  Rewrite(*module.mutable_host_program_shape());
}

}  // namespace tfvk::hlo
