// Complex matrices in MatrixSolve, MatrixInverse and SelfAdjointEigV2, of which tf2xla has the real ones.
#include <vector>

#include "plugin/added_types.h"
#include "plugin/lu_hlo.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla/hlo/builder/lib/math.h"
#include "xla/hlo/builder/lib/matrix.h"
#include "xla/hlo/builder/lib/self_adjoint_eig.h"
#include "xla/hlo/builder/lib/slicing.h"

namespace tfvk::plugin {
namespace {

using tensorflow::XlaOpKernelContext;
using xla::XlaOp;

// Of matrices [..., n, n]: how many, and their n.
struct Squares {
  std::vector<int64_t> dims;
  int64_t count = 1, n = 0;
};

absl::StatusOr<Squares> ReadSquares(XlaOpKernelContext* context) {
  const tensorflow::TensorShape shape = context->InputShape(0);
  const int rank = shape.dims();
  if (rank < 2) return absl::InvalidArgumentError(absl::StrCat("Input tensor 0 must have rank >= 2, got ", rank));
  if (shape.dim_size(rank - 2) != shape.dim_size(rank - 1)) return absl::InvalidArgumentError("Input matrices must be squares.");
  const auto sizes = shape.dim_sizes();
  Squares squares{{sizes.begin(), sizes.end()}, 1, shape.dim_size(rank - 1)};
  for (int i = 0; i + 2 < rank; ++i) squares.count *= shape.dim_size(i);
  return squares;
}

// x of a x = b, for a [count, n, n] and b [count, n, k]: the rows of b in the order of the pivots, then forwards and backwards.
absl::StatusOr<XlaOp> Solve(XlaOp a, XlaOp b, bool is_adjoint) {
  if (is_adjoint) a = xla::Conj(xla::TransposeInMinorDims(a));
  TF_ASSIGN_OR_RETURN(const LuDecomposition lu, DecomposeLu(a));
  const XlaOp ordered = xla::TorchIndexSelect(b, lu.rows, 1, /*batch_dims=*/1);
  const auto none = xla::TriangularSolveOptions::NO_TRANSPOSE;
  const XlaOp forwards = xla::TriangularSolve(lu.factors, ordered, /*left_side=*/true, /*lower=*/true, /*unit_diagonal=*/true, none);
  return xla::TriangularSolve(lu.factors, forwards, /*left_side=*/true, /*lower=*/false, /*unit_diagonal=*/false, none);
}

class SolveKernel : public tensorflow::XlaOpKernel {
 public:
  explicit SolveKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("adjoint", &is_adjoint_));
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  absl::Status Build(XlaOpKernelContext* context) const {
    TF_ASSIGN_OR_RETURN(const Squares squares, ReadSquares(context));
    const bool is_inverse = num_inputs() == 1;
    const int64_t rank = squares.dims.size(), count = squares.count, n = squares.n;
    std::vector<int64_t> dims = squares.dims;
    if (!is_inverse) dims[rank - 1] = context->InputShape(1).dim_size(static_cast<int>(rank) - 1);
    const int64_t k = dims[rank - 1];
    const XlaOp input = context->Input(0);
    if (count * n * k == 0) {
      context->SetOutput(0, xla::Broadcast(xla::Zero(context->builder(), context->input_xla_type(0)), dims));
      return absl::OkStatus();
    }
    const XlaOp identity = xla::Broadcast(xla::IdentityMatrix(context->builder(), context->input_xla_type(0), n, n), {count});
    const XlaOp b = is_inverse ? identity : xla::Reshape(context->Input(1), {count, n, k});
    TF_ASSIGN_OR_RETURN(const XlaOp x, Solve(xla::Reshape(input, {count, n, n}), b, is_adjoint_));
    context->SetOutput(0, xla::Reshape(x, dims));
    return absl::OkStatus();
  }

  bool is_adjoint_ = false;
};

// TensorFlow's eigenvalues are of the matrices' type, XLA's are the real numbers that they are.
class SelfAdjointEigKernel : public tensorflow::XlaOpKernel {
 public:
  explicit SelfAdjointEigKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("compute_v", &has_vectors_));
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  static constexpr int64_t kMostSweeps = 100;

  absl::Status Build(XlaOpKernelContext* context) const {
    TF_ASSIGN_OR_RETURN(const Squares squares, ReadSquares(context));
    xla::XlaBuilder* builder = context->builder();
    const xla::PrimitiveType type = context->input_xla_type(0);
    std::vector<int64_t> dims = squares.dims;
    dims.pop_back();
    const XlaOp zero = xla::Zero(builder, type);
    if (!has_vectors_) context->SetOutput(1, xla::Broadcast(zero, {0}));
    if (squares.count * squares.n == 0) {
      context->SetOutput(0, xla::Broadcast(zero, dims));
      if (has_vectors_) context->SetOutput(1, xla::Broadcast(zero, squares.dims));
      return absl::OkStatus();
    }
    const float tolerance = type == xla::C64 ? 1e-6f : 1e-13f;
    const auto [vectors, values] = xla::SelfAdjointEig(context->Input(0), /*lower=*/true, kMostSweeps, tolerance, /*sort_eigenvalues=*/true);
    context->SetOutput(0, xla::Complex(values, xla::ZerosLike(values)));
    if (has_vectors_) context->SetOutput(1, vectors);
    return absl::OkStatus();
  }

  bool has_vectors_ = true;
};

}  // namespace

void AddMatrixTypes() {
  const TypeSet complex = {tensorflow::DT_COMPLEX64, tensorflow::DT_COMPLEX128};
  AddTypes<SolveKernel>("MatrixSolve", {{"T", complex}});
  AddTypes<SolveKernel>("MatrixInverse", {{"T", complex}});
  AddTypes<SelfAdjointEigKernel>("SelfAdjointEigV2", {{"T", complex}});
}

}  // namespace tfvk::plugin
