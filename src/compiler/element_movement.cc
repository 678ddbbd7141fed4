// Data movement as functions of an index.
#include <algorithm>
#include <utility>

#include "compiler/element_emitter.h"
#include "types/error.h"

namespace tfvk::compiler {

using ir::Op;
using kernels::Index;
using spirv::Value;

Value ElementEmitter::Movement(const ir::Node& node, const Position& at) {
  if (node.op == Op::kBroadcast) return Broadcast(node, at);
  if (node.op == Op::kDynamicUpdateSlice) return DynamicUpdateSlice(node, at);
  const Shape& shape = node.type().shape;
  const Index index = positions_.In(shape, at);
  switch (node.op) {
    case Op::kTranspose: {
      const auto& dims = node.attr<ir::DimsAttr>().dims;
      Index from(dims.size());
      for (size_t d = 0; d < dims.size(); ++d) from[dims[d]] = index[d];
      return this->At(node.operands[0], from);
    }
    case Op::kReverse: {
      Index from = index;
      for (int64_t d : node.attr<ir::DimsAttr>().dims) from[d] = e_.SizeOf(shape[d]) - 1 - index[d];
      return this->At(node.operands[0], from);
    }
    case Op::kSlice:
      return Slice(node, index);
    case Op::kPad:
      return Pad(node, index);
    case Op::kConcatenate:
      return Concatenate(node, index);
    case Op::kDynamicSlice:
      return DynamicSlice(node, index);
    case Op::kGather:
      return Gather(node, index);
    default:
      Fail(ErrorCode::kInternal, "{} is not a data movement", ir::Name(node.op));
  }
}

Value ElementEmitter::Broadcast(const ir::Node& node, const Position& at) {
  const ir::Value operand = node.operands[0];
  const Shape &from = operand.type().shape, &to = node.type().shape;
  if (from.empty()) return Scalar(operand);
  const Index index = positions_.In(to, at);
  const auto& dims = node.attr<ir::DimsAttr>().dims;
  Index picked;
  for (size_t d = 0; d < from.size(); ++d) picked.push_back(from[d] == Size(1) ? e_.b().U32(0) : index[dims[d]]);
  return this->At(operand, picked);
}

Value ElementEmitter::Slice(const ir::Node& node, const Index& index) {
  const auto& slice = node.attr<ir::SliceAttr>();
  Index from;
  for (size_t d = 0; d < index.size(); ++d) from.push_back(index[d] * slice.stride[d] + slice.start[d]);
  return this->At(node.operands[0], from);
}

Value ElementEmitter::Pad(const ir::Node& node, const Index& index) {
  const auto& pad = node.attr<ir::PadAttr>();
  const ir::Value operand = node.operands[0];
  Value inside = e_.b().Bool(true);
  Index from;
  for (size_t d = 0; d < index.size(); ++d) {
    const Size& size = operand.type().shape[d];
    if (pad.low[d] == 0 && pad.high[d] == 0 && pad.interior[d] == 0) {
      from.push_back(index[d]);
      continue;
    }
    // Indices before the first element wrap around to large numbers.
    Value i = index[d] - e_.b().U32(static_cast<uint32_t>(pad.low[d]));
    if (pad.interior[d] > 0) {
      inside = inside && (i % (pad.interior[d] + 1) == 0);
      i = i / (pad.interior[d] + 1);
    }
    inside = inside && (i < e_.SizeOf(size));
    from.push_back(i);
  }
  return Choose(
      inside, [&] { return this->At(operand, from); }, [&] { return Scalar(node.operands[1]); }, node.type().dtype);
}

Value ElementEmitter::Concatenate(const ir::Node& node, const Index& index) {
  const int64_t dim = node.attr<ir::DimsAttr>().dims[0];
  std::vector<Value> ends;
  for (ir::Value operand : node.operands) {
    Value size = e_.SizeOf(operand.type().shape[dim]);
    ends.push_back(ends.empty() ? size : ends.back() + size);
  }
  return Concatenate(node, index, 0, node.operands.size(), ends);
}

// Halves the range of operands until one is left.
Value ElementEmitter::Concatenate(const ir::Node& node, const Index& index, size_t first, size_t last, const std::vector<Value>& ends) {
  const int64_t dim = node.attr<ir::DimsAttr>().dims[0];
  if (last - first == 1) {
    Index from = index;
    if (first > 0) from[dim] = index[dim] - ends[first - 1];
    return this->At(node.operands[first], from);
  }
  const size_t middle = first + (last - first) / 2;
  return Choose(
      index[dim] < ends[middle - 1], [&] { return Concatenate(node, index, first, middle, ends); },
      [&] { return Concatenate(node, index, middle, last, ends); }, node.type().dtype);
}

Value ElementEmitter::ClampedStart(Value start, const Size& size, const Size& slice) {
  spirv::Builder& b = e_.b();
  const DType dtype = start.dtype();
  const bool known = size.is_static() && slice.is_static();
  const DType result = known && size.value > int64_t{0xffffffff} ? DType::kU64 : DType::kU32;
  if (known && size.value == slice.value) return b.Constant(result, int64_t{0});
  if (IsSigned(dtype)) start = b.Select(start < 0, b.Constant(dtype, int64_t{0}), start);
  const int64_t largest = BitSize(dtype) == 64 ? INT64_MAX : (int64_t{1} << (BitSize(dtype) - (IsSigned(dtype) ? 1 : 0))) - 1;
  if (known && size.value - slice.value > largest) return b.Convert(start, result);
  const Value limit = known ? b.Constant(dtype, size.value - slice.value) : b.Convert(e_.SizeOf(size) - e_.SizeOf(slice), dtype);
  return b.Convert(b.Select(start > limit, limit, start), result);
}

Value ClampStart(ElementEmitter& elements, Value start, const Size& size, const Size& slice) { return elements.ClampedStart(start, size, slice); }

Value ElementEmitter::DynamicSlice(const ir::Node& node, const Index& index) {
  const Shape &from = node.operands[0].type().shape, &to = node.type().shape;
  Index moved;
  for (size_t d = 0; d < index.size(); ++d) {
    moved.push_back(from[d] == to[d] ? index[d] : Shifted(index[d], ClampedStart(Scalar(node.operands[1 + d]), from[d], to[d])));
  }
  return this->At(node.operands[0], moved);
}

Value ElementEmitter::DynamicUpdateSlice(const ir::Node& node, const Position& at) {
  const ir::Value update = node.operands[1];
  const Shape &whole = node.type().shape, &part = update.type().shape;
  const Index index = positions_.In(whole, at);
  Value inside = e_.b().Bool(true);
  Index moved;
  for (size_t d = 0; d < index.size(); ++d) {
    if (whole[d] == part[d]) {
      moved.push_back(index[d]);
      continue;
    }
    moved.push_back(index[d] - ClampedStart(Scalar(node.operands[2 + d]), whole[d], part[d]));
    inside = inside && (moved.back() < e_.b().Convert(e_.SizeOf(part[d]), moved.back().dtype()));
  }
  return Choose(
      inside, [&] { return this->At(update, moved); }, [&] { return Element(node.operands[0], at); }, node.type().dtype);
}

Value ElementEmitter::Shifted(Value index, Value start) { return e_.b().Convert(index, start.dtype()) + start; }

Value ElementEmitter::Gather(const ir::Node& node, const Index& index) {
  const auto& gather = node.attr<ir::GatherAttr>();
  const ir::Value operand = node.operands[0], starts = node.operands[1];
  const Shape& shape = operand.type().shape;
  const auto contains = [](const std::vector<int64_t>& dims, int64_t d) { return std::find(dims.begin(), dims.end(), d) != dims.end(); };

  Index batch;
  for (size_t d = 0; d < index.size(); ++d) {
    if (!contains(gather.offset_dims, static_cast<int64_t>(d))) batch.push_back(index[d]);
  }
  Index from(shape.size(), e_.b().U32(0));
  size_t next_offset = 0;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (!contains(gather.collapsed_slice_dims, static_cast<int64_t>(d))) from[d] = index[gather.offset_dims[next_offset++]];
  }
  const bool has_vector = gather.index_vector_dim < static_cast<int64_t>(starts.type().shape.size());
  for (size_t k = 0; k < gather.start_index_map.size(); ++k) {
    const int64_t d = gather.start_index_map[k];
    Index at = batch;
    if (has_vector) at.insert(at.begin() + gather.index_vector_dim, e_.b().U32(static_cast<uint32_t>(k)));
    from[d] = Shifted(from[d], ClampedStart(this->At(starts, at), shape[d], Size(gather.slice_sizes[d])));
  }
  return this->At(operand, from);
}

Value ElementEmitter::Choose(Value condition, const std::function<Value()>& then, const std::function<Value()>& otherwise, DType dtype) {
  if (condition.constant()) return *condition.constant() ? then() : otherwise();
  spirv::Builder& b = e_.b();
  const spirv::Variable chosen = b.Declare(kernels::ComputeType(dtype));
  const auto branch = [&](const std::function<Value()>& value) {
    values_.Push();
    chosen.Set(value());
    values_.Pop();
  };
  b.If(
      condition, [&] { branch(then); }, [&] { branch(otherwise); });
  return chosen.Get();
}

}  // namespace tfvk::compiler
