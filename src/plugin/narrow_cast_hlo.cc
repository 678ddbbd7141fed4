// Casts from and to floats of 8 bits: their bits are taken apart and put together, as XLA's own conversions would be of a type that the device does not have.
#include <cmath>
#include <cstdint>
#include <limits>

#include "plugin/added_types.h"
#include "tensorflow/compiler/tf2xla/type_util.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla/hlo/builder/lib/math.h"

namespace tfvk::plugin {
namespace {

using xla::XlaOp;

// Codes without the sign: up to `largest` the finite numbers, then e5m2's infinity, then NaN.
struct Format {
  int mantissa, bias;
  uint32_t largest, overflow, nan;
};

Format FormatOf(xla::PrimitiveType type) { return type == xla::F8E5M2 ? Format{2, 15, 0x7B, 0x7C, 0x7E} : Format{3, 7, 0x7E, 0x7F, 0x7F}; }

bool IsNarrow(xla::PrimitiveType type) { return type == xla::F8E5M2 || type == xla::F8E4M3FN; }

double PowerOfTwo(int exponent) { return std::ldexp(1.0, exponent); }

// fp32, exactly.
XlaOp FromNarrow(XlaOp x, xla::PrimitiveType type) {
  const Format format = FormatOf(type);
  const XlaOp code = xla::ConvertElementType(xla::BitcastConvertType(x, xla::U8), xla::U32);
  const auto number = [&](uint32_t value) { return xla::ConstantR0<uint32_t>(x.builder(), value); };
  const XlaOp magnitude = xla::And(code, number(0x7F)), mantissa = xla::And(code, number((1u << format.mantissa) - 1));
  const XlaOp exponent = xla::ShiftRightLogical(magnitude, number(format.mantissa));
  const XlaOp bits = xla::Or(xla::ShiftLeft(exponent + number(127 - format.bias), number(23)), xla::ShiftLeft(mantissa, number(23 - format.mantissa)));
  const XlaOp normal = xla::BitcastConvertType(bits, xla::F32), counted = xla::ConvertElementType(mantissa, xla::F32);
  const XlaOp subnormal = counted * xla::ScalarLike(counted, PowerOfTwo(1 - format.bias - format.mantissa));
  XlaOp value = xla::Select(xla::Eq(exponent, number(0)), subnormal, normal);
  value = xla::Select(xla::Gt(magnitude, number(format.largest)), xla::FullLike(value, std::numeric_limits<float>::quiet_NaN()), value);
  if (format.overflow != format.nan) {
    value = xla::Select(xla::Eq(magnitude, number(format.overflow)), xla::FullLike(value, std::numeric_limits<float>::infinity()), value);
  }
  return xla::Select(xla::Ge(code, number(0x80)), xla::Neg(value), value);
}

// From fp32 or fp64, rounded to nearest, ties to even; what is too large becomes infinity or, without one, NaN.
XlaOp ToNarrow(XlaOp x, xla::PrimitiveType type) {
  const Format format = FormatOf(type);
  const bool is_double = x.builder()->GetShape(x)->element_type() == xla::F64;
  const xla::PrimitiveType unsigned_type = is_double ? xla::U64 : xla::U32;
  const int width = is_double ? 64 : 32, wide_mantissa = is_double ? 52 : 23, wide_bias = is_double ? 1023 : 127, dropped = wide_mantissa - format.mantissa;
  const XlaOp given = xla::BitcastConvertType(x, unsigned_type);
  const auto number = [&](uint64_t value) { return xla::ConvertElementType(xla::ConstantR0<uint64_t>(x.builder(), value), unsigned_type); };
  const XlaOp bits = xla::And(given, number((uint64_t{1} << (width - 1)) - 1)), magnitude = xla::BitcastConvertType(bits, is_double ? xla::F64 : xla::F32);
  const XlaOp last = xla::And(xla::ShiftRightLogical(bits, number(dropped)), number(1));
  const XlaOp rounded = xla::ShiftRightLogical(bits + last + number((uint64_t{1} << (dropped - 1)) - 1), number(dropped));
  const XlaOp normal = rounded - number(static_cast<uint64_t>(wide_bias - format.bias) << format.mantissa);
  const XlaOp is_subnormal = xla::Lt(magnitude, xla::ScalarLike(magnitude, PowerOfTwo(1 - format.bias)));
  const XlaOp small =
      xla::Select(is_subnormal, magnitude, xla::ZerosLike(magnitude)) * xla::ScalarLike(magnitude, PowerOfTwo(format.bias - 1 + format.mantissa));
  XlaOp code = xla::Select(is_subnormal, xla::ConvertElementType(xla::RoundToEven(small), unsigned_type), normal);
  const auto full = [&](uint64_t value) { return xla::ZerosLike(code) + number(value); };
  code = xla::Select(xla::Gt(code, number(format.largest)), full(format.overflow), code);
  code = xla::Select(xla::Ne(magnitude, magnitude), full(format.nan), code);
  const XlaOp sign = xla::ShiftLeft(xla::ShiftRightLogical(given, number(width - 1)), number(7));
  return xla::BitcastConvertType(xla::ConvertElementType(xla::Or(code, sign), xla::U8), type);
}

class NarrowFloatCastKernel : public tensorflow::XlaOpKernel {
 public:
  explicit NarrowFloatCastKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("Truncate", &is_truncated_));
  }

  void Compile(tensorflow::XlaOpKernelContext* context) override {
    OP_REQUIRES(context, !is_truncated_, absl::UnimplementedError("Cast with Truncate from or to floats of 8 bits on this device"));
    const xla::PrimitiveType from = context->input_xla_type(0);
    xla::PrimitiveType to;
    OP_REQUIRES_OK(context, tensorflow::DataTypeToPrimitiveType(context->expected_output_dtype(0), &to));
    XlaOp x = context->Input(0);
    if (from == to) return context->SetOutput(0, x);
    if (IsNarrow(from)) x = FromNarrow(x, from);
    if (!IsNarrow(to)) {
      if (to == xla::PRED) return context->SetOutput(0, xla::Ne(x, xla::ZerosLike(x)));
      return context->SetOutput(0, xla::ConvertElementType(x, to));
    }
    context->SetOutput(0, ToNarrow(from == xla::F64 ? x : xla::ConvertElementType(x, xla::F32), to));
  }

 private:
  bool is_truncated_ = false;
};

}  // namespace

void AddNarrowCasts() {
  // TensorFlow has no casts of integers to them.
  const TypeSet floats = {tensorflow::DT_HALF, tensorflow::DT_BFLOAT16, tensorflow::DT_FLOAT, tensorflow::DT_DOUBLE};
  const TypeSet narrow = {tensorflow::DT_FLOAT8_E4M3FN, tensorflow::DT_FLOAT8_E5M2};
  AddTypes<NarrowFloatCastKernel>("Cast", {{"SrcT", narrow}});
  AddTypes<NarrowFloatCastKernel>("Cast", {{"SrcT", floats}, {"DstT", narrow}});
}

}  // namespace tfvk::plugin
