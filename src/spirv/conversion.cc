// Conversions between dtypes and reinterpretation of bits.
#include <cstring>

#include "spirv/builder_state.h"

namespace tfvk::spirv {

namespace {

bool IsNarrow(DType dtype) { return BitSize(dtype) < 32; }

}  // namespace

// s32 to s64 or u64, made of two halves as GPUs without 64-bit registers do: lavapipe 22.3 compares OpSConvert's result with constants wrongly.
Value Builder::State::SignExtended(Value v, DType to) {
  std::vector<Value> lanes;
  for (int i = 0; i < v.lanes(); ++i) {
    Value low = v.lanes() == 1 ? v : builder->Extract(v, i);
    Value halves = builder->Composite({low, low >> 31});
    lanes.push_back(Make(Emit(spv::Op::OpBitcast, TypeOf(to), {halves.id()}), to, 1));
  }
  return v.lanes() == 1 ? lanes[0] : builder->Composite(lanes);
}

// Integers to integers: sign- or zero-extended, or cut.
Value Builder::State::ConvertInteger(Value v, DType to) {
  if (v.constant()) return builder->ConstantBits(to, static_cast<uint64_t>(*v.constant()));
  if (BitSize(to) == BitSize(v.dtype())) return Retag(v, to);
  if (IsSigned(v.dtype()) && BitSize(to) == 64) return SignExtended(ConvertInteger(v, DType::kS32), to);
  spv::Op op = IsSigned(v.dtype()) && BitSize(to) > BitSize(v.dtype()) ? spv::Op::OpSConvert : spv::Op::OpUConvert;
  return Make(Emit(op, TypeOf(to, v.lanes()), {v.id()}), to, v.lanes());
}

// Rounds an f32 to what f16 can hold, ties to even, so that the conversion itself is exact whatever the driver's rounding.
Value Builder::State::RoundToHalf(Value v) {
  Builder& b = *builder;
  Value bits = b.Bitcast(v, DType::kU32);
  Value sign = bits & 0x80000000, magnitude = bits & 0x7fffffff;
  // Adding 0.5 rounds a subnormal to whole units of 2^-24.
  bool before = b.SetExact(true);
  Value tiny = b.Bitcast((b.Bitcast(magnitude, DType::kF32) + 0.5) - 0.5, DType::kU32);
  b.SetExact(before);
  Value normal = (magnitude + 0xfff + ((magnitude >> 13) & 1)) & 0xffffe000;
  Value infinity = Operators::Number(bits, int64_t{0x7f800000});
  Value finite = b.Select(normal >= 0x47800000, infinity, normal);
  Value rounded = b.Select(magnitude < 0x38800000, tiny, b.Select(magnitude >= 0x7f800000, magnitude, finite));
  return b.Bitcast(rounded | sign, DType::kF32);
}

// By the driver's conversion. Drivers see through the way by the bits back to f32 and take the result for `v` itself (docs/troubleshooting.md), unless
// something may have happened to the bits between.
Value Builder::State::ConvertedHalfBits(Value v) {
  Id half = Emit(spv::Op::OpFConvert, TypeOf(DType::kF16), {v.id()});
  UseArithmetic(DType::kF16);
  Value pair = builder->Composite({Make(half, DType::kF16, 1), builder->ConstantBits(DType::kF16, 0)});
  return Make(Emit(spv::Op::OpBitcast, TypeOf(DType::kU32), {pair.id()}), DType::kU32, 1) ^ OpaqueZero();
}

Value Builder::HalfBits(Value v) {
  State& s = *s_;
  tfvk::Require(v.dtype() == DType::kF32 && v.lanes() == 1, "[SPIR-V] HalfBits of {} x {}.", v.lanes(), Name(v.dtype()));
  if (const auto known = s.narrow_of.find(v.id()); known != s.narrow_of.end() && known->second.dtype() == DType::kU32) return known->second & 0xffff;
  if (s.options.exact_f16_conversion) return s.ConvertedHalfBits(v);
  Value pair = Composite({s.RoundToHalf(v), F32(0)});
  return s.Make(s.EmitExtended(GLSLstd450PackHalf2x16, s.TypeOf(DType::kU32), {pair.id()}), DType::kU32, 1);
}

Value Builder::FromHalfBits(Value bits) {
  State& s = *s_;
  tfvk::Require(bits.dtype() == DType::kU32 && bits.lanes() == 1, "[SPIR-V] FromHalfBits of {} x {}.", bits.lanes(), Name(bits.dtype()));
  Value single = Extract(s.Make(s.EmitExtended(GLSLstd450UnpackHalf2x16, s.TypeOf(DType::kF32, 2), {bits.id()}), DType::kF32, 2), 0);
  s.narrow_of.emplace(single.id(), bits);
  return single;
}

Value Builder::State::RoundToBrain(Value v) {
  Builder& b = *builder;
  if (const auto known = narrow_of.find(v.id()); known != narrow_of.end() && known->second.dtype() == DType::kBF16) return known->second;
  Value bits = b.Bitcast(v, DType::kU32);
  Value rounded = bits + 0x7fff + ((bits >> 16) & 1);
  Value nan = (bits & 0x80000000) | 0x7fc00000;
  Value high = b.Select((bits & 0x7fffffff) > 0x7f800000, nan, rounded) >> 16;
  return Retag(ConvertInteger(high, DType::kU16), DType::kBF16);
}

// f64 to f32, inexact results made odd: a later rounding to fewer bits is then as if made from the f64 at once. Made of the bits, since drivers take
// the conversion of a conversion for the number itself.
Value Builder::State::RoundToOdd(Value v) {
  Builder& b = *builder;
  constexpr int64_t kDropped = (int64_t{1} << 29) - 1;  // of 52 bits of fraction f32 keeps 23
  Value bits = b.Bitcast(v, DType::kU64);
  Value sticky = b.Select((bits & kDropped) == 0, Operators::Number(bits, int64_t{0}), Operators::Number(bits, kDropped + 1));
  Value odd = b.Bitcast((bits & ~kDropped) | sticky, DType::kF64);
  return Make(Emit(spv::Op::OpFConvert, TypeOf(DType::kF32, v.lanes()), {odd.id()}), DType::kF32, v.lanes());
}

Value Builder::State::ConvertFloat(Value v, DType to) {
  Builder& b = *builder;
  DType from = v.dtype();
  if (from == DType::kBF16) {
    Value bits = ConvertInteger(Retag(v, DType::kU16), DType::kU32) << 16;
    Value single = b.Bitcast(bits, DType::kF32);
    narrow_of.emplace(single.id(), v);
    return b.Convert(single, to);
  }
  if (to == DType::kBF16) return RoundToBrain(from == DType::kF64 ? RoundToOdd(v) : b.Convert(v, DType::kF32));
  if (to == DType::kF16 && from == DType::kF64) v = RoundToHalf(RoundToOdd(v));
  if (to == DType::kF16 && from == DType::kF32 && !options.round_to_even_f16) v = RoundToHalf(v);
  return Make(Emit(spv::Op::OpFConvert, TypeOf(to, v.lanes()), {v.id()}), to, v.lanes());
}

Value Builder::Convert(Value v, DType to) {
  State& s = *s_;
  DType from = v.dtype();
  if (from == to) return v;
  if (from == DType::kBool) {
    if (IsNarrow(to)) return Convert(Convert(v, DType::kU32), to);
    if (v.constant()) return Constant(to, *v.constant());
    return Select(v, Splat(Constant(to, int64_t{1}), v.lanes()), Splat(Constant(to, int64_t{0}), v.lanes()));
  }
  if (to == DType::kBool) {
    if (IsNarrow(from)) return Convert(Convert(v, IsFloat(from) ? DType::kF32 : DType::kU32), to);
    return v != int64_t{0};
  }
  if (IsInteger(from) && IsInteger(to)) return s.ConvertInteger(v, to);
  if (IsFloat(from) && IsFloat(to)) return s.ConvertFloat(v, to);
  // Between integers and floats by way of 32 bits where a side is narrow: narrow types may be storage only.
  if (IsInteger(from)) {
    if (IsNarrow(from)) v = s.ConvertInteger(v, IsSigned(from) ? DType::kS32 : DType::kU32);
    if (IsNarrow(to)) return Convert(Convert(v, BitSize(v.dtype()) == 64 ? DType::kF64 : DType::kF32), to);
    if (v.constant() && to == DType::kF64)
      return Constant(to, IsSigned(v.dtype()) ? static_cast<double>(*v.constant()) : static_cast<double>(static_cast<uint64_t>(*v.constant())));
    if (v.constant() && to == DType::kF32 && *v.constant() >= 0) return Constant(to, static_cast<double>(static_cast<float>(*v.constant())));
    spv::Op op = IsSigned(v.dtype()) ? spv::Op::OpConvertSToF : spv::Op::OpConvertUToF;
    return s.Make(s.Emit(op, s.TypeOf(to, v.lanes()), {v.id()}), to, v.lanes());
  }
  if (IsNarrow(from)) v = Convert(v, DType::kF32);
  DType wide = IsNarrow(to) ? (IsSigned(to) ? DType::kS32 : DType::kU32) : to;
  Value whole = s.Make(s.Emit(IsSigned(to) ? spv::Op::OpConvertFToS : spv::Op::OpConvertFToU, s.TypeOf(wide, v.lanes()), {v.id()}), wide, v.lanes());
  return Convert(whole, to);
}

Value Builder::Bitcast(Value v, DType to) {
  State& s = *s_;
  DType from = v.dtype();
  tfvk::Require(from != DType::kBool && to != DType::kBool && BitSize(from) == BitSize(to), "[SPIR-V] bitcast of {} to {}.", Name(from), Name(to));
  if (from == to) return v;
  if (v.constant()) return ConstantBits(to, static_cast<uint64_t>(*v.constant()));
  bool same_type = s.TypeOf(from) == s.TypeOf(to);
  if (same_type) return s.Retag(v, to);
  s.UseArithmetic(from == DType::kBF16 ? DType::kU16 : from);
  s.UseArithmetic(to == DType::kBF16 ? DType::kU16 : to);
  return s.Make(s.Emit(spv::Op::OpBitcast, s.TypeOf(to, v.lanes()), {v.id()}), to, v.lanes());
}

Value Builder::Select(Value condition, Value if_true, Value if_false) {
  State& s = *s_;
  tfvk::Require(condition.dtype() == DType::kBool && if_true.dtype() == if_false.dtype() && if_true.lanes() == if_false.lanes(),
                "[SPIR-V] kernel {} selects by {} between {} x {} and {} x {}.", s.options.name, Name(condition.dtype()), if_true.lanes(),
                Name(if_true.dtype()), if_false.lanes(), Name(if_false.dtype()));
  if (condition.constant()) return *condition.constant() ? if_true : if_false;
  if (if_true.constant() && if_true.id() == if_false.id()) return if_true;
  // SPIR-V 1.4 takes a scalar condition for vectors; some drivers want lanes.
  if (condition.lanes() != if_true.lanes()) condition = Splat(condition, if_true.lanes());
  return s.Make(s.Emit(spv::Op::OpSelect, s.TypeOf(if_true), {condition.id(), if_true.id(), if_false.id()}), if_true.dtype(), if_true.lanes());
}

}  // namespace tfvk::spirv
