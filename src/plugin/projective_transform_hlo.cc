// ImageProjectiveTransformV2 and V3: every pixel of the result is read where a projective transform of its coordinates falls in the image.
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "plugin/image_ops.h"
#include "plugin/table_rows.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::TensorShape;
using tensorflow::XlaOpKernelContext;
using xla::XlaOp;

struct Sizes {
  int64_t batch, height, width, depth, out_height, out_width;
  std::vector<int64_t> Points() const { return {batch, out_height, out_width}; }
  std::vector<int64_t> Result() const { return {batch, out_height, out_width, depth}; }
  int64_t Pixels() const { return batch * height * width; }
};

// Toward zero, of what may be a little off for being multiplied by the reciprocal: right for exact multiples of `divisor`. `value` is not negative.
XlaOp WholeQuotient(XlaOp value, double divisor) {
  const XlaOp quotient = xla::Floor(value / Constant(value, divisor)), rest = value - quotient * Constant(value, divisor);
  const XlaOp zero = xla::ZerosLike(value), one = zero + Constant(value, 1);
  return quotient + xla::Select(xla::Ge(rest, Constant(value, divisor)), one, zero) - xla::Select(xla::Lt(rest, zero), one, zero);
}

// abcd goes on as dcba|abcd|dcba.
XlaOp Reflected(XlaOp x, double length) {
  const XlaOp period = Constant(x, 2 * length), size = Constant(x, length), one = Constant(x, 1);
  const XlaOp below = x + period * WholeQuotient(xla::Max(-x, xla::ZerosLike(x)), 2 * length);
  const XlaOp from_below = xla::Select(xla::Lt(below, -size + xla::ZerosLike(x)), below + period, -below - one);
  const XlaOp above = x - period * WholeQuotient(xla::Max(x, xla::ZerosLike(x)), 2 * length);
  const XlaOp from_above = xla::Select(xla::Ge(above, size), period - above - one, above);
  return xla::Select(xla::Lt(x, xla::ZerosLike(x)), from_below, xla::Select(xla::Gt(x, Constant(x, length - 1)), from_above, x));
}

// abcd goes on as abcd|abcd|abcd, in TensorFlow's way: whole images are counted by a length less one.
XlaOp Wrapped(XlaOp x, double length) {
  const XlaOp size = Constant(x, length), zero = xla::ZerosLike(x);
  const XlaOp from_below = x + size * (WholeQuotient(xla::Max(-x, zero), length - 1) + Constant(x, 1));
  const XlaOp from_above = x - size * WholeQuotient(xla::Max(x, zero), length - 1);
  return xla::Select(xla::Lt(x, zero), from_below, xla::Select(xla::Gt(x, Constant(x, length - 1)), from_above, x));
}

// Half away from zero.
XlaOp NearestPixel(XlaOp position) {
  const XlaOp low = xla::Floor(position), rest = position - low, half = Constant(position, 0.5);
  const XlaOp up = xla::Or(xla::Gt(rest, half), xla::And(xla::Eq(rest, half), xla::Ge(position, xla::ZerosLike(position))));
  return low + xla::ConvertElementType(up, xla::F32);
}

class ProjectiveTransformKernel : public tensorflow::XlaOpKernel {
 public:
  explicit ProjectiveTransformKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("interpolation", &interpolation_));
    OP_REQUIRES(construction, interpolation_ == "NEAREST" || interpolation_ == "BILINEAR",
                absl::InvalidArgumentError(absl::StrCat("Invalid interpolation ", interpolation_, ". Supported types: NEAREST, BILINEAR")));
    OP_REQUIRES_OK(construction, construction->GetAttr("fill_mode", &fill_mode_));
    OP_REQUIRES(construction, fill_mode_ == "REFLECT" || fill_mode_ == "WRAP" || fill_mode_ == "CONSTANT" || fill_mode_ == "NEAREST",
                absl::InvalidArgumentError(absl::StrCat("Invalid mode ", fill_mode_, ". Supported types: REFLECT, WRAP, CONSTANT, NEAREST")));
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  static absl::StatusOr<Sizes> Check(XlaOpKernelContext* context) {
    const TensorShape images = context->InputShape(0), transforms = context->InputShape(1), shape = context->InputShape(2);
    if (images.dims() != 4) return absl::InvalidArgumentError("Input images must have rank 4");
    if (transforms.dims() != 2 || (transforms.dim_size(0) != images.dim_size(0) && transforms.dim_size(0) != 1) || transforms.dim_size(1) != 8) {
      return absl::InvalidArgumentError("Input transform should be num_images x 8 or 1 x 8");
    }
    if (shape.dims() != 1) return absl::InvalidArgumentError(absl::StrCat("output shape must be 1-dimensional", shape.DebugString()));
    if (shape.num_elements() != 2) return absl::InvalidArgumentError(absl::StrCat("output shape must have two elements", shape.DebugString()));
    std::vector<int64_t> size;
    TF_RETURN_IF_ERROR(context->ConstantInputAsIntVector(2, &size));
    if (size[0] <= 0 || size[1] <= 0) return absl::InvalidArgumentError("output dimensions must be positive");
    if (context->num_inputs() > 3 && context->InputShape(3).dims() != 0) {
      return absl::InvalidArgumentError(absl::StrCat("fill_value must be a scalar", context->InputShape(3).DebugString()));
    }
    return Sizes{images.dim_size(0), images.dim_size(1), images.dim_size(2), images.dim_size(3), size[0], size[1]};
  }

  // Where the result's pixels lie in the images.
  struct Positions {
    XlaOp y, x, inside;
  };

  Positions Find(XlaOp transforms, int64_t count, const Sizes& sizes) const {
    const std::vector<int64_t> points = sizes.Points();
    const auto coefficient = [&](int64_t column) {
      const XlaOp one = xla::SliceInDim(transforms, column, column + 1, 1, 1);
      return count == 1 ? Spread(xla::Reshape(one, {}), points, {}) : Spread(xla::Reshape(one, {count}), points, {0});
    };
    const XlaOp y = IndexAlong(transforms.builder(), xla::F32, points, 1), x = IndexAlong(transforms.builder(), xla::F32, points, 2);
    const XlaOp depth = coefficient(6) * x + coefficient(7) * y + Constant(x, 1);
    const auto mapped = [&](int64_t first, int64_t length) {
      return Mapped((coefficient(first) * x + coefficient(first + 1) * y + coefficient(first + 2)) / depth, static_cast<double>(length));
    };
    Positions at;
    at.x = mapped(0, sizes.width);
    at.y = mapped(3, sizes.height);
    // Within a pixel of the image, whose share of what is read is not only the fill value.
    const auto within = [](XlaOp value, int64_t length) {
      return xla::And(xla::Gt(value, Constant(value, -1)), xla::Lt(value, Constant(value, static_cast<double>(length))));
    };
    at.inside = xla::And(xla::Ne(depth, xla::ZerosLike(depth)), xla::And(within(at.x, sizes.width), within(at.y, sizes.height)));
    at.x = xla::Select(at.inside, at.x, xla::ZerosLike(at.x));
    at.y = xla::Select(at.inside, at.y, xla::ZerosLike(at.y));
    return at;
  }

  XlaOp Mapped(XlaOp position, double length) const {
    if (fill_mode_ == "CONSTANT") return position;
    XlaOp mapped = position;
    if (fill_mode_ != "NEAREST") {
      if (length <= 1) return xla::ZerosLike(position);
      mapped = fill_mode_ == "REFLECT" ? Reflected(position, length) : Wrapped(position, length);
    }
    return xla::Clamp(Constant(position, 0), mapped, Constant(position, length - 1));
  }

  absl::Status Build(XlaOpKernelContext* context) {
    TF_ASSIGN_OR_RETURN(const Sizes sizes, Check(context));
    const xla::PrimitiveType type = context->InputXlaType("images");
    const XlaOp given = context->num_inputs() > 3 ? context->Input(3) : xla::Zero(context->builder(), xla::F32);
    const XlaOp fill = xla::Broadcast(xla::ConvertElementType(given, type), sizes.Result());
    if (sizes.Pixels() == 0 || sizes.depth == 0) {
      context->SetOutput(0, fill);
      return absl::OkStatus();
    }
    const XlaOp table = xla::Reshape(context->Input(0), {sizes.Pixels(), sizes.depth});
    const Positions at = Find(context->Input(1), context->InputShape(1).dim_size(0), sizes);
    const XlaOp value = interpolation_ == "NEAREST" ? Read(table, NearestPixel(at.y), NearestPixel(at.x), fill, sizes) : Bilinear(table, at, fill, sizes, type);
    context->SetOutput(0, xla::Select(Spread(at.inside, sizes.Result(), {0, 1, 2}), value, fill));
    return absl::OkStatus();
  }

  // The pixels at whole positions; `fill` outside of the images.
  static XlaOp Read(XlaOp table, XlaOp y, XlaOp x, XlaOp fill, const Sizes& sizes) {
    const xla::PrimitiveType index = IndexTypeFor(sizes.Pixels());
    const XlaOp row = xla::ConvertElementType(y, index), column = xla::ConvertElementType(x, index);
    const XlaOp image = IndexAlong(table.builder(), index, sizes.Points(), 0);
    const XlaOp pixel = (image * Constant(row, static_cast<double>(sizes.height)) + row) * Constant(row, static_cast<double>(sizes.width)) + column;
    const auto within = [](XlaOp value, int64_t length) {
      return xla::And(xla::Ge(value, xla::ZerosLike(value)), xla::Lt(value, Constant(value, static_cast<double>(length))));
    };
    const XlaOp known = xla::And(within(y, sizes.height), within(x, sizes.width));
    return xla::Select(Spread(known, sizes.Result(), {0, 1, 2}), RowsAt(table, pixel), fill);
  }

  static XlaOp Bilinear(XlaOp table, const Positions& at, XlaOp fill, const Sizes& sizes, xla::PrimitiveType type) {
    const XlaOp y_low = xla::Floor(at.y), x_low = xla::Floor(at.x), y_high = y_low + Constant(y_low, 1), x_high = x_low + Constant(x_low, 1);
    const auto weight = [&](XlaOp value) { return Spread(value, sizes.Result(), {0, 1, 2}); };
    const auto read = [&](XlaOp y, XlaOp x) { return xla::ConvertElementType(Read(table, y, x, fill, sizes), xla::F32); };
    const XlaOp to_left = weight(x_high - at.x), to_right = weight(at.x - x_low);
    const XlaOp top = to_left * read(y_low, x_low) + to_right * read(y_low, x_high);
    const XlaOp bottom = to_left * read(y_high, x_low) + to_right * read(y_high, x_high);
    return xla::ConvertElementType(weight(y_high - at.y) * top + weight(at.y - y_low) * bottom, type);
  }

  std::string interpolation_, fill_mode_;
};

}  // namespace

void RegisterProjectiveTransformOps() {
  REGISTER_XLA_OP(Name("ImageProjectiveTransformV2").Device("XLA_GPU_JIT").CompileTimeConstantInput("output_shape"), ProjectiveTransformKernel);
  REGISTER_XLA_OP(Name("ImageProjectiveTransformV3").Device("XLA_GPU_JIT").CompileTimeConstantInput("output_shape"), ProjectiveTransformKernel);
}

}  // namespace tfvk::plugin
