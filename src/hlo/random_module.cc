#include "hlo/random_module.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "hlo/random_module_writer.h"

namespace tfvk::hlo {

int BitsOf(const std::string& type) {
  if (type == "pred") return 8;
  return std::stoi(type.substr(type.find_first_of("0123456789")));
}

int64_t CountOf(const Dimensions& shape) { return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<int64_t>()); }

std::string Braces(const Dimensions& numbers) {
  std::string text;
  for (int64_t n : numbers) text += (text.empty() ? "" : ",") + std::to_string(n);
  return "{" + text + "}";
}

std::string Times(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : "x") + part;
  return text;
}

namespace {

std::string Brackets(const Dimensions& shape) {
  std::string text = Braces(shape);
  text.front() = '[';
  text.back() = ']';
  return text;
}

}  // namespace

// ---- Choices ----

const RandomValue& RandomModuleWriter::Any() {
  const int64_t n = static_cast<int64_t>(values_.size());
  return values_[static_cast<size_t>(std::max(Below(n), Below(n)))];
}

std::string RandomModuleWriter::Type() {
  static const std::vector<std::string> kTypes = {"pred", "s8",  "s16",  "s32", "s32", "s64", "u8",  "u16", "u32",
                                                  "u64",  "f16", "bf16", "f32", "f32", "f32", "f32", "f64", "c64"};
  return Pick(kTypes);
}

Dimensions RandomModuleWriter::Shape(int64_t most_elements) {
  static const std::vector<int64_t> kSizes = {1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 17, 31, 33, 64, 65, 100};
  Dimensions shape(static_cast<size_t>(Below(5)));
  for (int64_t& size : shape) size = OneIn(60) ? 0 : Pick(kSizes);
  while (CountOf(shape) > most_elements) *std::max_element(shape.begin(), shape.end()) = Between(1, 4);
  return shape;
}

Dimensions RandomModuleWriter::Permutation(int64_t n) {
  Dimensions order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (int64_t i = n - 1; i > 0; --i) std::swap(order[i], order[Below(i + 1)]);
  return order;
}

// ---- Lines ----

RandomValue RandomModuleWriter::Add(const std::string& type, const Dimensions& shape, const std::string& text, bool exact, int roundings, double magnitude) {
  RandomValue value{"x" + std::to_string(next_++), type, shape, exact, roundings, magnitude};
  lines_ += "  " + value.name + " = " + type + Brackets(shape) + " " + text + "\n";
  if (CountOf(shape) <= 20000) values_.push_back(value);
  return value;
}

RandomValue RandomModuleWriter::Move(const RandomValue& from, const Dimensions& shape, const std::string& text) {
  return Add(from.type, shape, text, from.exact, from.roundings, from.magnitude);
}

RandomValue RandomModuleWriter::Constant(const std::string& type, double value) {
  std::string text = std::to_string(value);
  if (IsIntegerType(type)) text = std::to_string(static_cast<int64_t>(type[0] == 'u' ? std::abs(value) : value));
  if (type == "pred") text = value > 0 ? "true" : "false";
  if (IsComplexType(type)) text = "(" + text + ", 0.5)";
  if (std::isinf(value)) text = value > 0 ? "inf" : "-inf";
  infinities_ = infinities_ || std::isinf(value);
  return Add(type, {}, "constant(" + text + ")", true, 0, std::isinf(value) ? 4 : std::abs(value) + 1);
}

RandomValue RandomModuleWriter::Spread(const RandomValue& scalar, const Dimensions& shape) {
  return shape.empty() ? scalar : Move(scalar, shape, "broadcast(" + scalar.name + "), dimensions={}");
}

RandomValue RandomModuleWriter::Source(const std::string& type, const Dimensions& shape) {
  const RandomValue* same = Find([&](const RandomValue& v) { return v.type == type && v.shape == shape; });
  if (same != nullptr) return *same;
  if (!shape.empty() && type != "pred" && OneIn(2)) {
    const int64_t dimension = Below(static_cast<int64_t>(shape.size()));
    const double largest = static_cast<double>(shape[dimension]);
    return Add(type, shape, "iota(), iota_dimension=" + std::to_string(dimension), true, 0, largest);
  }
  return Spread(Constant(type, static_cast<double>(Between(-2, 3))), shape);
}

RandomValue RandomModuleWriter::Same(const RandomValue& like) { return Source(like.type, like.shape); }

RandomValue RandomModuleWriter::Small(RandomValue x) {
  const RandomValue modulus = Spread(Constant(x.type, 4), x.shape);
  return Add(x.type, x.shape, "remainder(" + x.name + ", " + modulus.name + ")", true, 0, 4);
}

// Some of them out of range.
RandomValue RandomModuleWriter::Indices(const Dimensions& shape, int64_t limit) {
  static const std::vector<std::string> kTypes = {"s32", "s32", "s64", "u32", "s8", "u8"};
  // The evaluator takes a large u64 for a negative index.
  const RandomValue* found = Find([&](const RandomValue& v) { return IsIntegerType(v.type) && v.type != "u64" && v.shape == shape; });
  if (found != nullptr) return *found;
  const std::string type = Pick(kTypes);
  const RandomValue numbers = Source(type, shape);
  const RandomValue factor = Spread(Constant(type, static_cast<double>(Between(1, 7))), shape);
  const RandomValue product = Add(type, shape, "multiply(" + numbers.name + ", " + factor.name + ")", true, 0, 4);
  if (OneIn(3)) return product;
  const RandomValue modulus = Spread(Constant(type, static_cast<double>(std::min<int64_t>(std::max<int64_t>(limit, 1), 100))), shape);
  return Add(type, shape, "remainder(" + product.name + ", " + modulus.name + ")", true, 0, 4);
}

void RandomModuleWriter::Tame(RandomValue value) {
  if (value.magnitude <= 8 || !IsFloatType(value.type)) return;
  Add(value.type, value.shape, "tanh(" + value.name + ")", false, value.roundings + 1, 1);
}

bool RandomModuleWriter::MayRound(const RandomValue& value, int more) const {
  const bool narrow = value.type == "f16" || value.type == "bf16";
  return !special_ && value.roundings + more <= (narrow ? 4 : 9) && value.magnitude <= (narrow ? 8 : 40);
}

std::string RandomModuleWriter::Combiner(const std::string& operation, const std::string& type) {
  const std::string name = operation + "_" + type;
  if (combiners_.insert(name).second) {
    const std::string result = operation == "right" ? "  ROOT r = " + type + "[] copy(b)\n" : "  ROOT r = " + type + "[] " + operation + "(a, b)\n";
    computations_ += name + " {\n  a = " + type + "[] parameter(0)\n  b = " + type + "[] parameter(1)\n" + result + "}\n\n";
  }
  return name;
}

std::string RandomModuleWriter::PickCombiner(const RandomValue& value, bool* rounds) {
  static const std::vector<std::string> kPred = {"and", "or", "xor"}, kInteger = {"add", "multiply", "maximum", "minimum", "and", "or", "xor"},
                                        kFloat = {"add", "add", "maximum", "minimum"}, kExact = {"maximum", "minimum"};
  const bool rounded = !IsIntegerType(value.type) && value.type != "pred";
  std::string operation = "add";
  if (value.type == "pred") operation = Pick(kPred);
  if (IsIntegerType(value.type)) operation = Pick(kInteger);
  if (IsFloatType(value.type)) operation = Pick(MayRound(value) ? kFloat : kExact);
  *rounds = rounded && operation == "add";
  return operation;
}

RandomValue RandomModuleWriter::Lowest(const std::string& type) {
  if (IsFloatType(type)) return Constant(type, -std::numeric_limits<double>::infinity());
  return Constant(type, type[0] == 's' ? -std::ldexp(1, BitsOf(type) - 1) : 0);
}

RandomValue RandomModuleWriter::Identity(const std::string& operation, const std::string& type) {
  if (operation == "multiply") return Constant(type, 1);
  if (operation == "maximum") return Lowest(type);
  if (operation == "and" && type != "pred") {
    const RandomValue zero = Constant(type, 0);
    return Add(type, {}, "not(" + zero.name + ")", true, 0, 4);
  }
  if (operation == "minimum") {
    if (IsFloatType(type)) return Constant(type, std::numeric_limits<double>::infinity());
    const RandomValue lowest = Lowest(type);
    return Add(type, {}, "not(" + lowest.name + ")", true, 0, 4);
  }
  return IsComplexType(type) ? Add(type, {}, "constant((0, 0))", true, 0, 4) : Constant(type, operation == "and" ? 1 : 0);
}

// Some outputs take the memory of a parameter of their type.
std::string RandomModuleWriter::Aliases(const std::vector<RandomValue>& outputs, int64_t parameters) {
  std::string aliases;
  std::set<int64_t> taken;
  for (size_t i = 0; i < outputs.size(); ++i) {
    for (int64_t p = 0; p < parameters; ++p) {
      const RandomValue& parameter = values_[p];
      if (parameter.type != outputs[i].type || parameter.shape != outputs[i].shape || OneIn(3) || !taken.insert(p).second) continue;
      aliases += (aliases.empty() ? " " : ", ") + Braces({static_cast<int64_t>(i)}) + ": (" + std::to_string(p) + ", {}, may-alias)";
      break;
    }
  }
  return aliases.empty() ? "" : ", input_output_alias={" + aliases + " }";
}

// ---- The module ----

std::string RandomModuleWriter::Write(uint64_t seed) {
  special_ = OneIn(5);
  std::string directives;
  const int64_t parameters = Between(2, 5);
  for (int64_t i = 0; i < parameters; ++i) {
    Add(Type(), Shape(OneIn(6) ? 16000 : 500), "parameter(" + std::to_string(i) + ")", true, 0, 4);
    values_.back().parameter = true;
    if (special_) directives += "// input " + std::to_string(i) + ": special\n";
  }
  using Member = void (RandomModuleWriter::*)();
  static const std::vector<Member> kAll = {&RandomModuleWriter::AddUnary,   &RandomModuleWriter::AddUnary,        &RandomModuleWriter::AddUnary,
                                           &RandomModuleWriter::AddBinary,  &RandomModuleWriter::AddBinary,       &RandomModuleWriter::AddBinary,
                                           &RandomModuleWriter::AddCompare, &RandomModuleWriter::AddSelect,       &RandomModuleWriter::AddClamp,
                                           &RandomModuleWriter::AddConvert, &RandomModuleWriter::AddConvert,      &RandomModuleWriter::AddBitcast,
                                           &RandomModuleWriter::AddComplex, &RandomModuleWriter::AddBroadcast,    &RandomModuleWriter::AddBroadcast,
                                           &RandomModuleWriter::AddReshape, &RandomModuleWriter::AddTranspose,    &RandomModuleWriter::AddTranspose,
                                           &RandomModuleWriter::AddSlice,   &RandomModuleWriter::AddPad,          &RandomModuleWriter::AddConcatenate,
                                           &RandomModuleWriter::AddReverse, &RandomModuleWriter::AddDynamicSlice, &RandomModuleWriter::AddDynamicUpdateSlice,
                                           &RandomModuleWriter::AddGather,  &RandomModuleWriter::AddScatter,      &RandomModuleWriter::AddReduce,
                                           &RandomModuleWriter::AddReduce,  &RandomModuleWriter::AddTotals,       &RandomModuleWriter::AddTotals,
                                           &RandomModuleWriter::AddArgMax,  &RandomModuleWriter::AddReduceWindow, &RandomModuleWriter::AddSelectAndScatter,
                                           &RandomModuleWriter::AddSort,    &RandomModuleWriter::AddDot,          &RandomModuleWriter::AddConvolution,
                                           &RandomModuleWriter::AddWhile,   &RandomModuleWriter::AddConditional,  &RandomModuleWriter::AddReducePrecision,
                                           &RandomModuleWriter::AddMap,     &RandomModuleWriter::AddFourier};
  const int64_t steps = OneIn(4) ? Between(20, 60) : Between(3, 24);
  for (int64_t i = 0; i < steps; ++i) (this->*Pick(kAll))();

  std::vector<RandomValue> outputs;
  const int64_t count = Between(1, 5);
  for (int64_t i = 0; i < count; ++i) outputs.push_back(i == 0 ? values_.back() : Any());
  std::string types, names;
  for (const RandomValue& output : outputs) {
    types += (types.empty() ? "" : ", ") + output.type + Brackets(output.shape);
    names += (names.empty() ? "" : ", ") + output.name;
  }
  const std::string name = "random_" + std::to_string(seed) + Aliases(outputs, parameters);
  return directives + "HloModule " + name + "\n\n" + computations_ + "ENTRY main {\n" + lines_ + "  ROOT r = (" + types + ") tuple(" + names + ")\n}\n";
}

std::string RandomModule(uint64_t seed) { return RandomModuleWriter(seed).Write(seed); }

}  // namespace tfvk::hlo
