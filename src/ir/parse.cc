// Reading text.cc's form back, a line at a time.
#include <cctype>
#include <map>

#include "ir/constant_text.h"
#include "ir/fields.h"
#include "ir/ops.h"
#include "types/error.h"

namespace tfvk::ir {
namespace {

// The rest of one line. Every Take throws Error(kInvalidArgument) when something else stands there.
class Line {
 public:
  Line(std::string text, int number) : text_(std::move(text)), number_(number) { SkipSpace(); }

  [[noreturn]] void Reject(const std::string& what) const {
    Fail(ErrorCode::kInvalidArgument, "[FromText] line {}: {} at '{}'", number_, what, text_.substr(at_, 40));
  }
  bool AtEnd() const { return at_ == text_.size(); }
  bool StartsWith(const std::string& token) const { return text_.compare(at_, token.size(), token) == 0; }
  bool TryTake(const std::string& token) {
    if (!StartsWith(token)) return false;
    at_ += token.size();
    SkipSpace();
    return true;
  }
  void Take(const std::string& token) {
    if (!TryTake(token)) Reject(fmt::format("expected '{}'", token));
  }
  std::string TakeWord() {
    const size_t begin = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) ++at_;
    if (at_ == begin) Reject("expected a word");
    return Finish(begin, at_);
  }
  int64_t TakeInteger() {
    size_t used = 0;
    int64_t value = 0;
    try {
      value = std::stoll(text_.substr(at_, 24), &used);
    } catch (const std::exception&) {
      Reject("expected an integer");
    }
    at_ += used;
    SkipSpace();
    return value;
  }
  // Up to `end`, which is taken too.
  std::string TakeUntil(const std::string& end) {
    const size_t found = text_.find(end, at_);
    if (found == std::string::npos) Reject(fmt::format("expected '{}' later in the line", end));
    const std::string taken = text_.substr(at_, found - at_);
    at_ = found + end.size();
    SkipSpace();
    return taken;
  }
  std::string TakeLast(const std::string& end) {
    const size_t found = text_.rfind(end);
    if (found == std::string::npos || found < at_) Reject(fmt::format("expected '{}' later in the line", end));
    const std::string taken = text_.substr(at_, found - at_);
    at_ = found + end.size();
    SkipSpace();
    return taken;
  }
  std::string TakeRest() { return Finish(at_, text_.size()); }
  int number() const { return number_; }

 private:
  std::string Finish(size_t begin, size_t end) {
    at_ = end;
    const std::string taken = text_.substr(begin, end - begin);
    SkipSpace();
    return taken;
  }
  void SkipSpace() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }

  std::string text_;
  int number_;
  size_t at_ = 0;
};

// ---- Fields ----

void TakeField(Line& line, bool& value) {
  value = line.StartsWith("true");
  line.Take(value ? "true" : "false");
}
void TakeField(Line& line, int64_t& value) { value = line.TakeInteger(); }
template <class E>
std::enable_if_t<std::is_enum_v<E>> TakeField(Line& line, E& value) {
  const std::string word = line.TakeWord();
  int i = 0;
  for (const char* name : Spellings<E>::kNames) {
    if (word == name) {
      value = static_cast<E>(i);
      return;
    }
    ++i;
  }
  line.Reject(fmt::format("unknown value '{}'", word));
}
template <class T>
void TakeField(Line& line, std::vector<T>& list);

void TakeField(Line& line, WindowDim& dim) {
  line.Take("{");
  while (!line.TryTake("}")) {
    const std::string name = line.TakeWord();
    line.Take("=");
    bool known = false;
    VisitFields(dim, [&](const char* candidate, auto& field) {
      if (name != candidate) return;
      known = true;
      TakeField(line, field);
    });
    if (!known) line.Reject(fmt::format("a window has no field '{}'", name));
  }
}

template <class T>
void TakeField(Line& line, std::vector<T>& list) {
  list.clear();
  line.Take("[");
  if (line.TryTake("]")) return;
  do {
    T element{};
    TakeField(line, element);
    list.push_back(element);
  } while (line.TryTake(","));
  line.Take("]");
}

// ---- Types and operations ----

DType TakeDType(Line& line) {
  const std::string word = line.TakeWord();
  for (int i = 0; i < kDTypeCount; ++i) {
    if (word == Name(static_cast<DType>(i))) return static_cast<DType>(i);
  }
  line.Reject(fmt::format("unknown dtype '{}'", word));
}

TensorType TakeType(Line& line) {
  TensorType type{TakeDType(line), {}};
  line.Take("[");
  if (line.TryTake("]")) return type;
  do {
    type.shape.push_back(line.TryTake("?") ? Size::Symbol(static_cast<int>(line.TakeInteger())) : Size(line.TakeInteger()));
  } while (line.TryTake(","));
  line.Take("]");
  return type;
}

std::vector<TensorType> TakeTypes(Line& line) {
  if (!line.TryTake("(")) return {TakeType(line)};
  std::vector<TensorType> types;
  if (line.TryTake(")")) return types;
  do {
    types.push_back(TakeType(line));
  } while (line.TryTake(","));
  line.Take(")");
  return types;
}

Op TakeOp(Line& line) {
  static const std::map<std::string, Op> kOps = [] {
    std::map<std::string, Op> ops;
    for (int i = 0; i < kOpCount; ++i) ops[Name(static_cast<Op>(i))] = static_cast<Op>(i);
    return ops;
  }();
  const std::string word = line.TakeWord();
  const auto found = kOps.find(word);
  if (found == kOps.end()) line.Reject(fmt::format("unknown operation '{}'", word));
  return found->second;
}

// The elements' text; their bytes are made when the type that follows is known.
struct ConstantText {
  bool splat = false;
  std::string elements;
};

ConstantText TakeConstant(Line& line) {
  ConstantText constant;
  constant.splat = line.TryTake("splat<");
  if (!constant.splat) line.Take("dense<");
  if (line.StartsWith("...")) line.Reject("a constant was left out when this text was written");
  constant.elements = line.TakeUntil(">");
  return constant;
}

ConstantAttr ReadConstant(const Line& line, const ConstantText& constant, DType dtype) {
  std::vector<uint8_t> bytes;
  std::string rest = constant.elements;
  while (!rest.empty()) {
    const size_t comma = rest.find(", ");
    try {
      ElementFromText(dtype, rest.substr(0, comma), bytes);
    } catch (const Error& error) {
      line.Reject(error.what());
    }
    rest = comma == std::string::npos ? "" : rest.substr(comma + 2);
  }
  return {std::make_shared<const std::vector<uint8_t>>(std::move(bytes)), constant.splat};
}

void TakeAttributes(Line& line, Attributes& attributes) {
  std::visit(
      [&](auto& attribute) {
        VisitFields(attribute, [&](const char* name, auto& field) {
          const std::string begin = std::string(name) + "=";
          if (IsOptional(name) && !line.StartsWith(begin)) return;
          line.Take(begin);
          TakeField(line, field);
        });
      },
      attributes);
}

// ---- Graphs ----

class Parser {
 public:
  explicit Parser(const std::string& text) : text_(text) {}

  std::unique_ptr<Graph> ReadAll() {
    auto graph = ReadGraph();
    while (at_ < text_.size()) {
      const Line line = NextLine();
      if (!line.AtEnd()) line.Reject("there is text after the graph");
    }
    return graph;
  }

 private:
  using Names = std::map<int64_t, Node*>;

  Line NextLine() {
    if (at_ >= text_.size()) Fail(ErrorCode::kInvalidArgument, "[FromText] line {}: the text ends inside a graph", number_ + 1);
    const size_t end = std::min(text_.find('\n', at_), text_.size());
    Line line(text_.substr(at_, end - at_), ++number_);
    at_ = end + 1;
    return line;
  }
  Line NextFullLine() {
    Line line = NextLine();
    while (line.AtEnd()) line = NextLine();
    return line;
  }

  std::unique_ptr<Graph> ReadGraph() {
    auto graph = std::make_unique<Graph>();
    Line header = NextFullLine();
    header.Take("graph");
    header.Take("\"");
    graph->name = header.TakeLast("\"");
    header.Take("symbols=");
    graph->symbol_count = static_cast<int>(header.TakeInteger());
    header.Take("{");
    Names names;
    Line line = NextFullLine();
    for (; !line.TryTake("return"); line = NextFullLine()) ReadNode(line, *graph, names);
    ReadReturn(line, *graph, names);
    NextFullLine().Take("}");
    return graph;
  }

  Value TakeValue(Line& line, const Names& names) {
    line.Take("%");
    const int64_t id = line.TakeInteger();
    const auto found = names.find(id);
    if (found == names.end()) line.Reject(fmt::format("%{} is not defined before", id));
    const int result = line.TryTake("#") ? static_cast<int>(line.TakeInteger()) : 0;
    if (result < 0 || result >= static_cast<int>(found->second->results.size())) line.Reject(fmt::format("%{} has no result {}", id, result));
    return {found->second, result};
  }

  void ReadReturn(Line& line, Graph& graph, const Names& names) {
    while (!line.AtEnd()) {
      graph.outputs.push_back(TakeValue(line, names));
      if (line.TryTake("alias")) graph.aliases.push_back(static_cast<int>(line.TakeInteger()));
      if (!line.AtEnd()) line.Take(",");
    }
    if (!graph.aliases.empty() && graph.aliases.size() != graph.outputs.size()) line.Reject("either all outputs have an alias or none");
  }

  std::vector<Value> TakeOperands(Line& line, const Names& names) {
    std::vector<Value> operands;
    line.Take("(");
    if (line.TryTake(")")) return operands;
    do {
      operands.push_back(TakeValue(line, names));
    } while (line.TryTake(","));
    line.Take(")");
    return operands;
  }

  void ReadNode(Line& line, Graph& graph, Names& names) {
    line.Take("%");
    const int64_t id = line.TakeInteger();
    if (names.count(id) != 0) line.Reject(fmt::format("%{} is defined twice", id));
    line.Take("=");
    const Op op = TakeOp(line);
    auto operands = TakeOperands(line, names);
    Attributes attributes = MakeAttributes(Info(op).attribute);
    ConstantText constant;
    if (op == Op::kConstant) {
      constant = TakeConstant(line);
    } else {
      TakeAttributes(line, attributes);
    }
    line.Take(":");
    auto types = TakeTypes(line);
    if (op == Op::kConstant && types.size() == 1) attributes = ReadConstant(line, constant, types[0].dtype);
    const int64_t region_count = line.TryTake("with") ? line.TakeInteger() : 0;
    const std::string origin = line.TryTake("//") ? line.TakeRest() : "";
    if (!line.AtEnd()) line.Reject("expected the end of the line");
    if (op == Op::kParameter) {
      ReadParameter(line, graph, names[id], attributes, std::move(types), origin);
      return;
    }
    std::vector<std::unique_ptr<Graph>> regions;
    for (int64_t i = 0; i < region_count; ++i) regions.push_back(ReadGraph());
    names[id] = graph.AddNode(op, std::move(operands), std::move(types), std::move(attributes), std::move(regions), origin);
  }

  void ReadParameter(const Line& line, Graph& graph, Node*& node, const Attributes& attributes, std::vector<TensorType> types, const std::string& origin) {
    const std::vector<int64_t> next = {static_cast<int64_t>(graph.parameters().size())};
    if (types.size() != 1 || std::get<DimsAttr>(attributes).dims != next) line.Reject(fmt::format("expected parameter {} of one type", next[0]));
    node = graph.AddParameter(std::move(types[0]), origin).node;
  }

  const std::string& text_;
  size_t at_ = 0;
  int number_ = 0;
};

}  // namespace

std::unique_ptr<Graph> FromText(const std::string& text) { return Parser(text).ReadAll(); }

}  // namespace tfvk::ir
