// Sparse matrices in compressed rows, alone or in batches, as kernels handle them: TensorFlow's CSRSparseMatrix, a variant in host memory whose row pointers,
// column indices and values are in device memory, while its shape and where each batch begins are known to the host. Programs take the latter two padded to
// a power of two, so that few numbers of elements make a new program.
#pragma once

#include <string>
#include <vector>

#include "plugin/padded_rows.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/kernels/sparse/sparse_matrix.h"

namespace tfvk::plugin {

struct CsrShape {
  int rank = 2;  // 3: a batch of matrices
  int64_t batches = 1, rows = 0, columns = 0;

  static CsrShape Of(const tensorflow::Tensor& dense_shape);  // 2 or 3 int64 in host memory
  int64_t all_rows() const { return batches * rows; }
  int64_t row_pointers() const { return batches * (rows + 1); }
  CsrShape Transposed() const { return {rank, batches, columns, rows}; }
  bool operator==(const CsrShape& other) const;
  tensorflow::TensorShape Dense() const;
  tensorflow::Tensor AsTensor() const;  // the inverse of Of
  std::string Name() const;             // for programs' names
};

// What programs take of a matrix, in device memory: row pointers [row_pointers()], columns and values [padded]. What pads means nothing.
struct CsrParts {
  CsrShape shape;
  int64_t elements = 0, padded = 1;
  tensorflow::Tensor row_pointers, columns, values;

  std::vector<const tensorflow::Tensor*> inputs() const { return {&row_pointers, &columns, &values}; }
  std::string Name() const;
};
absl::Status PartsOf(tensorflow::OpKernelContext* context, const tensorflow::CSRSparseMatrix& matrix, CsrParts* parts);

// A matrix without elements.
absl::Status MakeEmptyMatrix(tensorflow::OpKernelContext* context, tensorflow::DataType dtype, const CsrShape& shape, tensorflow::CSRSparseMatrix* matrix);
// A matrix from padded columns and values and the number of elements of each batch.
absl::Status MakeMatrix(tensorflow::OpKernelContext* context, const CsrShape& shape, const std::vector<int64_t>& batch_sizes,
                        const tensorflow::Tensor& row_pointers, const tensorflow::Tensor& columns, const tensorflow::Tensor& values,
                        tensorflow::CSRSparseMatrix* matrix);
// The same elements with other values.
absl::Status WithValues(tensorflow::OpKernelContext* context, const tensorflow::CSRSparseMatrix& matrix, const tensorflow::Tensor& padded,
                        tensorflow::CSRSparseMatrix* result);

// Output `index`.
void SetMatrix(tensorflow::OpKernelContext* context, int index, tensorflow::CSRSparseMatrix matrix);

// For matrices of variants: *sum = a + b; *conjugate, which shares what it can.
absl::Status AddMatrices(tensorflow::OpKernelContext* context, const tensorflow::CSRSparseMatrix& a, const tensorflow::CSRSparseMatrix& b,
                         tensorflow::CSRSparseMatrix* sum);
absl::Status ConjugateMatrix(tensorflow::OpKernelContext* context, const tensorflow::CSRSparseMatrix& matrix, tensorflow::CSRSparseMatrix* conjugate);

}  // namespace tfvk::plugin
