// NonMaxSuppression in all its versions: how many boxes stay depends on their overlaps, so the host reads that number before it makes the outputs. The
// program takes the best box that is left, lowers the scores of the others by how much they overlap it, and goes on: the boxes and their order are those of
// TensorFlow's CPU kernel, the first of equal scores first.
#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "plugin/built_program.h"
#include "plugin/device_kernel.h"
#include "plugin/image_ops.h"
#include "plugin/status.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using xla::XlaOp;

// As std::min and std::max, of which NaN makes neither operand the result.
XlaOp Lesser(XlaOp a, XlaOp b) { return xla::Select(xla::Lt(b, a), b, a); }
XlaOp Greater(XlaOp a, XlaOp b) { return xla::Select(xla::Lt(a, b), b, a); }

// What the loop carries, in the order of its tuple. `box_*` are [boxes] in fp32; a box that is taken or suppressed has the score -infinity.
struct State {
  XlaOp count, best, scores, indices, taken_scores, box_top, box_left, box_bottom, box_right, iou_threshold, score_threshold, scale;

  std::vector<XlaOp> Values() const {
    return {count, best, scores, indices, taken_scores, box_top, box_left, box_bottom, box_right, iou_threshold, score_threshold, scale};
  }
  static State Of(XlaOp tuple) {
    const auto at = [&](int i) { return xla::GetTupleElement(tuple, i); };
    return {at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7), at(8), at(9), at(10), at(11)};
  }
};

class Suppression {
 public:
  Suppression(int64_t boxes, int64_t limit, bool is_soft, xla::PrimitiveType type) : boxes_(boxes), limit_(limit), is_soft_(is_soft), type_(type) {}

  // From boxes [boxes, 4], scores [boxes] and thresholds and scale of the scores' type: indices and scores [limit] of those taken, and their number.
  std::vector<XlaOp> Build(const std::vector<XlaOp>& parameters) const {
    xla::XlaBuilder* builder = parameters[0].builder();
    State state;
    const auto column = [&](int i) { return xla::Reshape(xla::SliceInDim(xla::ConvertElementType(parameters[0], xla::F32), i, i + 1, 1, 1), {boxes_}); };
    state.box_top = Lesser(column(0), column(2));
    state.box_left = Lesser(column(1), column(3));
    state.box_bottom = Greater(column(0), column(2));
    state.box_right = Greater(column(1), column(3));
    state.iou_threshold = parameters[2];
    state.score_threshold = parameters[3];
    state.scale = parameters[4];
    state.scores = AboveThreshold(parameters[1], state.score_threshold);
    state.best = Best(state.scores);
    state.count = xla::ConstantR0<int32_t>(builder, 0);
    state.indices = xla::Broadcast(state.count, {limit_});
    state.taken_scores = xla::Broadcast(xla::Zero(builder, type_), {limit_});
    const XlaOp init = xla::Tuple(builder, state.Values());
    const xla::Shape shape = *builder->GetShape(init);
    const State end = State::Of(xla::While(Condition(builder, shape), Body(builder, shape), init));
    return {end.indices, end.taken_scores, end.count};
  }

 private:
  XlaOp AboveThreshold(XlaOp scores, XlaOp threshold) const {
    return xla::Select(xla::Gt(scores, xla::Broadcast(threshold, {boxes_})), scores, xla::Broadcast(Lowest(scores.builder()), {boxes_}));
  }

  XlaOp Lowest(xla::XlaBuilder* builder) const { return xla::MinValue(builder, type_); }

  XlaOp Best(XlaOp scores) const {
    xla::XlaBuilder* builder = scores.builder();
    return xla::Reduce(scores, Lowest(builder), xla::CreateScalarMaxComputation(type_, builder), {0});
  }

  xla::XlaComputation Condition(xla::XlaBuilder* parent, const xla::Shape& shape) const {
    const auto builder = parent->CreateSubBuilder("IsBoxLeft");
    const State state = State::Of(xla::Parameter(builder.get(), 0, shape, "state"));
    xla::And(xla::Lt(state.count, xla::ConstantR0<int32_t>(builder.get(), limit_)), xla::Gt(state.best, Lowest(builder.get())));
    return *builder->Build();
  }

  xla::XlaComputation Body(xla::XlaBuilder* parent, const xla::Shape& shape) const {
    const auto builder = parent->CreateSubBuilder("TakeBox");
    State state = State::Of(xla::Parameter(builder.get(), 0, shape, "state"));
    const XlaOp numbers = xla::Iota(builder.get(), xla::S32, boxes_), none = xla::ConstantR0<int32_t>(builder.get(), boxes_);
    const XlaOp is_best = xla::Eq(state.scores, xla::Broadcast(state.best, {boxes_}));
    const XlaOp taken =
        xla::Reduce(xla::Select(is_best, numbers, xla::Broadcast(none, {boxes_})), none, xla::CreateScalarMinComputation(xla::S32, builder.get()), {0});
    state.indices = xla::DynamicUpdateSlice(state.indices, xla::Reshape(taken, {1}), {state.count});
    state.taken_scores = xla::DynamicUpdateSlice(state.taken_scores, xla::Reshape(state.best, {1}), {state.count});
    state.count = state.count + xla::ConstantR0<int32_t>(builder.get(), 1);
    const XlaOp lowered = AboveThreshold(state.scores * Weights(state, taken), state.score_threshold);
    const XlaOp is_taken = xla::Eq(numbers, xla::Broadcast(taken, {boxes_}));
    state.scores = xla::Select(is_taken, xla::Broadcast(Lowest(builder.get()), {boxes_}), lowered);
    state.best = Best(state.scores);
    xla::Tuple(builder.get(), state.Values());
    return *builder->Build();
  }

  // What the scores are multiplied by for the overlap with the box `taken`; NaN where the box is out.
  XlaOp Weights(const State& state, XlaOp taken) const {
    const XlaOp overlap = xla::ConvertElementType(Overlap(state, taken), type_);
    const auto all = [&](XlaOp scalar) { return xla::Broadcast(scalar, {boxes_}); };
    if (is_soft_) return xla::Exp(all(state.scale) * overlap * overlap);
    xla::XlaBuilder* builder = taken.builder();
    const XlaOp one = xla::One(builder, type_), zero = xla::Zero(builder, type_), out = xla::NanValue(builder, type_);
    const XlaOp threshold = all(state.iou_threshold);
    return xla::Select(xla::Le(overlap, threshold), all(one), xla::Select(xla::Gt(overlap, threshold), all(out), all(zero)));
  }

  // Of every box with one of them: intersection over union, 0 where one has no area.
  XlaOp Overlap(const State& state, XlaOp taken) const {
    const auto of_taken = [&](XlaOp sides) { return xla::Broadcast(xla::Reshape(xla::DynamicSlice(sides, {taken}, {1}), {}), {boxes_}); };
    const XlaOp top = of_taken(state.box_top), left = of_taken(state.box_left), bottom = of_taken(state.box_bottom), right = of_taken(state.box_right);
    const XlaOp zero = xla::ZerosLike(top);
    const XlaOp areas = (state.box_bottom - state.box_top) * (state.box_right - state.box_left), area = (bottom - top) * (right - left);
    const XlaOp height = Greater(Lesser(state.box_bottom, bottom) - Greater(state.box_top, top), zero);
    const XlaOp width = Greater(Lesser(state.box_right, right) - Greater(state.box_left, left), zero);
    const XlaOp intersection = height * width;
    const XlaOp is_flat = xla::Or(xla::Le(areas, zero), xla::Le(area, zero));
    return xla::Select(is_flat, zero, intersection / (areas + area - intersection));
  }

  const int64_t boxes_, limit_;
  const bool is_soft_;
  const xla::PrimitiveType type_;
};

absl::Status CheckShapes(const TensorShape& boxes, const TensorShape& scores) {
  if (boxes.dims() != 2) {
    return absl::InvalidArgumentError(absl::StrCat("boxes must be 2-D", boxes.DebugString(), " (Shape must be rank 2 but is rank ", boxes.dims(), ")"));
  }
  if (boxes.dim_size(1) != 4) {
    return absl::InvalidArgumentError(absl::StrCat("boxes must have 4 columns (Dimension must be 4 but is ", boxes.dim_size(1), ")"));
  }
  if (scores.dims() != 1) {
    return absl::InvalidArgumentError(absl::StrCat("scores must be 1-D", scores.DebugString(), " (Shape must be rank 1 but is rank ", scores.dims(), ")"));
  }
  if (scores.dim_size(0) != boxes.dim_size(0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("scores has incompatible shape (Dimensions must be equal, but are ", boxes.dim_size(0), " and ", scores.dim_size(0), ")"));
  }
  return absl::OkStatus();
}

// TensorFlow's third version says more of some inputs.
absl::Status CheckScalar(const Tensor& tensor, const char* name, bool says_rank) {
  if (tensor.dims() == 0) return absl::OkStatus();
  const std::string rank = says_rank ? absl::StrCat(" (Shape must be rank 0 but is rank ", tensor.dims(), ")") : "";
  return absl::InvalidArgumentError(absl::StrCat(name, " must be 0-D, got shape ", tensor.shape().DebugString(), rank));
}

absl::StatusOr<float> HostScalar(OpKernelContext* context, const char* name, bool says_rank = false) {
  const Tensor* tensor = nullptr;
  TF_RETURN_IF_ERROR(context->input(name, &tensor));
  TF_RETURN_IF_ERROR(CheckScalar(*tensor, name, says_rank));
  return tensor->dtype() == tensorflow::DT_HALF ? static_cast<float>(tensor->scalar<Eigen::half>()()) : tensor->scalar<float>()();
}

// The settings of one call, all of which are in host memory.
struct Settings {
  int64_t max_output_size = 0;
  float iou_threshold = 0, score_threshold = 0, sigma = 0;
};

class NonMaxSuppressionKernel : public tensorflow::OpKernel {
 public:
  explicit NonMaxSuppressionKernel(tensorflow::OpKernelConstruction* construction) : OpKernel(construction) {
    version_ = type_string() == "NonMaxSuppression" ? 1 : type_string().back() - '0';
    if (version_ == 1) OP_REQUIRES_OK(construction, construction->GetAttr("iou_threshold", &iou_threshold_));
    if (version_ >= 4) OP_REQUIRES_OK(construction, construction->GetAttr("pad_to_max_output_size", &is_padded_));
  }

  void Compute(OpKernelContext* context) override {
    OP_REQUIRES_OK(context, Guarded([&] { return Suppress(context); }));
  }

 private:
  absl::StatusOr<Settings> Read(OpKernelContext* context) const {
    Settings settings;
    const Tensor& size = context->input(2);
    TF_RETURN_IF_ERROR(CheckScalar(size, "max_output_size", version_ == 3));
    settings.max_output_size = size.scalar<int32_t>()();
    settings.iou_threshold = iou_threshold_;
    const bool is_half = context->input_dtype(1) == tensorflow::DT_HALF;
    settings.score_threshold = is_half ? static_cast<float>(std::numeric_limits<Eigen::half>::lowest()) : std::numeric_limits<float>::lowest();
    if (version_ >= 2) {
      TF_ASSIGN_OR_RETURN(settings.iou_threshold, HostScalar(context, "iou_threshold", version_ == 3));
    }
    if (version_ >= 3) {
      TF_ASSIGN_OR_RETURN(settings.score_threshold, HostScalar(context, "score_threshold"));
    }
    if (version_ >= 5) {
      TF_ASSIGN_OR_RETURN(settings.sigma, HostScalar(context, "soft_nms_sigma"));
      if (!(settings.sigma >= 0)) return absl::InvalidArgumentError("soft_nms_sigma_val must be >= 0");
    }
    if (!(settings.iou_threshold >= 0 && settings.iou_threshold <= 1)) return absl::InvalidArgumentError("iou_threshold must be in [0, 1]");
    return settings;
  }

  absl::Status Suppress(OpKernelContext* context) const {
    TF_ASSIGN_OR_RETURN(const Settings settings, Read(context));
    const Tensor &boxes = context->input(0), &scores = context->input(1);
    TF_RETURN_IF_ERROR(CheckShapes(boxes.shape(), scores.shape()));
    if (settings.max_output_size < 0) return absl::InvalidArgumentError("output size must be non-negative");
    const int64_t limit = std::min(settings.max_output_size, boxes.dim_size(0));
    Tensor indices, taken_scores, count;
    TF_RETURN_IF_ERROR(AllocateTemporary(context, tensorflow::DT_INT32, TensorShape({limit}), &indices));
    TF_RETURN_IF_ERROR(AllocateTemporary(context, scores.dtype(), TensorShape({limit}), &taken_scores));
    TF_RETURN_IF_ERROR(AllocateTemporary(context, tensorflow::DT_INT32, TensorShape({}), &count));
    int32_t taken = 0;
    if (limit > 0) {
      TF_RETURN_IF_ERROR(Run(context, settings, limit, {&indices, &taken_scores, &count}));
      ReadNow(context, count, &taken);
    } else {
      DeviceOf(context).Fill(count.data(), 0, sizeof taken);
    }
    const int64_t length = is_padded_ ? settings.max_output_size : taken;
    TF_RETURN_IF_ERROR(SetFirst(context, 0, indices, taken, length));
    if (version_ == 5) TF_RETURN_IF_ERROR(SetFirst(context, 1, taken_scores, taken, length));
    if (version_ >= 4) context->set_output(version_ == 5 ? 2 : 1, count);
    return absl::OkStatus();
  }

  // The thresholds are inputs, so that another value compiles nothing.
  static absl::Status Run(OpKernelContext* context, const Settings& settings, int64_t limit, const std::vector<Tensor*>& outputs) {
    const Tensor &boxes = context->input(0), &scores = context->input(1);
    const bool is_soft = settings.sigma > 0, is_half = scores.dtype() == tensorflow::DT_HALF;
    Tensor scalars[3];
    const float values[3] = {settings.iou_threshold, settings.score_threshold, is_soft ? -0.5f / settings.sigma : 0.0f};
    for (int i = 0; i < 3; ++i) {
      TF_RETURN_IF_ERROR(AllocateTemporary(context, scores.dtype(), TensorShape({}), &scalars[i]));
      const Eigen::half narrow(values[i]);
      DeviceOf(context).Upload(scalars[i].data(), is_half ? static_cast<const void*>(&narrow) : &values[i], scalars[i].TotalBytes());
    }
    const Suppression suppression(boxes.dim_size(0), limit, is_soft, is_half ? xla::F16 : xla::F32);
    return RunBuiltProgram(
        context, absl::StrCat("NonMaxSuppression", is_soft ? " soft " : " ", limit), [&](const std::vector<XlaOp>& p) { return suppression.Build(p); },
        {&boxes, &scores, &scalars[0], &scalars[1], &scalars[2]}, outputs);
  }

  // An output of `length` elements: the first `taken` of `values`, then zeros.
  static absl::Status SetFirst(OpKernelContext* context, int output, const Tensor& values, int64_t taken, int64_t length) {
    Tensor* tensor = nullptr;
    TF_RETURN_IF_ERROR(context->allocate_output(output, TensorShape({length}), &tensor));
    if (length == 0) return absl::OkStatus();
    Device& device = DeviceOf(context);
    const uint64_t bytes = taken * tensorflow::DataTypeSize(values.dtype());
    if (taken < length) device.Fill(tensor->data(), 0, tensor->TotalBytes());
    if (bytes != 0) device.Copy(tensor->data(), values.data(), bytes);
    return absl::OkStatus();
  }

  int version_;
  float iou_threshold_ = 0;
  bool is_padded_ = false;
};

}  // namespace

void RegisterNonMaxSuppressionOps() {
  const TypeSet types = TypesOfDevice({tensorflow::DT_HALF, tensorflow::DT_FLOAT});
  RegisterDeviceKernel<NonMaxSuppressionKernel>(DeviceKernel("NonMaxSuppression", {"max_output_size"}));
  RegisterDeviceKernel<NonMaxSuppressionKernel>(DeviceKernel("NonMaxSuppressionV2", "T", types, {"max_output_size", "iou_threshold"}));
  for (const char* op : {"NonMaxSuppressionV3", "NonMaxSuppressionV4", "NonMaxSuppressionV5"}) {
    std::vector<std::string> settings = {"max_output_size", "iou_threshold", "score_threshold"};
    if (std::string(op).back() == '5') settings.push_back("soft_nms_sigma");
    tensorflow::KernelDef definition = DeviceKernel(op, "T", types, settings);
    definition.set_priority(1);  // tf2xla has the fourth version, for compiled functions, only where its outputs are padded
    RegisterDeviceKernel<NonMaxSuppressionKernel>(std::move(definition));
  }
}

}  // namespace tfvk::plugin
