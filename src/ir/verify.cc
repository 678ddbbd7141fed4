#include "ir/verify.h"

#include <set>

#include "ir/ops.h"

namespace tfvk::ir {
namespace {

void VerifySizes(const Checker& c) {
  for (const TensorType& type : c.node.results) {
    for (const Size& size : type.shape) {
      c.Expect(size.is_static() ? size.value >= 0 : size.symbol < c.symbols, "{} has a size that is negative or a symbol beyond the graph's {}", ToText(type),
               c.symbols);
    }
  }
}

void VerifyForm(const Checker& c, const std::set<const Node*>& seen) {
  const Node& node = c.node;
  const OpInfo& info = Info(node.op);
  for (const Value& operand : node.operands) {
    c.Expect(seen.count(operand.node) != 0, "an operand is not an earlier node of this graph");
    c.Expect(operand.result >= 0 && operand.result < static_cast<int>(operand.node->results.size()), "operand %{} has no result {}", operand.node->id,
             operand.result);
  }
  c.Expect(!node.results.empty() || node.op == Op::kWhile || node.op == Op::kConditional, "there is no result");
  c.Expect(node.attributes.index() == static_cast<size_t>(info.attribute), "attribute struct {} is not the operation's, {}", node.attributes.index(),
           static_cast<int>(info.attribute));
  if (info.operands != kVariadic) c.ExpectOperands(info.operands);
  if (info.regions != kVariadic) {
    c.Expect(static_cast<int>(node.regions.size()) == info.regions, "there are {} regions, not {}", node.regions.size(), info.regions);
  }
  for (const auto& region : node.regions) c.Expect(region != nullptr, "a region is missing");
  VerifySizes(c);
}

void VerifyRule(const Checker& c) {
  const Op op = c.node.op;
  if (op <= Op::kRngBitGenerator) return VerifySource(c);
  if (op <= Op::kClamp) return VerifyElementwise(c);
  if (op <= Op::kReverse) return VerifyMovement(c);
  if (op <= Op::kScatter) return VerifyIndexed(c);
  if (op == Op::kDot || op == Op::kConvolution) return VerifyContraction(c);
  if (op <= Op::kLargestExponent) return VerifyReduction(c);
  VerifyControl(c);
}

void VerifyAliases(const Graph& graph) {
  if (graph.aliases.empty()) return;
  Require(graph.aliases.size() == graph.outputs.size(), "[Verify] graph {} has {} aliases for {} outputs", graph.name, graph.aliases.size(),
          graph.outputs.size());
  std::set<int> taken;
  for (size_t i = 0; i < graph.aliases.size(); ++i) {
    const int parameter = graph.aliases[i];
    if (parameter < 0) continue;
    Require(parameter < static_cast<int>(graph.parameters().size()), "[Verify] output {} is aliased to parameter {}, which does not exist", i, parameter);
    Require(taken.insert(parameter).second, "[Verify] two outputs are aliased to parameter {}", parameter);
    const TensorType& type = graph.parameters()[parameter]->type();
    Require(type == graph.outputs[i].type(), "[Verify] output {} of type {} is aliased to parameter {} of type {}", i, ToText(graph.outputs[i].type()),
            parameter, ToText(type));
  }
}

void VerifyGraph(const Graph& graph, int symbols) {
  std::set<const Node*> seen;
  for (const auto& node : graph.nodes()) {
    const Checker c(*node, symbols);
    VerifyForm(c, seen);
    for (const auto& region : node->regions) VerifyGraph(*region, symbols);
    VerifyRule(c);
    seen.insert(node.get());
  }
  for (size_t i = 0; i < graph.parameters().size(); ++i) {
    const Node* parameter = graph.parameters()[i];
    Require(seen.count(parameter) != 0 && parameter->attr<DimsAttr>().dims == std::vector<int64_t>{static_cast<int64_t>(i)},
            "[Verify] parameter {} of graph {} is missing or misnumbered", i, graph.name);
  }
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    const Value& output = graph.outputs[i];
    Require(seen.count(output.node) != 0 && output.result >= 0 && output.result < static_cast<int>(output.node->results.size()),
            "[Verify] output {} of graph {} is not a value of this graph", i, graph.name);
  }
  VerifyAliases(graph);
}

}  // namespace

void Verify(const Graph& graph) { VerifyGraph(graph, graph.symbol_count); }

std::string Checker::Describe() const {
  std::string text = fmt::format("%{} = {}(", node.id, Name(node.op));
  for (size_t i = 0; i < node.operands.size(); ++i) {
    const Value& v = node.operands[i];
    const bool valid = v.node != nullptr && v.result >= 0 && v.result < static_cast<int>(v.node->results.size());
    text += fmt::format("{}{}", i == 0 ? "" : ", ", valid ? ToText(v.type()) : "no value");
  }
  text += ") -> ";
  for (size_t i = 0; i < node.results.size(); ++i) text += fmt::format("{}{}", i == 0 ? "" : ", ", ToText(node.results[i]));
  if (!node.origin.empty()) text += fmt::format(" from {}", node.origin);
  return text;
}

void Checker::ExpectOperands(int count) const { Expect(operand_count() == count, "there are {} operands, not {}", operand_count(), count); }
void Checker::ExpectResults(int count) const { Expect(result_count() == count, "there are {} results, not {}", result_count(), count); }

void Checker::ExpectResult(const TensorType& expected, int i) const {
  Expect(out(i).dtype == expected.dtype, "result {} must have dtype {}", i, Name(expected.dtype));
  ExpectShape(*this, out(i).shape, expected.shape, "the result");
}

void Checker::ExpectScalar(const TensorType& type, const char* what) const { Expect(type.shape.empty(), "{} is {} and not a scalar", what, ToText(type)); }

void Checker::ExpectDimensions(const std::vector<int64_t>& dims, size_t rank, const char* what) const {
  std::set<int64_t> seen;
  for (int64_t d : dims) {
    Expect(d >= 0 && d < static_cast<int64_t>(rank), "{} names dimension {} of a tensor of rank {}", what, d, rank);
    Expect(seen.insert(d).second, "{} names dimension {} twice", what, d);
  }
}

void Checker::ExpectLength(const std::vector<int64_t>& list, size_t rank, const char* what) const {
  Expect(list.size() == rank, "{} has {} entries for rank {}", what, list.size(), rank);
}

void Checker::ExpectRegion(int region, const std::vector<TensorType>& parameters, const std::vector<TensorType>& outputs) const {
  const Graph& graph = *node.regions[region];
  Expect(graph.parameters().size() == parameters.size(), "region {} takes {} parameters, not {}", region, graph.parameters().size(), parameters.size());
  for (size_t i = 0; i < parameters.size(); ++i) {
    const TensorType& type = graph.parameters()[i]->type();
    Expect(type == parameters[i], "region {}'s parameter {} is {}, not {}", region, i, ToText(type), ToText(parameters[i]));
  }
  Expect(graph.outputs.size() == outputs.size(), "region {} has {} outputs, not {}", region, graph.outputs.size(), outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    Expect(graph.outputs[i].type() == outputs[i], "region {}'s output {} is {}, not {}", region, i, ToText(graph.outputs[i].type()), ToText(outputs[i]));
  }
}

void ExpectSize(const Checker& c, const Size& actual, const Size& expected, const char* what, size_t dimension) {
  if (expected == Size(kComputed)) {
    c.Expect(!actual.is_static(), "dimension {} of {} depends on a run-time size but is the constant {}", dimension, what, actual.value);
  } else {
    c.Expect(actual == expected, "dimension {} of {} is {}, not {}", dimension, what, ToText(Shape{actual}), ToText(Shape{expected}));
  }
}

void ExpectShape(const Checker& c, const Shape& actual, const Shape& expected, const char* what) {
  c.Expect(actual.size() == expected.size(), "the shape of {} is {}, which has not rank {}", what, ToText(actual), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) ExpectSize(c, actual[i], expected[i], what, i);
}

}  // namespace tfvk::ir
