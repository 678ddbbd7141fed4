// CTCLossV2, which tf.nn.ctc_loss of sparse labels uses on a device of type GPU. Its labels are in host memory there, as with CUDA: the kernel checks them and
// makes rows of them. A compiled function has them on the device, and cannot.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "plugin/built_program.h"
#include "plugin/ctc_loss.h"
#include "plugin/device_kernel.h"
#include "plugin/status.h"
#include "plugin/table_rows.h"
#include "tensorflow/compiler/tf2xla/lib/scatter.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla/hlo/builder/lib/slicing.h"

namespace tfvk::plugin {
namespace {

using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using xla::XlaOp;

// The words are those of TensorFlow's kernel of this op.
absl::Status CheckAttributes(OpKernelConstruction* construction) {
  const std::pair<const char*, bool> expected[] = {
      {"preprocess_collapse_repeated", false}, {"ctc_merge_repeated", true}, {"ignore_longer_outputs_than_inputs", false}};
  for (const auto& [name, value] : expected) {
    bool actual = false;
    TF_RETURN_IF_ERROR(construction->GetAttr(name, &actual));
    if (actual != value) return absl::InvalidArgumentError(absl::StrCat("GPU CTCLossOp requires ", name, " to be ", value ? "true" : "false"));
  }
  return absl::OkStatus();
}

absl::Status CheckInputs(const TensorShape& inputs, const TensorShape& indices, const TensorShape& values, const TensorShape& lengths) {
  if (inputs.dims() != 3) return absl::InvalidArgumentError("inputs is not a 3-Tensor");
  if (lengths.dims() != 1) return absl::InvalidArgumentError("sequence_length is not a vector");
  if (indices.dims() != 2) return absl::InvalidArgumentError("labels_indices is not a matrix");
  if (values.dims() != 1) return absl::InvalidArgumentError("labels_values is not a vector");
  if (inputs.dim_size(1) != lengths.dim_size(0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("len(sequence_length) != batch_size.  len(sequence_length):  ", lengths.dim_size(0), " batch_size: ", inputs.dim_size(1)));
  }
  if (indices.dim_size(0) != values.dim_size(0)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "labels_indices and labels_values must contain the same number of rows, but saw shapes: ", indices.DebugString(), " vs. ", values.DebugString()));
  }
  if (indices.dim_size(1) != 2) return absl::InvalidArgumentError(absl::StrCat("labels_indices must have 2 columns, has ", indices.dim_size(1)));
  if (inputs.dim_size(1) == 0) return absl::InvalidArgumentError("batch_size must not be 0");
  if (inputs.dim_size(2) == 0) return absl::InvalidArgumentError("inputs has no classes");
  return absl::OkStatus();
}

class CtcLossXlaKernel : public tensorflow::XlaOpKernel {
 public:
  explicit CtcLossXlaKernel(OpKernelConstruction* construction) : XlaOpKernel(construction) { OP_REQUIRES_OK(construction, CheckAttributes(construction)); }

  void Compile(tensorflow::XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  static absl::Status Build(tensorflow::XlaOpKernelContext* context) {
    const TensorShape inputs = context->InputShape(0);
    TF_RETURN_IF_ERROR(CheckInputs(inputs, context->InputShape(1), context->InputShape(2), context->InputShape(3)));
    const int64_t time = inputs.dim_size(0), batch = inputs.dim_size(1), count = context->InputShape(2).dim_size(0);
    const int64_t longest = std::max<int64_t>(1, std::min(time, count));
    xla::XlaBuilder* builder = context->builder();
    XlaOp labels = xla::Broadcast(xla::Zero(builder, xla::S32), {batch, longest}), label_lengths = xla::Broadcast(xla::Zero(builder, xla::S32), {batch});
    if (count != 0) {
      TF_ASSIGN_OR_RETURN(labels, tensorflow::XlaScatter(labels, context->Input(2), context->Input(1), /*indices_are_vectors=*/true,
                                                         /*indices_are_sorted=*/false, /*combiner=*/{}, builder));
      const XlaOp example = xla::Reshape(xla::SliceInDim(context->Input(1), 0, 1, 1, 1), {count});
      label_lengths = xla::Reshape(SumIntoRows(xla::Broadcast(xla::One(builder, xla::S32), {count, 1}), example, batch), {batch});
    }
    if (time == 0) {
      context->SetOutput(0, xla::Select(xla::Eq(label_lengths, xla::ZerosLike(label_lengths)), xla::Broadcast(xla::ConstantR0<float>(builder, 0), {batch}),
                                        xla::Broadcast(xla::MaxValue(builder, xla::F32), {batch})));
      context->SetOutput(1, context->Input(0));
      return absl::OkStatus();
    }
    TF_ASSIGN_OR_RETURN(const CtcLoss result, BuildCtcLoss(context->Input(0), labels, label_lengths, context->Input(3)));
    context->SetOutput(0, result.loss);
    context->SetOutput(1, result.gradient);
    return absl::OkStatus();
  }
};

// The labels of each example.
using Labels = std::vector<std::vector<int32_t>>;

class CtcLossKernel : public tensorflow::OpKernel {
 public:
  explicit CtcLossKernel(OpKernelConstruction* construction) : OpKernel(construction) { OP_REQUIRES_OK(construction, CheckAttributes(construction)); }

  void Compute(OpKernelContext* context) override {
    OP_REQUIRES_OK(context, Guarded([&] { return Run(context); }));
  }

 private:
  static absl::Status Run(OpKernelContext* context) {
    const Tensor& inputs = context->input(0);
    TF_RETURN_IF_ERROR(CheckInputs(inputs.shape(), context->input(1).shape(), context->input(2).shape(), context->input(3).shape()));
    Labels labels(inputs.dim_size(1));
    TF_RETURN_IF_ERROR(ReadLabels(context->input(1), context->input(2), static_cast<int32_t>(inputs.dim_size(2)), &labels));
    TF_RETURN_IF_ERROR(CheckTimes(labels, context->input(3), inputs.dim_size(0)));
    Tensor *loss = nullptr, *gradient = nullptr;
    TF_RETURN_IF_ERROR(context->allocate_output(0, context->input(3).shape(), &loss));
    TF_RETURN_IF_ERROR(context->allocate_output(1, inputs.shape(), &gradient));
    if (inputs.dim_size(0) == 0) {
      DeviceOf(context).Fill(loss->data(), 0, loss->TotalBytes());
      return absl::OkStatus();
    }
    Tensor rows, label_lengths, lengths;
    TF_RETURN_IF_ERROR(UploadLabels(context, labels, &rows, &label_lengths));
    TF_RETURN_IF_ERROR(AllocateTemporary(context, tensorflow::DT_INT32, context->input(3).shape(), &lengths));
    DeviceOf(context).Upload(lengths.data(), context->input(3).data(), lengths.TotalBytes());
    const auto build = [](const std::vector<XlaOp>& p) {
      const absl::StatusOr<CtcLoss> made = BuildCtcLoss(p[0], p[1], p[2], p[3]);
      if (!made.ok()) Fail(ErrorCode::kInternal, "[CTCLossV2] {}", made.status().ToString());
      return std::vector<XlaOp>{made->loss, made->gradient};
    };
    return RunBuiltProgram(context, "CTCLossV2", build, {&inputs, &rows, &label_lengths, &lengths}, {loss, gradient});
  }

  static absl::Status ReadLabels(const Tensor& indices, const Tensor& values, int32_t classes, Labels* labels) {
    const auto places = indices.matrix<int64_t>();
    const auto classes_of = values.vec<int32_t>();
    const int64_t batch = labels->size();
    int64_t before = -1;
    for (int64_t i = 0; i < values.NumElements(); ++i) {
      const int64_t example = places(i, 0);
      const int32_t label = classes_of(i);
      if (example < 0 || example >= batch) {
        return absl::InvalidArgumentError(absl::StrCat("labels batch index must be between 0 and ", batch, " but saw: ", example));
      }
      const bool is_in_order = example > before || (example == before && places(i, 1) > places(i - 1, 1));
      if (!is_in_order || places(i, 1) < 0)
        return absl::InvalidArgumentError(absl::StrCat("label SparseTensor is not valid: indices[", i, "] is out of order"));
      if (label <= 0 || label >= classes) {
        return absl::InvalidArgumentError(
            absl::StrCat("Saw the label ", label, " of example ", example, ", which is not between 1 and the number of classes, ", classes));
      }
      (*labels)[example].push_back(label);
      before = example;
    }
    return absl::OkStatus();
  }

  // A label takes a step, and one more for the blank between it and the same one before.
  static absl::Status CheckTimes(const Labels& labels, const Tensor& lengths, int64_t most) {
    for (size_t b = 0; b < labels.size(); ++b) {
      const int32_t time = lengths.vec<int32_t>()(b);
      if (time < 0) return absl::InvalidArgumentError(absl::StrCat("sequence_length(", b, ") is ", time));
      if (time > most) return absl::InvalidArgumentError(absl::StrCat("sequence_length(", b, ") <= ", most));
      int64_t required = labels[b].size();
      for (size_t i = 1; i < labels[b].size(); ++i) required += labels[b][i] == labels[b][i - 1];
      if (required > time) {
        return absl::InvalidArgumentError(
            absl::StrCat("Not enough time for target transition sequence (required: ", required, ", available: ", time, ") of example ", b));
      }
    }
    return absl::OkStatus();
  }

  // As rows of one length, rounded up so that batches share programs.
  static absl::Status UploadLabels(OpKernelContext* context, const Labels& labels, Tensor* rows, Tensor* lengths) {
    constexpr int64_t kStep = 16;
    const int64_t batch = labels.size();
    int64_t longest = 1;
    std::vector<int32_t> counts;
    for (const std::vector<int32_t>& own : labels) {
      counts.push_back(static_cast<int32_t>(own.size()));
      longest = std::max<int64_t>(longest, own.size());
    }
    longest = (longest + kStep - 1) / kStep * kStep;
    std::vector<int32_t> padded(batch * longest, 0);
    for (int64_t b = 0; b < batch; ++b) std::copy(labels[b].begin(), labels[b].end(), padded.begin() + b * longest);
    TF_RETURN_IF_ERROR(AllocateTemporary(context, tensorflow::DT_INT32, TensorShape({batch, longest}), rows));
    TF_RETURN_IF_ERROR(AllocateTemporary(context, tensorflow::DT_INT32, TensorShape({batch}), lengths));
    DeviceOf(context).Upload(rows->data(), padded.data(), rows->TotalBytes());
    DeviceOf(context).Upload(lengths->data(), counts.data(), lengths->TotalBytes());
    return absl::OkStatus();
  }
};

}  // namespace

void RegisterCtcLossOps() {
  REGISTER_XLA_OP(Name("CTCLossV2").Device("XLA_GPU_JIT"), CtcLossXlaKernel);
  tensorflow::KernelDef definition = DeviceKernel("CTCLossV2", {"labels_indices", "labels_values", "sequence_length"});
  definition.set_priority(1);  // before the generic kernel, which takes what compiled functions have
  RegisterDeviceKernel<CtcLossKernel>(std::move(definition));
}

}  // namespace tfvk::plugin
