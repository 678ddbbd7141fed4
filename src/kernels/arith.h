// Scalar arithmetic with XLA's meaning, on elements in compute types (kernels/emitter.h): what elementwise nodes, combiners and epilogues are made of.
//
// Every function takes the dtype that its operands have as tensors, `dtype`, and values of ComputeType(dtype). Integers of 8 and 16 bits come back wrapped to
// their range; f16 and bf16 are computed in f32 and not rounded (RoundTo rounds them).
//
// f32 functions are within a few units in the last place of the exact result at every argument, f64 functions too (Vulkan's own are either coarser or
// missing). Infinities, NaNs and signed zeros follow IEEE 754. Subnormal results and arguments may become zeros where the device flushes them.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/emitter.h"

namespace tfvk::kernels {

enum class UnaryFunction : uint8_t {
  kAbs,
  kNegate,
  kSign,  // NaN stays NaN, zeros keep their sign
  kNot,   // bitwise; logical for bools
  kExp,
  kExpm1,
  kLog,
  kLog1p,
  kLogistic,
  kSqrt,
  kRsqrt,
  kCbrt,
  kSin,
  kCos,
  kTan,
  kTanh,
  kErf,
  kErfc,
  kFloor,
  kCeil,
  kRoundNearestAfz,   // halves away from zero
  kRoundNearestEven,  // halves to even
  kIsFinite,          // gives a bool
  kPopcnt,
  kClz,
};
spirv::Value Apply(Emitter& e, UnaryFunction function, DType dtype, spirv::Value x);

enum class BinaryFunction : uint8_t {
  kAdd,  // or, for bools
  kSubtract,
  kMultiply,   // and, for bools
  kDivide,     // integers: towards zero; x / 0 is -1 (all ones), the lowest / -1 is itself
  kRemainder,  // the dividend's sign; integers: x % 0 is x, the lowest % -1 is 0; floats: exact, as fmod
  kPower,      // integers: a negative exponent gives 0, but for bases 1 and -1
  kAtan2,      // atan2(lhs, rhs)
  kMaximum,    // NaN if either is; +0 above -0
  kMinimum,
  kAnd,
  kOr,
  kXor,
  kShiftLeft,             // shifts by the width or more give 0,
  kShiftRightLogical,     // or 0,
  kShiftRightArithmetic,  // or the sign
};
spirv::Value Apply(Emitter& e, BinaryFunction function, DType dtype, spirv::Value lhs, spirv::Value rhs);

enum class ComparisonKind : uint8_t { kEq, kNe, kLt, kLe, kGt, kGe };
// `total_order` for floats: -NaN < -inf < ... < -0 < +0 < ... < inf < NaN, by the bits of the dtype. Gives a bool.
spirv::Value Compare(Emitter& e, ComparisonKind kind, bool total_order, DType dtype, spirv::Value lhs, spirv::Value rhs);

// min(max(x, low), high); NaN if any operand is.
spirv::Value Clamp(Emitter& e, DType dtype, spirv::Value low, spirv::Value x, spirv::Value high);

// Value conversion. Floats to integers: towards zero, saturating, NaN to 0. Integers to narrower ones wrap. To f16 and bf16: rounded to them, ties to even.
// To bool: != 0.
spirv::Value ConvertElement(Emitter& e, DType from, DType to, spirv::Value x);

// A value of f16 or bf16 that was computed in f32, rounded as a store and a load would; other dtypes are unchanged.
spirv::Value RoundTo(Emitter& e, DType dtype, spirv::Value x);

// The element's bits in memory, zero-extended: u32, or u64 for 8-byte dtypes. A bool's are 0 and 1.
spirv::Value ElementBits(Emitter& e, DType dtype, spirv::Value x);
// The element that such bits stand for.
spirv::Value ElementFromBits(Emitter& e, DType dtype, spirv::Value bits);
// The same bits as another dtype of the same size.
spirv::Value BitcastElement(Emitter& e, DType from, DType to, spirv::Value x);

// Rounds (ties to even) to a float of fewer exponent and mantissa bits, as StableHLO's reduce_precision; overflows to infinity, flushes what would be
// subnormal to zero.
spirv::Value ReducePrecision(Emitter& e, DType dtype, int exponent_bits, int mantissa_bits, spirv::Value x);

}  // namespace tfvk::kernels
