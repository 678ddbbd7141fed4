// DenseToCSRSparseMatrix, SparseTensorToCSRSparseMatrix, CSRSparseMatrixToDense, CSRSparseMatrixToSparseTensor, CSRSparseMatrixComponents, SparseMatrixNNZ and
// SparseMatrixZeros: sparse matrices from other tensors, and other tensors from them.
#include "plugin/csr_hlo.h"
#include "plugin/csr_matrix.h"
#include "plugin/platform.h"
#include "plugin/row_hlo.h"
#include "plugin/sized_kernel.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::CSRSparseMatrix;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using xla::XlaOp;

// Columns and rows of elements whose indices [n, rank] may be wrong: then their row is the one behind the last.
struct Coordinates {
  XlaOp rows, columns;  // s32
};

XlaOp Column(XlaOp indices, int64_t i) {
  const int64_t n = indices.builder()->GetShape(indices).value().dimensions(0);
  return xla::Reshape(xla::SliceInDim(indices, i, i + 1, 1, 1), {n});
}

Coordinates CoordinatesOf(XlaOp indices, const CsrShape& shape) {
  const XlaOp row = Column(indices, shape.rank - 2), column = Column(indices, shape.rank - 1);
  XlaOp wrong = xla::Or(IsOutside(row, shape.rows), IsOutside(column, shape.columns));
  XlaOp all_row = row;
  if (shape.rank == 3) {
    const XlaOp batch = Column(indices, 0);
    wrong = xla::Or(wrong, IsOutside(batch, shape.batches));
    all_row = batch * xla::ScalarLike(batch, shape.rows) + row;
  }
  return {S32(xla::Select(wrong, xla::FullLike(all_row, shape.all_rows()), all_row)), S32(xla::Select(wrong, xla::ZerosLike(column), column))};
}

// A matrix from a list of indices. What is wrong about them TensorFlow's CPU kernels say.
class FromIndicesKernel : public SizedKernel {
 public:
  using SizedKernel::SizedKernel;

 protected:
  // `dense` is null where `values` are given. `*is_wrong` tells that there are wrong indices, and no output then.
  static absl::Status Convert(OpKernelContext* context, const CsrShape& shape, const Tensor& indices, const Tensor* dense, const Tensor* values,
                              bool* is_wrong) {
    const int64_t n = indices.dim_size(0), padded = PaddedRows(n);
    const tensorflow::DataType dtype = (dense != nullptr ? dense : values)->dtype();
    CSRSparseMatrix matrix;
    if (n == 0) {
      TF_RETURN_IF_ERROR(MakeEmptyMatrix(context, dtype, shape, &matrix));
      SetMatrix(context, 0, std::move(matrix));
      return absl::OkStatus();
    }
    Tensor padded_indices;
    TF_RETURN_IF_ERROR(PadRows(context, indices, &padded_indices, 0xffffffff));
    ResultTypes types = {{tensorflow::DT_INT32, TensorShape({shape.row_pointers()})},
                         {tensorflow::DT_INT32, TensorShape({padded})},
                         {tensorflow::DT_INT64, TensorShape({shape.batches})}};
    std::vector<const Tensor*> inputs = {&padded_indices};
    if (dense != nullptr) {
      types.push_back({dtype, TensorShape({padded})});
      inputs.push_back(dense);
    }
    std::vector<Tensor> results;
    TF_RETURN_IF_ERROR(RunForResults(
        context, absl::StrCat("CSR from indices ", shape.Name()), inputs, types, [&](const std::vector<XlaOp>& in) { return Parts(in, shape); }, &results));
    const std::vector<int64_t> batch_sizes = ReadFacts(context, results[2]);
    int64_t right = 0;
    for (const int64_t size : batch_sizes) right += size;
    *is_wrong = right != n;
    if (*is_wrong) return absl::OkStatus();
    TF_RETURN_IF_ERROR(MakeMatrix(context, shape, batch_sizes, results[0], results[1], dense != nullptr ? results[3] : *values, &matrix));
    SetMatrix(context, 0, std::move(matrix));
    return absl::OkStatus();
  }

 private:
  // Row pointers, columns, batch sizes and, of a dense matrix, values.
  static std::vector<XlaOp> Parts(const std::vector<XlaOp>& in, const CsrShape& shape) {
    const Coordinates at = CoordinatesOf(in[0], shape);
    const RowPointers pointers = PointersOfRows(at.rows, shape);
    std::vector<XlaOp> parts = {pointers.pointers, at.columns, pointers.batch_sizes};
    if (in.size() == 2) {
      const XlaOp place = at.rows * xla::ScalarLike(at.rows, static_cast<int32_t>(shape.columns)) + at.columns;
      parts.push_back(TakeRows(xla::Reshape(in[1], {shape.all_rows() * shape.columns}), place));
    }
    return parts;
  }
};

class DenseToCsrKernel : public FromIndicesKernel {
 public:
  using FromIndicesKernel::FromIndicesKernel;

 protected:
  absl::Status Run(OpKernelContext* context) override {
    const Tensor &dense = context->input(0), &indices = context->input(1);
    const int rank = dense.dims();
    if ((rank != 2 && rank != 3) || indices.dims() != 2 || indices.dim_size(1) != rank) return RunOnCpu(context);
    CsrShape shape;
    shape.rank = rank;
    shape.batches = rank == 3 ? dense.dim_size(0) : 1;
    shape.rows = dense.dim_size(rank - 2);
    shape.columns = dense.dim_size(rank - 1);
    const bool is_countable = AreCountable(dense.NumElements()) && AreCountable(indices.dim_size(0)) && AreCountable(shape.row_pointers());
    if (!is_countable || (dense.NumElements() == 0 && indices.NumElements() != 0)) return RunOnCpu(context);
    bool is_wrong = false;
    TF_RETURN_IF_ERROR(Convert(context, shape, indices, &dense, nullptr, &is_wrong));
    return is_wrong ? RunOnCpu(context) : absl::OkStatus();
  }
};

class SparseTensorToCsrKernel : public FromIndicesKernel {
 public:
  using FromIndicesKernel::FromIndicesKernel;

 protected:
  absl::Status Run(OpKernelContext* context) override {
    const Tensor &indices = context->input(0), &values = context->input(1), &dense_shape = context->input(2);
    const int64_t rank = dense_shape.NumElements();
    const bool is_right = dense_shape.dims() == 1 && (rank == 2 || rank == 3) && indices.dims() == 2 && indices.dim_size(1) == rank && values.dims() == 1 &&
                          values.dim_size(0) == indices.dim_size(0);
    if (!is_right) return RunOnCpu(context);
    for (int64_t i = 0; i < rank; ++i) {
      if (dense_shape.flat<int64_t>()(i) < 0) return RunOnCpu(context);
    }
    const CsrShape shape = CsrShape::Of(dense_shape);
    // The product may not be one of 64 bits.
    const bool is_countable = AreCountable(values.NumElements()) && AreCountable(shape.batches) && AreCountable(shape.rows) && AreCountable(shape.columns) &&
                              AreCountable(shape.row_pointers());
    if (!is_countable || (values.NumElements() != 0 && (shape.all_rows() == 0 || shape.columns == 0))) return RunOnCpu(context);
    bool is_wrong = false;
    TF_RETURN_IF_ERROR(Convert(context, shape, indices, nullptr, &values, &is_wrong));
    return is_wrong ? RunOnCpu(context) : absl::OkStatus();
  }
};

// A kernel of a matrix that it takes apart.
class OfMatrixKernel : public SizedKernel {
 public:
  explicit OfMatrixKernel(tensorflow::OpKernelConstruction* construction) : SizedKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("type", &dtype_));
  }

 protected:
  absl::Status Run(OpKernelContext* context) final {
    const CSRSparseMatrix* matrix = nullptr;
    TF_RETURN_IF_ERROR(tensorflow::ExtractVariantFromInput(context, 0, &matrix));
    if (matrix->dtype() != dtype_) return RunOnCpu(context);  // TensorFlow's own error
    return Take(context, *matrix);
  }
  virtual absl::Status Take(OpKernelContext* context, const CSRSparseMatrix& matrix) = 0;

 private:
  tensorflow::DataType dtype_ = tensorflow::DT_INVALID;
};

class CsrToDenseKernel : public OfMatrixKernel {
 public:
  using OfMatrixKernel::OfMatrixKernel;

 protected:
  absl::Status Take(OpKernelContext* context, const CSRSparseMatrix& matrix) override {
    const CsrShape shape = CsrShape::Of(matrix.dense_shape());
    TensorShape dense;
    TF_RETURN_IF_ERROR(tensorflow::TensorShapeUtils::MakeShape(matrix.dense_shape().vec<int64_t>(), &dense));
    const int64_t n = dense.num_elements();
    if (!AreCountable(n)) return RunOnCpu(context);
    if (n == 0 || matrix.total_nnz() == 0) {
      Tensor* zeros = nullptr;
      TF_RETURN_IF_ERROR(context->allocate_output(0, dense, &zeros));
      if (n != 0) DeviceOf(context).Fill(zeros->data(), 0, zeros->TotalBytes());
      return absl::OkStatus();
    }
    CsrParts parts;
    TF_RETURN_IF_ERROR(PartsOf(context, matrix, &parts));
    std::vector<Tensor> results;
    const auto build = [&](const std::vector<XlaOp>& in) {
      const XlaOp rows = RowsOfElements(in[0], shape, parts.padded);
      const XlaOp is_padding = xla::Eq(rows, xla::FullLike(rows, static_cast<int32_t>(shape.all_rows())));
      const XlaOp place = rows * xla::FullLike(rows, static_cast<int32_t>(shape.columns)) + in[1];
      const XlaOp zeros = xla::Broadcast(xla::ScalarLike(in[2], 0), {n});
      return std::vector<XlaOp>{PutRows(zeros, xla::Select(is_padding, xla::FullLike(rows, -1), place), in[2])};
    };
    TF_RETURN_IF_ERROR(RunForResults(context, absl::StrCat("CSR to dense ", parts.Name()), parts.inputs(), {{matrix.dtype(), dense}}, build, &results));
    context->set_output(0, results[0]);
    return absl::OkStatus();
  }
};

class CsrToSparseTensorKernel : public OfMatrixKernel {
 public:
  using OfMatrixKernel::OfMatrixKernel;

 protected:
  absl::Status Take(OpKernelContext* context, const CSRSparseMatrix& matrix) override {
    context->set_output(1, matrix.values());
    context->set_output(2, matrix.dense_shape());
    const CsrShape shape = CsrShape::Of(matrix.dense_shape());
    if (matrix.total_nnz() == 0) {
      Tensor* empty = nullptr;
      return context->allocate_output(0, TensorShape({0, shape.rank}), &empty);
    }
    CsrParts parts;
    TF_RETURN_IF_ERROR(PartsOf(context, matrix, &parts));
    const int64_t n = parts.padded;
    std::vector<Tensor> results;
    const auto build = [&](const std::vector<XlaOp>& in) {
      const XlaOp all_rows = S64(RowsOfElements(in[0], shape, n));
      std::vector<XlaOp> columns;
      const auto append = [&](XlaOp index) { columns.push_back(xla::Reshape(S64(index), {n, 1})); };
      if (shape.rank == 3) append(xla::Div(all_rows, xla::FullLike(all_rows, shape.rows)));
      append(xla::Rem(all_rows, xla::FullLike(all_rows, shape.rows)));
      append(in[1]);
      return std::vector<XlaOp>{xla::ConcatInDim(in[0].builder(), columns, 1)};
    };
    const std::vector<const Tensor*> inputs = {&parts.row_pointers, &parts.columns};
    TF_RETURN_IF_ERROR(RunForResults(context, absl::StrCat("CSR to indices ", parts.Name(), "x", shape.rank), inputs,
                                     {{tensorflow::DT_INT64, TensorShape({n, shape.rank})}}, build, &results));
    return SetRows(context, 0, results[0], 0, parts.elements);
  }
};

// One matrix of a batch: its row pointers, columns and values.
class CsrComponentsKernel : public OfMatrixKernel {
 public:
  using OfMatrixKernel::OfMatrixKernel;

 protected:
  absl::Status Take(OpKernelContext* context, const CSRSparseMatrix& matrix) override {
    const Tensor& index = context->input(1);
    if (index.dims() != 0) return RunOnCpu(context);
    const int32_t batch = index.scalar<int32_t>()();
    if (batch < 0 || batch >= matrix.batch_size()) return RunOnCpu(context);
    const CsrShape shape = CsrShape::Of(matrix.dense_shape());
    const int64_t first = matrix.batch_offset(batch), count = matrix.nnz(batch);
    TF_RETURN_IF_ERROR(SetPart(context, 0, matrix.row_pointers(), batch * (shape.rows + 1), shape.rows + 1));
    TF_RETURN_IF_ERROR(SetPart(context, 1, matrix.col_indices(), first, count));
    return SetPart(context, 2, matrix.values(), first, count);
  }

 private:
  static absl::Status SetPart(OpKernelContext* context, int output, const Tensor& whole, int64_t first, int64_t count) {
    return SetRows(context, output, whole, first, count);
  }
};

class CsrNnzKernel : public SizedKernel {
 public:
  using SizedKernel::SizedKernel;

 protected:
  absl::Status Run(OpKernelContext* context) override {
    const CSRSparseMatrix* matrix = nullptr;
    TF_RETURN_IF_ERROR(tensorflow::ExtractVariantFromInput(context, 0, &matrix));
    Tensor* counts = nullptr;
    TF_RETURN_IF_ERROR(context->allocate_output(0, matrix->dims() == 3 ? TensorShape({matrix->batch_size()}) : TensorShape({}), &counts));
    for (int i = 0; i < matrix->batch_size(); ++i) counts->flat<int32_t>()(i) = matrix->nnz(i);
    return absl::OkStatus();
  }
};

// TensorFlow has no CPU kernel of this op.
class CsrZerosKernel : public SizedKernel {
 public:
  explicit CsrZerosKernel(tensorflow::OpKernelConstruction* construction) : SizedKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("type", &dtype_));
  }

 protected:
  absl::Status Run(OpKernelContext* context) override {
    const Tensor& dense_shape = context->input(0);
    const int64_t rank = dense_shape.NumElements();
    if (dense_shape.dims() != 1 || (rank != 2 && rank != 3)) {
      return absl::InvalidArgumentError(absl::StrCat("sparse tensor must have rank == 2 or 3; but dense shape has ", rank, " entries"));
    }
    TensorShape checked;
    TF_RETURN_IF_ERROR(tensorflow::TensorShapeUtils::MakeShape(dense_shape.vec<int64_t>(), &checked));
    CSRSparseMatrix matrix;
    TF_RETURN_IF_ERROR(MakeEmptyMatrix(context, dtype_, CsrShape::Of(dense_shape), &matrix));
    SetMatrix(context, 0, std::move(matrix));
    return absl::OkStatus();
  }

 private:
  tensorflow::DataType dtype_ = tensorflow::DT_INVALID;
};

}  // namespace

std::vector<SizedOp> CsrConversionOps() {
  using namespace tensorflow;
  const TypeSet types = {DT_FLOAT, DT_DOUBLE, DT_COMPLEX64, DT_COMPLEX128};
  return {{"DenseToCSRSparseMatrix", {{"T", types}}, {}, MakeSizedKernel<DenseToCsrKernel>},
          {"SparseTensorToCSRSparseMatrix", {{"T", types}}, {"dense_shape"}, MakeSizedKernel<SparseTensorToCsrKernel>},
          {"CSRSparseMatrixToDense", {{"type", types}}, {}, MakeSizedKernel<CsrToDenseKernel>},
          {"CSRSparseMatrixToSparseTensor", {{"type", types}}, {"dense_shape"}, MakeSizedKernel<CsrToSparseTensorKernel>},
          {"CSRSparseMatrixComponents", {{"type", types}}, {"index"}, MakeSizedKernel<CsrComponentsKernel>},
          {"SparseMatrixNNZ", {}, {"nnz"}, MakeSizedKernel<CsrNnzKernel>},
          {"SparseMatrixZeros", {{"type", types}}, {"dense_shape"}, MakeSizedKernel<CsrZerosKernel>}};
}

}  // namespace tfvk::plugin
