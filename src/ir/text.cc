// Printing a graph. The grammar, which parse.cc reads, a line at a time:
//   graph "name" symbols=2 {
//     %4 = op(%1, %3#1) field=value ... : f32[8,?0]  // origin          two results: (f32[8], s32[8])
//     %5 = constant() dense<1, 2> : s32[2]                              or splat<0>
//     %6 = reduce(%4, %5) dims=[1] : f32[8] with 1                      followed by as many graphs: the regions
//     return %6 alias 0, %5 alias -1
//   }
#include <algorithm>

#include "ir/constant_text.h"
#include "ir/fields.h"
#include "ir/ops.h"
#include "ir/verify.h"

namespace tfvk::ir {
namespace {

constexpr int64_t kLongestConstant = 16;  // elements printed in full

std::string FieldText(bool value) { return value ? "true" : "false"; }
std::string FieldText(int64_t value) { return fmt::format("{}", value); }
std::string FieldText(const std::vector<int64_t>& list) { return fmt::format("[{}]", fmt::join(list, ",")); }
template <class E>
std::enable_if_t<std::is_enum_v<E>, std::string> FieldText(E value) {
  return Spellings<E>::kNames[static_cast<int>(value)];
}
// Fields that have their default value are left out.
std::string FieldText(const std::vector<WindowDim>& window) {
  std::vector<std::string> dims;
  for (const WindowDim& dim : window) {
    std::vector<std::string> defaults, fields;
    const WindowDim plain;
    VisitFields(plain, [&](const char*, const auto& field) { defaults.push_back(FieldText(field)); });
    size_t i = 0;
    VisitFields(dim, [&](const char* name, const auto& field) {
      const std::string text = FieldText(field);
      if (text != defaults[i++]) fields.push_back(fmt::format("{}={}", name, text));
    });
    dims.push_back(fmt::format("{{{}}}", fmt::join(fields, " ")));
  }
  return fmt::format("[{}]", fmt::join(dims, ","));
}

uint64_t Fnv1a(const std::vector<uint8_t>& bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

std::string ConstantText(const TensorType& type, const ConstantAttr& constant) {
  const auto& bytes = *constant.bytes;
  const size_t width = ByteSize(type.dtype);
  const int64_t count = static_cast<int64_t>(bytes.size() / width);
  if (count > kLongestConstant) return fmt::format(" dense<...{} bytes, {:016x}>", bytes.size(), Fnv1a(bytes));
  std::vector<std::string> elements;
  for (int64_t i = 0; i < count; ++i) elements.push_back(ElementToText(type.dtype, bytes.data() + i * width));
  return fmt::format(" {}<{}>", constant.splat ? "splat" : "dense", fmt::join(elements, ", "));
}

std::string AttributeText(const Node& node) {
  if (const auto* constant = std::get_if<ConstantAttr>(&node.attributes)) return ConstantText(node.type(), *constant);
  std::string text;
  std::visit(
      [&](const auto& attribute) {
        VisitFields(attribute, [&](const char* name, const auto& field) {
          const std::string value = FieldText(field);
          if (!IsOptional(name) || value != FieldText(std::decay_t<decltype(field)>())) text += fmt::format(" {}={}", name, value);
        });
      },
      node.attributes);
  return text;
}

std::string ValueText(const Value& value) {
  return value.result == 0 ? fmt::format("%{}", value.node->id) : fmt::format("%{}#{}", value.node->id, value.result);
}

// One line, whatever the text holds.
std::string OneLine(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char ch) { return ch == '\n' || ch == '\r'; }, ' ');
  return text;
}

std::string TypesText(const std::vector<TensorType>& types) {
  if (types.size() == 1) return ToText(types[0]);
  std::vector<std::string> texts;
  for (const TensorType& type : types) texts.push_back(ToText(type));
  return fmt::format("({})", fmt::join(texts, ", "));
}

class Printer {
 public:
  std::string Take() { return std::move(text_); }

  void PrintGraph(const Graph& graph, int depth) {
    const std::string indent(2 * depth, ' ');
    text_ += fmt::format("{}graph \"{}\" symbols={} {{\n", indent, OneLine(graph.name), graph.symbol_count);
    for (const auto& node : graph.nodes()) PrintNode(*node, depth + 1);
    text_ += indent + "  return";
    for (size_t i = 0; i < graph.outputs.size(); ++i) {
      text_ += fmt::format("{} {}", i == 0 ? "" : ",", ValueText(graph.outputs[i]));
      if (!graph.aliases.empty()) text_ += fmt::format(" alias {}", graph.aliases[i]);
    }
    text_ += fmt::format("\n{}}}\n", indent);
  }

 private:
  void PrintNode(const Node& node, int depth) {
    std::vector<std::string> operands;
    for (const Value& operand : node.operands) operands.push_back(ValueText(operand));
    text_ += fmt::format("{}%{} = {}({}){} : {}", std::string(2 * depth, ' '), node.id, Name(node.op), fmt::join(operands, ", "), AttributeText(node),
                         TypesText(node.results));
    if (!node.regions.empty()) text_ += fmt::format(" with {}", node.regions.size());
    if (!node.origin.empty()) text_ += "  // " + OneLine(node.origin);
    text_ += '\n';
    for (const auto& region : node.regions) PrintGraph(*region, depth + 1);
  }

  std::string text_;
};

}  // namespace

std::string ToText(const Shape& shape) {
  std::vector<std::string> sizes;
  for (const Size& size : shape) sizes.push_back(size.is_static() ? fmt::format("{}", size.value) : fmt::format("?{}", size.symbol));
  return fmt::format("[{}]", fmt::join(sizes, ","));
}

std::string ToText(const TensorType& type) { return fmt::format("{}{}", Name(type.dtype), ToText(type.shape)); }

std::string ToText(const Graph& graph) {
  Printer printer;
  printer.PrintGraph(graph, 0);
  return printer.Take();
}

}  // namespace tfvk::ir
