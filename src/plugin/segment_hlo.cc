#include "plugin/segment_hlo.h"

#include "plugin/row_hlo.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {

using xla::XlaOp;

namespace {

xla::Shape ShapeOf(XlaOp x) { return x.builder()->GetShape(x).value(); }

std::vector<int64_t> WithRows(const xla::Shape& shape, int64_t rows) {
  std::vector<int64_t> sizes(shape.dimensions().begin(), shape.dimensions().end());
  sizes[0] = rows;
  return sizes;
}

XlaOp StartValue(xla::XlaBuilder* builder, xla::PrimitiveType type, SegmentReduction reduction) {
  if (reduction == SegmentReduction::kProd) return xla::One(builder, type);
  if (reduction == SegmentReduction::kMin) return xla::MaxValue(builder, type);
  if (reduction == SegmentReduction::kMax) return xla::MinValue(builder, type);
  return xla::Zero(builder, type);
}

xla::XlaComputation Combiner(xla::XlaBuilder* builder, xla::PrimitiveType type, SegmentReduction reduction) {
  if (reduction == SegmentReduction::kProd) return xla::CreateScalarMultiplyComputation(type, builder);
  if (reduction == SegmentReduction::kMin) return xla::CreateScalarMinComputation(type, builder);
  if (reduction == SegmentReduction::kMax) return xla::CreateScalarMaxComputation(type, builder);
  return xla::CreateScalarAddComputation(type, builder);
}

// What the rows of a segment are divided by; 1 for an empty one.
XlaOp DivisorOf(XlaOp sizes, SegmentReduction reduction, xla::PrimitiveType type) {
  const XlaOp divisor = xla::ConvertElementType(xla::Max(sizes, xla::ScalarLike(sizes, 1)), type);
  return reduction == SegmentReduction::kSqrtN ? xla::Sqrt(divisor) : divisor;
}

}  // namespace

XlaOp SegmentSizes(XlaOp ids, int64_t segments) {
  xla::XlaBuilder* builder = ids.builder();
  const XlaOp zeros = xla::Broadcast(xla::ConstantR0<int32_t>(builder, 0), {segments});
  const XlaOp ones = xla::Broadcast(xla::ConstantR0<int32_t>(builder, 1), {ShapeOf(ids).dimensions(0)});
  return ScatterRows(zeros, ids, ones, xla::CreateScalarAddComputation(xla::S32, builder));
}

XlaOp ReduceSegments(XlaOp rows, XlaOp ids, int64_t segments, SegmentReduction reduction) {
  xla::XlaBuilder* builder = rows.builder();
  const xla::Shape shape = ShapeOf(rows);
  const xla::PrimitiveType type = shape.element_type();
  const bool is_narrow = type == xla::F16 || type == xla::BF16;
  const xla::PrimitiveType wide = is_narrow ? xla::F32 : type;
  const std::vector<int64_t> sizes = WithRows(shape, segments);
  const XlaOp start = xla::Broadcast(StartValue(builder, wide, reduction), sizes);
  XlaOp result = ScatterRows(start, ids, is_narrow ? xla::ConvertElementType(rows, wide) : rows, Combiner(builder, wide, reduction));
  if (reduction == SegmentReduction::kMean || reduction == SegmentReduction::kSqrtN) {
    result = xla::Div(result, DivisorOf(SegmentSizes(ids, segments), reduction, wide), {0});
  } else if (reduction == SegmentReduction::kMin || reduction == SegmentReduction::kMax) {
    const XlaOp counts = SegmentSizes(ids, segments);
    const XlaOp is_empty = xla::BroadcastInDim(xla::Eq(counts, xla::ZerosLike(counts)), sizes, {0});
    result = xla::Select(is_empty, xla::ZerosLike(result), result);
  }
  return is_narrow ? xla::ConvertElementType(result, type) : result;
}

XlaOp SegmentGradient(XlaOp gradient, XlaOp ids, XlaOp places, int64_t rows, SegmentReduction reduction) {
  const xla::Shape shape = ShapeOf(gradient);
  const xla::PrimitiveType type = shape.element_type(), wide = type == xla::F64 ? xla::F64 : xla::F32;
  const int64_t segments = shape.dimensions(0);
  XlaOp scaled = xla::ConvertElementType(gradient, wide);
  if (reduction != SegmentReduction::kSum) scaled = xla::Div(scaled, DivisorOf(SegmentSizes(ids, segments), reduction, wide), {0});
  const XlaOp kept = xla::Select(IsOutside(ids, segments), xla::FullLike(places, -1), places);
  return xla::ConvertElementType(ReduceSegments(TakeRows(scaled, ids), kept, rows, SegmentReduction::kSum), type);
}

SegmentReduction ReductionOf(const std::string& op) {
  const std::string suffix = "GradV2";
  const auto ends_with = [](const std::string& text, const std::string& end) {
    return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
  };
  const std::string name = ends_with(op, suffix) ? op.substr(0, op.size() - suffix.size()) : op;
  if (ends_with(name, "Sum")) return SegmentReduction::kSum;
  if (ends_with(name, "Mean")) return SegmentReduction::kMean;
  if (ends_with(name, "SqrtN")) return SegmentReduction::kSqrtN;
  if (ends_with(name, "Prod")) return SegmentReduction::kProd;
  return ends_with(name, "Min") ? SegmentReduction::kMin : SegmentReduction::kMax;
}

namespace {

using tensorflow::XlaOpKernelContext;

absl::Status CheckVectors(const xla::Shape& indices, const xla::Shape& ids) {
  if (indices.dimensions().size() != 1) return absl::InvalidArgumentError("indices should be a vector.");
  if (ids.dimensions().size() != 1) return absl::InvalidArgumentError("segment_ids should be a vector.");
  if (indices.dimensions(0) != ids.dimensions(0)) return absl::InvalidArgumentError("segment_ids and indices should have same size.");
  return absl::OkStatus();
}

template <SegmentReduction kReduction>
class SparseSegmentKernel : public tensorflow::XlaOpKernel {
 public:
  using XlaOpKernel::XlaOpKernel;
  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  static absl::Status Build(XlaOpKernelContext* context) {
    const XlaOp data = context->Input(0), indices = context->Input(1), ids = context->Input(2);
    TF_RETURN_IF_ERROR(CheckVectors(ShapeOf(indices), ShapeOf(ids)));
    int64_t segments = 0;
    TF_RETURN_IF_ERROR(context->ConstantInputAsIntScalar("num_segments", &segments));
    if (segments < 0) return absl::InvalidArgumentError("segment ids must be >= 0");
    const xla::Shape shape = ShapeOf(data);
    if (shape.dimensions().empty()) return absl::InvalidArgumentError("Shape must be at least rank 1");
    const int64_t rows = shape.dimensions(0);
    // A row that does not exist counts nowhere.
    const XlaOp kept = xla::Select(IsOutside(indices, rows), xla::FullLike(ids, -1), ids);
    const XlaOp taken =
        rows == 0 ? xla::Broadcast(xla::Zero(data.builder(), shape.element_type()), WithRows(shape, ShapeOf(ids).dimensions(0))) : TakeRows(data, indices);
    context->SetOutput(0, ReduceSegments(taken, kept, segments, kReduction));
    return absl::OkStatus();
  }
};

template <SegmentReduction kReduction>
class SparseSegmentGradientKernel : public tensorflow::XlaOpKernel {
 public:
  using XlaOpKernel::XlaOpKernel;
  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  static absl::Status Build(XlaOpKernelContext* context) {
    const XlaOp gradient = context->Input(0), indices = context->Input(1), ids = context->Input(2);
    TF_RETURN_IF_ERROR(CheckVectors(ShapeOf(indices), ShapeOf(ids)));
    int64_t rows = 0;
    TF_RETURN_IF_ERROR(context->ConstantInputAsIntScalar("output_dim0", &rows));
    const xla::Shape shape = ShapeOf(gradient);
    if (shape.dimensions().empty()) return absl::InvalidArgumentError("Shape must be at least rank 1");
    const int64_t segments = shape.dimensions(0);
    if (segments == 0) {
      context->SetOutput(0, xla::Broadcast(xla::Zero(gradient.builder(), shape.element_type()), WithRows(shape, rows)));
      return absl::OkStatus();
    }
    context->SetOutput(0, SegmentGradient(gradient, ids, indices, rows, kReduction));
    return absl::OkStatus();
  }
};

}  // namespace

void RegisterSparseSegmentOps() {
  using Sum = SparseSegmentKernel<SegmentReduction::kSum>;
  using Mean = SparseSegmentKernel<SegmentReduction::kMean>;
  using SqrtN = SparseSegmentKernel<SegmentReduction::kSqrtN>;
  using SumGradient = SparseSegmentGradientKernel<SegmentReduction::kSum>;
  using MeanGradient = SparseSegmentGradientKernel<SegmentReduction::kMean>;
  using SqrtNGradient = SparseSegmentGradientKernel<SegmentReduction::kSqrtN>;
  REGISTER_XLA_OP(Name("SparseSegmentSumWithNumSegments").Device("XLA_GPU_JIT").CompileTimeConstantInput("num_segments"), Sum);
  REGISTER_XLA_OP(Name("SparseSegmentMeanWithNumSegments").Device("XLA_GPU_JIT").CompileTimeConstantInput("num_segments"), Mean);
  REGISTER_XLA_OP(Name("SparseSegmentSqrtNWithNumSegments").Device("XLA_GPU_JIT").CompileTimeConstantInput("num_segments"), SqrtN);
  REGISTER_XLA_OP(Name("SparseSegmentSumGrad").Device("XLA_GPU_JIT").CompileTimeConstantInput("output_dim0"), SumGradient);
  REGISTER_XLA_OP(Name("SparseSegmentMeanGrad").Device("XLA_GPU_JIT").CompileTimeConstantInput("output_dim0"), MeanGradient);
  REGISTER_XLA_OP(Name("SparseSegmentSqrtNGrad").Device("XLA_GPU_JIT").CompileTimeConstantInput("output_dim0"), SqrtNGradient);
}

}  // namespace tfvk::plugin
