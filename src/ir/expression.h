// Elementwise formulas over a graph, written like the maths: `Select(x > 0.0, x, Expm1(x))`.
//
// The operands of an operation have one type, but for Select's predicate; a plain number stands for a constant of the other operand's type. Nothing is
// computed here: every function appends one node to the operands' graph.
#pragma once

#include <utility>
#include <vector>

#include "ir/graph.h"

namespace tfvk::ir {

class Expression {
 public:
  Expression(Graph& graph, Value value) : graph_(&graph), value_(value) {}
  // A new parameter of the graph.
  static Expression Parameter(Graph& graph, DType dtype, Shape shape) { return {graph, graph.AddParameter({dtype, std::move(shape)})}; }

  Graph& graph() const { return *graph_; }
  Value value() const { return value_; }
  DType dtype() const { return value_.type().dtype; }
  const Shape& shape() const { return value_.type().shape; }

  // A constant of this expression's type. Rounded to nearest for narrow floats, towards zero for integers.
  Expression Number(double number) const { return Constant(number, shape()); }
  Expression ScalarNumber(double number) const { return Constant(number, {}); }
  // A scalar of this element type: the least or the greatest value that it has; of floats the infinities.
  Expression Lowest() const { return Limit(false); }
  Expression Highest() const { return Limit(true); }

  // This value in a larger shape: dimension i becomes dimension dims[i] of it.
  Expression BroadcastTo(const Shape& shape, std::vector<int64_t> dims) const;
  Expression ReshapeTo(Shape shape) const;
  // The size of one of this value's dimensions, a scalar of s32; the value itself is not read.
  Expression DimensionSize(int64_t dimension) const;

 private:
  Expression Constant(double number, const Shape& shape) const;
  Expression Limit(bool highest) const;
  Graph* graph_;
  Value value_;
};

Expression Apply(Op op, const Expression& x);
Expression Apply(Op op, const Expression& x, const Expression& y);
Expression Compare(Comparison direction, const Expression& x, const Expression& y);
Expression Select(const Expression& predicate, const Expression& then, const Expression& otherwise);
Expression Clamp(const Expression& low, const Expression& x, const Expression& high);
// As it is where the element type is that already. To bool: whether it is not zero.
Expression Convert(const Expression& x, DType dtype);
// Combines the elements along `dims` with kAdd, kMultiply, kMaximum, kMinimum, kAnd or kOr, from a scalar that this operation leaves unchanged.
Expression Reduce(Op combiner, const Expression& x, std::vector<int64_t> dims, const Expression& identity);

#define TFVK_BINARY(name, apply, kind)                                                           \
  inline Expression name(const Expression& x, const Expression& y) { return apply(kind, x, y); } \
  inline Expression name(const Expression& x, double y) { return apply(kind, x, x.Number(y)); }  \
  inline Expression name(double x, const Expression& y) { return apply(kind, y.Number(x), y); }
TFVK_BINARY(operator+, Apply, Op::kAdd)
TFVK_BINARY(operator-, Apply, Op::kSubtract)
TFVK_BINARY(operator*, Apply, Op::kMultiply)
TFVK_BINARY(operator/, Apply, Op::kDivide)
TFVK_BINARY(Max, Apply, Op::kMaximum)
TFVK_BINARY(Min, Apply, Op::kMinimum)
TFVK_BINARY(operator==, Compare, Comparison::kEq)
TFVK_BINARY(operator!=, Compare, Comparison::kNe)
TFVK_BINARY(operator<, Compare, Comparison::kLt)
TFVK_BINARY(operator<=, Compare, Comparison::kLe)
TFVK_BINARY(operator>, Compare, Comparison::kGt)
TFVK_BINARY(operator>=, Compare, Comparison::kGe)
#undef TFVK_BINARY

inline Expression operator-(const Expression& x) { return Apply(Op::kNegate, x); }
inline Expression Not(const Expression& x) { return Apply(Op::kNot, x); }
inline Expression And(const Expression& x, const Expression& y) { return Apply(Op::kAnd, x, y); }
inline Expression Or(const Expression& x, const Expression& y) { return Apply(Op::kOr, x, y); }
inline Expression Remainder(const Expression& x, const Expression& y) { return Apply(Op::kRemainder, x, y); }
inline Expression Abs(const Expression& x) { return Apply(Op::kAbs, x); }
inline Expression Sign(const Expression& x) { return Apply(Op::kSign, x); }
inline Expression Exp(const Expression& x) { return Apply(Op::kExp, x); }
inline Expression Expm1(const Expression& x) { return Apply(Op::kExpm1, x); }
inline Expression Log(const Expression& x) { return Apply(Op::kLog, x); }
inline Expression Log1p(const Expression& x) { return Apply(Op::kLog1p, x); }
inline Expression Logistic(const Expression& x) { return Apply(Op::kLogistic, x); }
inline Expression Sqrt(const Expression& x) { return Apply(Op::kSqrt, x); }
inline Expression Rsqrt(const Expression& x) { return Apply(Op::kRsqrt, x); }
inline Expression Floor(const Expression& x) { return Apply(Op::kFloor, x); }
inline Expression IsFinite(const Expression& x) { return Apply(Op::kIsFinite, x); }
inline Expression Square(const Expression& x) { return x * x; }

}  // namespace tfvk::ir
