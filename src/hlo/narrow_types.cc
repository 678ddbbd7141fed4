#include "hlo/narrow_types.h"

#include <set>
#include <string>

#include "types/error.h"

namespace tfvk::hlo {
namespace {

bool IsNarrow(xla::PrimitiveType type) { return type == xla::F8E4M3FN || type == xla::F8E5M2; }

bool HasNarrow(const xla::ShapeProto& shape) {
  if (IsNarrow(shape.element_type())) return true;
  for (const xla::ShapeProto& element : shape.tuple_shapes()) {
    if (HasNarrow(element)) return true;
  }
  return false;
}

void Rewrite(xla::ShapeProto& shape) {
  if (IsNarrow(shape.element_type())) {
    shape.set_element_type(xla::U8);
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

bool HasNarrowTypes(const xla::HloModuleProto& module) {
  for (const xla::HloComputationProto& computation : module.computations()) {
    for (const xla::HloInstructionProto& instruction : computation.instructions()) {
      if (HasNarrow(instruction.shape())) return true;
    }
  }
  return false;
}

void StoreNarrowTypesAsBytes(xla::HloModuleProto& module) {
  for (xla::HloComputationProto& computation : *module.mutable_computations()) {
    std::set<int64_t> narrow;
    for (const xla::HloInstructionProto& instruction : computation.instructions()) {
      if (HasNarrow(instruction.shape())) narrow.insert(instruction.id());
    }
    if (narrow.empty()) continue;
    for (xla::HloInstructionProto& instruction : *computation.mutable_instructions()) {
      bool takes_part = narrow.count(instruction.id()) != 0;
      for (const int64_t operand : instruction.operand_ids()) takes_part = takes_part || narrow.count(operand) != 0;
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
