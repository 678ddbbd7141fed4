#include "plugin/elementwise_formulas.h"

#include <cmath>

namespace tfvk::plugin {
namespace {

using ir::Convert;
using ir::Expression;
using ir::Op;
using ir::Select;
using ir::Square;
using E = const Expression&;

// 1.0507... and 1.0507... * 1.6732...: Klambauer et al., "Self-Normalizing Neural Networks" (2017).
constexpr double kSeluScale = 1.0507009873554804934193349852946, kSeluScaleAlpha = 1.7580993408473768599402175208123;

// The distance from 1 to the next number.
double Epsilon(DType dtype) {
  switch (dtype) {
    case DType::kF16:
      return std::ldexp(1.0, -10);
    case DType::kBF16:
      return std::ldexp(1.0, -7);
    case DType::kF64:
      return std::ldexp(1.0, -52);
    default:
      return std::ldexp(1.0, -23);
  }
}

Expression Zero(E x) { return x.Number(0); }

// log(1 + exp(x)), without overflow, and exact where one of its terms vanishes.
Expression Softplus(E x) {
  const double threshold = std::log(Epsilon(x.dtype())) + 2;
  const Expression exp = Exp(x);
  return Select(x > -threshold, x, Select(x < threshold, exp, Log1p(exp)));
}

// Towards minus infinity.
Expression FloorDiv(E x, E y) {
  // A quotient rounded to eight bits may be the next whole number.
  if (x.dtype() == DType::kBF16) return Convert(Floor(Convert(x, DType::kF32) / Convert(y, DType::kF32)), DType::kBF16);
  if (IsFloat(x.dtype())) return Floor(x / y);
  if (IsUnsigned(x.dtype())) return x / y;
  const Expression rest = Remainder(x, y), quotient = x / y;
  return Select(And(rest != 0.0, Apply(Op::kXor, rest < 0.0, y < 0.0)), quotient - 1.0, quotient);
}

// With the divisor's sign.
Expression FloorMod(E x, E y) {
  const Expression rest = Remainder(x, y);
  if (IsUnsigned(x.dtype())) return rest;
  return Select(And(rest != 0.0, Apply(Op::kXor, rest < 0.0, y < 0.0)), rest + y, rest);
}

// Floats to integers towards zero; negative numbers wrap around in unsigned types, as on the CPU.
Expression Cast(E x, DType to) {
  if (!IsFloat(x.dtype()) || !IsUnsigned(to)) return Convert(x, to);
  const Expression wrapped = Convert(Convert(x, DType::kS64), to);
  return Select(And(x < 0.0, IsFinite(x)), wrapped, Convert(x, to));
}

Expression AddAll(const std::vector<Expression>& x) {
  Expression sum = x[0];
  for (size_t i = 1; i < x.size(); ++i) sum = sum + x[i];
  return sum;
}

// A zero's sign is dropped; NaN stays NaN.
Expression Sign(E x) { return IsFloat(x.dtype()) ? Select(x == 0.0, Zero(x), ir::Sign(x)) : ir::Sign(x); }
Expression Round(E x) { return IsFloat(x.dtype()) ? Apply(Op::kRoundNearestEven, x) : x; }
Expression ShiftRight(E x, E y) { return Apply(IsUnsigned(x.dtype()) ? Op::kShiftRightLogical : Op::kShiftRightArithmetic, x, y); }

// A function of one tensor.
const ElementwiseRow kUnary[] = {
    {"Abs", ir::Abs},
    {"Ceil", [](E x) { return Apply(Op::kCeil, x); }},
    {"Cos", [](E x) { return Apply(Op::kCos, x); }},
    {"Erf", [](E x) { return Apply(Op::kErf, x); }},
    {"Erfc", [](E x) { return Apply(Op::kErfc, x); }},
    {"Exp", ir::Exp},
    {"Expm1", ir::Expm1},
    {"Floor", ir::Floor},
    {"Inv", [](E x) { return 1.0 / x; }},
    {"Invert", ir::Not},
    {"IsFinite", ir::IsFinite},
    {"IsInf", [](E x) { return Abs(x) == INFINITY; }},
    {"IsNan", [](E x) { return x != x; }},
    {"Log", ir::Log},
    {"Log1p", ir::Log1p},
    {"LogicalNot", ir::Not},
    {"Neg", [](E x) { return -x; }},
    {"OnesLike", [](E x) { return x.Number(1); }},
    {"Reciprocal", [](E x) { return 1.0 / x; }},
    {"Rint", Round},
    {"Round", Round},
    {"Rsqrt", ir::Rsqrt},
    {"Sigmoid", ir::Logistic},
    {"Sign", Sign},
    {"Sin", [](E x) { return Apply(Op::kSin, x); }},
    {"Softplus", Softplus},
    {"Softsign", [](E x) { return x / (Abs(x) + 1.0); }},
    {"Sqrt", ir::Sqrt},
    {"Square", Square},
    {"Tan", [](E x) { return Apply(Op::kTan, x); }},
    {"Tanh", [](E x) { return Apply(Op::kTanh, x); }},
    {"ZerosLike", Zero},
    {"Relu", [](E x) { return Max(x, 0.0); }},
    {"Relu6", [](E x) { return Clamp(x.ScalarNumber(0), x, x.ScalarNumber(6)); }},
    {"LeakyRelu", [](const FormulaInputs& in) { return Select(in.x[0] > 0.0, in.x[0], in.x[0] * in.alpha); }},
    {"Elu", [](E x) { return Select(x > 0.0, x, Expm1(x)); }},
    {"Selu", [](E x) { return Select(x > 0.0, x * kSeluScale, Expm1(x) * kSeluScaleAlpha); }},
    {"Cast", [](const FormulaInputs& in) { return Cast(in.x[0], in.to); }},
};

// Gradients of functions of one tensor: of (gradient, features) or (result, gradient), whichever the op takes.
const ElementwiseRow kGradients[] = {
    {"ReluGrad", ShapeRule::kSame, [](E x, E y) { return Select(y > 0.0, x, Zero(x)); }},
    {"Relu6Grad", ShapeRule::kSame, [](E x, E y) { return Select(And(y > 0.0, y < 6.0), x, Zero(x)); }},
    {"LeakyReluGrad", ShapeRule::kSame, [](const FormulaInputs& in) { return Select(in.x[1] > 0.0, in.x[0], in.x[0] * in.alpha); }},
    {"EluGrad", ShapeRule::kSame, [](E x, E y) { return Select(y < 0.0, (y + 1.0) * x, x); }},
    {"SeluGrad", ShapeRule::kSame, [](E x, E y) { return Select(y < 0.0, x * (y + kSeluScaleAlpha), x * kSeluScale); }},
    {"SoftplusGrad", ShapeRule::kSame, [](E x, E y) { return x * Logistic(y); }},
    {"SoftsignGrad", ShapeRule::kSame, [](E x, E y) { return x / Square(Abs(y) + 1.0); }},
    {"InvGrad", ShapeRule::kSameCount, [](E x, E y) { return -(y * Square(x)); }},
    {"ReciprocalGrad", ShapeRule::kSameCount, [](E x, E y) { return -(y * Square(x)); }},
    {"RsqrtGrad", ShapeRule::kSameCount, [](E x, E y) { return Square(x) * x * (y / -2.0); }},
    {"SigmoidGrad", ShapeRule::kSameCount, [](E x, E y) { return y * x * (1.0 - x); }},
    {"SqrtGrad", ShapeRule::kSameCount, [](E x, E y) { return y * 0.5 / x; }},
    {"TanhGrad", ShapeRule::kSameCount, [](E x, E y) { return y * (1.0 - Square(x)); }},
};

const ElementwiseRow kBinary[] = {
    {"Add", [](E x, E y) { return x + y; }},
    {"AddV2", [](E x, E y) { return x + y; }},
    {"Atan2", [](E x, E y) { return Apply(Op::kAtan2, x, y); }},
    {"BitwiseAnd", ir::And},
    {"BitwiseOr", ir::Or},
    {"BitwiseXor", [](E x, E y) { return Apply(Op::kXor, x, y); }},
    {"Div", [](E x, E y) { return x / y; }},
    {"DivNoNan", [](E x, E y) { return Select(y == 0.0, Zero(x), x / y); }},
    {"FloorDiv", FloorDiv},
    {"FloorMod", FloorMod},
    {"Greater", [](E x, E y) { return x > y; }},
    {"GreaterEqual", [](E x, E y) { return x >= y; }},
    {"LeftShift", [](E x, E y) { return Apply(Op::kShiftLeft, x, y); }},
    {"Less", [](E x, E y) { return x < y; }},
    {"LessEqual", [](E x, E y) { return x <= y; }},
    {"LogicalAnd", ir::And},
    {"LogicalOr", ir::Or},
    {"Maximum", [](E x, E y) { return Max(x, y); }},
    {"Minimum", [](E x, E y) { return Min(x, y); }},
    {"Mod", ir::Remainder},
    {"Mul", [](E x, E y) { return x * y; }},
    {"MulNoNan", [](E x, E y) { return Select(y == 0.0, Zero(x), x * y); }},
    {"Pow", [](E x, E y) { return Apply(Op::kPower, x, y); }},
    {"RealDiv", [](E x, E y) { return x / y; }},
    {"RightShift", ShiftRight},
    {"SquaredDifference", [](E x, E y) { return Square(x - y); }},
    {"Sub", [](E x, E y) { return x - y; }},
    {"TruncateDiv", [](E x, E y) { return x / y; }},
    {"TruncateMod", ir::Remainder},
    {"Xdivy", [](E x, E y) { return Select(x == 0.0, Zero(x), x / y); }},
    {"Xlog1py", [](E x, E y) { return Select(x == 0.0, Zero(x), x * Log1p(y)); }},
    {"Xlogy", [](E x, E y) { return Select(x == 0.0, Zero(x), x * Log(y)); }},
};

const ElementwiseRow kOthers[] = {
    {"Equal", ShapeRule::kEqual, [](E x, E y) { return x == y; }},
    {"NotEqual", ShapeRule::kEqual, [](E x, E y) { return x != y; }},
    {"AddN", ShapeRule::kSame, [](const FormulaInputs& in) { return AddAll(in.x); }},
    {"BiasAdd", ShapeRule::kBias, [](E x, E y) { return x + y; }},
    {"BroadcastTo", ShapeRule::kShapeInput, [](E x) { return x; }},
    {"ClipByValue", ShapeRule::kClip, [](const FormulaInputs& in) { return Clamp(in.x[1], in.x[0], in.x[2]); }},
    {"Fill", ShapeRule::kFill, [](E x) { return x; }},
    {"Select", ShapeRule::kSelect, [](const FormulaInputs& in) { return Select(in.x[0], in.x[1], in.x[2]); }},
    {"SelectV2", ShapeRule::kSelectV2, [](const FormulaInputs& in) { return Select(in.x[0], in.x[1], in.x[2]); }},
};

}  // namespace

const std::vector<ElementwiseRow>& ElementwiseRows() {
  static const auto* const rows = [] {
    auto* made = new std::vector<ElementwiseRow>;
    const auto append = [&](const auto& table) { made->insert(made->end(), std::begin(table), std::end(table)); };
    append(kUnary);
    append(kGradients);
    append(kBinary);
    append(kOthers);
    return made;
  }();
  return *rows;
}

}  // namespace tfvk::plugin
