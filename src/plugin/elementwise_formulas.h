// What the elementwise hot ops compute: TensorFlow's definitions as formulas over graph values, and how each op's shapes go together.
#pragma once

#include <string>
#include <vector>

#include "ir/expression.h"

namespace tfvk::plugin {

// How operands' shapes make the result's.
enum class ShapeRule : uint8_t {
  kBroadcast,   // NumPy's rules, two operands
  kSame,        // all equal
  kSameCount,   // equally many elements; the result has operand 0's shape
  kEqual,       // kBroadcast; where the op's attribute asks for no error, shapes that do not fit make one false
  kSelect,      // a condition that is a scalar or has the shape of the other two
  kSelectV2,    // NumPy's rules, three operands
  kClip,        // bounds that are scalars or have operand 0's shape
  kBias,        // operand 1 runs along the features of operand 0
  kShapeInput,  // operand 0 broadcast to the shape that input 1 holds, in host memory
  kFill,        // the scalar input 1 in the shape that input 0 holds, in host memory
};

// What a formula may use: operands of one shape, and the node's attributes.
struct FormulaInputs {
  std::vector<ir::Expression> x;
  double alpha = 0;  // of the leaky functions
  DType to{};        // the result's element type
};

// An op's formula, of one operand, of two, or of all that there is.
class ElementwiseRow {
 public:
  using Unary = ir::Expression (*)(const ir::Expression& x);
  using Binary = ir::Expression (*)(const ir::Expression& x, const ir::Expression& y);
  using General = ir::Expression (*)(const FormulaInputs& in);
  ElementwiseRow(const char* op, Unary formula) : ElementwiseRow(op, ShapeRule::kSame, formula) {}
  ElementwiseRow(const char* op, Binary formula) : ElementwiseRow(op, ShapeRule::kBroadcast, formula) {}
  ElementwiseRow(const char* op, General formula) : ElementwiseRow(op, ShapeRule::kSame, formula) {}
  ElementwiseRow(const char* op, ShapeRule rule, Unary formula) : op(op), rule(rule), unary_(formula) {}
  ElementwiseRow(const char* op, ShapeRule rule, Binary formula) : op(op), rule(rule), binary_(formula) {}
  ElementwiseRow(const char* op, ShapeRule rule, General formula) : op(op), rule(rule), general_(formula) {}

  ir::Expression Result(const FormulaInputs& in) const {
    if (unary_ != nullptr) return unary_(in.x[0]);
    return binary_ != nullptr ? binary_(in.x[0], in.x[1]) : general_(in);
  }

  const char* op;
  ShapeRule rule;

 private:
  Unary unary_ = nullptr;
  Binary binary_ = nullptr;
  General general_ = nullptr;
};

const std::vector<ElementwiseRow>& ElementwiseRows();

}  // namespace tfvk::plugin
