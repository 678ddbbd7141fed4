// CropAndResize and its gradients: boxes of images, each resized to the same size. As in TensorFlow's GPU kernels a box of no image, or one that is not finite,
// is not an error: its crop is the extrapolation value and it reaches no gradient.
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "plugin/image_ops.h"
#include "plugin/table_rows.h"
#include "tensorflow/compiler/tf2xla/type_util.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::TensorShape;
using tensorflow::XlaOpKernelContext;
using xla::XlaOp;

struct Sizes {
  int64_t batch, height, width, depth;  // of the images
  int64_t boxes, crop_height, crop_width;
  std::vector<int64_t> Points() const { return {boxes, crop_height, crop_width}; }
  int64_t Pixels() const { return batch * height * width; }
};

// Where the points of the crops lie along one dimension of the images, [boxes, points] each.
struct Line {
  XlaOp position, inside;  // f32, and whether it lies in the image
  XlaOp low, high;         // f32: the pixels on both sides
  XlaOp fraction;          // f32: how far from low to high
  XlaOp ratio;             // f32: what a point's index weighs in its position, for the boxes' gradients
};

Line PointsAlong(XlaOp boxes, const Sizes& sizes, bool vertical) {
  const int64_t points = vertical ? sizes.crop_height : sizes.crop_width;
  const double last = static_cast<double>((vertical ? sizes.height : sizes.width) - 1);
  const std::vector<int64_t> dims = {sizes.boxes, points};
  const auto corner = [&](int64_t column) { return Spread(xla::Reshape(xla::SliceInDim(boxes, column, column + 1, 1, 1), {sizes.boxes}), dims, {0}); };
  const XlaOp from = corner(vertical ? 0 : 1), to = corner(vertical ? 2 : 3);
  const XlaOp index = IndexAlong(boxes.builder(), xla::F32, dims, 1);
  Line line;
  if (points > 1) {
    // Divided on the host: were a box of the whole image to end a rounding error beyond the last pixel, its edge would be outside.
    const XlaOp ratio = Constant(index, static_cast<float>(last) / static_cast<float>(points - 1));
    line.position = from * Constant(from, last) + index * ((to - from) * ratio);
    line.ratio = index * ratio;
  } else {
    line.position = Constant(from, 0.5) * (from + to) * Constant(from, last);
    line.ratio = xla::ZerosLike(from);
  }
  line.inside = xla::And(xla::Ge(line.position, Constant(from, 0)), xla::Le(line.position, Constant(from, last)));
  line.position = xla::Select(line.inside, line.position, xla::ZerosLike(from));
  line.low = xla::Floor(line.position);
  line.high = xla::Ceil(line.position);
  line.fraction = line.position - line.low;
  return line;
}

// Half away from zero, of numbers that are not negative and below 2^22.
XlaOp NearestPixel(XlaOp position) {
  const XlaOp low = xla::Floor(position);
  return low + xla::ConvertElementType(xla::Ge(position - low, Constant(position, 0.5)), xla::F32);
}

// All points of all crops.
class Grid {
 public:
  Grid(XlaOp boxes, XlaOp images, const Sizes& sizes)
      : sizes_(sizes), index_type_(IndexTypeFor(sizes.Pixels())), y_(PointsAlong(boxes, sizes, true)), x_(PointsAlong(boxes, sizes, false)) {
    const XlaOp known = xla::And(xla::Ge(images, Constant(images, 0)), xla::Lt(images, Constant(images, static_cast<double>(sizes.batch))));
    image_ = Spread(xla::ConvertElementType(images, index_type_), sizes.Points(), {0});
    inside_ = xla::And(xla::And(Rows(y_.inside), Columns(x_.inside)), Spread(known, sizes.Points(), {0}));
  }

  const Line& y() const { return y_; }
  const Line& x() const { return x_; }
  XlaOp inside() const { return inside_; }
  XlaOp Rows(XlaOp line) const { return Spread(line, sizes_.Points(), {0, 1}); }
  XlaOp Columns(XlaOp line) const { return Spread(line, sizes_.Points(), {0, 2}); }

  // The pixels at these positions as rows of the table of all pixels; for points outside of the images the number of pixels.
  XlaOp Pixels(XlaOp y, XlaOp x) const {
    const XlaOp row = xla::ConvertElementType(Rows(y), index_type_), column = xla::ConvertElementType(Columns(x), index_type_);
    const XlaOp pixel = (image_ * Constant(row, sizes_.height) + row) * Constant(row, sizes_.width) + column;
    return xla::Select(inside_, pixel, Spread(Constant(pixel, sizes_.Pixels()), sizes_.Points(), {}));
  }

  XlaOp WithDepth(XlaOp points) const {
    std::vector<int64_t> dims = sizes_.Points();
    dims.push_back(sizes_.depth);
    return Spread(points, dims, {0, 1, 2});
  }

 private:
  const Sizes sizes_;
  const xla::PrimitiveType index_type_;
  const Line y_, x_;
  XlaOp image_, inside_;
};

// The pixels' values at the four corners around each point, [boxes, crop height, crop width, depth] in fp32.
struct Corners {
  Corners(const Grid& grid, XlaOp image, const Sizes& sizes) {
    const XlaOp table = xla::Reshape(xla::ConvertElementType(image, xla::F32), {sizes.Pixels(), sizes.depth});
    top_left = RowsAt(table, grid.Pixels(grid.y().low, grid.x().low));
    top_right = RowsAt(table, grid.Pixels(grid.y().low, grid.x().high));
    bottom_left = RowsAt(table, grid.Pixels(grid.y().high, grid.x().low));
    bottom_right = RowsAt(table, grid.Pixels(grid.y().high, grid.x().high));
  }
  XlaOp top_left, top_right, bottom_left, bottom_right;
};

absl::Status CheckBoxes(const TensorShape& boxes, const TensorShape& box_index) {
  if (boxes.num_elements() == 0 && box_index.num_elements() == 0) return absl::OkStatus();
  if (boxes.dims() != 2) return absl::InvalidArgumentError(absl::StrCat("boxes must be 2-D", boxes.DebugString()));
  if (boxes.dim_size(1) != 4) return absl::InvalidArgumentError("boxes must have 4 columns");
  if (box_index.dims() != 1) return absl::InvalidArgumentError(absl::StrCat("box_index must be 1-D", box_index.DebugString()));
  if (box_index.dim_size(0) != boxes.dim_size(0)) return absl::InvalidArgumentError("box_index has incompatible shape");
  return absl::OkStatus();
}

int64_t NumberOfBoxes(const TensorShape& boxes, const TensorShape& box_index) {
  return boxes.num_elements() == 0 && box_index.num_elements() == 0 ? 0 : boxes.dim_size(0);
}

absl::Status CheckMethod(const std::string& method, bool nearest_allowed) {
  if (method == "bilinear" || (nearest_allowed && method == "nearest")) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(nearest_allowed ? "method must be 'bilinear' or 'nearest'" : "method must be 'bilinear'", method));
}

class CropAndResizeKernel : public tensorflow::XlaOpKernel {
 public:
  explicit CropAndResizeKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("method", &method_));
    OP_REQUIRES_OK(construction, CheckMethod(method_, true));
    OP_REQUIRES_OK(construction, construction->GetAttr("extrapolation_value", &extrapolation_value_));
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  static absl::StatusOr<Sizes> Check(XlaOpKernelContext* context) {
    const TensorShape image = context->InputShape(0), boxes = context->InputShape(1), index = context->InputShape(2), crop = context->InputShape(3);
    if (image.dims() != 4) return absl::InvalidArgumentError(absl::StrCat("input image must be 4-D", image.DebugString()));
    if (image.dim_size(1) <= 0 || image.dim_size(2) <= 0) return absl::InvalidArgumentError("image dimensions must be positive");
    if (boxes.dims() != 2) return absl::InvalidArgumentError(absl::StrCat("boxes must be 2-D, got: ", boxes.DebugString()));
    if (index.dims() != 1) return absl::InvalidArgumentError(absl::StrCat("box_indices must be rank 1 but is shape ", index.DebugString()));
    TF_RETURN_IF_ERROR(CheckBoxes(boxes, index));
    if (crop.dims() != 1) return absl::InvalidArgumentError(absl::StrCat("crop_size must be 1-D", crop.DebugString()));
    if (crop.dim_size(0) != 2) return absl::InvalidArgumentError(absl::StrCat("crop_size must have two elements", crop.DebugString()));
    std::vector<int64_t> size;
    TF_RETURN_IF_ERROR(context->ConstantInputAsIntVector(3, &size));
    if (size[0] <= 0 || size[1] <= 0) return absl::InvalidArgumentError("crop dimensions must be positive");
    return Sizes{image.dim_size(0), image.dim_size(1), image.dim_size(2), image.dim_size(3), NumberOfBoxes(boxes, index), size[0], size[1]};
  }

  absl::Status Build(XlaOpKernelContext* context) {
    TF_ASSIGN_OR_RETURN(const Sizes sizes, Check(context));
    const XlaOp outside = xla::ConstantR0<float>(context->builder(), extrapolation_value_);
    const std::vector<int64_t> dims = {sizes.boxes, sizes.crop_height, sizes.crop_width, sizes.depth};
    if (sizes.Pixels() == 0 || sizes.boxes == 0 || sizes.depth == 0) {
      context->SetOutput(0, xla::Broadcast(outside, dims));
      return absl::OkStatus();
    }
    const Grid grid(context->Input(1), context->Input(2), sizes);
    const XlaOp value = method_ == "bilinear" ? Bilinear(grid, context->Input(0), sizes) : Nearest(grid, context->Input(0), sizes);
    context->SetOutput(0, xla::Select(grid.WithDepth(grid.inside()), value, xla::Broadcast(outside, dims)));
    return absl::OkStatus();
  }

  static XlaOp Bilinear(const Grid& grid, XlaOp image, const Sizes& sizes) {
    const Corners at(grid, image, sizes);
    const XlaOp x = grid.WithDepth(grid.Columns(grid.x().fraction)), y = grid.WithDepth(grid.Rows(grid.y().fraction));
    const XlaOp top = at.top_left + (at.top_right - at.top_left) * x;
    const XlaOp bottom = at.bottom_left + (at.bottom_right - at.bottom_left) * x;
    return top + (bottom - top) * y;
  }

  static XlaOp Nearest(const Grid& grid, XlaOp image, const Sizes& sizes) {
    const XlaOp table = xla::Reshape(image, {sizes.Pixels(), sizes.depth});
    return xla::ConvertElementType(RowsAt(table, grid.Pixels(NearestPixel(grid.y().position), NearestPixel(grid.x().position))), xla::F32);
  }

  std::string method_;
  float extrapolation_value_ = 0;
};

class CropAndResizeGradImageKernel : public tensorflow::XlaOpKernel {
 public:
  explicit CropAndResizeGradImageKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("method", &method_));
    OP_REQUIRES_OK(construction, CheckMethod(method_, true));
    OP_REQUIRES_OK(construction, construction->GetAttr("T", &type_));
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  static absl::StatusOr<Sizes> Check(XlaOpKernelContext* context) {
    const TensorShape grads = context->InputShape(0), boxes = context->InputShape(1), index = context->InputShape(2), image = context->InputShape(3);
    if (grads.dims() != 4) return absl::InvalidArgumentError(absl::StrCat("grads image must be 4-D", grads.DebugString()));
    if (grads.dim_size(1) <= 0 || grads.dim_size(2) <= 0) return absl::InvalidArgumentError("grads dimensions must be positive");
    TF_RETURN_IF_ERROR(CheckBoxes(boxes, index));
    if (grads.dim_size(0) != NumberOfBoxes(boxes, index)) return absl::InvalidArgumentError("boxes and grads have incompatible shape");
    if (image.dims() != 1) return absl::InvalidArgumentError(absl::StrCat("image_size must be 1-D", image.DebugString()));
    if (image.dim_size(0) != 4) return absl::InvalidArgumentError(absl::StrCat("image_size must have 4 elements", image.DebugString()));
    std::vector<int64_t> size;
    TF_RETURN_IF_ERROR(context->ConstantInputAsIntVector(3, &size));
    if (size[1] <= 0 || size[2] <= 0) return absl::InvalidArgumentError("image dimensions must be positive");
    if (size[0] < 0) return absl::InvalidArgumentError(absl::StrCat("Expected a non-negative size, got ", size[0]));
    if (size[3] != grads.dim_size(3)) return absl::InvalidArgumentError("image_size and grads are incompatible");
    return Sizes{size[0], size[1], size[2], size[3], grads.dim_size(0), grads.dim_size(1), grads.dim_size(2)};
  }

  absl::Status Build(XlaOpKernelContext* context) {
    TF_ASSIGN_OR_RETURN(const Sizes sizes, Check(context));
    xla::PrimitiveType type = xla::F32;
    TF_RETURN_IF_ERROR(tensorflow::DataTypeToPrimitiveType(type_, &type));
    const std::vector<int64_t> dims = {sizes.batch, sizes.height, sizes.width, sizes.depth};
    if (sizes.Pixels() == 0 || sizes.boxes == 0 || sizes.depth == 0) {
      context->SetOutput(0, xla::Broadcast(xla::Zero(context->builder(), type), dims));
      return absl::OkStatus();
    }
    const Grid grid(context->Input(1), context->Input(2), sizes);
    const XlaOp grads = context->Input(0);
    const XlaOp sums = method_ == "bilinear"
                           ? Bilinear(grid, grads, sizes, type)
                           : SumIntoRows(Wide(grads, type), grid.Pixels(NearestPixel(grid.y().position), NearestPixel(grid.x().position)), sizes.Pixels());
    context->SetOutput(0, xla::Reshape(xla::ConvertElementType(sums, type), dims));
    return absl::OkStatus();
  }

  // Many crops may meet in one pixel: their sum is not rounded to a narrow type on the way.
  static XlaOp Wide(XlaOp grads, xla::PrimitiveType type) { return type == xla::F64 ? xla::ConvertElementType(grads, xla::F64) : grads; }

  static XlaOp Bilinear(const Grid& grid, XlaOp grads, const Sizes& sizes, xla::PrimitiveType type) {
    const Line &y = grid.y(), &x = grid.x();
    std::vector<XlaOp> updates, pixels;
    for (const bool bottom : {false, true}) {
      const XlaOp vertical = grid.WithDepth(grid.Rows(bottom ? y.fraction : Constant(y.fraction, 1) - y.fraction)) * grads;
      for (const bool right : {false, true}) {
        updates.push_back(Wide(grid.WithDepth(grid.Columns(right ? x.fraction : Constant(x.fraction, 1) - x.fraction)) * vertical, type));
        pixels.push_back(grid.Pixels(bottom ? y.high : y.low, right ? x.high : x.low));
      }
    }
    return SumIntoRows(xla::ConcatInDim(grads.builder(), updates, 0), xla::ConcatInDim(grads.builder(), pixels, 0), sizes.Pixels());
  }

  std::string method_;
  tensorflow::DataType type_;
};

class CropAndResizeGradBoxesKernel : public tensorflow::XlaOpKernel {
 public:
  explicit CropAndResizeGradBoxesKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    std::string method;
    OP_REQUIRES_OK(construction, construction->GetAttr("method", &method));
    OP_REQUIRES_OK(construction, CheckMethod(method, false));
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  static absl::StatusOr<Sizes> Check(XlaOpKernelContext* context) {
    const TensorShape grads = context->InputShape(0), image = context->InputShape(1), boxes = context->InputShape(2), index = context->InputShape(3);
    if (grads.dims() != 4) return absl::InvalidArgumentError(absl::StrCat("grads image must be 4-D", grads.DebugString()));
    if (grads.dim_size(1) <= 0 || grads.dim_size(2) <= 0) return absl::InvalidArgumentError("grads dimensions must be positive");
    if (image.dims() != 4) return absl::InvalidArgumentError(absl::StrCat("input image must be 4-D", image.DebugString()));
    if (image.dim_size(1) <= 0 || image.dim_size(2) <= 0) return absl::InvalidArgumentError("image dimensions must be positive");
    if (image.dim_size(3) != grads.dim_size(3)) return absl::InvalidArgumentError("image, grads depth differ");
    TF_RETURN_IF_ERROR(CheckBoxes(boxes, index));
    if (grads.dim_size(0) != NumberOfBoxes(boxes, index)) return absl::InvalidArgumentError("boxes and grads have incompatible shape");
    return Sizes{image.dim_size(0), image.dim_size(1), image.dim_size(2), image.dim_size(3), grads.dim_size(0), grads.dim_size(1), grads.dim_size(2)};
  }

  absl::Status Build(XlaOpKernelContext* context) {
    TF_ASSIGN_OR_RETURN(const Sizes sizes, Check(context));
    if (sizes.Pixels() == 0 || sizes.boxes == 0 || sizes.depth == 0) {
      context->SetOutput(0, xla::Broadcast(xla::Zero(context->builder(), xla::F32), {sizes.boxes, 4}));
      return absl::OkStatus();
    }
    const Grid grid(context->Input(2), context->Input(3), sizes);
    const Corners at(grid, context->Input(1), sizes);
    const XlaOp x = grid.WithDepth(grid.Columns(grid.x().fraction)), y = grid.WithDepth(grid.Rows(grid.y().fraction)), one = Constant(x, 1);
    const XlaOp grads = xla::Select(grid.WithDepth(grid.inside()), context->Input(0), xla::ZerosLike(x));
    const XlaOp by_y = grads * ((one - x) * (at.bottom_left - at.top_left) + x * (at.bottom_right - at.top_right));
    const XlaOp by_x = grads * ((one - y) * (at.top_right - at.top_left) + y * (at.bottom_right - at.bottom_left));
    const auto [y1, y2] = ByCorner(grid, by_y, sizes, true);
    const auto [x1, x2] = ByCorner(grid, by_x, sizes, false);
    context->SetOutput(0, xla::ConcatInDim(context->builder(), {y1, x1, y2, x2}, 1));
    return absl::OkStatus();
  }

  // What the gradient of the points' positions is to both corners of a dimension: a point lies `ratio` pixels from the first on the way to the second.
  static std::pair<XlaOp, XlaOp> ByCorner(const Grid& grid, XlaOp by_position, const Sizes& sizes, bool vertical) {
    const double last = static_cast<double>((vertical ? sizes.height : sizes.width) - 1);
    const bool single = (vertical ? sizes.crop_height : sizes.crop_width) == 1;
    const XlaOp ratio = grid.WithDepth(vertical ? grid.Rows(grid.y().ratio) : grid.Columns(grid.x().ratio));
    const XlaOp half = by_position * Constant(ratio, 0.5 * last);
    const XlaOp first = single ? half : by_position * (Constant(ratio, last) - ratio), second = single ? half : by_position * ratio;
    const auto sum = [&](XlaOp values) {
      const XlaOp total = xla::Reduce(values, xla::Zero(values.builder(), xla::F32), xla::CreateScalarAddComputation(xla::F32, values.builder()), {1, 2, 3});
      return xla::Reshape(total, {sizes.boxes, 1});
    };
    return {sum(first), sum(second)};
  }
};

}  // namespace

void RegisterCropAndResizeOps() {
  REGISTER_XLA_OP(Name("CropAndResize").Device("XLA_GPU_JIT").CompileTimeConstantInput("crop_size"), CropAndResizeKernel);
  REGISTER_XLA_OP(Name("CropAndResizeGradImage").Device("XLA_GPU_JIT").CompileTimeConstantInput("image_size"), CropAndResizeGradImageKernel);
  REGISTER_XLA_OP(Name("CropAndResizeGradBoxes").Device("XLA_GPU_JIT"), CropAndResizeGradBoxesKernel);
}

}  // namespace tfvk::plugin
