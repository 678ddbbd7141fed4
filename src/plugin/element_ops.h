// Zeros and sums of single tensors, for kernels of containers whose elements are in device memory (numbers) or in host memory (int32).
#pragma once

#include "tensorflow/core/framework/op_kernel.h"

namespace tfvk::plugin {

// `*zeros` gets the type and shape of `like` and is in the same kind of memory. A list of tensors or an optional gives one of zeros.
absl::Status MakeZeros(tensorflow::OpKernelContext* context, const tensorflow::Tensor& like, tensorflow::Tensor* zeros);

// Zeros in device memory, or in host memory where `on_host` says so.
absl::Status MakeZeros(tensorflow::OpKernelContext* context, tensorflow::DataType dtype, const tensorflow::TensorShape& shape, bool on_host,
                       tensorflow::Tensor* zeros);

// `*sum` = a + b, of one type and shape; where one is not set, the other. An error where shapes differ.
absl::Status AddElements(tensorflow::OpKernelContext* context, const tensorflow::Tensor& a, const tensorflow::Tensor& b, tensorflow::Tensor* sum);

// The same for the contents of variants: lists of tensors, optionals and sparse matrices.
absl::Status MakeZerosOfVariant(tensorflow::OpKernelContext* context, const tensorflow::Variant& like, tensorflow::Variant* zeros);
absl::Status AddVariants(tensorflow::OpKernelContext* context, const tensorflow::Variant& a, const tensorflow::Variant& b, tensorflow::Variant* sum);

}  // namespace tfvk::plugin
