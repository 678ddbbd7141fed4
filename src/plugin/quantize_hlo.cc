// QuantizeAndDequantize in its first version, the gradient of its fourth, and Dequantize: numbers that were, or are as if they had been, kept as small
// integers.
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "plugin/image_ops.h"
#include "plugin/table_rows.h"
#include "tensorflow/compiler/tf2xla/type_util.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::TensorShape;
using tensorflow::XlaOpKernelContext;
using xla::XlaOp;

class QuantizeAndDequantizeKernel : public tensorflow::XlaOpKernel {
 public:
  explicit QuantizeAndDequantizeKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("signed_input", &signed_));
    OP_REQUIRES_OK(construction, construction->GetAttr("num_bits", &bits_));
    OP_REQUIRES(construction, bits_ > 0 && bits_ < (signed_ ? 62 : 63),
                absl::InvalidArgumentError(absl::StrCat("num_bits is out of range: ", bits_, " with signed_input_ ", signed_)));
    OP_REQUIRES_OK(construction, construction->GetAttr("range_given", &range_given_));
    OP_REQUIRES_OK(construction, construction->GetAttr("input_min", &least_));
    OP_REQUIRES_OK(construction, construction->GetAttr("input_max", &most_));
    OP_REQUIRES(construction, !range_given_ || least_ <= most_,
                absl::InvalidArgumentError(absl::StrCat("Invalid range: input_min ", least_, " > input_max ", most_)));
  }

  void Compile(XlaOpKernelContext* context) override {
    const XlaOp input = context->Input(0);
    if (context->InputShape(0).num_elements() == 0) return context->SetOutput(0, input);
    const xla::PrimitiveType type = context->InputXlaType("input");
    xla::XlaBuilder* builder = context->builder();
    XlaOp least = Constant(input, least_), most = Constant(input, most_);
    if (!range_given_) {
      least = xla::ReduceAll(input, xla::MaxValue(builder, type), xla::CreateScalarMinComputation(type, builder));
      most = xla::ReduceAll(input, xla::MinValue(builder, type), xla::CreateScalarMaxComputation(type, builder));
    }
    const double low = signed_ ? -std::ldexp(1.0, bits_ - 1) : 0, high = std::ldexp(1.0, signed_ ? bits_ - 1 : bits_) - 1;
    const XlaOp lowest = Constant(input, low), highest = Constant(input, high), zero = Constant(input, 0), never = xla::MaxFiniteValue(builder, type);
    const XlaOp by_least = xla::Select(xla::Gt(lowest * least, zero), lowest / least, never);
    const XlaOp by_most = xla::Select(xla::Gt(highest * most, zero), highest / most, never);
    // The side that needs the coarser steps decides; the other's end moves with it.
    const XlaOp from_least = xla::Lt(by_least, by_most);
    const XlaOp scale = xla::Select(from_least, by_least, by_most);
    const XlaOp step = low == 0 ? most / highest : xla::Select(from_least, least / lowest, most / highest);
    XlaOp values = input;
    if (range_given_) values = xla::Max(xla::Min(values, xla::Select(from_least, highest * step, most)), xla::Select(from_least, least, lowest * step));
    context->SetOutput(0, xla::RoundNearestEven(values * scale) * step);
  }

 private:
  bool signed_ = false, range_given_ = false;
  int bits_ = 0;
  float least_ = 0, most_ = 0;
};

class QuantizeGradientKernel : public tensorflow::XlaOpKernel {
 public:
  explicit QuantizeGradientKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("axis", &axis_));
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  absl::Status CheckLimit(const char* name, const TensorShape& limit, const TensorShape& input) const {
    if (limit.dims() > 1) return absl::InvalidArgumentError(absl::StrCat("Input ", name, " tensor must have dimension 0 or 1. Received ", limit.dims(), "."));
    if (axis_ == -1) {
      if (limit.num_elements() == 1) return absl::OkStatus();
      return absl::InvalidArgumentError(absl::StrCat("Input ", name, " tensor must have one element without an axis, has ", limit.num_elements()));
    }
    const int64_t depth = input.dim_size(axis_);
    if (limit.dims() == 1 && limit.dim_size(0) == depth) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(name, " has incorrect size, expected ", depth, " was ", limit.num_elements()));
  }

  absl::Status Build(XlaOpKernelContext* context) const {
    const TensorShape gradients = context->InputShape(0), input = context->InputShape(1);
    if (axis_ < -1) return absl::InvalidArgumentError(absl::StrCat("Axis must be at least -1. Found ", axis_));
    if (axis_ >= input.dims()) {
      return absl::InvalidArgumentError(
          absl::StrCat("Axis should be -1 or 0 or a positive value less than ", input.dims(), "but given axis value was ", axis_));
    }
    if (gradients != input) return absl::InvalidArgumentError("gradient and input must be the same size");
    TF_RETURN_IF_ERROR(CheckLimit("min", context->InputShape(2), input));
    TF_RETURN_IF_ERROR(CheckLimit("max", context->InputShape(3), input));
    const XlaOp values = context->Input(1);
    const auto sizes = input.dim_sizes();
    const std::vector<int64_t> dims(sizes.begin(), sizes.end());
    const auto limit = [&](int i) { return axis_ == -1 ? Spread(xla::Reshape(context->Input(i), {}), dims, {}) : Spread(context->Input(i), dims, {axis_}); };
    const XlaOp within = xla::And(xla::Ge(values, limit(2)), xla::Le(values, limit(3)));
    context->SetOutput(0, xla::Select(within, context->Input(0), xla::ZerosLike(values)));
    context->SetOutput(1, xla::ZerosLike(context->Input(2)));
    context->SetOutput(2, xla::ZerosLike(context->Input(3)));
    return absl::OkStatus();
  }

  int axis_ = -1;
};

// What the integers of a type can be.
struct QuantizedRange {
  double lowest, highest;
  bool IsSigned() const { return lowest < 0; }
  float Steps() const { return static_cast<float>(highest) - static_cast<float>(lowest); }
};

QuantizedRange RangeOf(tensorflow::DataType type) {
  switch (type) {
    case tensorflow::DT_QINT8:
      return {-128, 127};
    case tensorflow::DT_QUINT8:
      return {0, 255};
    default:
      return {std::numeric_limits<int32_t>::lowest(), std::numeric_limits<int32_t>::max()};
  }
}

class DequantizeKernel : public tensorflow::XlaOpKernel {
 public:
  explicit DequantizeKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("mode", &mode_));
    OP_REQUIRES_OK(construction, construction->GetAttr("dtype", &result_));
    if (result_ == tensorflow::DT_FLOAT) {
      OP_REQUIRES(construction, mode_ == "MIN_COMBINED" || mode_ == "MIN_FIRST" || mode_ == "SCALED",
                  absl::InvalidArgumentError(absl::StrCat("Mode string must be 'MIN_COMBINED', 'MIN_FIRST', or 'SCALED', is '", mode_, "'")));
    } else {
      OP_REQUIRES(construction, mode_ == "MIN_COMBINED",
                  absl::InvalidArgumentError(absl::StrCat("When output type is bfloat16, Mode string must be 'MIN_COMBINED', is '", mode_, "'")));
    }
    OP_REQUIRES_OK(construction, construction->GetAttr("narrow_range", &narrow_range_));
    OP_REQUIRES_OK(construction, construction->GetAttr("axis", &axis_));
    tensorflow::DataType type;
    OP_REQUIRES_OK(construction, construction->GetAttr("T", &type));
    range_ = RangeOf(type);
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  absl::StatusOr<int64_t> Slices(XlaOpKernelContext* context) const {
    const TensorShape input = context->InputShape(0);
    if (axis_ >= input.dims()) return absl::InvalidArgumentError(absl::StrCat("Axis must be less than input dimension(", input.dims(), "), got ", axis_));
    const int64_t slices = axis_ > -1 ? input.dim_size(axis_) : 1;
    const char* const names[] = {"input_min_tensor", "input_max_tensor"};
    for (int i = 0; i < 2; ++i) {
      const int64_t given = context->InputShape(i + 1).num_elements();
      if (given == slices) continue;
      return absl::InvalidArgumentError(
          absl::StrCat(names[i], " must have as many elements as input on the dequantization axis (", axis_, "), got ", given, ", expected ", slices));
    }
    if (slices != 1 && mode_ == "MIN_FIRST") return absl::UnimplementedError("MIN_FIRST mode is not implemented for Dequantize with axis != -1.");
    return slices;
  }

  absl::Status Build(XlaOpKernelContext* context) {
    TF_ASSIGN_OR_RETURN(const int64_t slices, Slices(context));
    const TensorShape shape = context->InputShape(0);
    const auto sizes = shape.dim_sizes();
    const std::vector<int64_t> dims(sizes.begin(), sizes.end());
    const XlaOp input = xla::ConvertElementType(context->Input(0), xla::F32);
    const auto spread = [&](XlaOp limits) { return slices == 1 ? Spread(xla::Reshape(limits, {}), dims, {}) : Spread(limits, dims, {axis_}); };
    const XlaOp least = xla::Reshape(context->Input(1), {slices}), most = xla::Reshape(context->Input(2), {slices});
    xla::PrimitiveType type = xla::F32;
    TF_RETURN_IF_ERROR(tensorflow::DataTypeToPrimitiveType(result_, &type));
    context->SetOutput(0, xla::ConvertElementType(Real(input, least, most, spread), type));
    return absl::OkStatus();
  }

  template <typename SpreadLimits>
  XlaOp Real(XlaOp input, XlaOp least, XlaOp most, const SpreadLimits& spread) const {
    if (mode_ == "SCALED") {
      const XlaOp by_most = most / Constant(most, range_.highest), by_least = least / Constant(least, range_.lowest + (narrow_range_ ? 1 : 0));
      return input * spread(range_.IsSigned() ? xla::Max(by_least, by_most) : by_most);
    }
    if (mode_ == "MIN_COMBINED") {
      const XlaOp half = Constant(input, range_.IsSigned() ? (range_.Steps() + 1) / 2 : 0);
      return (input + half) * spread((most - least) / Constant(most, range_.Steps())) + spread(least);
    }
    // The smallest number is moved to a whole number of steps from zero.
    const XlaOp step = (most - least) / Constant(most, range_.highest - range_.lowest), ratio = least / step;
    const XlaOp away = xla::Sign(ratio) * xla::Floor(xla::Abs(ratio) + Constant(ratio, 0.5));
    const XlaOp start = xla::Select(xla::Eq(least, most), least, away * step);
    return (input - Constant(input, range_.lowest)) * spread(step) + spread(start);
  }

  std::string mode_;
  tensorflow::DataType result_;
  bool narrow_range_ = false;
  int axis_ = -1;
  QuantizedRange range_ = {};
};

}  // namespace

void RegisterQuantizeOps() {
  REGISTER_XLA_OP(Name("QuantizeAndDequantize").Device("XLA_GPU_JIT"), QuantizeAndDequantizeKernel);
  REGISTER_XLA_OP(Name("QuantizeAndDequantizeV4Grad").Device("XLA_GPU_JIT"), QuantizeGradientKernel);
  const std::vector<tensorflow::DataType> types = {tensorflow::DT_QINT8, tensorflow::DT_QUINT8, tensorflow::DT_QINT32};
  REGISTER_XLA_OP(Name("Dequantize").Device("XLA_GPU_JIT").TypeConstraint("T", types), DequantizeKernel);
}

}  // namespace tfvk::plugin
