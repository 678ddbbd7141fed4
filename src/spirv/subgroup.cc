// Operations across the invocations of a subgroup.
#include "spirv/builder_state.h"

namespace tfvk::spirv {

namespace {

spv::Op GroupOperation(SubgroupOp op, DType dtype) {
  bool is_float = IsFloat(dtype), is_signed = IsSigned(dtype), is_bool = dtype == DType::kBool;
  switch (op) {
    case SubgroupOp::kAdd:
      return is_float ? spv::Op::OpGroupNonUniformFAdd : spv::Op::OpGroupNonUniformIAdd;
    case SubgroupOp::kMul:
      return is_float ? spv::Op::OpGroupNonUniformFMul : spv::Op::OpGroupNonUniformIMul;
    case SubgroupOp::kMin:
      return is_float ? spv::Op::OpGroupNonUniformFMin : is_signed ? spv::Op::OpGroupNonUniformSMin : spv::Op::OpGroupNonUniformUMin;
    case SubgroupOp::kMax:
      return is_float ? spv::Op::OpGroupNonUniformFMax : is_signed ? spv::Op::OpGroupNonUniformSMax : spv::Op::OpGroupNonUniformUMax;
    case SubgroupOp::kAnd:
      return is_bool ? spv::Op::OpGroupNonUniformLogicalAnd : spv::Op::OpGroupNonUniformBitwiseAnd;
    case SubgroupOp::kOr:
      return is_bool ? spv::Op::OpGroupNonUniformLogicalOr : spv::Op::OpGroupNonUniformBitwiseOr;
    case SubgroupOp::kXor:
      return is_bool ? spv::Op::OpGroupNonUniformLogicalXor : spv::Op::OpGroupNonUniformBitwiseXor;
  }
  Fail(ErrorCode::kInternal, "[SPIR-V] unknown subgroup operation {}.", static_cast<int>(op));
}

}  // namespace

Value Builder::State::SubgroupArithmetic(SubgroupOp op, spv::GroupOperation how, Value v) {
  Require(spv::Capability::GroupNonUniform);
  Require(spv::Capability::GroupNonUniformArithmetic);
  UseArithmetic(v.dtype());
  Id scope = U32Id(static_cast<uint32_t>(spv::Scope::Subgroup));
  return Make(Emit(GroupOperation(op, v.dtype()), TypeOf(v), {scope, static_cast<uint32_t>(how), v.id()}), v.dtype(), v.lanes());
}

Value Builder::SubgroupReduce(SubgroupOp op, Value v) { return s_->SubgroupArithmetic(op, spv::GroupOperation::Reduce, v); }
Value Builder::SubgroupExclusiveScan(SubgroupOp op, Value v) { return s_->SubgroupArithmetic(op, spv::GroupOperation::ExclusiveScan, v); }
Value Builder::SubgroupInclusiveScan(SubgroupOp op, Value v) { return s_->SubgroupArithmetic(op, spv::GroupOperation::InclusiveScan, v); }

// Only 32-bit values cross lanes on every device (others need shaderSubgroupExtendedTypes): wide ones travel as two words, narrow ones and bools widened.
Value Builder::State::AcrossLanes(Value v, const std::function<Value(Value)>& move) {
  Builder& b = *builder;
  DType dtype = v.dtype();
  if (dtype == DType::kBool) return move(b.Convert(v, DType::kU32)) != 0;
  if (BitSize(dtype) == 32) return move(v);
  if (BitSize(dtype) == 64) {
    tfvk::Require(v.lanes() == 1, "[SPIR-V] vectors of {} do not cross lanes.", Name(dtype));
    Id pair = Emit(spv::Op::OpBitcast, TypeOf(DType::kU32, 2), {v.id()});
    Value moved = move(Make(pair, DType::kU32, 2));
    return Make(Emit(spv::Op::OpBitcast, TypeOf(dtype), {moved.id()}), dtype, 1);
  }
  if (dtype == DType::kF16) return b.Convert(move(b.Convert(v, DType::kF32)), DType::kF16);
  DType bits = BitSize(dtype) == 8 ? DType::kU8 : DType::kU16;
  return Retag(b.Convert(move(b.Convert(Retag(v, bits), DType::kU32)), bits), dtype);
}

Value Builder::SubgroupShuffleXor(Value v, uint32_t mask) {
  State& s = *s_;
  s.Require(spv::Capability::GroupNonUniform);
  s.Require(spv::Capability::GroupNonUniformShuffle);
  Id scope = s.U32Id(static_cast<uint32_t>(spv::Scope::Subgroup)), mask_id = s.U32Id(mask);
  return s.AcrossLanes(v, [&](Value w) {
    return s.Make(s.Emit(spv::Op::OpGroupNonUniformShuffleXor, s.TypeOf(w), {scope, w.id(), mask_id}), w.dtype(), w.lanes());
  });
}

Value Builder::SubgroupShuffle(Value v, Value lane) {
  State& s = *s_;
  s.Require(spv::Capability::GroupNonUniform);
  s.Require(spv::Capability::GroupNonUniformShuffle);
  Id scope = s.U32Id(static_cast<uint32_t>(spv::Scope::Subgroup));
  return s.AcrossLanes(v, [&](Value w) {
    return s.Make(s.Emit(spv::Op::OpGroupNonUniformShuffle, s.TypeOf(w), {scope, w.id(), lane.id()}), w.dtype(), w.lanes());
  });
}

Value Builder::SubgroupBroadcastFirst(Value v) {
  State& s = *s_;
  s.Require(spv::Capability::GroupNonUniform);
  s.Require(spv::Capability::GroupNonUniformBallot);
  Id scope = s.U32Id(static_cast<uint32_t>(spv::Scope::Subgroup));
  return s.AcrossLanes(v, [&](Value w) {
    return s.Make(s.Emit(spv::Op::OpGroupNonUniformBroadcastFirst, s.TypeOf(w), {scope, w.id()}), w.dtype(), w.lanes());
  });
}

Value Builder::SubgroupAny(Value condition) {
  State& s = *s_;
  s.Require(spv::Capability::GroupNonUniform);
  s.Require(spv::Capability::GroupNonUniformVote);
  Id scope = s.U32Id(static_cast<uint32_t>(spv::Scope::Subgroup));
  return s.Make(s.Emit(spv::Op::OpGroupNonUniformAny, s.TypeOf(DType::kBool), {scope, condition.id()}), DType::kBool, 1);
}

Value Builder::SubgroupAll(Value condition) {
  State& s = *s_;
  s.Require(spv::Capability::GroupNonUniform);
  s.Require(spv::Capability::GroupNonUniformVote);
  Id scope = s.U32Id(static_cast<uint32_t>(spv::Scope::Subgroup));
  return s.Make(s.Emit(spv::Op::OpGroupNonUniformAll, s.TypeOf(DType::kBool), {scope, condition.id()}), DType::kBool, 1);
}

}  // namespace tfvk::spirv
