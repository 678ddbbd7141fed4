// SparseMatrixAdd, SparseMatrixMul, SparseMatrixSoftmax and SparseMatrixSoftmaxGrad, of which TensorFlow has no CPU kernels: the errors are those of its
// kernels for CUDA. And what ops on variants do with sparse matrices.
#include "plugin/csr_hlo.h"
#include "plugin/csr_matrix.h"
#include "plugin/platform.h"
#include "plugin/row_hlo.h"
#include "plugin/sized_kernel.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/comparators.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::CSRSparseMatrix;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using xla::XlaOp;

absl::Status CheckType(const CSRSparseMatrix& matrix, tensorflow::DataType dtype, const char* name) {
  if (matrix.dtype() == dtype) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("dtype of ", name, " is not equal to 'type': ", tensorflow::DataTypeString(matrix.dtype()), " vs. ", tensorflow::DataTypeString(dtype)));
}

// alpha * a + beta * b; the factors are scalars in device memory, null for 1.
absl::Status AddScaled(OpKernelContext* context, const CSRSparseMatrix& a, const CSRSparseMatrix& b, const Tensor* alpha, const Tensor* beta,
                       CSRSparseMatrix* sum) {
  const CsrShape shape = CsrShape::Of(a.dense_shape()), other = CsrShape::Of(b.dense_shape());
  if (!(shape == other)) {
    return absl::InvalidArgumentError(
        absl::StrCat("Incompatible shapes of a and b, a.shape == ", shape.Dense().DebugString(), ", b.shape == ", other.Dense().DebugString()));
  }
  if (a.total_nnz() == 0 && b.total_nnz() == 0) return MakeEmptyMatrix(context, a.dtype(), shape, sum);
  CsrParts a_parts, b_parts;
  TF_RETURN_IF_ERROR(PartsOf(context, a, &a_parts));
  TF_RETURN_IF_ERROR(PartsOf(context, b, &b_parts));
  const int64_t n = a_parts.padded + b_parts.padded;
  if (!AreCountable(n)) return absl::UnimplementedError(absl::StrCat("A sum of sparse matrices of ", n, " elements, more than programs count"));
  const auto build = [&](const std::vector<XlaOp>& in) {
    xla::XlaBuilder* builder = in[0].builder();
    const bool is_scaled = in.size() == 8;
    const auto scaled = [&](int values, int factor) { return is_scaled ? xla::Mul(in[values], in[factor]) : in[values]; };
    const XlaOp rows = xla::ConcatInDim(builder, {RowsOfElements(in[0], shape, a_parts.padded), RowsOfElements(in[3], shape, b_parts.padded)}, 0);
    return CompressElements(rows, xla::ConcatInDim(builder, {in[1], in[4]}, 0), xla::ConcatInDim(builder, {scaled(2, 6), scaled(5, 7)}, 0), shape);
  };
  std::vector<const Tensor*> inputs = a_parts.inputs();
  for (const Tensor* input : b_parts.inputs()) inputs.push_back(input);
  if (alpha != nullptr) inputs.insert(inputs.end(), {alpha, beta});
  std::vector<Tensor> results;
  TF_RETURN_IF_ERROR(
      RunForResults(context, absl::StrCat("CSR sum ", a_parts.Name(), " ", b_parts.Name()), inputs, TypesOfCompressed(a.dtype(), shape, n), build, &results));
  return MakeMatrix(context, shape, ReadFacts(context, results[3]), results[0], results[1], results[2], sum);
}

class CsrAddKernel : public SizedKernel {
 public:
  using SizedKernel::SizedKernel;

 protected:
  absl::Status Run(OpKernelContext* context) override {
    const CSRSparseMatrix *a = nullptr, *b = nullptr;
    TF_RETURN_IF_ERROR(tensorflow::ExtractVariantFromInput(context, 0, &a));
    TF_RETURN_IF_ERROR(tensorflow::ExtractVariantFromInput(context, 1, &b));
    const tensorflow::DataType dtype = context->input_dtype(2);
    TF_RETURN_IF_ERROR(CheckType(*a, dtype, "a"));
    TF_RETURN_IF_ERROR(CheckType(*b, dtype, "b"));
    Tensor alpha, beta;
    TF_RETURN_IF_ERROR(Upload(context, 2, "alpha", &alpha));
    TF_RETURN_IF_ERROR(Upload(context, 3, "beta", &beta));
    CSRSparseMatrix sum;
    TF_RETURN_IF_ERROR(AddScaled(context, *a, *b, &alpha, &beta, &sum));
    SetMatrix(context, 0, std::move(sum));
    return absl::OkStatus();
  }

 private:
  static absl::Status Upload(OpKernelContext* context, int input, const char* name, Tensor* scalar) {
    const Tensor& on_host = context->input(input);
    if (on_host.dims() != 0) {
      return absl::InvalidArgumentError(absl::StrCat("Expected ", name, " to be a scalar, saw shape: ", on_host.shape().DebugString()));
    }
    TF_RETURN_IF_ERROR(AllocateTemporary(context, on_host.dtype(), TensorShape({}), scalar));
    DeviceOf(context).Upload(scalar->data(), on_host.data(), on_host.TotalBytes());
    return absl::OkStatus();
  }
};

// A matrix of the elements of `matrix`, whose new values a program gives. Its inputs are the parts of `matrix`, then `others`.
absl::Status SetNewValues(OpKernelContext* context, const std::string& name, const CSRSparseMatrix& matrix, const CsrParts& parts,
                          const std::vector<const Tensor*>& others, const std::function<XlaOp(const std::vector<XlaOp>&)>& formula) {
  std::vector<const Tensor*> inputs = parts.inputs();
  inputs.insert(inputs.end(), others.begin(), others.end());
  std::vector<Tensor> results;
  TF_RETURN_IF_ERROR(RunForResults(
      context, absl::StrCat("CSR ", name, " ", parts.Name()), inputs, {{matrix.dtype(), TensorShape({parts.padded})}},
      [&](const std::vector<XlaOp>& in) { return std::vector<XlaOp>{formula(in)}; }, &results));
  CSRSparseMatrix result;
  TF_RETURN_IF_ERROR(WithValues(context, matrix, results[0], &result));
  SetMatrix(context, 0, std::move(result));
  return absl::OkStatus();
}

// By a scalar, or by one for each matrix of a batch.
class CsrMulKernel : public SizedKernel {
 public:
  using SizedKernel::SizedKernel;

 protected:
  absl::Status Run(OpKernelContext* context) override {
    const CSRSparseMatrix* a = nullptr;
    TF_RETURN_IF_ERROR(tensorflow::ExtractVariantFromInput(context, 0, &a));
    const Tensor& b = context->input(1);
    TF_RETURN_IF_ERROR(Check(*a, b));
    if (a->total_nnz() == 0) {
      SetMatrix(context, 0, *a);
      return absl::OkStatus();
    }
    CsrParts parts;
    TF_RETURN_IF_ERROR(PartsOf(context, *a, &parts));
    const auto formula = [&](const std::vector<XlaOp>& in) {
      if (b.dims() == 0) return xla::Mul(in[2], in[3]);
      const XlaOp rows = RowsOfElements(in[0], parts.shape, parts.padded);
      const XlaOp batch = xla::Div(rows, xla::FullLike(rows, static_cast<int32_t>(parts.shape.rows)));
      return xla::Mul(in[2], TakeRows(xla::Reshape(in[3], {parts.shape.batches}), batch));
    };
    return SetNewValues(context, "multiple", *a, parts, {&b}, formula);
  }

 private:
  static absl::Status Check(const CSRSparseMatrix& a, const Tensor& b) {
    if (a.dtype() != b.dtype()) {
      return absl::InvalidArgumentError(absl::StrCat("Input types don't match.  a.dtype == ", tensorflow::DataTypeString(a.dtype()),
                                                     " vs. b.dtype == ", tensorflow::DataTypeString(b.dtype())));
    }
    if (b.dims() == 3) {
      if (a.dims() == 3 && b.dim_size(0) == a.batch_size() && b.NumElements() == a.batch_size()) return absl::OkStatus();
      return absl::InvalidArgumentError(absl::StrCat(
          "If b is a rank-3 tensor, then a must be a rank 3 and the size of b be [batch_size, 1, 1].  But the shape of b is: ", b.shape().DebugString(),
          " and the shape of a is: ", a.dense_shape().DebugString()));
    }
    if (b.dims() == 0) return absl::OkStatus();
    return absl::UnimplementedError(absl::StrCat("Multiplying by a 2D+ dense tensor is not currently supported, but shape of b is: ", b.shape().DebugString()));
  }
};

// Over the elements of each row.
XlaOp SoftmaxOf(const std::vector<XlaOp>& in, const CsrParts& parts) {
  const XlaOp logits = in[2], rows = RowsOfElements(in[0], parts.shape, parts.padded);
  xla::XlaBuilder* builder = logits.builder();
  const xla::PrimitiveType type = builder->GetShape(logits).value().element_type();
  const int64_t n = parts.shape.all_rows();
  const XlaOp lowest = xla::Broadcast(xla::MinFiniteValue(builder, type), {n});
  const XlaOp largest = ScatterRows(lowest, rows, logits, xla::CreateScalarMaxComputation(type, builder));
  const XlaOp powers = xla::Exp(logits - TakeRows(largest, rows));
  return powers / TakeRows(SumInto(n, rows, powers), rows);
}

class CsrSoftmaxKernel : public SizedKernel {
 public:
  explicit CsrSoftmaxKernel(tensorflow::OpKernelConstruction* construction) : SizedKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("type", &dtype_));
  }

 protected:
  absl::Status Run(OpKernelContext* context) override {
    const CSRSparseMatrix* logits = nullptr;
    TF_RETURN_IF_ERROR(tensorflow::ExtractVariantFromInput(context, 0, &logits));
    TF_RETURN_IF_ERROR(CheckType(*logits, dtype_, "logits"));
    if (logits->total_nnz() == 0) {
      SetMatrix(context, 0, *logits);
      return absl::OkStatus();
    }
    CsrParts parts;
    TF_RETURN_IF_ERROR(PartsOf(context, *logits, &parts));
    return SetNewValues(context, "softmax", *logits, parts, {}, [&](const std::vector<XlaOp>& in) { return SoftmaxOf(in, parts); });
  }

 private:
  tensorflow::DataType dtype_ = tensorflow::DT_INVALID;
};

// For each of n elements the value of the one at its place among other elements, 0 where there is none. `rows`, `columns` are of the former, then of the
// others.
XlaOp ValuesAtPlaces(XlaOp rows, XlaOp columns, XlaOp other_values, int64_t n, int64_t others, const CsrShape& shape) {
  xla::XlaBuilder* builder = rows.builder();
  const int64_t all = n + others;
  const XlaOp sort = xla::Sort({SortKeys(rows, columns, shape), Count(builder, all)}, xla::CreateScalarLtComputation({xla::S64, xla::S32}, builder), 0,
                               /*is_stable=*/true);
  const XlaOp keys = xla::GetTupleElement(sort, 0), order = xla::GetTupleElement(sort, 1);
  // The sort is stable: of elements at one place the other one comes next.
  const auto next = [&](XlaOp x, XlaOp end) { return xla::ConcatInDim(builder, {xla::SliceInDim(x, 1, all, 1, 0), xla::Broadcast(end, {1})}, 0); };
  const XlaOp next_order = next(order, xla::ConstantR0<int32_t>(builder, 0)), first_other = xla::FullLike(order, static_cast<int32_t>(n));
  const XlaOp is_met = xla::And(xla::Eq(keys, next(keys, xla::ConstantR0<int64_t>(builder, -1))), xla::Ge(next_order, first_other));
  const XlaOp met = TakeRows(other_values, next_order - first_other);
  const XlaOp found = xla::Select(is_met, met, xla::ZerosLike(met));
  const XlaOp zeros = xla::Broadcast(xla::ScalarLike(other_values, 0), {n});
  return PutRows(zeros, order, found);  // the others' are dropped
}

// (g - sum over the row of g * s) * s at the elements of the softmax s, where g is the gradient's element there.
XlaOp SoftmaxGradientOf(const std::vector<XlaOp>& in, const CsrParts& softmax, const CsrParts& gradient) {
  xla::XlaBuilder* builder = in[0].builder();
  const CsrShape& shape = softmax.shape;
  const XlaOp rows = RowsOfElements(in[0], shape, softmax.padded), gradient_rows = RowsOfElements(in[3], shape, gradient.padded);
  const XlaOp at = ValuesAtPlaces(xla::ConcatInDim(builder, {rows, gradient_rows}, 0), xla::ConcatInDim(builder, {in[1], in[4]}, 0), in[5], softmax.padded,
                                  gradient.padded, shape);
  return (at - TakeRows(SumInto(shape.all_rows(), rows, at * in[2]), rows)) * in[2];
}

class CsrSoftmaxGradKernel : public SizedKernel {
 public:
  explicit CsrSoftmaxGradKernel(tensorflow::OpKernelConstruction* construction) : SizedKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("type", &dtype_));
  }

 protected:
  absl::Status Run(OpKernelContext* context) override {
    const CSRSparseMatrix *softmax = nullptr, *gradient = nullptr;
    TF_RETURN_IF_ERROR(tensorflow::ExtractVariantFromInput(context, 0, &softmax));
    TF_RETURN_IF_ERROR(CheckType(*softmax, dtype_, "softmax"));
    TF_RETURN_IF_ERROR(tensorflow::ExtractVariantFromInput(context, 1, &gradient));
    TF_RETURN_IF_ERROR(CheckType(*gradient, dtype_, "grad_softmax"));
    if (softmax->dims() != gradient->dims()) {
      return absl::InvalidArgumentError(absl::StrCat("Ranks of softmax and grad_softmax matrices differ: ", softmax->dims(), " vs. ", gradient->dims()));
    }
    if (!(CsrShape::Of(softmax->dense_shape()) == CsrShape::Of(gradient->dense_shape()))) {
      return absl::InvalidArgumentError(absl::StrCat("Shapes of softmax and grad_softmax matrices differ: ", softmax->dense_shape().SummarizeValue(3), " vs. ",
                                                     gradient->dense_shape().SummarizeValue(3)));
    }
    if (softmax->total_nnz() == 0) {
      SetMatrix(context, 0, *softmax);
      return absl::OkStatus();
    }
    CsrParts parts, others;
    TF_RETURN_IF_ERROR(PartsOf(context, *softmax, &parts));
    TF_RETURN_IF_ERROR(PartsOf(context, *gradient, &others));
    return SetNewValues(context, absl::StrCat("softmax gradient ", others.Name()), *softmax, parts, others.inputs(),
                        [&](const std::vector<XlaOp>& in) { return SoftmaxGradientOf(in, parts, others); });
  }

 private:
  tensorflow::DataType dtype_ = tensorflow::DT_INVALID;
};

}  // namespace

absl::Status AddMatrices(OpKernelContext* context, const CSRSparseMatrix& a, const CSRSparseMatrix& b, CSRSparseMatrix* sum) {
  if (a.dtype() != b.dtype()) {
    return absl::InvalidArgumentError(absl::StrCat("CSRSparseMatrixBinaryHelper: Inconsistent dtypes for input matrices, a dtype: ",
                                                   tensorflow::DataTypeString(a.dtype()), ", b dtype: ", tensorflow::DataTypeString(b.dtype())));
  }
  return AddScaled(context, a, b, nullptr, nullptr, sum);
}

absl::Status ConjugateMatrix(OpKernelContext* context, const CSRSparseMatrix& matrix, CSRSparseMatrix* conjugate) {
  if (!tensorflow::DataTypeIsComplex(matrix.dtype()) || matrix.total_nnz() == 0) {
    return WithValues(context, matrix, matrix.values(), conjugate);
  }
  CsrParts parts;
  TF_RETURN_IF_ERROR(PartsOf(context, matrix, &parts));
  std::vector<Tensor> results;
  TF_RETURN_IF_ERROR(RunForResults(
      context, "CSR conjugate", {&parts.values}, {{matrix.dtype(), TensorShape({parts.padded})}},
      [](const std::vector<XlaOp>& in) { return std::vector<XlaOp>{ConjugateOf(in[0])}; }, &results));
  return WithValues(context, matrix, results[0], conjugate);
}

std::vector<SizedOp> CsrElementwiseOps() {
  using namespace tensorflow;
  const TypeSet reals = {DT_FLOAT, DT_DOUBLE}, types = {DT_FLOAT, DT_DOUBLE, DT_COMPLEX64, DT_COMPLEX128};
  return {{"SparseMatrixAdd", {{"T", types}}, {"alpha", "beta"}, MakeSizedKernel<CsrAddKernel>},
          {"SparseMatrixMul", {{"T", types}}, {}, MakeSizedKernel<CsrMulKernel>},
          {"SparseMatrixSoftmax", {{"type", reals}}, {}, MakeSizedKernel<CsrSoftmaxKernel>},
          {"SparseMatrixSoftmaxGrad", {{"type", reals}}, {}, MakeSizedKernel<CsrSoftmaxGradKernel>}};
}

}  // namespace tfvk::plugin
