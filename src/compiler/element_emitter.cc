#include "compiler/element_emitter.h"

#include <utility>

#include "compiler/elementwise.h"
#include "kernels/arith.h"
#include "types/error.h"

namespace tfvk::compiler {
namespace {

using ir::Op;
using spirv::Value;

constexpr uint64_t kElementTag = 3, kReadTag = 4;

Value LowBits(Value bits, int count) { return count < 32 ? bits & ((int64_t{1} << count) - 1) : bits; }

}  // namespace

ElementEmitter::ElementEmitter(kernels::Emitter& emitter, const Members& members, const OperandNumbers& operands)
    : e_(emitter), members_(members), operands_(operands), positions_(emitter, values_) {}

ElementEmitter::ElementEmitter(kernels::Emitter& emitter, const Fusion& fusion, const OperandNumbers& operands)
    : ElementEmitter(emitter, fusion.members, operands) {
  exceeding_ = fusion.exceeding.get();
}

void ElementEmitter::BindResult(ir::Value value, Value element) { Bind(value, Rounds(*value.node) ? Rounded(element, value.type().dtype) : element); }

Value ElementEmitter::Element(ir::Value value, const Position& at) {
  value = Base(value);
  const ir::Node& node = *value.node;
  auto bound = bound_.find(value);
  if (bound != bound_.end()) return bound->second;
  if (IsInlineConstant(node)) return ConstantElement(e_.b(), node.type().dtype, node.attr<ir::ConstantAttr>().bytes->data());

  const bool member = members_.count(&node) > 0;
  const Position place = value.type().shape.empty() ? Position{} : at;
  ScopedValues::Key key = {member ? kElementTag : kReadTag, static_cast<uint64_t>(node.id), static_cast<uint64_t>(value.result)};
  Positions::AppendTo(key, place);
  if (const auto* found = values_.Find(key)) return (*found)[0];

  Value element;
  if (member) {
    element = Emit(node, place);
  } else {
    auto operand = operands_.find(value);
    Require(operand != operands_.end(), "{} is neither computed nor read by the launch that uses it", ir::Name(node.op));
    element = e_.Read({kernels::Tensor::Role::kOperand, operand->second, value.type().dtype, place.shape}, place.index);
  }
  values_.Insert(std::move(key), {element});
  return element;
}

Value ElementEmitter::Emit(const ir::Node& node, const Position& at) {
  if (node.op == Op::kIota) {
    const kernels::Index index = positions_.In(node.type().shape, at);
    const Value number = index[node.attr<ir::DimsAttr>().dims[0]];
    return kernels::ConvertElement(e_, number.dtype(), node.type().dtype, number);
  }
  if (node.op == Op::kDimensionSize) return e_.b().Convert(e_.SizeOf(node.operand_type(0).shape[node.attr<ir::DimsAttr>().dims[0]]), DType::kS32);
  if (!IsElementwise(node.op)) return Movement(node, at);
  if (node.op == Op::kBitcastConvert && BitSize(node.type().dtype) != BitSize(node.operand_type(0).dtype)) return WidthChangingBitcast(node, at);
  if (node.op == Op::kBitcastConvert && ReadsBits(node)) return MemoryAs(node.type().dtype, node.operands[0], at);
  return Elementwise(node, at);
}

Value ElementEmitter::Elementwise(const ir::Node& node, const Position& at) {
  std::vector<Value> operands;
  for (ir::Value operand : node.operands) {
    operands.push_back(operand.type().shape.empty() && !node.type().shape.empty() ? Scalar(operand) : Element(operand, at));
  }
  // A single narrowed to 16 bits is the number itself where it keeps its digits.
  if (node.op == Op::kConvert && node.operand_type(0).dtype == DType::kF32 && exceeding_ != nullptr && !Rounds(node)) return operands[0];
  const Value result = EmitElementwise(e_, node, operands);
  return RoundsResult(node.op) && Rounds(node) ? Rounded(result, node.type().dtype) : result;
}

// Elements of 16-bit floats travel as f32, which a NaN of theirs need not survive bit for bit: where memory holds the bits, they are taken from there.
bool ElementEmitter::ReadsBits(const ir::Node& node) const {
  const ir::Value operand = Base(node.operands[0]);
  return IsFloat(operand.type().dtype) && BitSize(operand.type().dtype) == 16 && operands_.count(operand) > 0 && members_.count(operand.node) == 0 &&
         bound_.count(operand) == 0;
}

Value ElementEmitter::MemoryAs(DType dtype, ir::Value value, const Position& at) {
  value = Base(value);
  const Position place = value.type().shape.empty() ? Position{} : at;
  return e_.Read({kernels::Tensor::Role::kOperand, operands_.at(value), dtype, place.shape}, place.index);
}

Value ElementEmitter::Rounded(Value v, DType dtype) { return kernels::RoundTo(e_, dtype, v); }

Value ElementEmitter::OperandBits(const ir::Node& node, const kernels::Index& index) {
  const ir::Value operand = node.operands[0];
  if (ReadsBits(node)) return e_.b().Convert(MemoryAs(DType::kU16, operand, Positions::Of(operand.type().shape, index)), DType::kU32);
  return kernels::ElementBits(e_, operand.type().dtype, this->At(operand, index));
}

// One element becomes several narrower ones along a new last dimension (little end first), or several become one.
Value ElementEmitter::WidthChangingBitcast(const ir::Node& node, const Position& at) {
  const ir::TensorType &from = node.operand_type(0), &to = node.type();
  kernels::Index index = positions_.In(to.shape, at);
  spirv::Builder& b = e_.b();
  if (BitSize(from.dtype) > BitSize(to.dtype)) {
    const Value part = index.back();
    index.pop_back();
    const Value bits = OperandBits(node, index);
    const Value shift = b.Convert(part * BitSize(to.dtype), bits.dtype());
    return kernels::ElementFromBits(e_, to.dtype, LowBits(b.Convert(bits >> shift, DType::kU32), BitSize(to.dtype)));
  }
  const DType wide = BitSize(to.dtype) == 64 ? DType::kU64 : DType::kU32;
  Value bits = b.Constant(wide, int64_t{0});
  for (int part = 0; part < BitSize(to.dtype) / BitSize(from.dtype); ++part) {
    kernels::Index place = index;
    place.push_back(b.U32(static_cast<uint32_t>(part)));
    bits = bits | (b.Convert(OperandBits(node, place), wide) << int64_t{part * BitSize(from.dtype)});
  }
  return kernels::ElementFromBits(e_, to.dtype, bits);
}

std::vector<Value> EmitRegion(kernels::Emitter& emitter, const ir::Graph& region, const std::vector<Value>& arguments, bool keep_excess_precision) {
  Require(arguments.size() == region.parameters().size(), "a region of {} parameters got {} arguments", region.parameters().size(), arguments.size());
  Members members;
  for (const auto& node : region.nodes()) {
    if (!IsElemental(*node) && node->op != Op::kParameter && node->op != Op::kReshape) {
      Fail(ErrorCode::kUnimplemented, "[Compiler] {} inside a combiner or comparator is not supported ({})", ir::Name(node->op), node->origin);
    }
    if (node->op != Op::kParameter) members.insert(node.get());
  }
  const OperandNumbers no_operands;
  ElementEmitter elements(emitter, members, no_operands);
  if (keep_excess_precision) elements.KeepExcessPrecision();
  for (size_t i = 0; i < arguments.size(); ++i) elements.Bind({region.parameters()[i], 0}, arguments[i]);
  std::vector<Value> results;
  for (ir::Value output : region.outputs) results.push_back(elements.Scalar(output));
  return results;
}

}  // namespace tfvk::compiler
