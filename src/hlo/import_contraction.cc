// Reductions, windows, contractions and control flow.
#include <algorithm>
#include <map>
#include <utility>

#include "hlo/importer.h"
#include "hlo/status.h"
#include "xla/hlo/ir/hlo_opcode.h"

namespace tfvk::hlo {
namespace {

using Opcode = xla::HloOpcode;

template <class Numbers>
std::vector<int64_t> ToVector(const Numbers& numbers) {
  return {numbers.begin(), numbers.end()};
}

std::vector<std::unique_ptr<ir::Graph>> Regions(std::initializer_list<const xla::HloComputation*> computations) {
  std::vector<std::unique_ptr<ir::Graph>> regions;
  for (const xla::HloComputation* computation : computations) regions.push_back(ImportRegion(*computation));
  return regions;
}

std::vector<ir::WindowDim> WindowOf(const xla::Window& window) {
  std::vector<ir::WindowDim> dimensions;
  for (const xla::WindowDimension& theirs : window.dimensions()) {
    ir::WindowDim ours;
    ours.size = theirs.size();
    ours.stride = theirs.stride();
    ours.pad_low = theirs.padding_low();
    ours.pad_high = theirs.padding_high();
    ours.base_dilation = theirs.base_dilation();
    ours.window_dilation = theirs.window_dilation();
    ours.reversal = theirs.window_reversal();
    dimensions.push_back(ours);
  }
  return dimensions;
}

ir::Precision PrecisionOf(const xla::PrecisionConfig& config) {
  switch (config.algorithm()) {
    case xla::PrecisionConfig::ALG_DOT_F32_F32_F32:
    case xla::PrecisionConfig::ALG_DOT_F64_F64_F64:
      return ir::Precision::kHighest;
    case xla::PrecisionConfig::ALG_DOT_BF16_BF16_F32_X3:
    case xla::PrecisionConfig::ALG_DOT_BF16_BF16_F32_X6:
    case xla::PrecisionConfig::ALG_DOT_TF32_TF32_F32_X3:
      return ir::Precision::kHigh;
    default:
      break;
  }
  auto precision = ir::Precision::kDefault;
  for (int operand : config.operand_precision()) {
    if (operand == xla::PrecisionConfig::HIGH) precision = std::max(precision, ir::Precision::kHigh);
    if (operand == xla::PrecisionConfig::HIGHEST) precision = ir::Precision::kHighest;
  }
  return precision;
}

ir::DotAttr DotAttrOf(const xla::HloInstruction& dot) {
  const xla::DotDimensionNumbers& numbers = dot.dot_dimension_numbers();
  return {ToVector(numbers.lhs_batch_dimensions()), ToVector(numbers.rhs_batch_dimensions()), ToVector(numbers.lhs_contracting_dimensions()),
          ToVector(numbers.rhs_contracting_dimensions()), PrecisionOf(dot.precision_config())};
}

ir::ConvolutionAttr ConvolutionAttrOf(const xla::HloInstruction& convolution) {
  const xla::ConvolutionDimensionNumbers& numbers = convolution.convolution_dimension_numbers();
  ir::ConvolutionAttr attribute;
  attribute.window = WindowOf(convolution.window());
  attribute.input_batch = numbers.input_batch_dimension();
  attribute.input_feature = numbers.input_feature_dimension();
  attribute.kernel_input_feature = numbers.kernel_input_feature_dimension();
  attribute.kernel_output_feature = numbers.kernel_output_feature_dimension();
  attribute.output_batch = numbers.output_batch_dimension();
  attribute.output_feature = numbers.output_feature_dimension();
  attribute.input_spatial = ToVector(numbers.input_spatial_dimensions());
  attribute.kernel_spatial = ToVector(numbers.kernel_spatial_dimensions());
  attribute.output_spatial = ToVector(numbers.output_spatial_dimensions());
  attribute.feature_groups = convolution.feature_group_count();
  attribute.batch_groups = convolution.batch_group_count();
  attribute.precision = PrecisionOf(convolution.precision_config());
  return attribute;
}

}  // namespace

std::optional<Values> ComputationImporter::ConvertReduction(const xla::HloInstruction& instruction) {
  switch (instruction.opcode()) {
    case Opcode::kReduce:
      return AddNode(ir::Op::kReduce, instruction, OperandValues(instruction), ir::DimsAttr{ToVector(instruction.dimensions())},
                     Regions({instruction.to_apply()}));
    case Opcode::kReduceWindow:
      return AddNode(ir::Op::kReduceWindow, instruction, OperandValues(instruction), ir::WindowAttr{WindowOf(instruction.window())},
                     Regions({instruction.to_apply()}));
    case Opcode::kSelectAndScatter:
      return AddNode(ir::Op::kSelectAndScatter, instruction, OperandValues(instruction), ir::WindowAttr{WindowOf(instruction.window())},
                     Regions({instruction.select(), instruction.scatter()}));
    case Opcode::kSort: {
      const auto* sort = xla::Cast<xla::HloSortInstruction>(&instruction);
      return AddNode(ir::Op::kSort, instruction, OperandValues(instruction), ir::SortAttr{sort->sort_dimension(), sort->is_stable()},
                     Regions({instruction.to_apply()}));
    }
    default:
      return std::nullopt;
  }
}

std::optional<Values> ComputationImporter::ConvertContraction(const xla::HloInstruction& instruction) {
  const bool dot = instruction.opcode() == Opcode::kDot;
  if (!dot && instruction.opcode() != Opcode::kConvolution) return std::nullopt;
  if (instruction.operand_count() != 2) FailUnimplemented(instruction);  // structured sparsity
  Values operands = OperandValues(instruction);
  if (operands[0].type().dtype != operands[1].type().dtype) {  // HLO lets them differ; the product is of the result's dtype
    const DType dtype = ResultType(instruction).dtype;
    for (ir::Value& operand : operands) operand = ConvertTo(dtype, operand, instruction);
  }
  if (dot) return AddNode(ir::Op::kDot, instruction, std::move(operands), DotAttrOf(instruction), {});
  return AddNode(ir::Op::kConvolution, instruction, std::move(operands), ConvolutionAttrOf(instruction), {});
}

std::optional<Values> ComputationImporter::ConvertControlFlow(const xla::HloInstruction& instruction) {
  const auto arguments = [&] {
    std::vector<Values> values;
    for (const xla::HloInstruction* operand : instruction.operands()) values.push_back(ValuesOf(operand));
    return values;
  };
  switch (instruction.opcode()) {
    case Opcode::kCall:
      return ComputationImporter(graph_).Run(*instruction.to_apply(), arguments());
    case Opcode::kFusion:
      return ComputationImporter(graph_).Run(*instruction.fused_instructions_computation(), arguments());
    case Opcode::kWhile:
      return AddNode(ir::Op::kWhile, instruction, OperandValues(instruction), {}, Regions({instruction.while_condition(), instruction.while_body()}));
    case Opcode::kConditional:
      return ConvertConditional(instruction);
    default:
      return std::nullopt;
  }
}

// HLO gives each branch an operand of its own; ours all take the same operands, each value once.
Values ComputationImporter::ConvertConditional(const xla::HloInstruction& instruction) {
  Values operands = {ValueOf(instruction.operand(0))};
  std::map<ir::Value, int> numbers;  // of the branches' parameters
  std::vector<std::vector<int>> uses;
  for (int branch = 0; branch < instruction.branch_count(); ++branch) {
    std::vector<int> used;
    for (ir::Value value : ValuesOf(instruction.operand(branch + 1))) {
      const auto [entry, is_new] = numbers.emplace(value, static_cast<int>(numbers.size()));
      if (is_new) operands.push_back(value);
      used.push_back(entry->second);
    }
    uses.push_back(std::move(used));
  }
  std::vector<std::unique_ptr<ir::Graph>> regions;
  for (int branch = 0; branch < instruction.branch_count(); ++branch) {
    const xla::HloComputation& computation = *instruction.branch_computation(branch);
    auto region = std::make_unique<ir::Graph>();
    region->name = std::string(computation.name());
    Values parameters, argument;
    for (size_t i = 1; i < operands.size(); ++i) parameters.push_back(region->AddParameter(operands[i].type()));
    for (int number : uses[branch]) argument.push_back(parameters[number]);
    region->outputs = ComputationImporter(*region).Run(computation, {argument});
    region->RemoveDeadNodes();
    regions.push_back(std::move(region));
  }
  return AddNode(ir::Op::kConditional, instruction, std::move(operands), {}, std::move(regions));
}

}  // namespace tfvk::hlo
