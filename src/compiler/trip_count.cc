#include "compiler/trip_count.h"

#include "compiler/access.h"
#include "compiler/constant_value.h"

namespace tfvk::compiler {
namespace {

using ir::Comparison;
using ir::Node;
using ir::Op;
using ir::Value;

constexpr int64_t kNever = -1;

std::optional<int64_t> IntegerConstant(Value v) {
  const Node& node = *Base(v).node;
  if (!IsInlineConstant(node) || !IsInteger(node.type().dtype)) return std::nullopt;
  return IntegerOf(node.type().dtype, node.attr<ir::ConstantAttr>().bytes->data());
}

std::optional<size_t> ParameterNumber(const ir::Graph& graph, Value v) {
  v = Base(v);
  for (size_t i = 0; i < graph.parameters().size(); ++i) {
    if (graph.parameters()[i] == v.node) return i;
  }
  return std::nullopt;
}

// The constant that a value inside one of the loop's regions always has.
std::optional<int64_t> LoopConstant(const Node& loop, const ir::Graph& region, Value v) {
  if (auto constant = IntegerConstant(v)) return constant;
  const std::optional<size_t> state = ParameterNumber(region, v);
  if (!state) return std::nullopt;
  const ir::Graph& body = *loop.regions[1];
  if (!(Base(body.outputs[*state]) == Value{body.parameters()[*state], 0})) return std::nullopt;
  return IntegerConstant(loop.operands[*state]);
}

// By how much the body changes integer state `i`.
std::optional<int64_t> Step(const Node& loop, size_t i) {
  const ir::Graph& body = *loop.regions[1];
  const Node& update = *Base(body.outputs[i]).node;
  if (update.op != Op::kAdd && update.op != Op::kSubtract) return std::nullopt;
  const bool first = ParameterNumber(body, update.operands[0]) == i, second = ParameterNumber(body, update.operands[1]) == i;
  if (first) {
    std::optional<int64_t> step = LoopConstant(loop, body, update.operands[1]);
    if (step && update.op == Op::kSubtract) step = -*step;
    return step;
  }
  return second && update.op == Op::kAdd ? LoopConstant(loop, body, update.operands[0]) : std::nullopt;
}

Comparison Mirrored(Comparison c) {
  switch (c) {
    case Comparison::kLt:
      return Comparison::kGt;
    case Comparison::kLe:
      return Comparison::kGe;
    case Comparison::kGt:
      return Comparison::kLt;
    case Comparison::kGe:
      return Comparison::kLe;
    default:
      return c;
  }
}

// Trips of: i = begin; while (i OP end) i += step.
int64_t Count(Comparison direction, int64_t begin, int64_t end, int64_t step) {
  const auto trips = [](int64_t distance, int64_t stride) { return distance <= 0 ? 0 : stride <= 0 ? kNever : (distance + stride - 1) / stride; };
  switch (direction) {
    case Comparison::kLt:
      return trips(end - begin, step);
    case Comparison::kLe:
      return trips(end - begin + 1, step);
    case Comparison::kGt:
      return trips(begin - end, -step);
    case Comparison::kGe:
      return trips(begin - end + 1, -step);
    case Comparison::kNe:
      return end == begin ? 0 : step != 0 && (end - begin) % step == 0 && (end - begin) / step > 0 ? (end - begin) / step : kNever;
    case Comparison::kEq:
      break;
  }
  return kNever;
}

}  // namespace

std::optional<int64_t> TripCount(const Node& loop) {
  const ir::Graph& condition = *loop.regions[0];
  const Node& compare = *Base(condition.outputs[0]).node;
  if (compare.op != Op::kCompare || !IsInteger(compare.operand_type(0).dtype) || IsUnsigned(compare.operand_type(0).dtype)) return std::nullopt;
  Comparison direction = compare.attr<ir::CompareAttr>().direction;
  std::optional<int64_t> bound = LoopConstant(loop, condition, compare.operands[1]);
  std::optional<size_t> counter = ParameterNumber(condition, compare.operands[0]);
  if (!bound || !counter) {
    bound = LoopConstant(loop, condition, compare.operands[0]);
    counter = ParameterNumber(condition, compare.operands[1]);
    direction = Mirrored(direction);
  }
  if (!bound || !counter) return std::nullopt;
  const std::optional<int64_t> begin = IntegerConstant(loop.operands[*counter]), step = Step(loop, *counter);
  if (!begin || !step) return std::nullopt;
  constexpr int64_t kLarge = int64_t{1} << 31;  // beyond, narrow counters could wrap around
  for (int64_t number : {*begin, *bound, *step}) {
    if (number >= kLarge || number < -kLarge) return std::nullopt;
  }
  const int64_t count = Count(direction, *begin, *bound, *step);
  const int64_t last = *begin + count * *step;
  const int bits = BitSize(compare.operand_type(0).dtype);
  const int64_t limit = bits >= 32 ? kLarge : int64_t{1} << (bits - 1);
  if (count == kNever || last >= limit || last < -limit) return std::nullopt;
  return count;
}

}  // namespace tfvk::compiler
