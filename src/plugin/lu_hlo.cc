// Lu, MatrixDeterminant and LogMatrixDeterminant: decomposition with partial pivoting, a loop over the columns.
#include "plugin/lu_hlo.h"

#include <utility>
#include <vector>

#include "plugin/mathematics_ops.h"
#include "tensorflow/compiler/tf2xla/type_util.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla/hlo/builder/lib/loops.h"
#include "xla/hlo/builder/lib/math.h"
#include "xla/hlo/builder/lib/matrix.h"
#include "xla/primitive_util.h"
#include "xla/shape_util.h"

namespace tfvk::plugin {
namespace {

using tensorflow::XlaOpKernelContext;
using xla::XlaOp;

struct Matrices {
  std::vector<int64_t> batch;
  int64_t count = 1, n = 0;  // how many, and their rows
  xla::PrimitiveType type;
};

absl::StatusOr<Matrices> ReadMatrices(XlaOpKernelContext* context) {
  TF_ASSIGN_OR_RETURN(const xla::Shape shape, context->InputXlaShape(0));
  const int64_t rank = shape.dimensions().size();
  if (rank < 2) return absl::InvalidArgumentError(absl::StrCat("Input tensor 0 must have rank >= 2, got ", rank));
  const int64_t rows = shape.dimensions(rank - 2), columns = shape.dimensions(rank - 1);
  if (rows != columns) return absl::InvalidArgumentError("Input matrix must be square.");
  Matrices matrices{{shape.dimensions().begin(), shape.dimensions().end() - 2}, 1, rows, shape.element_type()};
  for (const int64_t size : matrices.batch) matrices.count *= size;
  return matrices;
}

class Columns {
 public:
  Columns(const Matrices& matrices, xla::XlaBuilder* builder) : size_(matrices), builder_(builder) {}

  absl::StatusOr<LuDecomposition> Decompose(XlaOp input) const {
    const XlaOp a = xla::Reshape(input, {size_.count, size_.n, size_.n});
    const XlaOp rows = xla::Iota(builder_, xla::ShapeUtil::MakeShape(xla::S32, {size_.count, size_.n}), 1);
    const XlaOp exchanges = xla::Broadcast(xla::Zero(builder_, xla::S32), {size_.count});
    const auto body = [&](XlaOp k, absl::Span<const XlaOp> values, xla::XlaBuilder* builder) -> absl::StatusOr<std::vector<XlaOp>> {
      return Columns(size_, builder).Step(k, values[0], values[1], values[2]);
    };
    if (size_.n == 0 || size_.count == 0) return LuDecomposition{a, rows, exchanges};
    TF_ASSIGN_OR_RETURN(const std::vector<XlaOp> result, xla::ForEachIndex(size_.n, xla::S32, body, {a, rows, exchanges}, "lu", builder_));
    return LuDecomposition{result[0], result[1], result[2]};
  }

 private:
  XlaOp Along(int64_t dimension) const { return xla::Iota(builder_, xla::ShapeUtil::MakeShape(xla::S32, {size_.count, size_.n, size_.n}), dimension); }

  std::vector<XlaOp> Step(XlaOp k, XlaOp a, XlaOp rows, XlaOp exchanges) const {
    const XlaOp zero = xla::Zero(builder_, xla::S32), nothing = xla::ZerosLike(a), i = Along(1), j = Along(2);
    const XlaOp places = xla::Iota(builder_, xla::ShapeUtil::MakeShape(xla::S32, {size_.count, size_.n}), 1);
    const auto column = [&](XlaOp of) { return xla::Reshape(xla::DynamicSlice(of, {zero, zero, k}, {size_.count, size_.n, 1}), {size_.count, size_.n}); };

    const XlaOp magnitude = xla::Abs(column(a));
    const XlaOp pivot = xla::ArgMax(xla::Select(xla::Ge(places, k), magnitude, xla::FullLike(magnitude, -1)), xla::S32, 1);
    const XlaOp pivots = xla::BroadcastInDim(pivot, {size_.count, size_.n, size_.n}, {0});
    const XlaOp chosen =
        xla::Reduce(xla::Select(xla::Eq(i, pivots), a, nothing), xla::Zero(builder_, size_.type), xla::CreateScalarAddComputation(size_.type, builder_), {1});
    const XlaOp replaced = xla::Reshape(xla::DynamicSlice(a, {zero, k, zero}, {size_.count, 1, size_.n}), {size_.count, size_.n});
    const auto as_rows = [&](XlaOp row) { return xla::BroadcastInDim(row, {size_.count, size_.n, size_.n}, {0, 2}); };
    const auto as_columns = [&](XlaOp values) { return xla::BroadcastInDim(values, {size_.count, size_.n, size_.n}, {0, 1}); };
    a = xla::Select(xla::Eq(i, k), as_rows(chosen), xla::Select(xla::Eq(i, pivots), as_rows(replaced), a));

    const XlaOp place_of_pivot = xla::BroadcastInDim(pivot, {size_.count, size_.n}, {0});
    const XlaOp moved_row =
        xla::Reduce(xla::Select(xla::Eq(places, place_of_pivot), rows, xla::ZerosLike(rows)), zero, xla::CreateScalarAddComputation(xla::S32, builder_), {1});
    const XlaOp row_k = xla::BroadcastInDim(xla::Reshape(xla::DynamicSlice(rows, {zero, k}, {size_.count, 1}), {size_.count}), {size_.count, size_.n}, {0});
    rows =
        xla::Select(xla::Eq(places, k), xla::BroadcastInDim(moved_row, {size_.count, size_.n}, {0}), xla::Select(xla::Eq(places, place_of_pivot), row_k, rows));

    // A column of zeros is left as it is: its pivot stays zero, which makes U singular.
    const XlaOp below = column(a), divisor = xla::Reshape(xla::DynamicSlice(below, {zero, k}, {size_.count, 1}), {size_.count});
    const XlaOp divisors = xla::BroadcastInDim(divisor, {size_.count, size_.n}, {0});
    const XlaOp is_zero = xla::Eq(divisors, xla::ZerosLike(divisors));
    const XlaOp multipliers = xla::Select(xla::And(xla::Gt(places, k), xla::Not(is_zero)), below / divisors, xla::ZerosLike(below));
    const XlaOp is_left = xla::Gt(i, k), is_updated = xla::And(is_left, xla::Gt(j, k));
    const XlaOp updated = a - as_columns(multipliers) * as_rows(chosen);
    a = xla::Select(is_updated, updated, xla::Select(xla::And(is_left, xla::Eq(j, k)), as_columns(multipliers), a));
    return {a, rows, exchanges + xla::ConvertElementType(xla::Ne(pivot, k), xla::S32)};
  }

  Matrices size_;
  xla::XlaBuilder* builder_;
};

class LuKernel : public tensorflow::XlaOpKernel {
 public:
  explicit LuKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("output_idx_type", &index_type_));
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  absl::Status Build(XlaOpKernelContext* context) {
    TF_ASSIGN_OR_RETURN(const Matrices matrices, ReadMatrices(context));
    TF_ASSIGN_OR_RETURN(const LuDecomposition lu, Columns(matrices, context->builder()).Decompose(context->Input(0)));
    xla::PrimitiveType index_type;
    TF_RETURN_IF_ERROR(tensorflow::DataTypeToPrimitiveType(index_type_, &index_type));
    std::vector<int64_t> shape = matrices.batch;
    shape.push_back(matrices.n);
    context->SetOutput(1, xla::Reshape(xla::ConvertElementType(lu.rows, index_type), shape));
    shape.push_back(matrices.n);
    context->SetOutput(0, xla::Reshape(lu.factors, shape));
    return absl::OkStatus();
  }

  tensorflow::DataType index_type_;
};

// What both determinants are made of, one for each matrix.
struct Determinants {
  XlaOp product, sign, log_magnitude;
};

absl::StatusOr<Determinants> DeterminantsOf(const Matrices& matrices, XlaOpKernelContext* context) {
  xla::XlaBuilder* builder = context->builder();
  TF_ASSIGN_OR_RETURN(const LuDecomposition lu, Columns(matrices, builder).Decompose(context->Input(0)));
  const XlaOp one = xla::One(builder, matrices.type), is_odd = xla::Ne(xla::Rem(lu.exchanges, xla::ScalarLike(lu.exchanges, 2)), xla::ZerosLike(lu.exchanges));
  const XlaOp parity = xla::Select(is_odd, xla::Broadcast(-one, {matrices.count}), xla::Broadcast(one, {matrices.count}));
  const XlaOp diagonal = xla::GetMatrixDiagonal(lu.factors), magnitude = xla::Abs(diagonal);
  const auto product = [&](XlaOp factors) { return parity * xla::Reduce(factors, one, xla::CreateScalarMultiplyComputation(matrices.type, builder), {1}); };
  const xla::PrimitiveType real = xla::primitive_util::IsComplexType(matrices.type) ? xla::primitive_util::ComplexComponentType(matrices.type) : matrices.type;
  const XlaOp log = xla::Reduce(xla::Log(magnitude), xla::Zero(builder, real), xla::CreateScalarAddComputation(real, builder), {1});
  return Determinants{product(diagonal), product(xla::Sign(diagonal)), log};
}

absl::Status ShapedOutput(XlaOpKernelContext* context, int index, XlaOp value, const Matrices& matrices) {
  if (xla::primitive_util::IsComplexType(matrices.type) && context->builder()->GetShape(value)->element_type() != matrices.type) {
    value = xla::Complex(value, xla::ZerosLike(value));
  }
  context->SetOutput(index, xla::Reshape(value, matrices.batch));
  return absl::OkStatus();
}

class DeterminantKernel : public tensorflow::XlaOpKernel {
 public:
  using XlaOpKernel::XlaOpKernel;

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  // A product of large and small factors can leave the range of the type though the determinant is in it: then it is made of logarithms.
  static absl::Status Build(XlaOpKernelContext* context) {
    TF_ASSIGN_OR_RETURN(const Matrices matrices, ReadMatrices(context));
    TF_ASSIGN_OR_RETURN(const Determinants d, DeterminantsOf(matrices, context));
    const XlaOp magnitude = xla::Abs(d.product), zero = xla::ZerosLike(magnitude);
    const XlaOp is_fine = xla::And(xla::Gt(magnitude, zero), xla::IsFinite(magnitude));
    XlaOp size = xla::Exp(d.log_magnitude);
    if (xla::primitive_util::IsComplexType(matrices.type)) size = xla::Complex(size, zero);
    return ShapedOutput(context, 0, xla::Select(is_fine, d.product, d.sign * size), matrices);
  }
};

class LogDeterminantKernel : public tensorflow::XlaOpKernel {
 public:
  using XlaOpKernel::XlaOpKernel;

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  static absl::Status Build(XlaOpKernelContext* context) {
    TF_ASSIGN_OR_RETURN(const Matrices matrices, ReadMatrices(context));
    TF_ASSIGN_OR_RETURN(const Determinants d, DeterminantsOf(matrices, context));
    TF_RETURN_IF_ERROR(ShapedOutput(context, 0, d.sign, matrices));
    return ShapedOutput(context, 1, d.log_magnitude, matrices);
  }
};

}  // namespace

absl::StatusOr<LuDecomposition> DecomposeLu(XlaOp matrices) {
  TF_ASSIGN_OR_RETURN(const xla::Shape shape, matrices.builder()->GetShape(matrices));
  return Columns({{}, shape.dimensions(0), shape.dimensions(1), shape.element_type()}, matrices.builder()).Decompose(matrices);
}

void RegisterLuOps() {
  REGISTER_XLA_OP(Name("Lu").Device("XLA_GPU_JIT"), LuKernel);
  REGISTER_XLA_OP(Name("MatrixDeterminant").Device("XLA_GPU_JIT"), DeterminantKernel);
  REGISTER_XLA_OP(Name("LogMatrixDeterminant").Device("XLA_GPU_JIT"), LogDeterminantKernel);
}

}  // namespace tfvk::plugin
