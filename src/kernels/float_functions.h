// Transcendental functions of f32 and f64 values, written once for both widths: argument reductions in exact steps and polynomials of our own fitting
// (Remez, relative error below half a unit in the last place of the width).
#pragma once

#include "kernels/emitter.h"

namespace tfvk::kernels {

// Arguments and results are f32 or f64 scalars.
spirv::Value Exp(Emitter& e, spirv::Value x);
spirv::Value Expm1(Emitter& e, spirv::Value x);
spirv::Value Log(Emitter& e, spirv::Value x);
spirv::Value Log1p(Emitter& e, spirv::Value x);
spirv::Value Logistic(Emitter& e, spirv::Value x);
spirv::Value Tanh(Emitter& e, spirv::Value x);
spirv::Value Erf(Emitter& e, spirv::Value x);
// `dtype` is the tensor's: where that is f16 or bf16, x is f32 and the result has as many right digits as those keep. Subnormal results are 0.
spirv::Value Erfc(Emitter& e, DType dtype, spirv::Value x);
spirv::Value Cbrt(Emitter& e, spirv::Value x);
spirv::Value Power(Emitter& e, spirv::Value x, spirv::Value y);
spirv::Value Sin(Emitter& e, spirv::Value x);
spirv::Value Cos(Emitter& e, spirv::Value x);
spirv::Value Tan(Emitter& e, spirv::Value x);
spirv::Value Atan2(Emitter& e, spirv::Value y, spirv::Value x);
// Correctly rounded but for rare cases of one unit, where the device's own may be off by several.
spirv::Value Sqrt(Emitter& e, spirv::Value x);
spirv::Value Divide(Emitter& e, spirv::Value a, spirv::Value b);
// Whole numbers towards zero, down, up, and the nearest (ties to even); the sign of a zero is the argument's.
spirv::Value Trunc(Emitter& e, spirv::Value x);
spirv::Value Floor(Emitter& e, spirv::Value x);
spirv::Value Ceil(Emitter& e, spirv::Value x);
spirv::Value RoundToEven(Emitter& e, spirv::Value x);
// The exact remainder with the dividend's sign.
spirv::Value Fmod(Emitter& e, spirv::Value a, spirv::Value b);

}  // namespace tfvk::kernels
