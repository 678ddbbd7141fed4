// Transpose and ConjugateTranspose whose permutation counts dimensions from the last on too, as TensorFlow's kernels and shape functions let it (-1 is the
// last): tf2xla's kernel takes such a number for a mistake.
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "plugin/added_types.h"
#include "plugin/transposes.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "xla/hlo/builder/xla_builder.h"
#include "xla/primitive_util.h"

namespace tfvk::plugin {
namespace {

using tensorflow::XlaOpKernelContext;

// The dimension that each of the result's is, 0 and up. The errors are TensorFlow's.
absl::Status ReadPermutation(XlaOpKernelContext* context, std::vector<int64_t>* permutation) {
  const int64_t rank = context->InputShape(0).dims();
  const tensorflow::TensorShape shape = context->InputShape(1);
  if (shape.dims() != 1) return absl::InvalidArgumentError(absl::StrCat("perm must be rank 1, got shape ", shape.DebugString()));
  if (shape.num_elements() != rank) {
    return absl::InvalidArgumentError(absl::StrCat("transpose expects a vector of size ", rank, ". But input(1) is a vector of size ", shape.num_elements()));
  }
  TF_RETURN_IF_ERROR(context->ConstantInputAsIntVector(1, permutation));
  std::vector<bool> is_taken(rank);
  for (int64_t& dimension : *permutation) {
    if (dimension < 0) dimension += rank;
    if (dimension < 0 || dimension >= rank) return absl::InvalidArgumentError(absl::StrCat(dimension, " is out of range [0 .. ", rank, ")"));
    is_taken[dimension] = true;
  }
  for (int64_t i = 0; i < rank; ++i) {
    if (!is_taken[i]) return absl::InvalidArgumentError(absl::StrCat(i, " is missing from {", absl::StrJoin(*permutation, ","), "}."));
  }
  return absl::OkStatus();
}

class TransposeKernel : public tensorflow::XlaOpKernel {
 public:
  explicit TransposeKernel(tensorflow::OpKernelConstruction* construction)
      : XlaOpKernel(construction), is_conjugate_(construction->def().op() == "ConjugateTranspose") {}

  void Compile(XlaOpKernelContext* context) override {
    std::vector<int64_t> permutation;
    OP_REQUIRES_OK(context, ReadPermutation(context, &permutation));
    const xla::XlaOp turned = xla::Transpose(context->Input(0), permutation);
    const bool is_complex = xla::primitive_util::IsComplexType(context->input_xla_type(0));
    context->SetOutput(0, is_conjugate_ && is_complex ? xla::Conj(turned) : turned);
  }

 private:
  const bool is_conjugate_;
};

}  // namespace

void AddTransposes() {
  using namespace tensorflow;
  const TypeSet types = {DT_BOOL,     DT_INT8,  DT_INT16,  DT_INT32,         DT_INT64,       DT_UINT8,     DT_UINT16,     DT_UINT32, DT_UINT64, DT_HALF,
                         DT_BFLOAT16, DT_FLOAT, DT_DOUBLE, DT_FLOAT8_E4M3FN, DT_FLOAT8_E5M2, DT_COMPLEX64, DT_COMPLEX128, DT_QINT8,  DT_QUINT8, DT_QINT32};
  for (const char* op : {"Transpose", "ConjugateTranspose"}) AddTypes<TransposeKernel>(op, {{"T", types}});
}

}  // namespace tfvk::plugin
