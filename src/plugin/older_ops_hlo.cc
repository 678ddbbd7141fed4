// Ops of old graphs: those that only have another name now, which are handed to the kernel of that name, and those whose arguments changed.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "plugin/mathematics_ops.h"
#include "tensorflow/compiler/tf2xla/kernels/conv_op_helpers.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "tensorflow/core/framework/node_def_util.h"
#include "tensorflow/core/framework/op.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla/hlo/builder/lib/math.h"

namespace tfvk::plugin {
namespace {

using tensorflow::OpKernelConstruction;
using tensorflow::XlaOpKernelContext;
using xla::XlaOp;

const std::map<std::string, std::string>& NewNames() {
  static const auto* const names = new std::map<std::string, std::string>{
      {"BatchCholesky", "Cholesky"},
      {"BatchFFT", "FFT"},
      {"BatchFFT2D", "FFT2D"},
      {"BatchFFT3D", "FFT3D"},
      {"BatchIFFT", "IFFT"},
      {"BatchIFFT2D", "IFFT2D"},
      {"BatchIFFT3D", "IFFT3D"},
      {"BatchMatrixBandPart", "MatrixBandPart"},
      {"BatchMatrixDeterminant", "MatrixDeterminant"},
      {"BatchMatrixDiag", "MatrixDiag"},
      {"BatchMatrixDiagPart", "MatrixDiagPart"},
      {"BatchMatrixInverse", "MatrixInverse"},
      {"BatchMatrixSetDiag", "MatrixSetDiag"},
      {"BatchMatrixSolve", "MatrixSolve"},
      {"BatchMatrixTriangularSolve", "MatrixTriangularSolve"},
      {"BatchSelfAdjointEigV2", "SelfAdjointEigV2"},
      {"BatchSvd", "Svd"},
      {"InvGrad", "ReciprocalGrad"},
      {"ScatterNdNonAliasingAdd", "TensorScatterAdd"},
  };
  return *names;
}

// The node under its new name. Attributes that the new op lacks are dropped, those that the old one lacks have their default or, where that is a type, the
// type that the old op has always had.
absl::Status Renamed(const tensorflow::NodeDef& old, tensorflow::NodeDef* node) {
  const tensorflow::OpDef* op = nullptr;
  node->set_name(old.name());
  node->set_op(NewNames().at(old.op()));
  TF_RETURN_IF_ERROR(tensorflow::OpRegistry::Global()->LookUpOpDef(node->op(), &op));
  for (const std::string& input : old.input()) node->add_input(input);
  for (const auto& attribute : op->attr()) {
    const auto known = old.attr().find(attribute.name());
    if (known != old.attr().end()) {
      (*node->mutable_attr())[attribute.name()] = known->second;
    } else if (attribute.name() == "Tcomplex") {
      (*node->mutable_attr())[attribute.name()].set_type(tensorflow::DT_COMPLEX64);
    } else if (attribute.has_default_value()) {
      (*node->mutable_attr())[attribute.name()] = attribute.default_value();
    } else {
      return absl::InternalError(absl::StrCat(old.op(), " does not say the attribute ", attribute.name(), " of ", op->name()));
    }
  }
  return absl::OkStatus();
}

class RenamedKernel : public tensorflow::XlaOpKernel {
 public:
  explicit RenamedKernel(OpKernelConstruction* construction) : XlaOpKernel(construction) { OP_REQUIRES_OK(construction, Create(construction)); }

  void Compile(XlaOpKernelContext* context) override { kernel_->Compute(context->op_kernel_context()); }

 private:
  absl::Status Create(OpKernelConstruction* construction) {
    tensorflow::NodeDef node;
    TF_RETURN_IF_ERROR(Renamed(construction->def(), &node));
    std::shared_ptr<const tensorflow::NodeProperties> properties;
    TF_RETURN_IF_ERROR(tensorflow::NodeProperties::CreateFromNodeDef(node, tensorflow::OpRegistry::Global(), &properties));
    tensorflow::OpKernel* kernel = nullptr;
    TF_RETURN_IF_ERROR(tensorflow::CreateOpKernel(construction->device_type(), construction->device(),
                                                  construction->device()->GetAllocator(tensorflow::AllocatorAttributes()), construction->function_library(),
                                                  construction->resource_manager(), properties, construction->graph_def_version(), &kernel));
    kernel_.reset(kernel);
    return absl::OkStatus();
  }

  std::unique_ptr<tensorflow::OpKernel> kernel_;
};

class GlobalNormalizationKernel : public tensorflow::XlaOpKernel {
 public:
  explicit GlobalNormalizationKernel(OpKernelConstruction* construction) : XlaOpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("variance_epsilon", &epsilon_));
    OP_REQUIRES_OK(construction, construction->GetAttr("scale_after_normalization", &is_scaled_));
  }

  void Compile(XlaOpKernelContext* context) override {
    OP_REQUIRES_OK(context, CheckShapes(context, {"m", "v", "beta", "gamma"}));
    const XlaOp t = context->Input("t"), v = context->Input("v");
    const XlaOp scale = xla::Rsqrt(v + xla::ScalarLike(v, epsilon_));
    const XlaOp by = is_scaled_ ? scale * context->Input("gamma") : scale;
    const XlaOp centered = xla::Sub(t, context->Input("m"), {3});
    context->SetOutput(0, xla::Add(xla::Mul(centered, by, {3}), context->Input("beta"), {3}));
  }

 protected:
  static absl::Status CheckShapes(XlaOpKernelContext* context, const std::vector<std::string>& vectors) {
    TF_ASSIGN_OR_RETURN(const xla::Shape input, context->InputXlaShape("t"));
    if (input.dimensions().size() != 4)
      return absl::InvalidArgumentError(absl::StrCat("input must be 4-dimensional, but has rank ", input.dimensions().size()));
    for (const std::string& name : vectors) {
      TF_ASSIGN_OR_RETURN(const xla::Shape shape, context->InputXlaShape(name));
      if (shape.dimensions().size() != 1 || shape.dimensions(0) != input.dimensions(3)) {
        return absl::InvalidArgumentError(
            absl::StrCat(name, " must be 1-dimensional, with the ", input.dimensions(3), " values of the input's channels, but is ", shape.ToString()));
      }
    }
    return absl::OkStatus();
  }

  float epsilon_;
  bool is_scaled_;
};

class GlobalNormalizationGradKernel : public GlobalNormalizationKernel {
 public:
  using GlobalNormalizationKernel::GlobalNormalizationKernel;

  void Compile(XlaOpKernelContext* context) override {
    OP_REQUIRES_OK(context, CheckShapes(context, {"m", "v", "gamma"}));
    const xla::PrimitiveType type = context->InputXlaType("t"), wide = type == xla::F16 || type == xla::BF16 ? xla::F32 : type;
    const auto read = [&](const char* name) { return xla::ConvertElementType(context->Input(name), wide); };
    const auto sum = [&](XlaOp x) {
      return xla::Reduce(x, xla::Zero(context->builder(), wide), xla::CreateScalarAddComputation(wide, context->builder()), {0, 1, 2});
    };
    const XlaOp v = read("v"), backprop = read("backprop"), inverse = xla::Rsqrt(v + xla::ScalarLike(v, epsilon_));
    const XlaOp by = is_scaled_ ? inverse * read("gamma") : inverse;
    const XlaOp d_beta = sum(backprop), along = sum(backprop * xla::Sub(read("t"), read("m"), {3}));
    const XlaOp results[] = {xla::Mul(backprop, by, {3}), -d_beta * by, along * by * inverse * inverse * xla::ScalarLike(v, -0.5), d_beta,
                             is_scaled_ ? along * inverse : xla::ZerosLike(along)};
    for (int i = 0; i < 5; ++i) context->SetOutput(i, xla::ConvertElementType(results[i], type));
  }
};

// The first forms of the gradients of Conv3D, which are told the sizes by a tensor that has them.
class Conv3DBackpropKernel : public tensorflow::XlaOpKernel {
 public:
  explicit Conv3DBackpropKernel(OpKernelConstruction* construction) : XlaOpKernel(construction) {
    attributes_.depthwise = false;
    attributes_.num_spatial_dims = 3;
    attributes_.data_format = tensorflow::FORMAT_NHWC;
    OP_REQUIRES_OK(construction, construction->GetAttr("strides", &attributes_.strides));
    OP_REQUIRES_OK(construction, construction->GetAttr("dilations", &attributes_.dilations));
    OP_REQUIRES_OK(construction, construction->GetAttr("padding", &attributes_.padding));
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  absl::Status Build(XlaOpKernelContext* context) {
    const bool is_of_input = type_string() == "Conv3DBackpropInput";
    TF_ASSIGN_OR_RETURN(const xla::Shape shape, context->InputXlaShape(is_of_input ? 0 : 1));
    absl::StatusOr<XlaOp> result = is_of_input
                                       ? tensorflow::MakeXlaBackpropInputConvOp(type_string(), shape, context->Input(1), context->Input(2), attributes_)
                                       : tensorflow::MakeXlaBackpropFilterConvOp(type_string(), context->Input(0), shape, context->Input(2), attributes_);
    TF_RETURN_IF_ERROR(result.status());
    context->SetOutput(0, *result);
    return absl::OkStatus();
  }

  tensorflow::ConvOpAttrs attributes_;
};

tensorflow::XlaOpKernel* MakeRenamed(OpKernelConstruction* construction) { return new RenamedKernel(construction); }

void RegisterRenamedOps() {
  for (const auto& [old_name, new_name] : NewNames()) {
    tensorflow::XlaOpRegistrationBuilder builder = tensorflow::XlaOpRegistrationBuilder::Name(old_name);
    builder.Device("XLA_GPU_JIT");
    const auto* constants = tensorflow::XlaOpRegistry::CompileTimeConstantInputArgNames(new_name);
    if (constants != nullptr) {
      for (const std::string& argument : *constants) builder.CompileTimeConstantInput(argument);
    }
    tensorflow::XlaOpRegistrar registrar(builder.Build([](OpKernelConstruction* c) -> tensorflow::OpKernel* { return MakeRenamed(c); }));
  }
}

}  // namespace

void RegisterOlderOps() {
  RegisterRenamedOps();
  const std::vector<tensorflow::DataType> floats = {tensorflow::DT_HALF, tensorflow::DT_BFLOAT16, tensorflow::DT_FLOAT, tensorflow::DT_DOUBLE};
  REGISTER_XLA_OP(Name("BatchNormWithGlobalNormalization").Device("XLA_GPU_JIT").TypeConstraint("T", floats), GlobalNormalizationKernel);
  REGISTER_XLA_OP(Name("BatchNormWithGlobalNormalizationGrad").Device("XLA_GPU_JIT").TypeConstraint("T", floats), GlobalNormalizationGradKernel);
  REGISTER_XLA_OP(Name("Conv3DBackpropInput").Device("XLA_GPU_JIT"), Conv3DBackpropKernel);
  REGISTER_XLA_OP(Name("Conv3DBackpropFilter").Device("XLA_GPU_JIT"), Conv3DBackpropKernel);
}

}  // namespace tfvk::plugin
