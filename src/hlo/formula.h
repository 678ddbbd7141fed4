// Formulas over arrays of one shape that become HLO instructions and read like the maths: x * x + 1.0.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "xla/hlo/ir/hlo_computation.h"
#include "xla/hlo/ir/hlo_instruction.h"
#include "xla/hlo/ir/hlo_opcode.h"
#include "xla/shape.h"

namespace tfvk::hlo {

// A computation under construction. Instructions get the metadata of the instruction that they stand for.
class ComputationWriter {
 public:
  explicit ComputationWriter(const std::string& name) : builder_(name) {}
  void SetOrigin(const xla::HloInstruction& instruction) { metadata_ = instruction.metadata(); }
  xla::HloInstruction* Add(std::unique_ptr<xla::HloInstruction> instruction);
  std::unique_ptr<xla::HloComputation> Build(xla::HloInstruction* root) { return builder_.Build(root); }

 private:
  xla::HloComputation::Builder builder_;
  xla::OpMetadata metadata_;
};

// An array of floats, or of bools where a comparison made it. All arrays of an expression have one shape.
class Formula {
 public:
  Formula() = default;
  Formula(ComputationWriter& writer, xla::HloInstruction* instruction) : writer_(&writer), instruction_(instruction) {}
  xla::HloInstruction* instruction() const { return instruction_; }
  const xla::Shape& shape() const { return instruction_->shape(); }
  // `value` in every element of an array of this one's type.
  Formula Constant(double value) const;

  Formula Unary(xla::HloOpcode opcode) const;
  Formula Binary(xla::HloOpcode opcode, const Formula& other) const;
  Formula Compare(xla::ComparisonDirection direction, const Formula& other) const;

  friend Formula operator+(const Formula& a, const Formula& b) { return a.Binary(xla::HloOpcode::kAdd, b); }
  friend Formula operator-(const Formula& a, const Formula& b) { return a.Binary(xla::HloOpcode::kSubtract, b); }
  friend Formula operator*(const Formula& a, const Formula& b) { return a.Binary(xla::HloOpcode::kMultiply, b); }
  friend Formula operator/(const Formula& a, const Formula& b) { return a.Binary(xla::HloOpcode::kDivide, b); }
  friend Formula operator+(const Formula& a, double b) { return a + a.Constant(b); }
  friend Formula operator-(const Formula& a, double b) { return a - a.Constant(b); }
  friend Formula operator*(const Formula& a, double b) { return a * a.Constant(b); }
  friend Formula operator/(double a, const Formula& b) { return b.Constant(a) / b; }
  friend Formula operator-(const Formula& a) { return a.Unary(xla::HloOpcode::kNegate); }
  friend Formula operator==(const Formula& a, const Formula& b) { return a.Compare(xla::ComparisonDirection::kEq, b); }
  friend Formula operator!=(const Formula& a, const Formula& b) { return a.Compare(xla::ComparisonDirection::kNe, b); }
  friend Formula operator==(const Formula& a, double b) { return a == a.Constant(b); }
  friend Formula operator<(const Formula& a, double b) { return a.Compare(xla::ComparisonDirection::kLt, a.Constant(b)); }
  friend Formula operator>(const Formula& a, double b) { return a.Compare(xla::ComparisonDirection::kGt, a.Constant(b)); }
  friend Formula operator&(const Formula& a, const Formula& b) { return a.Binary(xla::HloOpcode::kAnd, b); }
  friend Formula operator|(const Formula& a, const Formula& b) { return a.Binary(xla::HloOpcode::kOr, b); }

 private:
  friend Formula SignBit(const Formula& x);
  friend Formula Select(const Formula& condition, const Formula& on_true, const Formula& on_false);

  ComputationWriter* writer_ = nullptr;
  xla::HloInstruction* instruction_ = nullptr;
};

Formula Select(const Formula& condition, const Formula& on_true, const Formula& on_false);
Formula SignBit(const Formula& x);                                // also of -0 and NaN
Formula CopySign(const Formula& magnitude, const Formula& sign);  // the magnitude must not be negative
Formula IsInfinite(const Formula& x);
inline Formula Abs(const Formula& x) { return x.Unary(xla::HloOpcode::kAbs); }
inline Formula Exp(const Formula& x) { return x.Unary(xla::HloOpcode::kExp); }
inline Formula Expm1(const Formula& x) { return x.Unary(xla::HloOpcode::kExpm1); }
inline Formula Log(const Formula& x) { return x.Unary(xla::HloOpcode::kLog); }
inline Formula Log1p(const Formula& x) { return x.Unary(xla::HloOpcode::kLog1p); }
inline Formula Sqrt(const Formula& x) { return x.Unary(xla::HloOpcode::kSqrt); }
inline Formula Sin(const Formula& x) { return x.Unary(xla::HloOpcode::kSin); }
inline Formula Cos(const Formula& x) { return x.Unary(xla::HloOpcode::kCos); }
inline Formula Tan(const Formula& x) { return x.Unary(xla::HloOpcode::kTan); }
inline Formula Sign(const Formula& x) { return x.Unary(xla::HloOpcode::kSign); }
inline Formula Atan2(const Formula& y, const Formula& x) { return y.Binary(xla::HloOpcode::kAtan2, x); }
inline Formula Max(const Formula& a, const Formula& b) { return a.Binary(xla::HloOpcode::kMaximum, b); }
inline Formula Min(const Formula& a, const Formula& b) { return a.Binary(xla::HloOpcode::kMinimum, b); }

}  // namespace tfvk::hlo
