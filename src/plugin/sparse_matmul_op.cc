// SparseTensorDenseMatMul: a matrix of which some elements are given, each by its row and column, times a dense one. Elements may be in any order, and those of
// one place add up, in theirs. The kernel leaves an element outside the matrix to TensorFlow's CPU kernel, whose error names it; compiled functions drop it.
#include "plugin/platform.h"
#include "plugin/row_hlo.h"
#include "plugin/segment_hlo.h"
#include "plugin/sized_kernel.h"
#include "plugin/sparse_ops.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::Tensor;
using tensorflow::TensorShape;
using xla::XlaOp;

// The dimensions of the product [rows, columns] of matrices [rows, inner] and [inner, columns], the operands' own or their adjoints'.
struct Product {
  bool adjoint_a = false, adjoint_b = false;
  int64_t rows = 0, inner = 0, columns = 0;
};

// TensorFlow's errors of the shapes; `a_shape` is empty where it is no vector.
absl::Status SetSizes(const TensorShape& indices, const TensorShape& values, absl::Span<const int64_t> a_shape, const TensorShape& b, Product* product) {
  if (b.dims() != 2) return absl::InvalidArgumentError("Tensor 'b' is not a matrix");
  if (a_shape.size() != 2) return absl::InvalidArgumentError("Tensor 'a_shape' must have 2 elements");
  if (values.dims() != 1) return absl::InvalidArgumentError("Tensor 'a_values' is not a vector");
  if (indices.dims() != 2) return absl::InvalidArgumentError("Tensor 'a_indices' is not a matrix");
  if (indices.dim_size(0) != values.dim_size(0)) return absl::InvalidArgumentError("Number of rows of a_indices does not match number of entries in a_values");
  if (indices.dim_size(1) != 2) return absl::InvalidArgumentError("Number of columns of a_indices does not match number of entries in a_shape");
  product->rows = a_shape[product->adjoint_a ? 1 : 0];
  product->inner = a_shape[product->adjoint_a ? 0 : 1];
  product->columns = b.dim_size(product->adjoint_b ? 0 : 1);
  const int64_t inner = b.dim_size(product->adjoint_b ? 1 : 0);
  if (product->inner == inner) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("Cannot multiply A and B because inner dimension does not match: ", product->inner, " vs. ", inner,
                                                 ".  Did you forget a transpose?  Dimensions of A: [", a_shape[0], ", ", a_shape[1],
                                                 ").  Dimensions of B: ", b.DebugString()));
}

bool IsZero(const Product& product, int64_t elements) { return elements == 0 || product.rows == 0 || product.inner == 0 || product.columns == 0; }

// The row of `a`, or of its adjoint, that each element is in, and its column there.
std::pair<XlaOp, XlaOp> PlacesOf(XlaOp indices, const Product& product) {
  const XlaOp first = Column(indices, 0), second = Column(indices, 1);
  return product.adjoint_a ? std::make_pair(second, first) : std::make_pair(first, second);
}

// The product where none of its dimensions is 0. Elements with a row or column outside are dropped.
XlaOp Multiply(XlaOp row, XlaOp column, XlaOp values, XlaOp b, const Product& product) {
  const xla::PrimitiveType type = b.builder()->GetShape(b).value().element_type();
  const bool is_complex = type == xla::C64 || type == xla::C128;
  const xla::PrimitiveType wide = type == xla::F16 || type == xla::BF16 ? xla::F32 : type;
  values = xla::ConvertElementType(values, wide);
  b = xla::ConvertElementType(b, wide);
  if (product.adjoint_b) b = xla::Transpose(is_complex ? xla::Conj(b) : b, {1, 0});
  if (product.adjoint_a && is_complex) values = xla::Conj(values);
  const XlaOp kept = xla::Select(IsOutside(column, product.inner), xla::FullLike(row, -1), row);
  const XlaOp parts = xla::Mul(TakeRows(b, column), values, {0});
  return xla::ConvertElementType(ReduceSegments(parts, kept, product.rows, SegmentReduction::kSum), type);
}

class SparseMatMulKernel : public SizedKernel {
 public:
  explicit SparseMatMulKernel(tensorflow::OpKernelConstruction* construction) : SizedKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("adjoint_a", &adjoint_a_));
    OP_REQUIRES_OK(construction, construction->GetAttr("adjoint_b", &adjoint_b_));
  }

 protected:
  absl::Status Run(tensorflow::OpKernelContext* context) override {
    const Tensor &indices = context->input(0), &values = context->input(1), &a_shape = context->input(2), &b = context->input(3);
    Product product{adjoint_a_, adjoint_b_};
    if (a_shape.dims() != 1) return RunOnCpu(context);  // TensorFlow's own error
    const auto sizes = a_shape.flat<int64_t>();
    if (!SetSizes(indices.shape(), values.shape(), {sizes.data(), static_cast<size_t>(sizes.size())}, b.shape(), &product).ok()) {
      return RunOnCpu(context);  // the same
    }
    TensorShape shape;
    TF_RETURN_IF_ERROR(TensorShape::BuildTensorShape({product.rows, product.columns}, &shape));  // TensorFlow's kernel would end the process
    const int64_t n = values.NumElements();
    if (IsZero(product, n)) {
      Tensor* zeros = nullptr;
      TF_RETURN_IF_ERROR(context->allocate_output(0, shape, &zeros));
      if (zeros->TotalBytes() != 0) DeviceOf(context).Fill(zeros->data(), 0, zeros->TotalBytes());
      return absl::OkStatus();
    }
    if (!AreCountable(n) || !AreCountable(product.columns) || !AreCountable(n * product.columns)) return RunOnCpu(context);
    std::vector<Tensor> results;
    TF_RETURN_IF_ERROR(RunPadded(context, product, shape, &results));
    if (ReadFacts(context, results[1])[0] != 0) return RunOnCpu(context);  // the same
    context->set_output(0, results[0]);
    return absl::OkStatus();
  }

 private:
  // The product, and how many elements are outside.
  absl::Status RunPadded(tensorflow::OpKernelContext* context, const Product& product, const TensorShape& shape, std::vector<Tensor>* results) const {
    const Tensor &values = context->input(1), &b = context->input(3);
    Tensor indices, padded_values, count;
    TF_RETURN_IF_ERROR(PadRows(context, context->input(0), &indices));
    TF_RETURN_IF_ERROR(PadRows(context, values, &padded_values));
    TF_RETURN_IF_ERROR(Numbers(context, {values.NumElements()}, &count));
    const int64_t n = indices.dim_size(0);
    return RunProgram(
        context, absl::StrCat(product.rows), {&indices, &padded_values, &b, &count}, {{b.dtype(), shape}, {tensorflow::DT_INT64, TensorShape({1})}},
        [&](const std::vector<XlaOp>& in) {
          const auto [row, column] = PlacesOf(in[0], product);
          const XlaOp counts = AreBefore(row.builder(), ElementAt(in[3], 0), n);
          const XlaOp wrong = xla::And(counts, xla::Or(IsOutside(row, product.rows), IsOutside(column, product.inner)));
          const XlaOp kept = xla::Select(counts, row, xla::FullLike(row, -1));
          return std::vector<XlaOp>{Multiply(kept, column, in[1], in[2], product), Facts({SumOf(S64(wrong))})};
        },
        results);
  }

  bool adjoint_a_ = false, adjoint_b_ = false;
};

class SparseMatMulXlaKernel : public tensorflow::XlaOpKernel {
 public:
  explicit SparseMatMulXlaKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("adjoint_a", &adjoint_a_));
    OP_REQUIRES_OK(construction, construction->GetAttr("adjoint_b", &adjoint_b_));
  }

  void Compile(tensorflow::XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  absl::Status Build(tensorflow::XlaOpKernelContext* context) const {
    std::vector<int64_t> a_shape;
    if (context->InputShape(2).dims() != 1) return absl::InvalidArgumentError("Tensor 'a_shape' is not a vector");
    TF_RETURN_IF_ERROR(context->ConstantInputAsIntVector(2, &a_shape));
    Product product{adjoint_a_, adjoint_b_};
    TF_RETURN_IF_ERROR(SetSizes(context->InputShape(0), context->InputShape(1), a_shape, context->InputShape(3), &product));
    TensorShape shape;
    TF_RETURN_IF_ERROR(TensorShape::BuildTensorShape({product.rows, product.columns}, &shape));
    const XlaOp b = context->Input(3);
    if (IsZero(product, context->InputShape(1).num_elements())) {
      context->SetOutput(0, xla::Broadcast(xla::Zero(b.builder(), context->input_xla_type(3)), {product.rows, product.columns}));
      return absl::OkStatus();
    }
    const auto [row, column] = PlacesOf(context->Input(0), product);
    context->SetOutput(0, Multiply(row, column, context->Input(1), b, product));
    return absl::OkStatus();
  }

  bool adjoint_a_ = false, adjoint_b_ = false;
};

}  // namespace

std::vector<SizedOp> SparseMatMulOps() {
  using namespace tensorflow;
  return {{"SparseTensorDenseMatMul",
           {{"T", {DT_HALF, DT_BFLOAT16, DT_FLOAT, DT_DOUBLE, DT_COMPLEX64, DT_COMPLEX128}}, {"Tindices", {DT_INT32, DT_INT64}}},
           {"a_shape"},
           MakeSizedKernel<SparseMatMulKernel>}};
}

void RegisterSparseMatMulOp() {
  REGISTER_XLA_OP(Name("SparseTensorDenseMatMul").Device("XLA_GPU_JIT").CompileTimeConstantInput("a_shape"), SparseMatMulXlaKernel);
}

}  // namespace tfvk::plugin
