// ResourceStridedSliceAssign and TensorStridedSliceUpdate with steps of any size and values that are broadcast, where tf2xla has steps of 1 and -1
// and values of the slice's shape.
#include <string>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "plugin/added_types.h"
#include "plugin/platform.h"
#include "tensorflow/compiler/tf2xla/lib/broadcast.h"
#include "tensorflow/compiler/tf2xla/literal_util.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/core/util/strided_slice_op.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::Tensor;
using tensorflow::TensorShape;
using tensorflow::XlaOpKernelContext;
using xla::XlaOp;

// Which elements of each dimension are written: `count` from `start` on, `step` (at least 1) apart, in the value's order or its reverse.
struct Steps {
  std::vector<int64_t> start, step, count, reversed;
};

class StridedAssignKernel : public tensorflow::XlaOpKernel {
 public:
  explicit StridedAssignKernel(tensorflow::OpKernelConstruction* context) : XlaOpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("begin_mask", &begin_mask_));
    OP_REQUIRES_OK(context, context->GetAttr("end_mask", &end_mask_));
    OP_REQUIRES_OK(context, context->GetAttr("ellipsis_mask", &ellipsis_mask_));
    OP_REQUIRES_OK(context, context->GetAttr("new_axis_mask", &new_axis_mask_));
    OP_REQUIRES_OK(context, context->GetAttr("shrink_axis_mask", &shrink_axis_mask_));
    OP_REQUIRES_OK(context, context->GetAttr("Index", &index_type_));
    OP_REQUIRES_OK(context, context->GetAttr("T", &dtype_));
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  absl::Status Build(XlaOpKernelContext* context) const {
    const bool is_tensor = context->input_type(0) != tensorflow::DT_RESOURCE;
    TensorShape shape;
    XlaOp before;
    if (is_tensor) {
      shape = context->InputShape(0);
      before = context->Input(0);
    } else {
      TF_RETURN_IF_ERROR(context->ReadVariableInput(0, dtype_, &shape, &before));
    }
    TensorShape slice;
    Steps steps;
    TF_RETURN_IF_ERROR(Find(context, shape, &slice, &steps));
    XlaOp after = before;
    if (slice.num_elements() != 0) {
      TF_ASSIGN_OR_RETURN(const XlaOp value, Spread(context->Input(4), context->InputShape(4), slice));
      after = Write(before, shape, xla::Rev(xla::Reshape(value, steps.count), steps.reversed), steps);
    }
    if (!is_tensor) return context->AssignVariable(0, dtype_, after);
    context->SetOutput(0, after);
    return absl::OkStatus();
  }

  // The value in the slice's shape, by TensorFlow's rules.
  static absl::StatusOr<XlaOp> Spread(XlaOp value, const TensorShape& from, const TensorShape& slice) {
    const tensorflow::StridedSliceAssignBCast rules(from.dim_sizes(), slice.dim_sizes());
    if (!rules.IsValid()) {
      return absl::InvalidArgumentError(absl::StrCat("Cannot broadcast input shape ", from.DebugString(), " into final shape ", slice.DebugString()));
    }
    return tensorflow::BroadcastTo(xla::Reshape(value, rules.reshape()), rules.result_shape());
  }

  // TensorFlow's own reading of the slice: its shape for the user, and what it is in the tensor.
  absl::Status Find(XlaOpKernelContext* context, const TensorShape& shape, TensorShape* slice, Steps* steps) const {
    Tensor bounds[3];  // begin, end, strides
    for (int i = 0; i < 3; ++i) {
      xla::Literal literal;
      TF_RETURN_IF_ERROR(context->ConstantInput(i + 1, &literal));
      TF_RETURN_IF_ERROR(tensorflow::LiteralToHostTensor(literal, index_type_, &bounds[i]));
    }
    TensorShape of_tensor;
    bool is_identity = false, is_simple = false, is_of_first = false;
    absl::InlinedVector<int64_t, 4> begin, end, strides;
    TF_RETURN_IF_ERROR(tensorflow::ValidateStridedSliceOp(&bounds[0], &bounds[1], bounds[2], shape, begin_mask_, end_mask_, ellipsis_mask_, new_axis_mask_,
                                                          shrink_axis_mask_, &of_tensor, slice, &is_identity, &is_simple, &is_of_first, &begin, &end,
                                                          &strides));
    for (int d = 0; d < shape.dims(); ++d) {
      const int64_t count = of_tensor.dim_size(d), step = strides[d];
      steps->start.push_back(step > 0 ? begin[d] : begin[d] + (count - 1) * step);
      steps->step.push_back(step > 0 ? step : -step);
      steps->count.push_back(count);
      if (step < 0) steps->reversed.push_back(d);
    }
    return absl::OkStatus();
  }

  static XlaOp Write(XlaOp before, const TensorShape& shape, XlaOp value, const Steps& steps) {
    bool has_gaps = false;
    for (size_t d = 0; d < steps.step.size(); ++d) has_gaps = has_gaps || (steps.step[d] != 1 && steps.count[d] > 1);
    if (!has_gaps) {
      std::vector<XlaOp> start;
      for (const int64_t s : steps.start) start.push_back(xla::ConstantR0<int64_t>(before.builder(), s));
      return xla::DynamicUpdateSlice(before, value, start);
    }
    xla::PaddingConfig padding;
    for (size_t d = 0; d < steps.step.size(); ++d) {
      xla::PaddingConfig::PaddingConfigDimension* of_dimension = padding.add_dimensions();
      of_dimension->set_edge_padding_low(steps.start[d]);
      of_dimension->set_interior_padding(steps.step[d] - 1);
      of_dimension->set_edge_padding_high(shape.dim_size(static_cast<int>(d)) - steps.start[d] - (steps.count[d] - 1) * steps.step[d] - 1);
    }
    const XlaOp no = xla::ConstantR0<bool>(before.builder(), false), yes = xla::ConstantR0<bool>(before.builder(), true);
    const XlaOp is_written = xla::Pad(xla::Broadcast(yes, steps.count), no, padding);
    return xla::Select(is_written, xla::Pad(value, xla::ScalarLike(value, 0), padding), before);
  }

  int32_t begin_mask_ = 0, end_mask_ = 0, ellipsis_mask_ = 0, new_axis_mask_ = 0, shrink_axis_mask_ = 0;
  tensorflow::DataType index_type_ = tensorflow::DT_INT32, dtype_ = tensorflow::DT_FLOAT;
};

}  // namespace

void AddStridedAssigns() {
  for (const char* op : {"ResourceStridedSliceAssign", "TensorStridedSliceUpdate"}) AddTypes<StridedAssignKernel>(op, {{"T", DeviceTypes()}});
}

}  // namespace tfvk::plugin
