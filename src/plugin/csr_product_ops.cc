// SparseMatrixMatMul, SparseMatrixSparseMatMul and SparseMatrixTranspose. A product with a dense matrix gives each element's multiple of a dense row to a row
// of the result. A product of sparse matrices multiplies each element of one by the elements of a row of the other, and compresses what they give.
#include <algorithm>

#include "plugin/csr_hlo.h"
#include "plugin/csr_matrix.h"
#include "plugin/platform.h"
#include "plugin/row_hlo.h"
#include "plugin/sized_kernel.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/comparators.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla/hlo/builder/lib/matrix.h"

namespace tfvk::plugin {
namespace {

using tensorflow::CSRSparseMatrix;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using xla::XlaOp;

XlaOp AllRows(XlaOp like, const CsrShape& shape) { return xla::FullLike(like, static_cast<int32_t>(shape.all_rows())); }

// Elements as those of the matrix or of its transpose: row (all_rows() of the transpose's shape where it only pads) and column, both s32.
struct Elements {
  XlaOp rows, columns;
};

Elements ElementsOf(XlaOp row_pointers, XlaOp columns, const CsrShape& shape, int64_t padded, bool is_transposed) {
  const XlaOp rows = RowsOfElements(row_pointers, shape, padded);
  if (!is_transposed) return {rows, columns};
  const XlaOp height = xla::FullLike(rows, static_cast<int32_t>(shape.rows)), width = xla::FullLike(rows, static_cast<int32_t>(shape.columns));
  const XlaOp is_padding = xla::Eq(rows, AllRows(rows, shape));
  const XlaOp row = xla::Div(rows, height) * width + columns;
  return {xla::Select(is_padding, AllRows(rows, shape.Transposed()), row), xla::Rem(rows, height)};
}

// The number of the matrix that each element's row is in.
XlaOp BatchOf(XlaOp rows, const CsrShape& shape) { return xla::Div(rows, xla::FullLike(rows, static_cast<int32_t>(shape.rows))); }

XlaOp ConjugateIf(bool is_conjugate, XlaOp x) { return is_conjugate ? ConjugateOf(x) : x; }

absl::Status TransposeMatrix(OpKernelContext* context, const CSRSparseMatrix& matrix, bool is_conjugate, CSRSparseMatrix* transposed) {
  const CsrShape shape = CsrShape::Of(matrix.dense_shape()), turned = shape.Transposed();
  if (matrix.total_nnz() == 0) return MakeEmptyMatrix(context, matrix.dtype(), turned, transposed);
  CsrParts parts;
  TF_RETURN_IF_ERROR(PartsOf(context, matrix, &parts));
  const int64_t n = parts.padded;
  const auto build = [&](const std::vector<XlaOp>& in) {
    xla::XlaBuilder* builder = in[0].builder();
    const Elements elements = ElementsOf(in[0], in[1], shape, n, /*is_transposed=*/true);
    const XlaOp sort = xla::Sort({elements.rows, Count(builder, n)}, xla::CreateScalarLtComputation({xla::S32, xla::S32}, builder), 0, /*is_stable=*/true);
    const XlaOp order = xla::GetTupleElement(sort, 1);
    return std::vector<XlaOp>{PointersOfRows(elements.rows, turned).pointers, TakeRows(elements.columns, order),
                              ConjugateIf(is_conjugate, TakeRows(in[2], order))};
  };
  std::vector<Tensor> results;
  const ResultTypes types = {
      {tensorflow::DT_INT32, TensorShape({turned.row_pointers()})}, {tensorflow::DT_INT32, TensorShape({n})}, {matrix.dtype(), TensorShape({n})}};
  TF_RETURN_IF_ERROR(
      RunForResults(context, absl::StrCat(is_conjugate ? "CSR adjoint " : "CSR transpose ", parts.Name()), parts.inputs(), types, build, &results));
  std::vector<int64_t> batch_sizes;
  for (int i = 0; i < matrix.batch_size(); ++i) batch_sizes.push_back(matrix.nnz(i));
  return MakeMatrix(context, turned, batch_sizes, results[0], results[1], results[2], transposed);
}

// The tensor's rows `times` times, one time behind the other.
absl::Status RepeatRows(OpKernelContext* context, const Tensor& tensor, int64_t times, Tensor* repeated) {
  TensorShape shape = tensor.shape();
  TF_RETURN_IF_ERROR(shape.SetDimWithStatus(0, tensor.dim_size(0) * times));
  TF_RETURN_IF_ERROR(AllocateTemporary(context, tensor.dtype(), shape, repeated));
  const uint64_t all = repeated->TotalBytes();
  if (all == 0) return absl::OkStatus();
  Device& device = DeviceOf(context);
  char* const data = static_cast<char*>(repeated->data());
  uint64_t done = tensor.TotalBytes();
  device.Copy(data, tensor.data(), done);
  while (done < all) {
    const uint64_t bytes = std::min(done, all - done);
    device.Copy(data + done, data, bytes);
    done += bytes;
  }
  return absl::OkStatus();
}

// Of one matrix makes a batch of equal ones, and points `*matrix` at it. A batch that there is stays.
absl::Status RepeatMatrix(OpKernelContext* context, int64_t batches, const CSRSparseMatrix** matrix, CSRSparseMatrix* repeated) {
  CsrShape shape = CsrShape::Of((*matrix)->dense_shape());
  if (shape.batches == batches) return absl::OkStatus();
  shape.batches = batches;
  const int64_t elements = (*matrix)->total_nnz();
  if (!AreCountable(shape.row_pointers()) || !AreCountable(elements * batches)) {
    return absl::UnimplementedError(absl::StrCat(batches, " sparse matrices of ", elements, " elements, more than programs count"));
  }
  Tensor row_pointers, columns, values;
  TF_RETURN_IF_ERROR(RepeatRows(context, (*matrix)->row_pointers(), batches, &row_pointers));
  TF_RETURN_IF_ERROR(RepeatRows(context, (*matrix)->col_indices(), batches, &columns));
  TF_RETURN_IF_ERROR(RepeatRows(context, (*matrix)->values(), batches, &values));
  TF_RETURN_IF_ERROR(MakeMatrix(context, shape, std::vector<int64_t>(batches, elements), row_pointers, columns, values, repeated));
  *matrix = repeated;
  return absl::OkStatus();
}

class CsrTransposeKernel : public SizedKernel {
 public:
  explicit CsrTransposeKernel(tensorflow::OpKernelConstruction* construction) : SizedKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("conjugate", &is_conjugate_));
    OP_REQUIRES_OK(construction, construction->GetAttr("type", &dtype_));
  }

 protected:
  absl::Status Run(OpKernelContext* context) override {
    const CSRSparseMatrix* matrix = nullptr;
    TF_RETURN_IF_ERROR(tensorflow::ExtractVariantFromInput(context, 0, &matrix));
    if (matrix->dtype() != dtype_) return RunOnCpu(context);  // TensorFlow's own error
    if (!AreCountable(CsrShape::Of(matrix->dense_shape()).Transposed().row_pointers())) return RunOnCpu(context);
    CSRSparseMatrix transposed;
    TF_RETURN_IF_ERROR(TransposeMatrix(context, *matrix, is_conjugate_, &transposed));
    SetMatrix(context, 0, std::move(transposed));
    return absl::OkStatus();
  }

 private:
  bool is_conjugate_ = false;
  tensorflow::DataType dtype_ = tensorflow::DT_INVALID;
};

// What the attributes say of the factors a and b.
struct Sides {
  bool transpose_a = false, transpose_b = false, conjugate_a = false, conjugate_b = false;

  absl::Status Read(tensorflow::OpKernelConstruction* construction) {
    for (const char side : {'a', 'b'}) {
      bool transpose = false, adjoint = false;
      TF_RETURN_IF_ERROR(construction->GetAttr(absl::StrCat("transpose_", std::string(1, side)), &transpose));
      TF_RETURN_IF_ERROR(construction->GetAttr(absl::StrCat("adjoint_", std::string(1, side)), &adjoint));
      if (transpose && adjoint) {
        return absl::InvalidArgumentError(absl::StrCat("Only one of adjoint_", std::string(1, side), " and transpose_", std::string(1, side), " may be true."));
      }
      (side == 'a' ? transpose_a : transpose_b) = transpose || adjoint;
      (side == 'a' ? conjugate_a : conjugate_b) = adjoint;
    }
    return absl::OkStatus();
  }
  std::string Name() const { return absl::StrCat(transpose_a, conjugate_a, transpose_b, conjugate_b); }
};

// A sparse matrix by a dense one.
class CsrMatMulKernel : public SizedKernel {
 public:
  explicit CsrMatMulKernel(tensorflow::OpKernelConstruction* construction) : SizedKernel(construction) {
    OP_REQUIRES_OK(construction, sides_.Read(construction));
    OP_REQUIRES_OK(construction, construction->GetAttr("transpose_output", &transpose_output_));
    OP_REQUIRES_OK(construction, construction->GetAttr("conjugate_output", &conjugate_output_));
  }

 protected:
  absl::Status Run(OpKernelContext* context) override {
    const CSRSparseMatrix* matrix = nullptr;
    TF_RETURN_IF_ERROR(tensorflow::ExtractVariantFromInput(context, 0, &matrix));
    const Tensor& b = context->input(1);
    const CsrShape shape = CsrShape::Of(matrix->dense_shape()), turned = sides_.transpose_a ? shape.Transposed() : shape;
    const int rank = shape.rank;
    if (matrix->dtype() != b.dtype() || b.dims() != rank || (rank == 3 && b.dim_size(0) != shape.batches)) return RunOnCpu(context);
    const int64_t inner = b.dim_size(sides_.transpose_b ? rank - 1 : rank - 2), width = b.dim_size(sides_.transpose_b ? rank - 2 : rank - 1);
    if (inner != turned.columns) return RunOnCpu(context);  // TensorFlow's own error
    const CsrShape product = {rank, shape.batches, turned.rows, width};
    const TensorShape out = (transpose_output_ ? product.Transposed() : product).Dense();
    if (!AreCountable(out.num_elements()) || !AreCountable(b.NumElements())) return RunOnCpu(context);
    if (out.num_elements() == 0 || matrix->total_nnz() == 0) {
      Tensor* zeros = nullptr;
      TF_RETURN_IF_ERROR(context->allocate_output(0, out, &zeros));
      if (zeros->TotalBytes() != 0) DeviceOf(context).Fill(zeros->data(), 0, zeros->TotalBytes());
      return absl::OkStatus();
    }
    CsrParts parts;
    TF_RETURN_IF_ERROR(PartsOf(context, *matrix, &parts));
    std::vector<const Tensor*> inputs = parts.inputs();
    inputs.push_back(&b);
    std::vector<Tensor> results;
    const auto build = [&](const std::vector<XlaOp>& in) { return std::vector<XlaOp>{Product(in, parts, product)}; };
    TF_RETURN_IF_ERROR(RunForResults(context, absl::StrCat("CSR product ", parts.Name(), " ", rank, sides_.Name(), transpose_output_, conjugate_output_),
                                     inputs, {{b.dtype(), out}}, build, &results));
    context->set_output(0, results[0]);
    return absl::OkStatus();
  }

 private:
  XlaOp Product(const std::vector<XlaOp>& in, const CsrParts& parts, const CsrShape& product) const {
    const CsrShape turned = sides_.transpose_a ? parts.shape.Transposed() : parts.shape;
    const Elements a = ElementsOf(in[0], in[1], parts.shape, parts.padded, sides_.transpose_a);
    XlaOp b = ConjugateIf(sides_.conjugate_b, in[3]);
    if (sides_.transpose_b) b = xla::TransposeInMinorDims(b);
    b = xla::Reshape(b, {turned.batches * turned.columns, product.columns});
    const XlaOp source = BatchOf(a.rows, turned) * xla::FullLike(a.rows, static_cast<int32_t>(turned.columns)) + a.columns;
    const XlaOp updates = xla::Mul(TakeRows(b, source), ConjugateIf(sides_.conjugate_a, in[2]), {0});
    XlaOp sums = SumInto(product.all_rows(), a.rows, updates);
    const std::vector<int64_t> dims = {product.batches, product.rows, product.columns};
    if (parts.shape.rank == 3) sums = xla::Reshape(sums, dims);
    if (transpose_output_) sums = xla::TransposeInMinorDims(sums);
    return ConjugateIf(conjugate_output_, sums);
  }

  Sides sides_;
  bool transpose_output_ = false, conjugate_output_ = false;
};

// Of each element of a, s32 [padded]: the first of the elements of b that it is multiplied by, and the end of its products in a list of all.
struct Pairing {
  Elements a;
  XlaOp first, ends, counts;
};

Pairing PairElements(XlaOp a_pointers, XlaOp a_columns, XlaOp b_pointers, const CsrParts& a, const CsrShape& b, bool transpose_a) {
  Pairing pairing;
  pairing.a = ElementsOf(a_pointers, a_columns, a.shape, a.padded, transpose_a);
  const CsrShape turned = transpose_a ? a.shape.Transposed() : a.shape;
  const RowBounds bounds = BoundsOfRows(b_pointers, b);
  const XlaOp row = BatchOf(pairing.a.rows, turned) * xla::FullLike(pairing.a.rows, static_cast<int32_t>(b.rows)) + pairing.a.columns;
  const XlaOp is_padding = xla::Eq(pairing.a.rows, AllRows(row, turned));
  pairing.first = TakeRows(bounds.begins, row);
  pairing.counts = xla::Select(is_padding, xla::ZerosLike(row), TakeRows(bounds.ends, row) - pairing.first);
  pairing.ends = RunningSum(pairing.counts, a.padded);
  return pairing;
}

class CsrSparseMatMulKernel : public SizedKernel {
 public:
  explicit CsrSparseMatMulKernel(tensorflow::OpKernelConstruction* construction) : SizedKernel(construction) {
    OP_REQUIRES_OK(construction, sides_.Read(construction));
    OP_REQUIRES_OK(construction, construction->GetAttr("type", &dtype_));
  }

 protected:
  absl::Status Run(OpKernelContext* context) override {
    const CSRSparseMatrix *a = nullptr, *b = nullptr;
    TF_RETURN_IF_ERROR(tensorflow::ExtractVariantFromInput(context, 0, &a));
    TF_RETURN_IF_ERROR(tensorflow::ExtractVariantFromInput(context, 1, &b));
    const CsrShape a_shape = CsrShape::Of(a->dense_shape()), b_shape = CsrShape::Of(b->dense_shape());
    const CsrShape left = sides_.transpose_a ? a_shape.Transposed() : a_shape, right = sides_.transpose_b ? b_shape.Transposed() : b_shape;
    const bool fits = left.batches == right.batches || left.batches == 1 || right.batches == 1;
    if (a->dtype() != dtype_ || b->dtype() != dtype_ || !fits) return RunOnCpu(context);  // TensorFlow's own error
    if (left.rank != right.rank) {                                                        // where its kernel looks at dimensions that are not there
      return absl::InvalidArgumentError(absl::StrCat("Ranks of a and b must match, saw: ", left.rank, " vs. ", right.rank, "."));
    }
    const CsrShape product = {left.rank, left.batches == 1 ? right.batches : left.batches, left.rows, right.columns};
    if (left.columns != right.rows || !AreCountable(product.row_pointers())) return RunOnCpu(context);
    CSRSparseMatrix repeated_a, repeated_b, turned, result;
    TF_RETURN_IF_ERROR(RepeatMatrix(context, product.batches, &a, &repeated_a));
    TF_RETURN_IF_ERROR(RepeatMatrix(context, product.batches, &b, &repeated_b));
    if (sides_.transpose_b) {
      TF_RETURN_IF_ERROR(TransposeMatrix(context, *b, sides_.conjugate_b, &turned));
      b = &turned;
    }
    CsrParts a_parts, b_parts;
    TF_RETURN_IF_ERROR(PartsOf(context, *a, &a_parts));
    TF_RETURN_IF_ERROR(PartsOf(context, *b, &b_parts));
    int64_t products = 0;
    if (a_parts.elements != 0 && b_parts.elements != 0) TF_RETURN_IF_ERROR(CountProducts(context, a_parts, b_parts, &products));
    if (!AreCountable(products)) return RunOnCpu(context);
    if (products == 0) {
      TF_RETURN_IF_ERROR(MakeEmptyMatrix(context, dtype_, product, &result));
    } else {
      TF_RETURN_IF_ERROR(Multiply(context, a_parts, b_parts, product, PaddedRows(products), &result));
    }
    SetMatrix(context, 0, std::move(result));
    return absl::OkStatus();
  }

 private:
  absl::Status CountProducts(OpKernelContext* context, const CsrParts& a, const CsrParts& b, int64_t* products) const {
    const auto build = [&](const std::vector<XlaOp>& in) {
      return std::vector<XlaOp>{Facts({SumOf(S64(PairElements(in[0], in[1], in[2], a, b.shape, sides_.transpose_a).counts))})};
    };
    std::vector<Tensor> results;
    TF_RETURN_IF_ERROR(RunForResults(context, absl::StrCat("CSR count products ", a.Name(), " ", b.shape.Name(), " ", sides_.transpose_a),
                                     {&a.row_pointers, &a.columns, &b.row_pointers}, {{tensorflow::DT_INT64, TensorShape({1})}}, build, &results));
    *products = ReadFacts(context, results[0])[0];
    return absl::OkStatus();
  }

  absl::Status Multiply(OpKernelContext* context, const CsrParts& a, const CsrParts& b, const CsrShape& product, int64_t padded,
                        CSRSparseMatrix* result) const {
    const auto build = [&](const std::vector<XlaOp>& in) {
      const Pairing pairing = PairElements(in[0], in[1], in[3], a, b.shape, sides_.transpose_a);
      const XlaOp of_a = SegmentOfPlaces(pairing.ends, padded);
      const XlaOp is_padding = xla::Eq(of_a, xla::FullLike(of_a, static_cast<int32_t>(a.padded)));
      const XlaOp offset = Count(of_a.builder(), padded) - TakeRows(pairing.ends - pairing.counts, of_a);
      const XlaOp of_b = TakeRows(pairing.first, of_a) + offset;
      const XlaOp values = TakeRows(ConjugateIf(sides_.conjugate_a, in[2]), of_a) * TakeRows(in[5], of_b);
      const XlaOp rows = xla::Select(is_padding, AllRows(of_a, product), TakeRows(pairing.a.rows, of_a));
      return CompressElements(rows, TakeRows(in[4], of_b), values, product);
    };
    std::vector<const Tensor*> inputs = a.inputs();
    for (const Tensor* input : b.inputs()) inputs.push_back(input);
    std::vector<Tensor> results;
    TF_RETURN_IF_ERROR(RunForResults(
        context, absl::StrCat("CSR sparse product ", a.Name(), " ", b.Name(), " ", sides_.transpose_a, sides_.conjugate_a, " ", product.Name(), "/", padded),
        inputs, TypesOfCompressed(dtype_, product, padded), build, &results));
    return MakeMatrix(context, product, ReadFacts(context, results[3]), results[0], results[1], results[2], result);
  }

  Sides sides_;
  tensorflow::DataType dtype_ = tensorflow::DT_INVALID;
};

}  // namespace

std::vector<SizedOp> CsrProductOps() {
  using namespace tensorflow;
  const TypeSet types = {DT_FLOAT, DT_DOUBLE, DT_COMPLEX64, DT_COMPLEX128};
  return {{"SparseMatrixTranspose", {{"type", types}}, {}, MakeSizedKernel<CsrTransposeKernel>},
          {"SparseMatrixMatMul", {{"T", types}}, {}, MakeSizedKernel<CsrMatMulKernel>},
          {"SparseMatrixSparseMatMul", {{"type", types}}, {}, MakeSizedKernel<CsrSparseMatMulKernel>}};
}

}  // namespace tfvk::plugin
