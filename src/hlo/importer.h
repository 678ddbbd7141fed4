// The inside of import.h: one computation on its way into one Graph. The families' conversions are spread over import_*.cc.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "hlo/shape_conversion.h"
#include "ir/graph.h"
#include "xla/hlo/ir/hlo_casting_utils.h"
#include "xla/hlo/ir/hlo_computation.h"
#include "xla/hlo/ir/hlo_instruction.h"
#include "xla/hlo/ir/hlo_instructions.h"

namespace tfvk::hlo {

// What an instruction's result is made of: one value for an array, those of all elements depth first for a tuple.
using Values = std::vector<ir::Value>;

// "Conv2DBackpropFilter:model/conv/grad (convolution.7)", as far as the module says.
std::string OriginOf(const xla::HloInstruction& instruction);
// "fft.3 = c64[8]{0} fft(c64[8]{0} %x) of TensorFlow op FFT (model/fft)": for error messages.
std::string Describe(const xla::HloInstruction& instruction);
[[noreturn]] void FailUnimplemented(const xla::HloInstruction& instruction);

class ComputationImporter {
 public:
  // Appends to `graph`, which must outlive the importer.
  explicit ComputationImporter(ir::Graph& graph) : graph_(graph) {}

  // The root's values, given the flattened values of each parameter.
  Values Run(const xla::HloComputation& computation, const std::vector<Values>& arguments);

 private:
  Values Convert(const xla::HloInstruction& instruction, const std::vector<Values>& arguments);
  // Each gives nothing when the instruction is of another family.
  std::optional<Values> ConvertSource(const xla::HloInstruction& instruction);
  std::optional<Values> ConvertElementwise(const xla::HloInstruction& instruction);
  std::optional<Values> ConvertMovement(const xla::HloInstruction& instruction);
  std::optional<Values> ConvertIndexed(const xla::HloInstruction& instruction);
  std::optional<Values> ConvertReduction(const xla::HloInstruction& instruction);
  std::optional<Values> ConvertContraction(const xla::HloInstruction& instruction);
  std::optional<Values> ConvertControlFlow(const xla::HloInstruction& instruction);
  Values ConvertTupleElement(const xla::HloInstruction& instruction);
  Values ConvertConditional(const xla::HloInstruction& instruction);

  const Values& ValuesOf(const xla::HloInstruction* instruction) const { return values_.at(instruction); }
  ir::Value ValueOf(const xla::HloInstruction* instruction) const { return values_.at(instruction).at(0); }
  // All operands' values, one after the other.
  Values OperandValues(const xla::HloInstruction& instruction) const;
  ir::TensorType ResultType(const xla::HloInstruction& instruction) const;
  std::vector<ir::TensorType> ResultTypes(const xla::HloInstruction& instruction) const;

  // A node with the instruction's types, operands and origin.
  Values AddNode(ir::Op op, const xla::HloInstruction& instruction, ir::Attributes attributes = {});
  Values AddNode(ir::Op op, const xla::HloInstruction& instruction, Values operands, ir::Attributes attributes,
                 std::vector<std::unique_ptr<ir::Graph>> regions);
  ir::Value Broadcast(ir::Value scalar, const Shape& shape, const xla::HloInstruction& instruction);
  ir::Value ConvertTo(DType dtype, ir::Value value, const xla::HloInstruction& instruction);

  ir::Graph& graph_;
  std::unordered_map<const xla::HloInstruction*, Values> values_;
};

// A computation that is an instruction's region, its parameters flattened.
std::unique_ptr<ir::Graph> ImportRegion(const xla::HloComputation& computation);

}  // namespace tfvk::hlo
