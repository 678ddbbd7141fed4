// GLSL.std.450 functions and bit counting.
#include "spirv/builder_state.h"

namespace tfvk::spirv {

namespace {

GLSLstd450 FloatFunction(Math function) {
  switch (function) {
    case Math::kAbs:
      return GLSLstd450FAbs;
    case Math::kSign:
      return GLSLstd450FSign;
    case Math::kFloor:
      return GLSLstd450Floor;
    case Math::kCeil:
      return GLSLstd450Ceil;
    case Math::kTrunc:
      return GLSLstd450Trunc;
    case Math::kRoundEven:
      return GLSLstd450RoundEven;
    case Math::kFract:
      return GLSLstd450Fract;
    case Math::kSqrt:
      return GLSLstd450Sqrt;
    case Math::kInverseSqrt:
      return GLSLstd450InverseSqrt;
    case Math::kExp:
      return GLSLstd450Exp;
    case Math::kExp2:
      return GLSLstd450Exp2;
    case Math::kLog:
      return GLSLstd450Log;
    case Math::kLog2:
      return GLSLstd450Log2;
    case Math::kSin:
      return GLSLstd450Sin;
    case Math::kCos:
      return GLSLstd450Cos;
    case Math::kTan:
      return GLSLstd450Tan;
    case Math::kTanh:
      return GLSLstd450Tanh;
    case Math::kAsin:
      return GLSLstd450Asin;
    case Math::kAcos:
      return GLSLstd450Acos;
    case Math::kAtan:
      return GLSLstd450Atan;
    case Math::kSinh:
      return GLSLstd450Sinh;
    case Math::kCosh:
      return GLSLstd450Cosh;
  }
  Fail(ErrorCode::kInternal, "[SPIR-V] unknown function {}.", static_cast<int>(function));
}

}  // namespace

Value Builder::Apply(Math function, Value v) {
  State& s = *s_;
  if (IsInteger(v.dtype())) {
    tfvk::Require(function == Math::kAbs || function == Math::kSign, "[SPIR-V] function {} of {}.", static_cast<int>(function), Name(v.dtype()));
    if (!IsSigned(v.dtype())) return function == Math::kAbs ? v : Min(v, Operators::Number(v, int64_t{1}));
    s.UseArithmetic(v.dtype());
    return s.Make(s.EmitExtended(function == Math::kAbs ? GLSLstd450SAbs : GLSLstd450SSign, s.TypeOf(v), {v.id()}), v.dtype(), v.lanes());
  }
  tfvk::Require(v.dtype() != DType::kF64 || function < Math::kExp, "[SPIR-V] Vulkan has no function {} for f64.", static_cast<int>(function));
  s.UseArithmetic(v.dtype());
  return s.Make(s.EmitExtended(FloatFunction(function), s.TypeOf(v), {v.id()}), v.dtype(), v.lanes());
}

bool Builder::SetExact(bool exact) {
  std::swap(exact, s_->exact);
  return exact;
}

Value Builder::Atan2(Value y, Value x) { return s_->Make(s_->EmitExtended(GLSLstd450Atan2, s_->TypeOf(y), {y.id(), x.id()}), y.dtype(), y.lanes()); }

Value Builder::Pow(Value x, Value y) { return s_->Make(s_->EmitExtended(GLSLstd450Pow, s_->TypeOf(x), {x.id(), y.id()}), x.dtype(), x.lanes()); }

Value Builder::Fma(Value a, Value b, Value c) {
  s_->UseArithmetic(a.dtype());
  return s_->Make(s_->Exact(s_->EmitExtended(GLSLstd450Fma, s_->TypeOf(a), {a.id(), b.id(), c.id()})), a.dtype(), a.lanes());
}

namespace {

// NVIDIA's compiler makes wrong instructions of an SMin or SMax of three 32-bit numbers that are negated: docs/troubleshooting.md.
bool IsChosenByComparison(Value v) { return IsInteger(v.dtype()) && IsSigned(v.dtype()) && BitSize(v.dtype()) <= 32; }

}  // namespace

Value Builder::Min(Value a, Value b) {
  tfvk::Require(a.dtype() == b.dtype(), "[SPIR-V] the minimum of {} and {}.", Name(a.dtype()), Name(b.dtype()));
  if (IsInteger(a.dtype()) && a.constant() && b.constant()) return *(a < b).constant() ? a : b;
  if (IsChosenByComparison(a)) return Select(a < b, a, b);
  s_->UseArithmetic(a.dtype());
  GLSLstd450 function = IsFloat(a.dtype()) ? GLSLstd450FMin : IsSigned(a.dtype()) ? GLSLstd450SMin : GLSLstd450UMin;
  return s_->Make(s_->EmitExtended(function, s_->TypeOf(a), {a.id(), b.id()}), a.dtype(), a.lanes());
}

Value Builder::Max(Value a, Value b) {
  tfvk::Require(a.dtype() == b.dtype(), "[SPIR-V] the maximum of {} and {}.", Name(a.dtype()), Name(b.dtype()));
  if (IsInteger(a.dtype()) && a.constant() && b.constant()) return *(a > b).constant() ? a : b;
  if (IsChosenByComparison(a)) return Select(a > b, a, b);
  s_->UseArithmetic(a.dtype());
  GLSLstd450 function = IsFloat(a.dtype()) ? GLSLstd450FMax : IsSigned(a.dtype()) ? GLSLstd450SMax : GLSLstd450UMax;
  return s_->Make(s_->EmitExtended(function, s_->TypeOf(a), {a.id(), b.id()}), a.dtype(), a.lanes());
}

namespace {

// A float's bits without the sign, and infinity's, at 32 or 64 bits.
std::pair<Value, int64_t> Magnitude(Builder& b, Value v) {
  if (v.dtype() == DType::kF64) return {b.Bitcast(v, DType::kU64) & int64_t{0x7fffffffffffffff}, int64_t{0x7ff0000000000000}};
  if (v.dtype() == DType::kF32) return {b.Bitcast(v, DType::kU32) & int64_t{0x7fffffff}, int64_t{0x7f800000}};
  return Magnitude(b, b.Convert(v, DType::kF32));
}

}  // namespace

Value Builder::IsNan(Value v) {
  auto [magnitude, infinity] = Magnitude(*this, v);
  return magnitude > infinity;
}

Value Builder::IsInf(Value v) {
  auto [magnitude, infinity] = Magnitude(*this, v);
  return magnitude == infinity;
}

Value Builder::PopCount(Value v) {
  State& s = *s_;
  DType dtype = v.dtype();
  if (BitSize(dtype) == 64) return Convert(PopCount(Convert(v, DType::kU32)) + PopCount(Convert(Bitcast(v, DType::kU64) >> 32, DType::kU32)), dtype);
  if (BitSize(dtype) < 32) return Convert(PopCount(Convert(Bitcast(v, BitSize(dtype) == 8 ? DType::kU8 : DType::kU16), DType::kU32)), dtype);
  return s.Make(s.Emit(spv::Op::OpBitCount, s.TypeOf(v), {v.id()}), dtype, v.lanes());
}

Value Builder::FindMsb(Value v) {
  State& s = *s_;
  tfvk::Require(BitSize(v.dtype()) == 32 && IsInteger(v.dtype()), "[SPIR-V] FindMsb takes 32-bit integers, not {}.", Name(v.dtype()));
  return s.Make(s.EmitExtended(GLSLstd450FindUMsb, s.TypeOf(v), {v.id()}), DType::kU32, v.lanes());
}

std::pair<Value, Value> Builder::MulExtended(Value a, Value b) {
  State& s = *s_;
  tfvk::Require(a.dtype() == DType::kU32 && b.dtype() == DType::kU32 && a.lanes() == 1, "[SPIR-V] MulExtended of {} and {}.", Name(a.dtype()), Name(b.dtype()));
  Id u32 = s.TypeOf(DType::kU32);
  Id pair = s.Emit(spv::Op::OpUMulExtended, s.PairType(u32), {a.id(), b.id()});
  Id low = s.Emit(spv::Op::OpCompositeExtract, u32, {pair, 0}), high = s.Emit(spv::Op::OpCompositeExtract, u32, {pair, 1});
  return {s.Make(low, DType::kU32, 1), s.Make(high, DType::kU32, 1)};
}

}  // namespace tfvk::spirv
