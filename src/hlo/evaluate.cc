#include "hlo/evaluate.h"

#include <cstring>
#include <string>
#include <utility>

#include "hlo/shape_conversion.h"
#include "hlo/status.h"
#include "xla/hlo/evaluator/hlo_evaluator.h"
#include "xla/hlo/ir/hlo_computation.h"
#include "xla/hlo/ir/hlo_instruction.h"
#include "xla/hlo/ir/hlo_module.h"
#include "xla/layout_util.h"
#include "xla/literal.h"
#include "xla/literal_util.h"
#include "xla/shape_util.h"

namespace tfvk::hlo {
namespace {

xla::Literal ArrayLiteral(const xla::Shape& declared, const HostBytes& bytes, size_t number) {
  xla::Literal literal(xla::LayoutUtil::GetWithDefaultLayout(declared));
  if (static_cast<size_t>(literal.size_bytes()) != bytes.size) {
    Fail(ErrorCode::kInvalidArgument, "[HLO evaluator] Input {} of shape {} needs {} bytes but got {}", number, declared.ToString(), literal.size_bytes(),
         bytes.size);
  }
  if (bytes.size != 0) std::memcpy(literal.untyped_data(), bytes.data, bytes.size);
  return literal;
}

// Takes the next buffers of `inputs` from `next` on.
xla::Literal ParameterLiteral(const xla::Shape& shape, const std::vector<HostBytes>& inputs, size_t& next) {
  if (!shape.IsTuple()) {
    if (next >= inputs.size()) Fail(ErrorCode::kInvalidArgument, "[HLO evaluator] The module takes more than the {} inputs given", inputs.size());
    const size_t number = next++;
    return ArrayLiteral(shape, inputs[number], number);
  }
  std::vector<xla::Literal> elements;
  for (const xla::Shape& element : shape.tuple_shapes()) elements.push_back(ParameterLiteral(element, inputs, next));
  return xla::LiteralUtil::MakeTupleOwned(std::move(elements));
}

void AppendResults(xla::Literal literal, std::vector<HostResult>& results) {
  if (literal.shape().IsTuple()) {
    for (xla::Literal& element : literal.DecomposeTuple()) AppendResults(std::move(element), results);
    return;
  }
  if (literal.shape().is_dynamic()) literal = literal.ToStatic();
  // The evaluator's transpose, for one, permutes the layout and leaves the elements where they were.
  literal = literal.Relayout(xla::LayoutUtil::GetDefaultLayoutForShape(literal.shape()));
  HostResult result;
  result.shape.assign(literal.shape().dimensions().begin(), literal.shape().dimensions().end());
  result.bytes.resize(literal.size_bytes());
  if (!result.bytes.empty()) std::memcpy(result.bytes.data(), literal.untyped_data(), result.bytes.size());
  results.push_back(std::move(result));
}

}  // namespace

std::vector<HostResult> Evaluate(const xla::HloModule& module, const std::vector<HostBytes>& inputs) {
  std::vector<xla::Literal> literals;
  size_t next = 0;
  for (const xla::HloInstruction* parameter : module.entry_computation()->parameter_instructions()) {
    literals.push_back(ParameterLiteral(parameter->shape(), inputs, next));
  }
  if (next != inputs.size()) Fail(ErrorCode::kInvalidArgument, "[HLO evaluator] The module takes {} inputs but got {}", next, inputs.size());
  std::vector<const xla::Literal*> arguments;
  for (const xla::Literal& literal : literals) arguments.push_back(&literal);

  xla::HloEvaluator evaluator(/*max_loop_iterations=*/-1);
  evaluator.set_use_fast_path(true);
  std::vector<HostResult> results;
  AppendResults(ValueOrThrow(evaluator.Evaluate(*module.entry_computation(), arguments), "HLO evaluator"), results);
  return results;
}

}  // namespace tfvk::hlo
