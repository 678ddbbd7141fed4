#include "plugin/csr_matrix.h"

#include <numeric>
#include <utility>

#include "plugin/platform.h"

namespace tfvk::plugin {

using tensorflow::CSRSparseMatrix;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

CsrShape CsrShape::Of(const Tensor& dense_shape) {
  const auto sizes = dense_shape.flat<int64_t>();
  CsrShape shape;
  shape.rank = static_cast<int>(sizes.size());
  shape.batches = shape.rank == 3 ? sizes(0) : 1;
  shape.rows = sizes(shape.rank - 2);
  shape.columns = sizes(shape.rank - 1);
  return shape;
}

bool CsrShape::operator==(const CsrShape& other) const {
  return rank == other.rank && batches == other.batches && rows == other.rows && columns == other.columns;
}

TensorShape CsrShape::Dense() const { return rank == 2 ? TensorShape({rows, columns}) : TensorShape({batches, rows, columns}); }

Tensor CsrShape::AsTensor() const {
  Tensor tensor(tensorflow::DT_INT64, TensorShape({rank}));
  auto sizes = tensor.flat<int64_t>();
  if (rank == 3) sizes(0) = batches;
  sizes(rank - 2) = rows;
  sizes(rank - 1) = columns;
  return tensor;
}

std::string CsrShape::Name() const { return absl::StrCat(batches, "x", rows, "x", columns); }

std::string CsrParts::Name() const { return absl::StrCat(shape.Name(), "/", padded); }

absl::Status PartsOf(OpKernelContext* context, const CSRSparseMatrix& matrix, CsrParts* parts) {
  parts->shape = CsrShape::Of(matrix.dense_shape());
  parts->elements = matrix.total_nnz();
  if (!AreCountable(parts->elements) || !AreCountable(parts->shape.row_pointers())) {
    return absl::UnimplementedError(
        absl::StrCat("A sparse matrix of ", parts->shape.row_pointers(), " row pointers and ", parts->elements, " elements, more than programs count"));
  }
  parts->padded = PaddedRows(parts->elements);
  parts->row_pointers = matrix.row_pointers();
  TF_RETURN_IF_ERROR(PadRows(context, matrix.col_indices(), &parts->columns, 0));
  return PadRows(context, matrix.values(), &parts->values, 0);
}

absl::Status MakeEmptyMatrix(OpKernelContext* context, tensorflow::DataType dtype, const CsrShape& shape, CSRSparseMatrix* matrix) {
  Tensor row_pointers, columns, values;
  TF_RETURN_IF_ERROR(AllocateTemporary(context, tensorflow::DT_INT32, TensorShape({shape.row_pointers()}), &row_pointers));
  if (row_pointers.TotalBytes() != 0) DeviceOf(context).Fill(row_pointers.data(), 0, row_pointers.TotalBytes());
  TF_RETURN_IF_ERROR(AllocateTemporary(context, tensorflow::DT_INT32, TensorShape({0}), &columns));
  TF_RETURN_IF_ERROR(AllocateTemporary(context, dtype, TensorShape({0}), &values));
  return MakeMatrix(context, shape, std::vector<int64_t>(shape.batches), row_pointers, columns, values, matrix);
}

absl::Status MakeMatrix(OpKernelContext* context, const CsrShape& shape, const std::vector<int64_t>& batch_sizes, const Tensor& row_pointers,
                        const Tensor& columns, const Tensor& values, CSRSparseMatrix* matrix) {
  Tensor batch_pointers(tensorflow::DT_INT32, TensorShape({shape.batches + 1}));
  auto pointers = batch_pointers.flat<int32_t>();
  int64_t elements = 0;
  for (int64_t i = 0; i < shape.batches; ++i) {
    pointers(i) = static_cast<int32_t>(elements);
    elements += batch_sizes[i];
  }
  pointers(shape.batches) = static_cast<int32_t>(elements);
  Tensor first_columns, first_values;
  TF_RETURN_IF_ERROR(SliceRows(context, columns, 0, elements, &first_columns));
  TF_RETURN_IF_ERROR(SliceRows(context, values, 0, elements, &first_values));
  return CSRSparseMatrix::CreateCSRSparseMatrix(values.dtype(), shape.AsTensor(), batch_pointers, row_pointers, first_columns, first_values, matrix);
}

absl::Status WithValues(OpKernelContext* context, const CSRSparseMatrix& matrix, const Tensor& padded, CSRSparseMatrix* result) {
  Tensor values;
  TF_RETURN_IF_ERROR(SliceRows(context, padded, 0, matrix.total_nnz(), &values));
  return CSRSparseMatrix::CreateCSRSparseMatrix(matrix.dtype(), matrix.dense_shape(), matrix.batch_pointers(), matrix.row_pointers(), matrix.col_indices(),
                                                values, result);
}

void SetMatrix(OpKernelContext* context, int index, CSRSparseMatrix matrix) {
  Tensor tensor(tensorflow::DT_VARIANT, TensorShape({}));
  tensor.scalar<tensorflow::Variant>()() = std::move(matrix);
  context->set_output(index, tensor);
}

}  // namespace tfvk::plugin
