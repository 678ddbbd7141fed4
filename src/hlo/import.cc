#include "hlo/import.h"

#include <utility>

#include "hlo/importer.h"
#include "hlo/module.h"
#include "xla/hlo/ir/hlo_module.h"
#include "xla/hlo/ir/hlo_opcode.h"

namespace tfvk::hlo {

std::string OriginOf(const xla::HloInstruction& instruction) {
  const xla::OpMetadata& metadata = instruction.metadata();
  std::string origin = metadata.op_type();
  if (!origin.empty() && !metadata.op_name().empty()) origin += ':';
  origin += metadata.op_name();
  return origin.empty() ? std::string(instruction.name()) : fmt::format("{} ({})", origin, std::string(instruction.name()));
}

std::string Describe(const xla::HloInstruction& instruction) {
  std::string text =
      fmt::format("{} = {} {}(", std::string(instruction.name()), instruction.shape().ToString(), std::string(xla::HloOpcodeString(instruction.opcode())));
  for (int64_t i = 0; i < instruction.operand_count(); ++i) text += (i == 0 ? "" : ", ") + instruction.operand(i)->shape().ToString();
  text += ')';
  if (instruction.opcode() == xla::HloOpcode::kCustomCall) text += " with target \"" + instruction.custom_call_target() + '"';
  const xla::OpMetadata& metadata = instruction.metadata();
  if (!metadata.op_type().empty()) text += " of TensorFlow op " + metadata.op_type();
  if (!metadata.op_name().empty()) text += " (" + metadata.op_name() + ")";
  return text;
}

void FailUnimplemented(const xla::HloInstruction& instruction) {
  Fail(ErrorCode::kUnimplemented, "There is no Vulkan code for the HLO instruction {}", Describe(instruction));
}

// ---- Nodes ----

Values ComputationImporter::OperandValues(const xla::HloInstruction& instruction) const {
  Values all;
  for (const xla::HloInstruction* operand : instruction.operands()) {
    const Values& values = ValuesOf(operand);
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

std::vector<ir::TensorType> ComputationImporter::ResultTypes(const xla::HloInstruction& instruction) const {
  std::vector<ir::TensorType> types;
  for (const xla::Shape* leaf : Leaves(instruction.shape())) {
    types.push_back(TypeOf(*leaf, [&] { return Describe(instruction); }));
  }
  return types;
}

ir::TensorType ComputationImporter::ResultType(const xla::HloInstruction& instruction) const { return ResultTypes(instruction).at(0); }

Values ComputationImporter::AddNode(ir::Op op, const xla::HloInstruction& instruction, ir::Attributes attributes) {
  return AddNode(op, instruction, OperandValues(instruction), std::move(attributes), {});
}

Values ComputationImporter::AddNode(ir::Op op, const xla::HloInstruction& instruction, Values operands, ir::Attributes attributes,
                                    std::vector<std::unique_ptr<ir::Graph>> regions) {
  ir::Node* node = graph_.AddNode(op, std::move(operands), ResultTypes(instruction), std::move(attributes), std::move(regions), OriginOf(instruction));
  Values results;
  for (int i = 0; i < static_cast<int>(node->results.size()); ++i) results.push_back({node, i});
  return results;
}

ir::Value ComputationImporter::Broadcast(ir::Value scalar, const Shape& shape, const xla::HloInstruction& instruction) {
  if (scalar.type().shape == shape) return scalar;
  return graph_.Add(ir::Op::kBroadcast, {scalar}, {{scalar.type().dtype, shape}}, ir::DimsAttr{}, OriginOf(instruction));
}

ir::Value ComputationImporter::ConvertTo(DType dtype, ir::Value value, const xla::HloInstruction& instruction) {
  if (value.type().dtype == dtype) return value;
  return graph_.Add(ir::Op::kConvert, {value}, {{dtype, value.type().shape}}, {}, OriginOf(instruction));
}

// ---- Computations ----

Values ComputationImporter::Run(const xla::HloComputation& computation, const std::vector<Values>& arguments) {
  for (const xla::HloInstruction* instruction : computation.MakeInstructionPostOrder()) {
    Values values = Convert(*instruction, arguments);  // may insert into values_ itself
    values_[instruction] = std::move(values);
  }
  return values_.at(computation.root_instruction());
}

Values ComputationImporter::Convert(const xla::HloInstruction& instruction, const std::vector<Values>& arguments) {
  using Opcode = xla::HloOpcode;
  switch (instruction.opcode()) {
    case Opcode::kParameter:
      return arguments.at(instruction.parameter_number());
    case Opcode::kTuple:
      return OperandValues(instruction);
    case Opcode::kGetTupleElement:
      return ConvertTupleElement(instruction);
    case Opcode::kCopy:
    case Opcode::kOptimizationBarrier:
    case Opcode::kDomain:
    case Opcode::kAddDependency:
      return ValuesOf(instruction.operand(0));
    default:
      break;
  }
  for (auto family : {&ComputationImporter::ConvertSource, &ComputationImporter::ConvertElementwise, &ComputationImporter::ConvertMovement,
                      &ComputationImporter::ConvertIndexed, &ComputationImporter::ConvertReduction, &ComputationImporter::ConvertContraction,
                      &ComputationImporter::ConvertControlFlow}) {
    if (std::optional<Values> values = (this->*family)(instruction)) return *std::move(values);
  }
  FailUnimplemented(instruction);
}

Values ComputationImporter::ConvertTupleElement(const xla::HloInstruction& instruction) {
  const xla::HloInstruction* tuple = instruction.operand(0);
  size_t first = 0;
  for (int64_t i = 0; i < instruction.tuple_index(); ++i) first += Leaves(tuple->shape().tuple_shapes(i)).size();
  const auto begin = ValuesOf(tuple).begin() + first;
  return Values(begin, begin + Leaves(instruction.shape()).size());
}

namespace {

// Adds a Graph parameter for every array of the computation's parameters.
std::vector<Values> AddParameters(const xla::HloComputation& computation, ir::Graph& graph) {
  std::vector<Values> arguments;
  for (const xla::HloInstruction* parameter : computation.parameter_instructions()) {
    Values values;
    for (const xla::Shape* leaf : Leaves(parameter->shape())) {
      values.push_back(graph.AddParameter(TypeOf(*leaf, [&] { return Describe(*parameter); }), OriginOf(*parameter)));
    }
    arguments.push_back(std::move(values));
  }
  return arguments;
}

}  // namespace

std::unique_ptr<ir::Graph> ImportRegion(const xla::HloComputation& computation) {
  auto graph = std::make_unique<ir::Graph>();
  graph->name = std::string(computation.name());
  graph->outputs = ComputationImporter(*graph).Run(computation, AddParameters(computation, *graph));
  graph->RemoveDeadNodes();
  return graph;
}

std::unique_ptr<ir::Graph> Import(const xla::HloModule& module) {
  auto graph = ImportRegion(*module.entry_computation());
  graph->name = module.name();
  graph->aliases = SignatureOf(module).aliases;
  return graph;
}

}  // namespace tfvk::hlo
