// DebugNumericSummaryV2: what TensorFlow's debugger records of a tensor in each of its modes.
#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "plugin/mathematics_ops.h"
#include "plugin/op_rules.h"
#include "tensorflow/compiler/tf2xla/type_util.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "tensorflow/core/protobuf/debug_event.pb.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::TensorShape;
using tensorflow::XlaOpKernelContext;
using xla::XlaOp;

// How many elements, or whether any, have a property.
class Elements {
 public:
  // `x` has one dimension. Booleans count as 0 and 1.
  Elements(XlaOp x, xla::PrimitiveType type) : type_(type == xla::PRED ? xla::U8 : type), x_(type == xla::PRED ? xla::ConvertElementType(x, xla::U8) : x) {}

  xla::XlaBuilder* builder() const { return x_.builder(); }
  XlaOp NegativeInfinity() const { return IsFloat() ? xla::Eq(x_, -xla::MaxValue(builder(), type_)) : None(); }
  XlaOp PositiveInfinity() const { return IsFloat() ? xla::Eq(x_, xla::MaxValue(builder(), type_)) : None(); }
  XlaOp NaN() const { return IsFloat() ? xla::Ne(x_, x_) : None(); }
  XlaOp Zero() const { return xla::Eq(x_, xla::Zero(builder(), type_)); }
  XlaOp NegativeFinite() const { return xla::And(xla::Lt(x_, xla::Zero(builder(), type_)), xla::Not(NegativeInfinity())); }
  XlaOp PositiveFinite() const { return xla::And(xla::Gt(x_, xla::Zero(builder(), type_)), xla::Not(PositiveInfinity())); }

  XlaOp Any(XlaOp which) const {
    return xla::Reduce(which, xla::ConstantR0<bool>(builder(), false), xla::CreateScalarOrComputation(xla::PRED, builder()), {0});
  }
  XlaOp Count(XlaOp which) const {
    const xla::PrimitiveType type = Size() <= std::numeric_limits<int32_t>::max() ? xla::S32 : xla::S64;
    return xla::Reduce(xla::ConvertElementType(which, type), xla::Zero(builder(), type), xla::CreateScalarAddComputation(type, builder()), {0});
  }

 private:
  bool IsFloat() const { return xla::primitive_util::IsFloatingPointType(type_); }
  int64_t Size() const { return builder()->GetShape(x_)->dimensions(0); }
  XlaOp None() const { return xla::Broadcast(xla::ConstantR0<bool>(builder(), false), {Size()}); }

  xla::PrimitiveType type_;
  XlaOp x_;
};

class DebugNumericSummaryKernel : public tensorflow::XlaOpKernel {
 public:
  explicit DebugNumericSummaryKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("tensor_debug_mode", &mode_));
    OP_REQUIRES_OK(construction, construction->GetAttr("tensor_id", &id_));
    OP_REQUIRES_OK(construction, construction->GetAttr("output_dtype", &output_type_));
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  absl::Status Build(XlaOpKernelContext* context) {
    constexpr int64_t kLargestId = int64_t{1} << 24;  // every whole number up to it is an fp32
    if (mode_ != tensorflow::REDUCE_INF_NAN_THREE_SLOTS && output_type_ == tensorflow::DT_FLOAT && id_ > kLargestId) {
      return absl::InvalidArgumentError(absl::StrCat("DebugNumericSummaryV2Op requires tensor_id to be less than or equal to (2^24). Given tensor_id:", id_));
    }
    TF_RETURN_IF_ERROR(tensorflow::DataTypeToPrimitiveType(output_type_, &type_));
    builder_ = context->builder();
    const TensorShape shape = context->InputShape(0);
    const Elements elements(xla::Reshape(context->Input(0), {shape.num_elements()}), context->InputXlaType("input"));
    std::vector<XlaOp> slots;
    switch (mode_) {
      case tensorflow::CURT_HEALTH:
        slots = {Number(id_), Slot(elements.Any(xla::Or(elements.NaN(), xla::Or(elements.NegativeInfinity(), elements.PositiveInfinity()))))};
        break;
      case tensorflow::CONCISE_HEALTH:
        slots = {Number(id_), Number(shape.num_elements())};
        AppendCounts(slots, elements, {elements.NegativeInfinity(), elements.PositiveInfinity(), elements.NaN()});
        break;
      case tensorflow::FULL_HEALTH:  // the -1 stands where a device's number was meant to be
        slots = {Number(id_), Number(-1), Number(context->input_type(0)), Number(shape.dims()), Number(shape.num_elements())};
        AppendCounts(
            slots, elements,
            {elements.NegativeInfinity(), elements.PositiveInfinity(), elements.NaN(), elements.NegativeFinite(), elements.Zero(), elements.PositiveFinite()});
        break;
      case tensorflow::SHAPE:
        slots = {Number(id_), Number(context->input_type(0)), Number(shape.dims()), Number(shape.num_elements())};
        AppendLastSizes(slots, shape);
        break;
      case tensorflow::REDUCE_INF_NAN_THREE_SLOTS:
        slots = {ValueIf(elements.Any(elements.NegativeInfinity()), -xla::MaxValue(builder_, type_)),
                 ValueIf(elements.Any(elements.PositiveInfinity()), xla::MaxValue(builder_, type_)),
                 ValueIf(elements.Any(elements.NaN()), xla::NanValue(builder_, type_))};
        break;
      default:
        return absl::UnimplementedError(absl::StrCat("Unimplemented tensor debug mode: ", mode_));
    }
    context->SetOutput(0, Joined(slots));
    return absl::OkStatus();
  }

  XlaOp Number(double value) const { return xla::ScalarLike(xla::Zero(builder_, type_), value); }
  XlaOp Slot(XlaOp value) const { return xla::ConvertElementType(value, type_); }
  XlaOp ValueIf(XlaOp is, XlaOp value) const { return xla::Select(is, value, Number(0)); }

  void AppendCounts(std::vector<XlaOp>& slots, const Elements& elements, const std::vector<XlaOp>& properties) const {
    for (const XlaOp property : properties) slots.push_back(Slot(elements.Count(property)));
  }

  // Of more than six dimensions the last six.
  void AppendLastSizes(std::vector<XlaOp>& slots, const TensorShape& shape) const {
    constexpr int kSizes = 6;
    const int first = std::max(0, shape.dims() - kSizes);
    for (int i = first; i < first + kSizes; ++i) slots.push_back(Number(i < shape.dims() ? static_cast<double>(shape.dim_size(i)) : 0));
  }

  XlaOp Joined(const std::vector<XlaOp>& slots) const {
    std::vector<XlaOp> parts;
    for (const XlaOp slot : slots) parts.push_back(xla::Reshape(slot, {1}));
    return xla::ConcatInDim(builder_, parts, 0);
  }

  int mode_;
  int64_t id_;
  tensorflow::DataType output_type_;
  xla::PrimitiveType type_ = xla::F32;
  xla::XlaBuilder* builder_ = nullptr;
};

}  // namespace

void RegisterDebugSummaryOps() { REGISTER_XLA_OP(Name("DebugNumericSummaryV2").Device("XLA_GPU_JIT"), DebugNumericSummaryKernel); }

}  // namespace tfvk::plugin
