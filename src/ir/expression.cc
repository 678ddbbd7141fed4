#include "ir/expression.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "types/error.h"
#include "types/half.h"

namespace tfvk::ir {
namespace {

using Bytes = std::vector<uint8_t>;

template <class T>
Bytes BytesOf(T value) {
  Bytes bytes(sizeof(T));
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

template <class T>
Bytes IntegerBytes(double number) {
  Require(number >= static_cast<double>(std::numeric_limits<T>::lowest()) && number <= static_cast<double>(std::numeric_limits<T>::max()),
          "[Expression] {} is outside the range of {}-byte integers", number, sizeof(T));
  return BytesOf(static_cast<T>(number));
}

Bytes NumberBytes(DType dtype, double number) {
  switch (dtype) {
    case DType::kBool:
      return BytesOf<uint8_t>(number != 0);
    case DType::kS8:
      return IntegerBytes<int8_t>(number);
    case DType::kS16:
      return IntegerBytes<int16_t>(number);
    case DType::kS32:
      return IntegerBytes<int32_t>(number);
    case DType::kS64:
      return IntegerBytes<int64_t>(number);
    case DType::kU8:
      return IntegerBytes<uint8_t>(number);
    case DType::kU16:
      return IntegerBytes<uint16_t>(number);
    case DType::kU32:
      return IntegerBytes<uint32_t>(number);
    case DType::kU64:
      return IntegerBytes<uint64_t>(number);
    case DType::kF16:
      return BytesOf(FloatToHalf(static_cast<float>(number)));
    case DType::kBF16:
      return BytesOf(FloatToBFloat16(static_cast<float>(number)));
    case DType::kF32:
      return BytesOf(static_cast<float>(number));
    case DType::kF64:
      return BytesOf(number);
  }
  Fail(ErrorCode::kInternal, "[Expression] no element type has the number {}", static_cast<int>(dtype));
}

template <class T>
Bytes LimitBytes(bool highest) {
  return BytesOf(highest ? std::numeric_limits<T>::max() : std::numeric_limits<T>::lowest());
}

Bytes LimitBytes(DType dtype, bool highest) {
  switch (dtype) {
    case DType::kS8:
      return LimitBytes<int8_t>(highest);
    case DType::kS16:
      return LimitBytes<int16_t>(highest);
    case DType::kS32:
      return LimitBytes<int32_t>(highest);
    case DType::kS64:
      return LimitBytes<int64_t>(highest);
    case DType::kU8:
      return LimitBytes<uint8_t>(highest);
    case DType::kU16:
      return LimitBytes<uint16_t>(highest);
    case DType::kU32:
      return LimitBytes<uint32_t>(highest);
    case DType::kU64:
      return LimitBytes<uint64_t>(highest);
    case DType::kBool:
      return NumberBytes(dtype, highest);
    default:
      return NumberBytes(dtype, highest ? INFINITY : -INFINITY);
  }
}

Expression Splat(Graph& graph, DType dtype, const Shape& shape, Bytes bytes) {
  return {graph, graph.Add(Op::kConstant, {}, {{dtype, shape}}, ConstantAttr{std::make_shared<const Bytes>(std::move(bytes)), true})};
}

Expression Append(Op op, const std::vector<Expression>& operands, TensorType type, Attributes attributes = {}) {
  std::vector<Value> values;
  for (const Expression& operand : operands) {
    Require(&operand.graph() == &operands[0].graph(), "[Expression] operands of {} are of different graphs", Name(op));
    values.push_back(operand.value());
  }
  Graph& graph = operands[0].graph();
  return {graph, graph.Add(op, std::move(values), {std::move(type)}, std::move(attributes))};
}

}  // namespace

Expression Expression::Constant(double number, const Shape& shape) const { return Splat(*graph_, dtype(), shape, NumberBytes(dtype(), number)); }
Expression Expression::Limit(bool highest) const { return Splat(*graph_, dtype(), {}, LimitBytes(dtype(), highest)); }

Expression Expression::BroadcastTo(const Shape& to, std::vector<int64_t> dims) const {
  if (to == shape()) return *this;
  return Append(Op::kBroadcast, {*this}, {dtype(), to}, DimsAttr{std::move(dims)});
}
Expression Expression::ReshapeTo(Shape to) const { return Append(Op::kReshape, {*this}, {dtype(), std::move(to)}); }
Expression Expression::DimensionSize(int64_t dimension) const { return Append(Op::kDimensionSize, {*this}, {DType::kS32, {}}, DimsAttr{{dimension}}); }

Expression Apply(Op op, const Expression& x) { return Append(op, {x}, {op == Op::kIsFinite ? DType::kBool : x.dtype(), x.shape()}); }
Expression Apply(Op op, const Expression& x, const Expression& y) { return Append(op, {x, y}, {x.dtype(), x.shape()}); }
Expression Compare(Comparison direction, const Expression& x, const Expression& y) {
  return Append(Op::kCompare, {x, y}, {DType::kBool, x.shape()}, CompareAttr{direction, false});
}
Expression Select(const Expression& predicate, const Expression& then, const Expression& otherwise) {
  return Append(Op::kSelect, {predicate, then, otherwise}, {then.dtype(), then.shape()});
}
Expression Clamp(const Expression& low, const Expression& x, const Expression& high) { return Append(Op::kClamp, {low, x, high}, {x.dtype(), x.shape()}); }
Expression Convert(const Expression& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  return dtype == DType::kBool ? x != 0.0 : Append(Op::kConvert, {x}, {dtype, x.shape()});
}

Expression Reduce(Op combiner, const Expression& x, std::vector<int64_t> dims, const Expression& identity) {
  auto region = std::make_unique<Graph>();
  const Expression accumulated = Expression::Parameter(*region, x.dtype(), {}), element = Expression::Parameter(*region, x.dtype(), {});
  region->outputs = {Apply(combiner, accumulated, element).value()};
  Shape kept;
  for (size_t d = 0; d < x.shape().size(); ++d) {
    if (std::find(dims.begin(), dims.end(), static_cast<int64_t>(d)) == dims.end()) kept.push_back(x.shape()[d]);
  }
  std::vector<std::unique_ptr<Graph>> regions;
  regions.push_back(std::move(region));
  Node* node = x.graph().AddNode(Op::kReduce, {x.value(), identity.value()}, {{x.dtype(), kept}}, DimsAttr{std::move(dims)}, std::move(regions));
  return {x.graph(), {node, 0}};
}

}  // namespace tfvk::ir
