// GenerateBoundingBoxProposals: of the anchors with the highest scores, moved and resized by their deltas and cut at the image's borders, those that overlap no
// better one by more than a threshold.
#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "plugin/box_proposals.h"
#include "plugin/table_rows.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla/hlo/builder/lib/loops.h"
#include "xla/hlo/builder/lib/slicing.h"
#include "xla/hlo/builder/lib/sorting.h"

namespace tfvk::plugin {
namespace {

using tensorflow::TensorShape;
using tensorflow::XlaOpKernelContext;
using xla::XlaOp;

// All [images, boxes].
struct Boxes {
  XlaOp top, left, bottom, right;
};

struct Settings {
  int64_t images = 0, anchors = 0, boxes = 0, taken = 0;  // boxes: how many are looked at, taken: how many are put out, of each image
  double threshold = 0, min_size = 0;
};

class Proposals {
 public:
  explicit Proposals(const Settings& settings) : size_(settings) {}

  // [images, boxes] of numbers [images, boxes, n] or, for all images, [boxes, n].
  static XlaOp Column(XlaOp numbers, int64_t i) {
    const xla::Shape shape = *numbers.builder()->GetShape(numbers);
    const int64_t last = shape.dimensions().size() - 1;
    return xla::Reshape(xla::SliceInDim(numbers, i, i + 1, 1, last), std::vector<int64_t>(shape.dimensions().begin(), shape.dimensions().end() - 1));
  }

  // Sides of the anchors [images, boxes, 4] after the deltas (both: of rows, of columns, of the height, of the width), within the images [images, 5].
  Boxes Decode(XlaOp anchors, XlaOp deltas, XlaOp images) const {
    const auto side = [&](int which, XlaOp* start, XlaOp* end) {  // 0: rows, 1: columns
      const XlaOp low = Column(anchors, which), high = Column(anchors, which + 2), half = xla::ScalarLike(low, 0.5f);
      const XlaOp most = xla::ScalarLike(low, static_cast<float>(std::log(1000.0 / 16))), growth = xla::Min(Column(deltas, which + 2), most);
      const XlaOp length = high - low, center = low + half * length + length * Column(deltas, which), grown = length * xla::Exp(growth);
      const XlaOp border = xla::BroadcastInDim(Column(images, which), {size_.images, size_.boxes}, {0}), zero = xla::ScalarLike(low, 0);
      *start = xla::Max(xla::Min(center - half * grown, border), zero);
      *end = xla::Max(xla::Min(center + half * grown, border), zero);
    };
    Boxes boxes;
    side(0, &boxes.top, &boxes.bottom);
    side(1, &boxes.left, &boxes.right);
    return boxes;
  }

  XlaOp AreLargeEnough(const Boxes& boxes, XlaOp images) const {
    const XlaOp scale = Column(images, 2), least = scale * xla::ScalarLike(scale, static_cast<float>(size_.min_size));
    return xla::Ge(xla::Min(boxes.right - boxes.left, boxes.bottom - boxes.top), xla::BroadcastInDim(least, {size_.images, size_.boxes}, {0}));
  }

  // s32 [images, taken]: which boxes are taken, in order; -1 where there are no more. The boxes are in the order of their scores.
  absl::StatusOr<XlaOp> Take(const Boxes& boxes, XlaOp candidates) const {
    xla::XlaBuilder* builder = candidates.builder();
    const XlaOp none = xla::Broadcast(xla::ConstantR0<int32_t>(builder, -1), {size_.images, size_.taken});
    const std::vector<XlaOp> start = {xla::ConstantR0<int32_t>(builder, 0), candidates, none, boxes.top, boxes.left, boxes.bottom, boxes.right};
    const auto go_on = [&](absl::Span<const XlaOp> v, xla::XlaBuilder* inner) -> absl::StatusOr<XlaOp> {
      const XlaOp left = xla::ReduceAll(v[1], xla::ConstantR0(inner, false), xla::CreateScalarOrComputation(xla::PRED, inner));
      return xla::And(xla::Lt(v[0], xla::ConstantR0<int32_t>(inner, static_cast<int32_t>(size_.taken))), left);
    };
    const auto step = [&](absl::Span<const XlaOp> v, xla::XlaBuilder*) -> absl::StatusOr<std::vector<XlaOp>> { return Step(v); };
    TF_ASSIGN_OR_RETURN(const std::vector<XlaOp> end, xla::WhileLoopHelper(go_on, step, start, "take_boxes", builder));
    return end[2];
  }

 private:
  std::vector<XlaOp> Step(absl::Span<const XlaOp> v) const {
    xla::XlaBuilder* builder = v[0].builder();
    const std::vector<int64_t> dims = {size_.images, size_.boxes};
    const XlaOp number = IndexAlong(builder, xla::S32, dims, 1), all = xla::ConstantR0<int32_t>(builder, static_cast<int32_t>(size_.boxes));
    const XlaOp first =
        xla::Reduce(xla::Select(v[1], number, xla::Broadcast(all, dims)), all, xla::CreateScalarMinComputation(xla::S32, builder), {1});  // [images]
    const XlaOp is_it = xla::Eq(number, xla::BroadcastInDim(first, dims, {0})), zero = xla::ConstantR0<float>(builder, 0), zeros = xla::Broadcast(zero, dims);
    const auto of_first = [&](XlaOp sides) {
      const XlaOp one = xla::Reduce(xla::Select(is_it, sides, zeros), zero, xla::CreateScalarAddComputation(xla::F32, builder), {1});
      return xla::BroadcastInDim(one, dims, {0});
    };
    const XlaOp height = xla::Max(xla::Min(v[5], of_first(v[5])) - xla::Max(v[3], of_first(v[3])), zeros);
    const XlaOp width = xla::Max(xla::Min(v[6], of_first(v[6])) - xla::Max(v[4], of_first(v[4])), zeros);
    const XlaOp areas = (v[5] - v[3]) * (v[6] - v[4]), area = of_first(areas), shared = height * width;
    const XlaOp has_area = xla::And(xla::Ne(areas, zeros), xla::Ne(area, zeros));
    const XlaOp limit = (areas + area - shared) * xla::ConstantR0<float>(builder, static_cast<float>(size_.threshold));
    const XlaOp is_out = xla::Or(is_it, xla::And(has_area, xla::Gt(shared, limit)));
    const XlaOp found = xla::Select(xla::Lt(first, all), first, xla::ZerosLike(first) - Constant(first, 1));
    const XlaOp taken = xla::DynamicUpdateSlice(v[2], xla::Reshape(found, {size_.images, 1}), {xla::ZerosLike(v[0]), v[0]});
    return {v[0] + Constant(v[0], 1), xla::And(v[1], xla::Not(is_out)), taken, v[3], v[4], v[5], v[6]};
  }

  const Settings size_;
};

class BoxProposalsKernel : public tensorflow::XlaOpKernel {
 public:
  explicit BoxProposalsKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("post_nms_topn", &taken_));
    OP_REQUIRES(construction, taken_ > 0, absl::InvalidArgumentError("post_nms_topn can't be 0 or less"));
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  absl::StatusOr<Settings> Read(XlaOpKernelContext* context) const {
    const TensorShape scores = context->InputShape(0), anchors = context->InputShape(3);
    if (scores.dims() != 4) return absl::InvalidArgumentError(absl::StrCat("scores must be 4-dimensional, are ", scores.DebugString()));
    const int64_t n = scores.dim_size(0), rows = scores.dim_size(1), columns = scores.dim_size(2), each = scores.dim_size(3);
    if (anchors.dims() != 3 || anchors.dim_size(2) != 4 * each) return absl::OutOfRangeError("Box dimensions need to be 4");
    const std::pair<int, TensorShape> expected[] = {
        {1, TensorShape({n, rows, columns, 4 * each})}, {2, TensorShape({n, 5})}, {3, TensorShape({rows, columns, 4 * each})}};
    for (const auto& [i, shape] : expected) {
      if (context->InputShape(i) == shape) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("Input ", i, " must have the shape ", shape.DebugString(), " for these scores, has ", context->InputShape(i).DebugString()));
    }
    Settings settings{n, rows * columns * each, 0, taken_};
    for (const int i : {4, 5, 6}) {
      if (context->InputShape(i).dims() != 0) {
        return absl::InvalidArgumentError(absl::StrCat("Expected a scalar in input ", i, "but got shape ", context->InputShape(i).DebugString()));
      }
    }
    TF_RETURN_IF_ERROR(context->ConstantInputAsFloatScalar(4, &settings.threshold));
    TF_RETURN_IF_ERROR(context->ConstantInputAsFloatScalar(6, &settings.min_size));
    if (!(settings.threshold >= 0 && settings.threshold <= 1)) {
      return absl::InvalidArgumentError(absl::StrCat("nms_threshold should be between 0 and 1. Got ", settings.threshold));
    }
    int64_t most = 0;
    TF_RETURN_IF_ERROR(context->ConstantInputAsIntScalar(5, &most));
    if (most <= 0) return absl::InvalidArgumentError(absl::StrCat("pre_nms_topn should be greater than 0", most));
    settings.boxes = std::min(most, settings.anchors);
    return settings;
  }

  absl::Status Build(XlaOpKernelContext* context) const {
    TF_ASSIGN_OR_RETURN(const Settings size, Read(context));
    const XlaOp zero = xla::ConstantR0<float>(context->builder(), 0);
    if (size.images * size.boxes == 0) {
      context->SetOutput(0, xla::Broadcast(zero, {size.images, size.taken, 4}));
      context->SetOutput(1, xla::Broadcast(zero, {size.images, size.taken}));
      return absl::OkStatus();
    }
    const Proposals proposals(size);
    const XlaOp best = xla::TopK(xla::Reshape(context->Input(0), {size.images, size.anchors}), size.boxes);
    const XlaOp scores = xla::GetTupleElement(best, 0), which = xla::GetTupleElement(best, 1), images = context->Input(2);
    const XlaOp deltas = xla::TorchIndexSelect(xla::Reshape(context->Input(1), {size.images, size.anchors, 4}), which, 1, /*batch_dims=*/1);
    const XlaOp anchors = RowsAt(xla::Reshape(context->Input(3), {size.anchors, 4}), which);
    const Boxes boxes = proposals.Decode(anchors, deltas, images);
    TF_ASSIGN_OR_RETURN(const XlaOp taken, proposals.Take(boxes, proposals.AreLargeEnough(boxes, images)));
    const XlaOp is_one = xla::Ge(taken, xla::ZerosLike(taken)), row = xla::Max(taken, xla::ZerosLike(taken));
    std::vector<XlaOp> columns;
    for (const XlaOp side : {boxes.top, boxes.left, boxes.bottom, boxes.right, scores}) {
      const XlaOp of_taken = xla::TorchIndexSelect(xla::Reshape(side, {size.images, size.boxes, 1}), row, 1, /*batch_dims=*/1);
      const XlaOp numbers = xla::Reshape(of_taken, {size.images, size.taken});
      columns.push_back(xla::Select(is_one, numbers, xla::ZerosLike(numbers)));
    }
    context->SetOutput(1, columns.back());
    columns.pop_back();
    for (XlaOp& column : columns) column = xla::Reshape(column, {size.images, size.taken, 1});
    context->SetOutput(0, xla::ConcatInDim(context->builder(), columns, 2));
    return absl::OkStatus();
  }

  int64_t taken_ = 0;
};

}  // namespace

void RegisterBoxProposalsOps() {
  REGISTER_XLA_OP(Name("GenerateBoundingBoxProposals")
                      .Device("XLA_GPU_JIT")
                      .CompileTimeConstantInput("nms_threshold")
                      .CompileTimeConstantInput("pre_nms_topn")
                      .CompileTimeConstantInput("min_size"),
                  BoxProposalsKernel);
}

}  // namespace tfvk::plugin
