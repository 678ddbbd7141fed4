// EuclideanNorm, and the Fourier transforms along given axes: FFTND, IFFTND, RFFTND and IRFFTND.
#include <algorithm>
#include <utility>
#include <vector>

#include "plugin/mathematics_ops.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla/primitive_util.h"

namespace tfvk::plugin {
namespace {

using tensorflow::XlaOpKernelContext;
using xla::XlaOp;

class EuclideanNormKernel : public tensorflow::XlaOpKernel {
 public:
  explicit EuclideanNormKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("keep_dims", &keeps_dimensions_));
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  absl::Status Build(XlaOpKernelContext* context) {
    TF_ASSIGN_OR_RETURN(const xla::Shape shape, context->InputXlaShape(0));
    const int64_t rank = shape.dimensions().size();
    std::vector<int64_t> axes;
    TF_RETURN_IF_ERROR(context->ConstantInputReshapedToIntVector(1, &axes));
    std::vector<bool> is_reduced(rank, false);
    for (int64_t& axis : axes) {
      if (axis < -rank || axis >= rank) {
        return absl::InvalidArgumentError(absl::StrCat("Invalid reduction dimension (", axis, " for input with ", rank, " dimension(s)"));
      }
      axis = axis < 0 ? axis + rank : axis;
      if (is_reduced[axis]) return absl::InvalidArgumentError(absl::StrCat("Invalid reduction arguments: Axes contains duplicate dimension: ", axis));
      is_reduced[axis] = true;
    }
    const XlaOp x = context->Input(0), norm = NormOf(x, shape.element_type(), axes, context->builder());
    std::vector<int64_t> sizes;
    for (int64_t i = 0; i < rank; ++i) {
      if (!is_reduced[i] || keeps_dimensions_) sizes.push_back(is_reduced[i] ? 1 : shape.dimensions(i));
    }
    context->SetOutput(0, xla::Reshape(norm, sizes));
    return absl::OkStatus();
  }

  static XlaOp NormOf(XlaOp x, xla::PrimitiveType type, const std::vector<int64_t>& axes, xla::XlaBuilder* builder) {
    const bool is_complex = xla::primitive_util::IsComplexType(type), is_narrow = type == xla::F16 || type == xla::BF16;
    const xla::PrimitiveType real = is_complex ? xla::primitive_util::ComplexComponentType(type) : is_narrow ? xla::F32 : type;
    const XlaOp wide = is_narrow ? xla::ConvertElementType(x, xla::F32) : x;
    const XlaOp squares = is_complex ? xla::Real(wide) * xla::Real(wide) + xla::Imag(wide) * xla::Imag(wide) : wide * wide;
    const XlaOp norm = xla::Sqrt(xla::Reduce(squares, xla::Zero(builder, real), xla::CreateScalarAddComputation(real, builder), axes));
    return is_complex ? xla::Complex(norm, xla::ZerosLike(norm)) : is_narrow ? xla::ConvertElementType(norm, type) : norm;
  }

  bool keeps_dimensions_;
};

enum class Transform { kForward, kInverse, kFromReal, kToReal };

template <Transform kTransform>
class FourierKernel : public tensorflow::XlaOpKernel {
 public:
  using XlaOpKernel::XlaOpKernel;

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  static absl::Status ReadAxes(XlaOpKernelContext* context, int64_t rank, std::vector<int64_t>* lengths, std::vector<int64_t>* axes) {
    TF_RETURN_IF_ERROR(context->ConstantInputAsIntVector("fft_length", lengths));
    TF_RETURN_IF_ERROR(context->ConstantInputAsIntVector("axes", axes));
    if (lengths->size() != axes->size()) {
      return absl::InvalidArgumentError(absl::StrCat("axes must have the same length as fft_length: ", axes->size(), " and ", lengths->size()));
    }
    std::vector<bool> is_taken(rank, false);
    for (size_t i = 0; i < axes->size(); ++i) {
      int64_t& axis = (*axes)[i];
      if (axis < -rank || axis >= rank) return absl::InvalidArgumentError(absl::StrCat("axis ", axis, " is out of range for an input of rank ", rank));
      axis = axis < 0 ? axis + rank : axis;
      if (is_taken[axis]) return absl::InvalidArgumentError(absl::StrCat("axes must be unique, but ", axis, " is there twice"));
      is_taken[axis] = true;
      if ((*lengths)[i] < 0) return absl::InvalidArgumentError(absl::StrCat("fft_length[", i, "] must >= 0, but got: ", (*lengths)[i]));
    }
    return absl::OkStatus();
  }

  // Cuts or fills up with zeros.
  static XlaOp WithSize(XlaOp x, int64_t axis, int64_t size) {
    const int64_t now = x.builder()->GetShape(x)->dimensions(axis);
    if (now > size) return xla::SliceInDim(x, 0, size, 1, axis);
    if (now == size) return x;
    const auto type = x.builder()->GetShape(x)->element_type();
    return xla::PadInDim(x, xla::Zero(x.builder(), type), axis, 0, size - now);
  }

  // `size`: of the transform in the real numbers' or, between complex ones, their domain.
  static XlaOp Along(XlaOp x, int64_t axis, int64_t size, xla::FftType type) {
    x = WithSize(x, axis, type == xla::FftType::IRFFT ? size / 2 + 1 : size);
    const xla::Shape shape = *x.builder()->GetShape(x);
    const int64_t last = shape.dimensions().size() - 1;
    std::vector<int64_t> order(last + 1);
    for (int64_t i = 0; i <= last; ++i) order[i] = i;
    std::swap(order[axis], order[last]);
    const XlaOp moved = axis == last ? x : xla::Transpose(x, order), result = xla::Fft(moved, type, {size});
    return axis == last ? result : xla::Transpose(result, order);
  }

  static XlaOp Nothing(XlaOp x, const std::vector<int64_t>& lengths, const std::vector<int64_t>& axes) {
    const xla::Shape shape = *x.builder()->GetShape(x);
    std::vector<int64_t> sizes(shape.dimensions().begin(), shape.dimensions().end());
    for (size_t i = 0; i < axes.size(); ++i) sizes[axes[i]] = lengths[i];
    if (kTransform == Transform::kFromReal && lengths.back() != 0) sizes[axes.back()] = lengths.back() / 2 + 1;
    xla::PrimitiveType type = shape.element_type();
    if (kTransform == Transform::kFromReal) type = xla::primitive_util::ComplexType(type);
    if (kTransform == Transform::kToReal) type = xla::primitive_util::ComplexComponentType(type);
    return xla::Broadcast(xla::Zero(x.builder(), type), sizes);
  }

  absl::Status Build(XlaOpKernelContext* context) {
    TF_ASSIGN_OR_RETURN(const xla::Shape shape, context->InputXlaShape(0));
    std::vector<int64_t> lengths, axes;
    TF_RETURN_IF_ERROR(ReadAxes(context, shape.dimensions().size(), &lengths, &axes));
    XlaOp x = context->Input(0);
    const bool is_real = kTransform == Transform::kFromReal || kTransform == Transform::kToReal;
    if (axes.empty()) {
      if (is_real) return absl::InvalidArgumentError("axes must name at least one axis of a transform of real numbers");
      context->SetOutput(0, x);
      return absl::OkStatus();
    }
    const bool is_empty = std::count(lengths.begin(), lengths.end(), 0) != 0 || xla::ShapeUtil::IsZeroElementArray(shape);
    if (is_empty) {
      context->SetOutput(0, Nothing(x, lengths, axes));
      return absl::OkStatus();
    }
    const bool is_forward = kTransform == Transform::kForward || kTransform == Transform::kFromReal;
    if (kTransform == Transform::kFromReal) x = Along(x, axes.back(), lengths.back(), xla::FftType::RFFT);
    for (size_t i = 0; i + (is_real ? 1 : 0) < axes.size(); ++i) {
      x = Along(x, axes[i], lengths[i], is_forward ? xla::FftType::FFT : xla::FftType::IFFT);
    }
    if (kTransform == Transform::kToReal) x = Along(x, axes.back(), lengths.back(), xla::FftType::IRFFT);
    context->SetOutput(0, x);
    return absl::OkStatus();
  }
};

}  // namespace

void RegisterNormAndFourierOps() {
  using tensorflow::DataType;
  const std::vector<DataType> continuous = {tensorflow::DT_HALF,   tensorflow::DT_BFLOAT16,  tensorflow::DT_FLOAT,
                                            tensorflow::DT_DOUBLE, tensorflow::DT_COMPLEX64, tensorflow::DT_COMPLEX128};
  REGISTER_XLA_OP(Name("EuclideanNorm").Device("XLA_GPU_JIT").TypeConstraint("T", continuous).CompileTimeConstantInput("reduction_indices"),
                  EuclideanNormKernel);
  REGISTER_XLA_OP(Name("FFTND").Device("XLA_GPU_JIT").CompileTimeConstantInput("fft_length").CompileTimeConstantInput("axes"),
                  FourierKernel<Transform::kForward>);
  REGISTER_XLA_OP(Name("IFFTND").Device("XLA_GPU_JIT").CompileTimeConstantInput("fft_length").CompileTimeConstantInput("axes"),
                  FourierKernel<Transform::kInverse>);
  REGISTER_XLA_OP(Name("RFFTND").Device("XLA_GPU_JIT").CompileTimeConstantInput("fft_length").CompileTimeConstantInput("axes"),
                  FourierKernel<Transform::kFromReal>);
  REGISTER_XLA_OP(Name("IRFFTND").Device("XLA_GPU_JIT").CompileTimeConstantInput("fft_length").CompileTimeConstantInput("axes"),
                  FourierKernel<Transform::kToReal>);
}

}  // namespace tfvk::plugin
