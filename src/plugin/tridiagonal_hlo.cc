// TridiagonalSolve: Gaussian elimination along the rows, which are exchanged with the next one where that has the larger pivot. Of tf2xla's kernel pivots and
// complex numbers are missing.
#include <vector>

#include "plugin/added_types.h"
#include "plugin/table_rows.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla/hlo/builder/lib/loops.h"
#include "xla/hlo/builder/lib/math.h"
#include "xla/hlo/builder/lib/slicing.h"

namespace tfvk::plugin {
namespace {

using tensorflow::TensorShape;
using tensorflow::XlaOpKernelContext;
using xla::XlaOp;

// Of `count` systems of `n` equations with `k` right sides each. Rows come first: what belongs to one row of all systems lies together.
class Systems {
 public:
  Systems(int64_t count, int64_t n, int64_t k, bool is_pivoted) : count_(count), n_(n), k_(k), is_pivoted_(is_pivoted) {}

  // From diagonals [count, 3, n] (above the main one, it, below) and right sides [count, n, k] to [count, n, k]; NaN where a matrix is singular.
  absl::StatusOr<XlaOp> Solve(XlaOp diagonals, XlaOp right) const {
    const auto rows_of = [&](int64_t which) { return xla::Transpose(xla::Reshape(xla::SliceInDim(diagonals, which, which + 1, 1, 1), {count_, n_}), {1, 0}); };
    TF_ASSIGN_OR_RETURN(const std::vector<XlaOp> upper, Eliminate(WithoutLast(rows_of(0)), rows_of(1), rows_of(2), xla::Transpose(right, {1, 0, 2})));
    TF_ASSIGN_OR_RETURN(const XlaOp x, Substitute(upper));
    const XlaOp nan = xla::Broadcast(Nan(right), {count_, n_, k_});
    return xla::Select(xla::BroadcastInDim(upper[kIsSingular], {count_, n_, k_}, {0}), nan, xla::Transpose(x, {1, 0, 2}));
  }

 private:
  // What the loops carry: of the upper triangle the main diagonal and two above it, the right sides, the row at hand, and which systems have no solution.
  enum { kMain, kAbove, kSecondAbove, kRight, kIsSingular, kRowMain, kRowAbove, kRowRight, kBelowIn, kMainIn, kAboveIn, kRightIn };

  static XlaOp Nan(XlaOp like) {
    const xla::PrimitiveType type = like.builder()->GetShape(like)->element_type();
    if (type != xla::C64 && type != xla::C128) return xla::NanValue(like.builder(), type);
    const XlaOp nan = xla::NanValue(like.builder(), type == xla::C64 ? xla::F32 : xla::F64);
    return xla::Complex(nan, nan);
  }

  XlaOp WithoutLast(XlaOp diagonal) const {
    const xla::PrimitiveType type = diagonal.builder()->GetShape(diagonal)->element_type();
    return xla::PadInDim(xla::SliceInDim(diagonal, 0, n_ - 1, 1, 0), xla::Zero(diagonal.builder(), type), 0, 0, 1);
  }

  // Row i of [n, count] or [n, count, k].
  static XlaOp RowAt(XlaOp rows, XlaOp i) {
    const xla::Shape shape = *rows.builder()->GetShape(rows);
    std::vector<int64_t> sizes(shape.dimensions().begin(), shape.dimensions().end());
    std::vector<XlaOp> start(sizes.size(), xla::ZerosLike(i));
    start[0] = i;
    sizes[0] = 1;
    const XlaOp row = xla::DynamicSlice(rows, start, sizes);
    return xla::Reshape(row, std::vector<int64_t>(sizes.begin() + 1, sizes.end()));
  }

  static XlaOp WithRow(XlaOp rows, XlaOp i, XlaOp row) {
    const xla::Shape shape = *row.builder()->GetShape(row);
    std::vector<int64_t> sizes(shape.dimensions().begin(), shape.dimensions().end());
    sizes.insert(sizes.begin(), 1);
    std::vector<XlaOp> start(sizes.size(), xla::ZerosLike(i));
    start[0] = i;
    return xla::DynamicUpdateSlice(rows, xla::Reshape(row, sizes), start);
  }

  XlaOp ToRight(XlaOp of_systems) const { return xla::BroadcastInDim(of_systems, {count_, k_}, {0}); }

  absl::StatusOr<std::vector<XlaOp>> Eliminate(XlaOp above, XlaOp main, XlaOp below, XlaOp right) const {
    xla::XlaBuilder* builder = main.builder();
    const XlaOp first = xla::ConstantR0<int32_t>(builder, 0), nothing = xla::ZerosLike(main);
    const std::vector<XlaOp> start = {nothing,
                                      nothing,
                                      nothing,
                                      xla::ZerosLike(right),
                                      xla::Broadcast(xla::ConstantR0(builder, false), {count_}),
                                      RowAt(main, first),
                                      RowAt(above, first),
                                      RowAt(right, first),
                                      below,
                                      main,
                                      above,
                                      right};
    const auto step = [&](XlaOp i, absl::Span<const XlaOp> v, xla::XlaBuilder*) -> absl::StatusOr<std::vector<XlaOp>> { return Step(i, v); };
    TF_ASSIGN_OR_RETURN(std::vector<XlaOp> values, xla::ForEachIndex(n_ - 1, xla::S32, step, start, "eliminate", builder));
    const XlaOp last = xla::ConstantR0<int32_t>(builder, static_cast<int32_t>(n_ - 1));
    values[kMain] = WithRow(values[kMain], last, values[kRowMain]);
    values[kRight] = WithRow(values[kRight], last, values[kRowRight]);
    values[kIsSingular] = xla::Or(values[kIsSingular], xla::Eq(values[kRowMain], xla::ZerosLike(values[kRowMain])));
    return values;
  }

  std::vector<XlaOp> Step(XlaOp i, absl::Span<const XlaOp> before) const {
    std::vector<XlaOp> v(before.begin(), before.end());
    const XlaOp next = i + Constant(i, 1), below = RowAt(v[kBelowIn], next), main = RowAt(v[kMainIn], next), above = RowAt(v[kAboveIn], next);
    const XlaOp right = RowAt(v[kRightIn], next), row_main = v[kRowMain], row_above = v[kRowAbove], row_right = v[kRowRight], zero = xla::ZerosLike(main);
    const XlaOp pivot = row_main, size = xla::Abs(row_main);
    const XlaOp stays = is_pivoted_ ? xla::Ge(size, xla::Abs(below)) : xla::Eq(size, size);
    const XlaOp stays_right = ToRight(stays), factor = xla::Select(stays, below / pivot, pivot / below), factor_right = ToRight(factor);
    const auto choose = [&](XlaOp staying, XlaOp exchanged) { return xla::Select(stays, staying, exchanged); };
    v[kIsSingular] = xla::Or(v[kIsSingular], xla::And(stays, xla::Eq(pivot, zero)));
    v[kMain] = WithRow(v[kMain], i, choose(row_main, below));
    v[kAbove] = WithRow(v[kAbove], i, choose(row_above, main));
    v[kSecondAbove] = WithRow(v[kSecondAbove], i, choose(zero, above));
    v[kRight] = WithRow(v[kRight], i, xla::Select(stays_right, row_right, right));
    v[kRowMain] = choose(main - factor * row_above, row_above - factor * main);
    v[kRowAbove] = choose(above, -factor * above);
    v[kRowRight] = xla::Select(stays_right, right - factor_right * row_right, row_right - factor_right * right);
    return v;
  }

  // From the last row to the first.
  absl::StatusOr<XlaOp> Substitute(const std::vector<XlaOp>& upper) const {
    xla::XlaBuilder* builder = upper[kMain].builder();
    const XlaOp after = xla::Broadcast(xla::Zero(builder, builder->GetShape(upper[kRight])->element_type()), {count_, k_});
    const std::vector<XlaOp> start = {xla::ZerosLike(upper[kRight]), after, after, upper[kMain], upper[kAbove], upper[kSecondAbove], upper[kRight]};
    const auto step = [&](XlaOp from_end, absl::Span<const XlaOp> v, xla::XlaBuilder*) -> absl::StatusOr<std::vector<XlaOp>> {
      const XlaOp i = Constant(from_end, static_cast<double>(n_ - 1)) - from_end;
      const XlaOp known = ToRight(RowAt(v[4], i)) * v[1] + ToRight(RowAt(v[5], i)) * v[2];
      const XlaOp x = (RowAt(v[6], i) - known) / ToRight(RowAt(v[3], i));
      return std::vector<XlaOp>{WithRow(v[0], i, x), x, v[1], v[3], v[4], v[5], v[6]};
    };
    TF_ASSIGN_OR_RETURN(const std::vector<XlaOp> values, xla::ForEachIndex(n_, xla::S32, step, start, "substitute", builder));
    return values[0];
  }

  const int64_t count_, n_, k_;
  const bool is_pivoted_;
};

class TridiagonalSolveKernel : public tensorflow::XlaOpKernel {
 public:
  explicit TridiagonalSolveKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("partial_pivoting", &is_pivoted_));
    OP_REQUIRES_OK(construction, construction->GetAttr("perturb_singular", &is_perturbed_));
    OP_REQUIRES(construction, is_pivoted_ || !is_perturbed_, absl::InvalidArgumentError("Setting perturb_singular requires also setting partial_pivoting."));
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  absl::Status Build(XlaOpKernelContext* context) const {
    const TensorShape diagonals = context->InputShape(0), right = context->InputShape(1);
    const int rank = diagonals.dims();
    if (rank < 2 || right.dims() != rank) {
      return absl::InvalidArgumentError(absl::StrCat("All input tensors must have the same rank of at least 2, got ", rank, " and ", right.dims()));
    }
    if (diagonals.dim_size(rank - 2) != 3) {
      return absl::InvalidArgumentError(
          absl::StrCat("Expected diagonals to be provided as a matrix with 3 rows, got ", diagonals.dim_size(rank - 2), " rows."));
    }
    const int64_t n = diagonals.dim_size(rank - 1), k = right.dim_size(rank - 1);
    if (right.dim_size(rank - 2) != n) {
      return absl::InvalidArgumentError(
          absl::StrCat("Expected the same number of left-hand sides and right-hand sides, got ", n, " and ", right.dim_size(rank - 2), "."));
    }
    if (is_perturbed_) return absl::UnimplementedError("TridiagonalSolve with perturb_singular on this device");
    if (right.num_elements() == 0) {
      context->SetOutput(0, context->Input(1));
      return absl::OkStatus();
    }
    const int64_t count = right.num_elements() / (n * k);
    const Systems systems(count, n, k, is_pivoted_);
    TF_ASSIGN_OR_RETURN(const XlaOp x, systems.Solve(xla::Reshape(context->Input(0), {count, 3, n}), xla::Reshape(context->Input(1), {count, n, k})));
    const auto dims = right.dim_sizes();
    context->SetOutput(0, xla::Reshape(x, std::vector<int64_t>(dims.begin(), dims.end())));
    return absl::OkStatus();
  }

  bool is_pivoted_ = true, is_perturbed_ = false;
};

}  // namespace

void AddTridiagonalTypes() {
  AddTypes<TridiagonalSolveKernel>("TridiagonalSolve",
                                   {{"T", {tensorflow::DT_FLOAT, tensorflow::DT_DOUBLE, tensorflow::DT_COMPLEX64, tensorflow::DT_COMPLEX128}}});
}

}  // namespace tfvk::plugin
