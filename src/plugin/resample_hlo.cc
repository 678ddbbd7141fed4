// ResizeBicubic and ScaleAndTranslate with their gradients: every pixel of the result is a weighted sum of some pixels of the image, first down its columns
// and then along its rows. Which pixels and by what weights is found on the host in the arithmetic of TensorFlow's kernels. As there, a pixel of weight 0
// counts among the summands, so that an infinity makes NaN of it.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "plugin/image_ops.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "tensorflow/core/kernels/image/sampling_kernels.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla/hlo/builder/lib/slicing.h"

namespace tfvk::plugin {
namespace {

using tensorflow::TensorShape;
using tensorflow::XlaOpKernelContext;
using xla::XlaOp;

// A pixel and its weight.
struct Tap {
  int64_t pixel;
  float weight;
};
// Of each pixel of the result along one dimension.
using Taps = std::vector<std::vector<Tap>>;

// Where each pixel of `inputs` goes: the taps of the gradient.
Taps Transposed(const Taps& taps, int64_t inputs) {
  Taps made(inputs);
  for (size_t output = 0; output < taps.size(); ++output) {
    for (const Tap& tap : taps[output]) {
      if (tap.weight != 0) made[tap.pixel].push_back({static_cast<int64_t>(output), tap.weight});
    }
  }
  return made;
}

// The weighted sums along a dimension, which `image`, of fp32 or fp64, has at least one of.
XlaOp Sampled(XlaOp image, const Taps& taps, int64_t dimension) {
  xla::XlaBuilder* builder = image.builder();
  const xla::Shape shape = *builder->GetShape(image);
  const int64_t outputs = static_cast<int64_t>(taps.size());
  size_t longest = 1;
  for (const auto& list : taps) longest = std::max(longest, list.size());
  const int64_t count = static_cast<int64_t>(longest);
  std::vector<int32_t> pixels(outputs * count, 0);
  std::vector<float> weights(outputs * count, 0);
  xla::Array2D<bool> is_tap(outputs, count);
  for (int64_t output = 0; output < outputs; ++output) {
    for (int64_t i = 0; i < count; ++i) {
      is_tap(output, i) = i < static_cast<int64_t>(taps[output].size());
      if (!is_tap(output, i)) continue;
      pixels[output * count + i] = static_cast<int32_t>(taps[output][i].pixel);
      weights[output * count + i] = taps[output][i].weight;
    }
  }
  std::vector<int64_t> dims(shape.dimensions().begin(), shape.dimensions().end());
  dims[dimension] = outputs;
  dims.insert(dims.begin() + dimension + 1, count);
  const std::vector<int64_t> placed = {dimension, dimension + 1};
  const auto everywhere = [&](XlaOp table) { return xla::BroadcastInDim(table, dims, placed); };
  const XlaOp picked = xla::Reshape(xla::TorchIndexSelect(image, xla::ConstantR1<int32_t>(builder, pixels), dimension), dims);
  const XlaOp weight = xla::ConvertElementType(xla::Reshape(xla::ConstantR1<float>(builder, weights), {outputs, count}), shape.element_type());
  const XlaOp products = picked * everywhere(weight);
  const XlaOp summands = xla::Select(everywhere(xla::ConstantR2FromArray2D<bool>(builder, is_tap)), products, xla::ZerosLike(products));
  return xla::Reduce(summands, xla::Zero(builder, shape.element_type()), xla::CreateScalarAddComputation(shape.element_type(), builder), {dimension + 1});
}

XlaOp Sampled(XlaOp image, const Taps& rows, const Taps& columns) { return Sampled(Sampled(image, rows, 1), columns, 2); }

// ---- ResizeBicubic ----

// How coordinates of the result become the image's.
struct Alignment {
  bool align_corners = false, half_pixel_centers = false;
};

// Cubic convolution's weights of the two pixels on one side (R. G. Keys, 1981), in the steps of 1/1024 of TensorFlow's table.
std::pair<float, float> CubicWeights(int64_t step, double a) {
  const float x = static_cast<float>(static_cast<double>(step) / 1024);
  const double near = x, far = static_cast<float>(near + 1);
  return {static_cast<float>(((a + 2) * near - (a + 3)) * near * near + 1), static_cast<float>(((a * far - 5 * a) * far + 8 * a) * far - 4 * a)};
}

Taps BicubicTaps(int64_t inputs, int64_t outputs, const Alignment& alignment) {
  const float scale = alignment.align_corners && outputs > 1 ? static_cast<float>(inputs - 1) / static_cast<float>(outputs - 1)
                                                             : static_cast<float>(inputs) / static_cast<float>(outputs);
  const double a = alignment.half_pixel_centers ? -0.5 : -0.75;
  Taps taps(outputs);
  for (int64_t output = 0; output < outputs; ++output) {
    const float at = static_cast<float>(output);
    const float position = alignment.half_pixel_centers ? (at + 0.5f) * scale - 0.5f : at * scale;
    const int64_t first = static_cast<int64_t>(std::floor(position));
    const int64_t step = std::lrint((position - static_cast<float>(first)) * 1024.0f);
    const auto before = CubicWeights(step, a), after = CubicWeights(1024 - step, a);
    const float weights[4] = {before.second, before.first, after.first, after.second};
    float sum = 0;
    for (int64_t i = 0; i < 4; ++i) {
      const int64_t pixel = std::min(inputs - 1, std::max<int64_t>(0, first - 1 + i));
      const bool is_dropped = alignment.half_pixel_centers && pixel != first - 1 + i;  // the others' weights make up for it
      taps[output].push_back({pixel, is_dropped ? 0.0f : weights[i]});
      sum += taps[output].back().weight;
    }
    if (!alignment.half_pixel_centers || std::abs(sum) < 1000 * std::numeric_limits<float>::min()) continue;
    for (Tap& tap : taps[output]) tap.weight *= 1.0f / sum;
  }
  return taps;
}

class ResizeBicubicKernel : public tensorflow::XlaOpKernel {
 public:
  explicit ResizeBicubicKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("align_corners", &alignment_.align_corners));
    OP_REQUIRES_OK(construction, construction->GetAttr("half_pixel_centers", &alignment_.half_pixel_centers));
    OP_REQUIRES(construction, !(alignment_.align_corners && alignment_.half_pixel_centers),
                absl::InvalidArgumentError("If half_pixel_centers is True, align_corners must be False."));
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 protected:
  virtual absl::Status Build(XlaOpKernelContext* context) {
    const TensorShape image = context->InputShape(0), size_shape = context->InputShape(1);
    if (image.dims() != 4) return absl::InvalidArgumentError(absl::StrCat("input must be 4-dimensional", image.DebugString()));
    if (size_shape.dims() != 1) return absl::InvalidArgumentError(absl::StrCat("shape_t must be 1-dimensional", size_shape.DebugString()));
    if (size_shape.num_elements() != 2) return absl::InvalidArgumentError(absl::StrCat("shape_t must have two elements", size_shape.DebugString()));
    std::vector<int64_t> size;
    TF_RETURN_IF_ERROR(context->ConstantInputAsIntVector(1, &size));
    if (size[0] <= 0 || size[1] <= 0) return absl::InvalidArgumentError("output dimensions must be positive");
    if (image.dim_size(3) <= 0) return absl::InvalidArgumentError("image must have at least one channel");
    if (image.dim_size(1) <= 0 || image.dim_size(2) <= 0) return absl::InvalidArgumentError("input image must be of non-zero size");
    const XlaOp values = xla::ConvertElementType(context->Input(0), xla::F32);
    context->SetOutput(0, Sampled(values, BicubicTaps(image.dim_size(1), size[0], alignment_), BicubicTaps(image.dim_size(2), size[1], alignment_)));
    return absl::OkStatus();
  }

  Alignment alignment_;
};

class ResizeBicubicGradKernel : public ResizeBicubicKernel {
 public:
  using ResizeBicubicKernel::ResizeBicubicKernel;

 private:
  absl::Status Build(XlaOpKernelContext* context) override {
    const TensorShape grads = context->InputShape(0), image = context->InputShape(1);
    if (grads.dims() != 4) return absl::InvalidArgumentError(absl::StrCat("input_grad must be 4-dimensional", grads.DebugString()));
    if (image.dims() != 4) return absl::InvalidArgumentError(absl::StrCat("original_image must be 4-dimensional", image.DebugString()));
    if (image.dim_size(1) <= 0 || image.dim_size(2) <= 0) return absl::InvalidArgumentError("original dimensions must be positive");
    if (grads.dim_size(1) <= 0 || grads.dim_size(2) <= 0) return absl::InvalidArgumentError("resized dimensions must be positive");
    const auto taps = [&](int i) { return Transposed(BicubicTaps(image.dim_size(i), grads.dim_size(i), alignment_), image.dim_size(i)); };
    context->SetOutput(0, Sampled(xla::ConvertElementType(context->Input(0), context->InputXlaType("original_image")), taps(1), taps(2)));
    return absl::OkStatus();
  }
};

// ---- ScaleAndTranslate ----

struct Placement {
  int64_t inputs, outputs;
  float scale, translation;
  bool antialias;
};

// The pixels under the kernel around each sample, as many for every one as the widest has. Samples outside of the image have none but for weights of 0.
template <class Kernel>
Taps SpanTaps(const Kernel& kernel, const Placement& placement) {
  const float inverse = static_cast<float>(1.0 / placement.scale), shift = -inverse * placement.translation;
  const float width = placement.antialias ? std::max(inverse, 1.0f) : 1.0f, radius = kernel.Radius() * width;
  const int64_t inputs = placement.inputs;
  const auto span = static_cast<int64_t>(std::min(2 * std::ceil(static_cast<double>(radius)) + 1, static_cast<double>(inputs)));
  const auto bounded = [&](float pixel) { return static_cast<int64_t>(std::min(std::max(pixel, 0.0f), static_cast<float>(inputs - 1))); };
  Taps taps(placement.outputs);
  for (int64_t output = 0; output < placement.outputs; ++output) {
    const float sample = (static_cast<float>(output) + 0.5f) * inverse + shift;
    std::vector<Tap>& list = taps[output];
    const bool is_inside = sample >= 0 && sample <= static_cast<float>(inputs);
    const int64_t start = is_inside ? bounded(std::ceil(sample - radius - 0.5f)) : 0;
    const int64_t end = is_inside ? bounded(std::floor(sample + radius - 0.5f)) + 1 : 0;
    float sum = 0;
    for (int64_t pixel = start; pixel < std::min(start + span, inputs); ++pixel) {
      const bool is_under = pixel < end;
      list.push_back({pixel, is_under ? kernel(std::abs((static_cast<float>(pixel) + 0.5f - sample) * (1.0f / width))) : 0.0f});
      sum += list.back().weight;
    }
    const bool is_nothing = std::abs(sum) < 1000 * std::numeric_limits<float>::min();
    for (Tap& tap : list) tap.weight = is_nothing ? 0.0f : tap.weight * (1.0f / sum);
  }
  return taps;
}

Taps KernelTaps(tensorflow::functor::SamplingKernelType type, const Placement& placement) {
  namespace kernels = tensorflow::functor;
  switch (type) {
    case kernels::Lanczos1Kernel:
      return SpanTaps(kernels::CreateLanczos1Kernel(), placement);
    case kernels::Lanczos3Kernel:
      return SpanTaps(kernels::CreateLanczos3Kernel(), placement);
    case kernels::Lanczos5Kernel:
      return SpanTaps(kernels::CreateLanczos5Kernel(), placement);
    case kernels::GaussianKernel:
      return SpanTaps(kernels::CreateGaussianKernel(), placement);
    case kernels::BoxKernel:
      return SpanTaps(kernels::CreateBoxKernel(), placement);
    case kernels::TriangleKernel:
      return SpanTaps(kernels::CreateTriangleKernel(), placement);
    case kernels::KeysCubicKernel:
      return SpanTaps(kernels::CreateKeysCubicKernel(), placement);
    default:
      return SpanTaps(kernels::CreateMitchellCubicKernel(), placement);
  }
}

class ScaleAndTranslateKernel : public tensorflow::XlaOpKernel {
 public:
  explicit ScaleAndTranslateKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    std::string name;
    OP_REQUIRES_OK(construction, construction->GetAttr("antialias", &antialias_));
    OP_REQUIRES_OK(construction, construction->GetAttr("kernel_type", &name));
    kernel_ = tensorflow::functor::SamplingKernelTypeFromString(name);
    OP_REQUIRES(construction, kernel_ != tensorflow::functor::SamplingKernelTypeEnd,
                absl::InvalidArgumentError(absl::StrCat("Unrecognized kernel type: ", name)));
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 protected:
  virtual absl::Status Build(XlaOpKernelContext* context) {
    const TensorShape image = context->InputShape(0), size_shape = context->InputShape(1);
    if (image.dims() != 4) return absl::InvalidArgumentError(absl::StrCat("input must be 4-dimensional", image.DebugString()));
    if (size_shape.dims() != 1) return absl::InvalidArgumentError(absl::StrCat("output_shape_t must be 1-dimensional", size_shape.DebugString()));
    if (size_shape.num_elements() != 2) return absl::InvalidArgumentError(absl::StrCat("output_shape_t must have two elements", size_shape.DebugString()));
    std::vector<int64_t> size;
    TF_RETURN_IF_ERROR(context->ConstantInputAsIntVector(1, &size));
    if (size[0] <= 0 || size[1] <= 0) return absl::InvalidArgumentError("output dimensions must be positive");
    if (image.dim_size(3) <= 0) return absl::InvalidArgumentError("image must have at least one channel");
    if (image.dim_size(1) <= 0 || image.dim_size(2) <= 0) return absl::InvalidArgumentError("input image must be of non-zero size");
    TF_ASSIGN_OR_RETURN(const auto placements, Placements(context, image, size));
    context->SetOutput(
        0, Sampled(xla::ConvertElementType(context->Input(0), xla::F32), KernelTaps(kernel_, placements.first), KernelTaps(kernel_, placements.second)));
    return absl::OkStatus();
  }

  // Of the rows and of the columns.
  absl::StatusOr<std::pair<Placement, Placement>> Placements(XlaOpKernelContext* context, const TensorShape& image, const std::vector<int64_t>& size) const {
    float pairs[2][2];
    for (int i = 0; i < 2; ++i) {
      const TensorShape shape = context->InputShape(i + 2);
      if (shape.dims() != 1) return absl::InvalidArgumentError(absl::StrCat("t must be 1-dimensional", shape.DebugString()));
      if (shape.num_elements() != 2) return absl::InvalidArgumentError(absl::StrCat("t must have two elements", shape.DebugString()));
      xla::Literal literal;
      TF_RETURN_IF_ERROR(context->ConstantInput(i + 2, &literal));
      for (int64_t j = 0; j < 2; ++j) pairs[i][j] = literal.Get<float>({j});
      const bool is_denormal = i == 0 && (pairs[0][0] < std::numeric_limits<float>::min() || pairs[0][1] < std::numeric_limits<float>::min());
      if (i == 0 && (is_denormal || !(pairs[0][0] > 0 && pairs[0][1] > 0))) return absl::InvalidArgumentError("Scale must be greater than zero.");
    }
    return std::make_pair(Placement{image.dim_size(1), size[0], pairs[0][0], pairs[1][0], antialias_},
                          Placement{image.dim_size(2), size[1], pairs[0][1], pairs[1][1], antialias_});
  }

  bool antialias_ = true;
  tensorflow::functor::SamplingKernelType kernel_;
};

class ScaleAndTranslateGradKernel : public ScaleAndTranslateKernel {
 public:
  using ScaleAndTranslateKernel::ScaleAndTranslateKernel;

 private:
  absl::Status Build(XlaOpKernelContext* context) override {
    const TensorShape grads = context->InputShape(0), image = context->InputShape(1);
    if (grads.dims() != 4) return absl::InvalidArgumentError(absl::StrCat("input_grad must be 4-dimensional", grads.DebugString()));
    if (image.dims() != 4) return absl::InvalidArgumentError(absl::StrCat("original_image must be 4-dimensional", image.DebugString()));
    const std::vector<int64_t> size = {grads.dim_size(1), grads.dim_size(2)};
    TF_ASSIGN_OR_RETURN(const auto placements, Placements(context, image, size));
    const std::vector<int64_t> dims = {grads.dim_size(0), image.dim_size(1), image.dim_size(2), grads.dim_size(3)};
    if (size[0] == 0 || size[1] == 0 || dims[1] == 0 || dims[2] == 0) {
      context->SetOutput(0, xla::Broadcast(xla::Zero(context->builder(), xla::F32), dims));
      return absl::OkStatus();
    }
    const auto taps = [&](const Placement& placement) { return Transposed(KernelTaps(kernel_, placement), placement.inputs); };
    context->SetOutput(0, Sampled(context->Input(0), taps(placements.first), taps(placements.second)));
    return absl::OkStatus();
  }
};

}  // namespace

void RegisterResampleOps() {
  REGISTER_XLA_OP(Name("ResizeBicubic").Device("XLA_GPU_JIT").CompileTimeConstantInput("size"), ResizeBicubicKernel);
  REGISTER_XLA_OP(Name("ResizeBicubicGrad").Device("XLA_GPU_JIT"), ResizeBicubicGradKernel);
  REGISTER_XLA_OP(Name("ScaleAndTranslate")
                      .Device("XLA_GPU_JIT")
                      .CompileTimeConstantInput("size")
                      .CompileTimeConstantInput("scale")
                      .CompileTimeConstantInput("translation"),
                  ScaleAndTranslateKernel);
  REGISTER_XLA_OP(Name("ScaleAndTranslateGrad").Device("XLA_GPU_JIT").CompileTimeConstantInput("scale").CompileTimeConstantInput("translation"),
                  ScaleAndTranslateGradKernel);
}

}  // namespace tfvk::plugin
