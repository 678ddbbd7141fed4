// Elementwise instructions, conversions and control flow of random modules.
#include <algorithm>
#include <cmath>
#include <map>

#include "hlo/random_module_writer.h"

namespace tfvk::hlo {
namespace {

// A function and how it changes a bound of magnitudes.
struct Function {
  const char* name;
  double magnitude;  // of the result; 0: the operand's
};

}  // namespace

void RandomModuleWriter::AddUnary() {
  const RandomValue x = Any();
  const auto add = [&](const std::string& name, const RandomValue& of) {
    return Add(of.type, x.shape, name + "(" + of.name + ")", of.exact, of.roundings, of.magnitude);
  };
  if (x.type == "pred") return void(add("not", x));
  if (IsIntegerType(x.type)) {
    // The evaluator counts the leading zeros of a negative s8 in more bits than it has.
    static const std::vector<std::string> kUnsigned = {"not", "negate", "popcnt", "count-leading-zeros"};
    static const std::vector<std::string> kSigned = {"not", "negate", "popcnt", "abs", "sign"};
    return void(add(Pick(x.type[0] == 's' ? kSigned : kUnsigned), x));
  }
  if (IsComplexType(x.type)) {
    // Zero has no phase, and near it none that rounding leaves alone.
    static const std::vector<Function> kFunctions = {{"negate", 0}, {"negate", 0}, {"exponential", 60}, {"sine", 60}, {"cosine", 60}};
    const Function& function = Pick(kFunctions);
    if (function.magnitude == 0) return void(add("negate", x));
    if (MayRound(x) && x.magnitude <= 4) Add(x.type, x.shape, std::string(function.name) + "(" + x.name + ")", false, x.roundings + 2, function.magnitude);
    return;
  }
  if (x.exact && OneIn(2)) {
    static const std::vector<std::string> kExact = {"abs", "negate", "sign", "floor", "ceil", "round-nearest-afz", "round-nearest-even", "abs", "negate"};
    return void(add(Pick(kExact), x));
  }
  if (OneIn(4) || !MayRound(x, 2)) return void(add(OneIn(2) ? "abs" : "negate", x));
  static const std::vector<Function> kAnywhere = {{"tanh", 1}, {"sine", 1}, {"cosine", 1}, {"logistic", 1}, {"erf", 1}, {"cbrt", 4}};
  static const std::vector<Function> kAboveZero = {{"log", 4}, {"sqrt", 7}, {"rsqrt", 2}, {"log-plus-one", 4}};
  static const std::vector<Function> kSmall = {{"exponential", 60}, {"exponential-minus-one", 60}};
  const auto round = [&](const Function& function, const RandomValue& of) {
    Tame(Add(of.type, x.shape, std::string(function.name) + "(" + of.name + ")", false, of.roundings + 1, function.magnitude));
  };
  if (x.magnitude <= 4 && OneIn(3)) return round(Pick(kSmall), x);
  if (OneIn(2)) return round(Pick(kAnywhere), x);
  const RandomValue half = Spread(Constant(x.type, 0.5), x.shape), magnitude = add("abs", x);
  const RandomValue positive = Add(x.type, x.shape, "add(" + magnitude.name + ", " + half.name + ")", false, x.roundings + 1, x.magnitude + 1);
  round(Pick(kAboveZero), positive);
}

void RandomModuleWriter::AddBinary() {
  const RandomValue x = Any(), y = Same(x);
  const std::string operands = "(" + x.name + ", " + y.name + ")";
  const bool exact = x.exact && y.exact;
  const int roundings = std::max(x.roundings, y.roundings);
  const double larger = std::max(x.magnitude, y.magnitude);
  if (x.type == "pred" || IsIntegerType(x.type)) {
    static const std::vector<std::string> kPred = {"and", "or", "xor"};
    static const std::vector<std::string> kInteger = {"add",
                                                      "subtract",
                                                      "multiply",
                                                      "divide",
                                                      "remainder",
                                                      "maximum",
                                                      "minimum",
                                                      "and",
                                                      "or",
                                                      "xor",
                                                      "shift-left",
                                                      "shift-right-logical",
                                                      "shift-right-arithmetic"};
    return void(Add(x.type, x.shape, Pick(x.type == "pred" ? kPred : kInteger) + operands, true, 0, larger));
  }
  if (IsFloatType(x.type) && (OneIn(4) || !MayRound(x) || !MayRound(y))) {
    return void(Add(x.type, x.shape, (OneIn(2) ? "maximum" : "minimum") + operands, exact, roundings, larger));
  }
  if (!MayRound(x) || !MayRound(y)) return;
  if (IsFloatType(x.type) && exact && OneIn(6)) return void(Add(x.type, x.shape, "atan2" + operands, false, 1, 4));
  if (IsFloatType(x.type) && OneIn(5)) {
    const RandomValue half = Spread(Constant(x.type, 0.5), x.shape), magnitude = Move(y, y.shape, "abs(" + y.name + ")");
    const RandomValue divisor = Add(x.type, x.shape, "add(" + magnitude.name + ", " + half.name + ")", false, y.roundings + 1, y.magnitude + 1);
    return Tame(Add(x.type, x.shape, "divide(" + x.name + ", " + divisor.name + ")", false, std::max(x.roundings, divisor.roundings) + 1, 2 * x.magnitude));
  }
  static const std::vector<std::string> kFloat = {"add", "subtract", "multiply"};
  const std::string name = Pick(kFloat);
  Tame(Add(x.type, x.shape, name + operands, false, roundings + 1, name == "multiply" ? x.magnitude * y.magnitude : x.magnitude + y.magnitude));
}

void RandomModuleWriter::AddCompare() {
  const RandomValue* x = Find([](const RandomValue& v) { return v.exact; });
  if (x == nullptr) return;
  const RandomValue a = *x, b = Same(a);
  if (!b.exact) return;
  static const std::vector<std::string> kDirections = {"EQ", "NE", "LT", "LE", "GT", "GE"};
  const std::string direction = IsComplexType(a.type) ? (OneIn(2) ? "EQ" : "NE") : Pick(kDirections);
  const bool ordered = IsFloatType(a.type) && TotalOrderHolds(a) && TotalOrderHolds(b);
  const std::string order = ordered && OneIn(3) ? ", type=TOTALORDER" : "";
  Add("pred", a.shape, "compare(" + a.name + ", " + b.name + "), direction=" + direction + order, true, 0, 4);
}

void RandomModuleWriter::AddSelect() {
  const RandomValue x = Any(), y = Same(x), p = Source("pred", OneIn(4) ? Dimensions{} : x.shape);
  Add(x.type, x.shape, "select(" + p.name + ", " + x.name + ", " + y.name + ")", x.exact && y.exact, std::max(x.roundings, y.roundings),
      std::max(x.magnitude, y.magnitude));
}

void RandomModuleWriter::AddClamp() {
  const RandomValue x = Any();
  if (x.type == "pred" || IsComplexType(x.type)) return;
  const RandomValue low = Constant(x.type, static_cast<double>(Between(-2, 1))), high = Constant(x.type, static_cast<double>(Between(2, 5)));
  const bool whole = OneIn(3);
  const std::string bounds[2] = {whole ? Spread(low, x.shape).name : low.name, whole ? Spread(high, x.shape).name : high.name};
  Add(x.type, x.shape, "clamp(" + bounds[0] + ", " + x.name + ", " + bounds[1] + ")", x.exact, x.roundings, std::min(x.magnitude, 6.0));
}

void RandomModuleWriter::AddConvert() {
  const RandomValue x = Any();
  const std::string type = Type();
  const bool to_whole = IsIntegerType(type) || type == "pred", from_whole = IsIntegerType(x.type) || x.type == "pred";
  if (IsComplexType(x.type) || (to_whole && !x.exact)) return;
  // Beyond the range of the target the results differ by design; whole numbers can be of any size.
  if (IsFloatType(x.type) && IsIntegerType(type) && (special_ || x.magnitude > 100)) return;
  if (IsFloatType(x.type) && type[0] == 'u') return;
  if (!from_whole || to_whole) {
    const bool narrows = !to_whole && x.type != type;
    if (narrows && x.roundings > 3) return;
    Add(type, x.shape, "convert(" + x.name + ")", to_whole || (x.exact && !IsComplexType(type)), to_whole ? 0 : x.roundings, x.magnitude);
    return;
  }
  // Integers of moderate size, so that sums of what they become stay finite.
  const RandomValue small = IsIntegerType(x.type) ? Small(x) : x;
  Add(type, x.shape, "convert(" + small.name + ")", true, 0, 4);
}

void RandomModuleWriter::AddBitcast() {
  // Of floats the parameters only: which zero is the smaller one, and which NaN a function gives, is free.
  const RandomValue* found = Find([&](const RandomValue& v) { return IsIntegerType(v.type) || (IsFloatType(v.type) && v.parameter); });
  if (found == nullptr) return;
  const RandomValue x = *found;
  static const std::vector<std::string> kTypes = {"s8", "s16", "s32", "s64", "u8", "u16", "u32", "u64"};
  const std::string type = Pick(kTypes);
  const int from = BitsOf(x.type), to = BitsOf(type);
  Dimensions shape = x.shape;
  if (from > to) shape.push_back(from / to);
  if (from < to) {
    if (shape.empty() || shape.back() != to / from) return;
    shape.pop_back();
  }
  if (shape.size() > 5) return;
  Add(type, shape, "bitcast-convert(" + x.name + ")", true, 0, 4);
}

void RandomModuleWriter::AddComplex() {
  const RandomValue x = Any();
  if (IsComplexType(x.type)) {
    static const std::vector<std::string> kParts = {"real", "imag", "abs"};
    const std::string part = Pick(kParts);
    const bool rounds = part == "abs";
    if (rounds && !MayRound(x)) return;
    return void(Add("f32", x.shape, part + "(" + x.name + ")", x.exact && !rounds, x.roundings + rounds, x.magnitude * 2));
  }
  if (x.type != "f32") return;
  const RandomValue y = Same(x);
  Add("c64", x.shape, "complex(" + x.name + ", " + y.name + ")", x.exact && y.exact, std::max(x.roundings, y.roundings), std::max(x.magnitude, y.magnitude));
}

void RandomModuleWriter::AddReducePrecision() {
  const RandomValue* found = Find([](const RandomValue& v) { return v.exact && IsFloatType(v.type); });
  if (found == nullptr) return;
  const RandomValue x = *found;
  Add(x.type, x.shape, "reduce-precision(" + x.name + "), exponent_bits=" + std::to_string(Between(4, 8)) + ", mantissa_bits=" + std::to_string(Between(2, 9)),
      true, 0, x.magnitude);
}

void RandomModuleWriter::AddMap() {
  const RandomValue x = Any();
  if (IsComplexType(x.type) || x.type == "pred") return;
  const RandomValue y = Same(x);
  const std::string name = "largest_of_" + x.type, scalar = x.type + "[]";
  if (combiners_.insert(name).second) {
    computations_ += name + " {\n  a = " + scalar + " parameter(0)\n  b = " + scalar + " parameter(1)\n  one = " + scalar + " constant(1)\n  c = " + scalar +
                     " maximum(a, one)\n  ROOT r = " + scalar + " minimum(c, b)\n}\n\n";
  }
  Dimensions dims;
  for (size_t d = 0; d < x.shape.size(); ++d) dims.push_back(static_cast<int64_t>(d));
  Add(x.type, x.shape, "map(" + x.name + ", " + y.name + "), dimensions=" + Braces(dims) + ", to_apply=" + name, x.exact && y.exact,
      std::max(x.roundings, y.roundings), std::max(x.magnitude, y.magnitude));
}

void RandomModuleWriter::AddFourier() {
  const RandomValue* found = Find([](const RandomValue& v) { return (IsComplexType(v.type) || v.type == "f32") && !v.shape.empty() && CountOf(v.shape) > 0; });
  if (found == nullptr || !MayRound(*found, 4)) return;
  const int64_t rank = static_cast<int64_t>(found->shape.size()), count = std::min<int64_t>(Between(1, 3), rank);
  Dimensions length(found->shape.end() - count, found->shape.end()), shape = found->shape;
  if (CountOf(length) > 500) return;
  const RandomValue x = Finite(*found);  // what an infinity becomes depends on the algorithm
  std::string type = OneIn(2) ? "FFT" : "IFFT";
  if (!IsComplexType(x.type)) {
    type = "RFFT";
    shape.back() = shape.back() / 2 + 1;
  }
  const double growth = type == "IFFT" ? 1 : static_cast<double>(CountOf(length));
  Add("c64", shape, "fft(" + x.name + "), fft_type=" + type + ", fft_length=" + Braces(length), false, x.roundings + 4, x.magnitude * growth);
}

RandomValue RandomModuleWriter::Finite(RandomValue x) {
  if (!infinities_) return x;
  const auto is_finite = [&](const std::string& name) { return Add("pred", x.shape, "is-finite(" + name + ")", true, 0, 4); };
  RandomValue finite;
  if (IsComplexType(x.type)) {
    const RandomValue re = Add("f32", x.shape, "real(" + x.name + ")", x.exact, x.roundings, x.magnitude);
    const RandomValue im = Add("f32", x.shape, "imag(" + x.name + ")", x.exact, x.roundings, x.magnitude);
    const RandomValue both[2] = {is_finite(re.name), is_finite(im.name)};
    finite = Add("pred", x.shape, "and(" + both[0].name + ", " + both[1].name + ")", true, 0, 4);
  } else {
    finite = is_finite(x.name);
  }
  const RandomValue one = Spread(Constant(x.type, 1), x.shape);
  return Move(x, x.shape, "select(" + finite.name + ", " + x.name + ", " + one.name + ")");
}

void RandomModuleWriter::AddWhile() {
  const RandomValue x = Any();
  const bool whole = IsIntegerType(x.type) || x.type == "pred";
  if (!whole && (!MayRound(x, 4) || IsComplexType(x.type))) return;
  const std::string name = "loop" + std::to_string(next_), array = x.type + Braces(x.shape);
  std::string type = x.type + Braces(x.shape);
  std::replace(type.begin(), type.end(), '{', '[');
  std::replace(type.begin(), type.end(), '}', ']');
  const std::string state = "(s32[], " + type + ")", parts = "  t = " + state + " parameter(0)\n  i = s32[] get-tuple-element(t), index=0\n";
  std::string step = "  y = " + type + " negate(x)\n";
  if (x.type == "pred") step = "  y = " + type + " not(x)\n";
  if (IsFloatType(x.type)) step = "  y = " + type + " cosine(x)\n";
  if (whole && x.type != "pred") step = "  y = " + type + " add(x, x)\n";
  computations_ += name + "_body {\n" + parts + "  x = " + type + " get-tuple-element(t), index=1\n" + step +
                   "  one = s32[] constant(1)\n  n = s32[] add(i, one)\n  ROOT r = " + state + " tuple(n, y)\n}\n\n";
  computations_ += name + "_condition {\n" + parts + "  limit = s32[] constant(" + std::to_string(Between(0, 3)) +
                   ")\n  ROOT p = pred[] compare(i, limit), direction=LT\n}\n\n";
  const RandomValue zero = Constant("s32", 0);
  const std::string id = std::to_string(next_++);
  lines_ += "  state" + id + " = " + state + " tuple(" + zero.name + ", " + x.name + ")\n";
  lines_ += "  w" + id + " = " + state + " while(state" + id + "), condition=" + name + "_condition, body=" + name + "_body\n";
  Add(x.type, x.shape, "get-tuple-element(w" + id + "), index=1", whole, whole ? 0 : x.roundings + 4, x.magnitude);
}

void RandomModuleWriter::AddConditional() {
  const RandomValue x = Any();
  std::string type = x.type + Braces(x.shape);
  std::replace(type.begin(), type.end(), '{', '[');
  std::replace(type.begin(), type.end(), '}', ']');
  const std::string name = "branch" + std::to_string(next_);
  const int64_t branches = Between(2, 3);
  const std::string other = x.type == "pred" ? "not" : x.type[0] == 'u' ? "popcnt" : "negate";
  std::string list;
  for (int64_t i = 0; i < branches; ++i) {
    const std::string branch = name + "_" + std::to_string(i);
    list += (i == 0 ? "" : ", ") + branch;
    computations_ += branch + " {\n  x = " + type + " parameter(0)\n  ROOT r = " + type + " " + (i == 1 ? other : std::string("copy")) + "(x)\n}\n\n";
  }
  const RandomValue index = Source(branches == 2 && OneIn(2) ? "pred" : "s32", {});
  std::string text = "conditional(" + index.name;
  for (int64_t i = 0; i < branches; ++i) text += ", " + x.name;
  text += index.type == "pred" ? "), true_computation=" + name + "_0, false_computation=" + name + "_1" : "), branch_computations={" + list + "}";
  Move(x, x.shape, text);
}

}  // namespace tfvk::hlo
