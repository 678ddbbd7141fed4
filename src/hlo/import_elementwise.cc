// Sources, elementwise operations and data movement.
#include <algorithm>
#include <cstring>
#include <utility>

#include "hlo/composites.h"
#include "hlo/importer.h"
#include "xla/comparison_util.h"
#include "xla/hlo/ir/hlo_opcode.h"
#include "xla/layout_util.h"
#include "xla/literal.h"
#include "xla/primitive_util.h"

namespace tfvk::hlo {
namespace {

using Opcode = xla::HloOpcode;

template <class Numbers>
std::vector<int64_t> ToVector(const Numbers& numbers) {
  return {numbers.begin(), numbers.end()};
}

// Operations that are the same in HLO and need nothing but their operands.
std::optional<ir::Op> PlainOp(Opcode opcode) {
  static const auto* const kOps = new std::unordered_map<Opcode, ir::Op>{
      {Opcode::kAbs, ir::Op::kAbs},
      {Opcode::kNegate, ir::Op::kNegate},
      {Opcode::kSign, ir::Op::kSign},
      {Opcode::kNot, ir::Op::kNot},
      {Opcode::kExp, ir::Op::kExp},
      {Opcode::kExpm1, ir::Op::kExpm1},
      {Opcode::kLog, ir::Op::kLog},
      {Opcode::kLog1p, ir::Op::kLog1p},
      {Opcode::kLogistic, ir::Op::kLogistic},
      {Opcode::kSqrt, ir::Op::kSqrt},
      {Opcode::kRsqrt, ir::Op::kRsqrt},
      {Opcode::kCbrt, ir::Op::kCbrt},
      {Opcode::kSin, ir::Op::kSin},
      {Opcode::kCos, ir::Op::kCos},
      {Opcode::kTan, ir::Op::kTan},
      {Opcode::kTanh, ir::Op::kTanh},
      {Opcode::kErf, ir::Op::kErf},
      {Opcode::kFloor, ir::Op::kFloor},
      {Opcode::kCeil, ir::Op::kCeil},
      {Opcode::kRoundNearestAfz, ir::Op::kRoundNearestAfz},
      {Opcode::kRoundNearestEven, ir::Op::kRoundNearestEven},
      {Opcode::kIsFinite, ir::Op::kIsFinite},
      {Opcode::kPopulationCount, ir::Op::kPopcnt},
      {Opcode::kClz, ir::Op::kClz},
      {Opcode::kConvert, ir::Op::kConvert},
      {Opcode::kBitcastConvert, ir::Op::kBitcastConvert},
      {Opcode::kAdd, ir::Op::kAdd},
      {Opcode::kSubtract, ir::Op::kSubtract},
      {Opcode::kMultiply, ir::Op::kMultiply},
      {Opcode::kDivide, ir::Op::kDivide},
      {Opcode::kRemainder, ir::Op::kRemainder},
      {Opcode::kPower, ir::Op::kPower},
      {Opcode::kAtan2, ir::Op::kAtan2},
      {Opcode::kMaximum, ir::Op::kMaximum},
      {Opcode::kMinimum, ir::Op::kMinimum},
      {Opcode::kAnd, ir::Op::kAnd},
      {Opcode::kOr, ir::Op::kOr},
      {Opcode::kXor, ir::Op::kXor},
      {Opcode::kShiftLeft, ir::Op::kShiftLeft},
      {Opcode::kShiftRightLogical, ir::Op::kShiftRightLogical},
      {Opcode::kShiftRightArithmetic, ir::Op::kShiftRightArithmetic},
  };
  const auto found = kOps->find(opcode);
  return found == kOps->end() ? std::nullopt : std::optional<ir::Op>(found->second);
}

ir::CompareAttr CompareAttrOf(const xla::HloInstruction& instruction) {
  static constexpr std::pair<xla::ComparisonDirection, ir::Comparison> kDirections[] = {
      {xla::ComparisonDirection::kEq, ir::Comparison::kEq}, {xla::ComparisonDirection::kNe, ir::Comparison::kNe},
      {xla::ComparisonDirection::kLt, ir::Comparison::kLt}, {xla::ComparisonDirection::kLe, ir::Comparison::kLe},
      {xla::ComparisonDirection::kGt, ir::Comparison::kGt}, {xla::ComparisonDirection::kGe, ir::Comparison::kGe}};
  ir::CompareAttr attribute;
  for (const auto& [theirs, ours] : kDirections) {
    if (theirs == instruction.comparison_direction()) attribute.direction = ours;
  }
  const bool floats = xla::primitive_util::IsFloatingPointType(instruction.operand(0)->shape().element_type());
  attribute.total_order = floats && instruction.comparison_order() == xla::ComparisonOrder::kTotal;
  return attribute;
}

ir::ConstantAttr ConstantAttrOf(const xla::Literal& literal) {
  const xla::Literal dense = literal.Relayout(xla::LayoutUtil::GetDefaultLayoutForShape(literal.shape()));
  const auto* data = static_cast<const uint8_t*>(dense.untyped_data());
  const size_t size = dense.size_bytes();
  const size_t element = size == 0 ? 0 : size / dense.element_count();
  // A buffer of equal elements equals itself moved by one.
  const bool splat = size != 0 && std::memcmp(data, data + element, size - element) == 0;
  return {std::make_shared<const std::vector<uint8_t>>(data, data + (splat ? element : size)), splat};
}

ir::PadAttr PadAttrOf(const xla::HloInstruction& instruction) {
  ir::PadAttr attribute;
  for (const auto& dimension : instruction.padding_config().dimensions()) {
    attribute.low.push_back(dimension.edge_padding_low());
    attribute.high.push_back(dimension.edge_padding_high());
    attribute.interior.push_back(dimension.interior_padding());
  }
  return attribute;
}

}  // namespace

std::optional<Values> ComputationImporter::ConvertSource(const xla::HloInstruction& instruction) {
  switch (instruction.opcode()) {
    case Opcode::kConstant:
      ResultType(instruction);  // refuses a dtype that the attribute could not hold
      return AddNode(ir::Op::kConstant, instruction, ConstantAttrOf(instruction.literal()));
    case Opcode::kIota:
      return AddNode(ir::Op::kIota, instruction, ir::DimsAttr{{xla::Cast<xla::HloIotaInstruction>(&instruction)->iota_dimension()}});
    case Opcode::kRngBitGenerator: {
      const bool three_fry = xla::Cast<xla::HloRngBitGeneratorInstruction>(&instruction)->algorithm() == xla::RNG_THREE_FRY;
      return AddNode(ir::Op::kRngBitGenerator, instruction, ir::RngAttr{three_fry ? ir::RngAlgorithm::kThreeFry : ir::RngAlgorithm::kPhilox});
    }
    default:
      return std::nullopt;
  }
}

std::optional<Values> ComputationImporter::ConvertElementwise(const xla::HloInstruction& instruction) {
  if (const auto op = PlainOp(instruction.opcode())) return AddNode(*op, instruction);
  if (IsErfc(instruction)) return AddNode(ir::Op::kErfc, instruction);
  switch (instruction.opcode()) {
    case Opcode::kCompare:
      return AddNode(ir::Op::kCompare, instruction, CompareAttrOf(instruction));
    case Opcode::kReducePrecision:
      return AddNode(ir::Op::kReducePrecision, instruction, ir::DimsAttr{{instruction.exponent_bits(), instruction.mantissa_bits()}});
    case Opcode::kSelect:
    case Opcode::kClamp: {  // made whole, so that every elementwise node has one shape
      Values operands = OperandValues(instruction);
      const Shape shape = ResultType(instruction).shape;
      for (ir::Value& operand : operands) operand = Broadcast(operand, shape, instruction);
      return AddNode(instruction.opcode() == Opcode::kSelect ? ir::Op::kSelect : ir::Op::kClamp, instruction, std::move(operands), {}, {});
    }
    default:
      return std::nullopt;
  }
}

std::optional<Values> ComputationImporter::ConvertMovement(const xla::HloInstruction& instruction) {
  switch (instruction.opcode()) {
    case Opcode::kBroadcast:
      return AddNode(ir::Op::kBroadcast, instruction, ir::DimsAttr{ToVector(instruction.dimensions())});
    case Opcode::kReshape:
      return AddNode(ir::Op::kReshape, instruction);
    case Opcode::kBitcast:  // what it means depends on layouts, which are ignored here unless they are the default
      if (instruction.operand(0)->shape().element_type() != instruction.shape().element_type() ||
          !xla::LayoutUtil::IsMonotonicWithDim0Major(instruction.shape().layout()) ||
          !xla::LayoutUtil::IsMonotonicWithDim0Major(instruction.operand(0)->shape().layout())) {
        FailUnimplemented(instruction);
      }
      return AddNode(ir::Op::kReshape, instruction);
    case Opcode::kTranspose:
      return AddNode(ir::Op::kTranspose, instruction, ir::DimsAttr{ToVector(instruction.dimensions())});
    case Opcode::kReverse:
      return AddNode(ir::Op::kReverse, instruction, ir::DimsAttr{ToVector(instruction.dimensions())});
    case Opcode::kConcatenate:
      return AddNode(ir::Op::kConcatenate, instruction, ir::DimsAttr{{instruction.concatenate_dimension()}});
    case Opcode::kSlice:
      return AddNode(ir::Op::kSlice, instruction,
                     ir::SliceAttr{ToVector(instruction.slice_starts()), ToVector(instruction.slice_limits()), ToVector(instruction.slice_strides())});
    case Opcode::kPad:
      return AddNode(ir::Op::kPad, instruction, PadAttrOf(instruction));
    default:
      return std::nullopt;
  }
}

std::optional<Values> ComputationImporter::ConvertIndexed(const xla::HloInstruction& instruction) {
  switch (instruction.opcode()) {
    case Opcode::kDynamicSlice:
      return AddNode(ir::Op::kDynamicSlice, instruction, ir::DimsAttr{instruction.dynamic_slice_sizes()});
    case Opcode::kDynamicUpdateSlice:
      return AddNode(ir::Op::kDynamicUpdateSlice, instruction);
    case Opcode::kGather: {
      const auto& numbers = instruction.gather_dimension_numbers();
      if (numbers.operand_batching_dims_size() != 0) FailUnimplemented(instruction);  // RunPasses removes these
      ir::GatherAttr attribute;
      attribute.offset_dims = ToVector(numbers.offset_dims());
      attribute.collapsed_slice_dims = ToVector(numbers.collapsed_slice_dims());
      attribute.start_index_map = ToVector(numbers.start_index_map());
      attribute.slice_sizes = ToVector(instruction.gather_slice_sizes());
      attribute.index_vector_dim = numbers.index_vector_dim();
      attribute.indices_sorted = xla::Cast<xla::HloGatherInstruction>(&instruction)->indices_are_sorted();
      return AddNode(ir::Op::kGather, instruction, std::move(attribute));
    }
    case Opcode::kScatter: {
      const auto& numbers = instruction.scatter_dimension_numbers();
      if (numbers.input_batching_dims_size() != 0) FailUnimplemented(instruction);
      ir::ScatterAttr attribute;
      attribute.update_window_dims = ToVector(numbers.update_window_dims());
      attribute.inserted_window_dims = ToVector(numbers.inserted_window_dims());
      attribute.scatter_dims_to_operand_dims = ToVector(numbers.scatter_dims_to_operand_dims());
      attribute.index_vector_dim = numbers.index_vector_dim();
      attribute.indices_sorted = xla::Cast<xla::HloScatterInstruction>(&instruction)->indices_are_sorted();
      attribute.unique_indices = xla::Cast<xla::HloScatterInstruction>(&instruction)->unique_indices();
      std::vector<std::unique_ptr<ir::Graph>> regions;
      regions.push_back(ImportRegion(*instruction.to_apply()));
      return AddNode(ir::Op::kScatter, instruction, OperandValues(instruction), std::move(attribute), std::move(regions));
    }
    default:
      return std::nullopt;
  }
}

}  // namespace tfvk::hlo
