// The size of a CudnnRNN network's flat buffer of weights, and its conversion from and to a list of matrices and biases, one for each gate.
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "plugin/op_rules.h"
#include "plugin/platform.h"
#include "plugin/recurrent_ops.h"
#include "plugin/rnn_network.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::Tensor;
using tensorflow::TensorShape;
using tensorflow::XlaOpKernelContext;
using xla::XlaOp;

constexpr const char* kSizeInputs[] = {"num_layers", "num_units", "input_size"};

// ---- The size ----

absl::Status SizeOf(const RnnAttributes& attributes, const int64_t (&sizes)[3], tensorflow::DataType type, Tensor* result) {
  TF_ASSIGN_OR_RETURN(const RnnNetwork network, RnnNetwork::Make(attributes, sizes[0], sizes[1], sizes[2]));
  const int64_t size = RnnLayout(network).size();
  *result = Tensor(type, TensorShape({1}));
  if (type == tensorflow::DT_INT64) {
    result->flat<int64_t>()(0) = size;
    return absl::OkStatus();
  }
  if (size > std::numeric_limits<int32_t>::max()) {
    return absl::InvalidArgumentError(absl::StrCat("The network has ", size, " parameters, which S = int32 cannot hold"));
  }
  result->flat<int32_t>()(0) = static_cast<int32_t>(size);
  return absl::OkStatus();
}

class ParamsSizeHostKernel : public tensorflow::OpKernel {
 public:
  explicit ParamsSizeHostKernel(tensorflow::OpKernelConstruction* construction) : OpKernel(construction) {
    const absl::StatusOr<RnnAttributes> read = RnnAttributes::Read(construction);
    OP_REQUIRES_OK(construction, read.status());
    attributes_ = *read;
  }

  void Compute(tensorflow::OpKernelContext* context) override {
    int64_t sizes[3];
    for (int i = 0; i < 3; ++i) {
      OP_REQUIRES(context, context->input(i).dims() == 0, absl::InvalidArgumentError(absl::StrCat(kSizeInputs[i], " is not a scalar")));
      sizes[i] = context->input(i).scalar<int32_t>()();
    }
    Tensor size;
    OP_REQUIRES_OK(context, SizeOf(attributes_, sizes, output_type(0), &size));
    context->set_output(0, size);
  }

 private:
  RnnAttributes attributes_;
};

// ---- Kernels of tf2xla ----

class ParamsKernel : public tensorflow::XlaOpKernel {
 public:
  explicit ParamsKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    const absl::StatusOr<RnnAttributes> read = RnnAttributes::Read(construction);
    OP_REQUIRES_OK(construction, read.status());
    attributes_ = *read;
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 protected:
  virtual absl::Status Build(XlaOpKernelContext* context) = 0;

  absl::Status ReadSizes(XlaOpKernelContext* context, int64_t (&sizes)[3]) const {
    for (int i = 0; i < 3; ++i) {
      TF_ASSIGN_OR_RETURN(const xla::Shape shape, context->InputXlaShape(i));
      if (!shape.dimensions().empty()) return absl::InvalidArgumentError(absl::StrCat(kSizeInputs[i], " is not a scalar"));
      TF_RETURN_IF_ERROR(context->ConstantInputAsIntScalar(i, &sizes[i]));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<RnnNetwork> ReadNetwork(XlaOpKernelContext* context) const {
    int64_t sizes[3];
    TF_RETURN_IF_ERROR(ReadSizes(context, sizes));
    return RnnNetwork::Make(attributes_, sizes[0], sizes[1], sizes[2]);
  }

  RnnAttributes attributes_;
};

class ParamsSizeKernel : public ParamsKernel {
 public:
  using ParamsKernel::ParamsKernel;

 protected:
  absl::Status Build(XlaOpKernelContext* context) override {
    int64_t sizes[3];
    TF_RETURN_IF_ERROR(ReadSizes(context, sizes));
    Tensor size;
    TF_RETURN_IF_ERROR(SizeOf(attributes_, sizes, context->expected_output_dtype(0), &size));
    context->SetConstantOutput(0, size);
    return absl::OkStatus();
  }
};

// The list's parts of the buffer, in its order: for each layer and direction the input matrices of cuDNN's gates, the recurrent ones and the projecting one.
struct CanonicalParts {
  explicit CanonicalParts(const RnnNetwork& network) {
    const std::vector<int> places = RnnGatePlaces(network.mode);
    const auto add_gates = [&](std::vector<RnnRegion>& list, const RnnRegion& all) {
      for (const int place : places) list.push_back({all.offset + place * network.units * all.columns, network.units, all.columns});
    };
    const RnnLayout layout(network);
    for (const RnnWeightRegions& regions : layout.regions()) {
      add_gates(weights, regions.input);
      add_gates(weights, regions.recurrent);
      if (network.has_projection()) weights.push_back(regions.projection);
      add_gates(biases, regions.input_bias);
      add_gates(biases, regions.recurrent_bias);
    }
  }

  std::vector<RnnRegion> weights, biases;
};

absl::Status CheckCounts(const CanonicalParts& parts, size_t weights, size_t biases) {
  if (weights == parts.weights.size() && biases == parts.biases.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("Number of params mismatch. Expected ", parts.weights.size(), " weights and ", parts.biases.size(),
                                                 " biases, got ", weights, " and ", biases));
}

class ToCanonicalKernel : public ParamsKernel {
 public:
  explicit ToCanonicalKernel(tensorflow::OpKernelConstruction* construction) : ParamsKernel(construction) {
    const bool apart = construction->HasAttr("num_params_weights");
    OP_REQUIRES_OK(construction, construction->GetAttr(apart ? "num_params_weights" : "num_params", &weights_));
    OP_REQUIRES_OK(construction, construction->GetAttr(apart ? "num_params_biases" : "num_params", &biases_));
  }

 protected:
  absl::Status Build(XlaOpKernelContext* context) override {
    TF_ASSIGN_OR_RETURN(const RnnNetwork network, ReadNetwork(context));
    const CanonicalParts parts(network);
    TF_RETURN_IF_ERROR(CheckCounts(parts, weights_, biases_));
    TF_ASSIGN_OR_RETURN(const xla::Shape given, context->InputXlaShape("params"));
    const int64_t size = RnnLayout(network).size();
    if (given.dimensions().size() != 1 || given.dimensions(0) != size) {
      return absl::InvalidArgumentError(absl::StrCat("Params size mismatch. Expected ", size, ", got the shape ", given.ToString()));
    }
    const XlaOp params = context->Input("params");
    int output = 0;
    for (const RnnRegion& part : parts.weights) context->SetOutput(output++, xla::Reshape(Cut(params, part), {part.rows, part.columns}));
    for (const RnnRegion& part : parts.biases) context->SetOutput(output++, Cut(params, part));
    return absl::OkStatus();
  }

 private:
  static XlaOp Cut(XlaOp params, const RnnRegion& part) { return xla::SliceInDim(params, part.offset, part.offset + part.size(), 1, 0); }

  int weights_ = 0, biases_ = 0;
};

class FromCanonicalKernel : public ParamsKernel {
 public:
  using ParamsKernel::ParamsKernel;

 protected:
  absl::Status Build(XlaOpKernelContext* context) override {
    TF_ASSIGN_OR_RETURN(const RnnNetwork network, ReadNetwork(context));
    const CanonicalParts parts(network);
    std::vector<XlaOp> weights, biases;
    std::vector<TensorShape> weight_shapes, bias_shapes;
    TF_RETURN_IF_ERROR(context->InputList("weights", &weights, &weight_shapes));
    TF_RETURN_IF_ERROR(context->InputList("biases", &biases, &bias_shapes));
    TF_RETURN_IF_ERROR(CheckCounts(parts, weights.size(), biases.size()));
    std::map<int64_t, XlaOp> pieces;  // by their places in the buffer
    TF_RETURN_IF_ERROR(Collect(parts.weights, weights, weight_shapes, pieces));
    TF_RETURN_IF_ERROR(Collect(parts.biases, biases, bias_shapes, pieces));
    std::vector<XlaOp> ordered;
    for (const auto& [offset, piece] : pieces) ordered.push_back(piece);
    context->SetOutput(0, xla::ConcatInDim(context->builder(), ordered, 0));
    return absl::OkStatus();
  }

 private:
  static absl::Status Collect(const std::vector<RnnRegion>& parts, const std::vector<XlaOp>& values, const std::vector<TensorShape>& shapes,
                              std::map<int64_t, XlaOp>& pieces) {
    for (size_t i = 0; i < parts.size(); ++i) {
      if (shapes[i].num_elements() != parts[i].size()) {
        return absl::InvalidArgumentError(absl::StrCat("Params size mismatch. Expected ", parts[i].size(), ", got ", shapes[i].num_elements()));
      }
      if (parts[i].size() > 0) pieces[parts[i].offset] = xla::Reshape(values[i], {parts[i].size()});
    }
    return absl::OkStatus();
  }
};

}  // namespace

void RegisterCudnnRnnParamsOps() {
#define TFVK_SIZES CompileTimeConstantInput("num_layers").CompileTimeConstantInput("num_units").CompileTimeConstantInput("input_size")
  // Alone, the op runs by the host kernel below.
  REGISTER_XLA_OP(Name("CudnnRNNParamsSize").Device("XLA_GPU_JIT").CompilationOnly().TFVK_SIZES, ParamsSizeKernel);
  REGISTER_XLA_OP(Name("CudnnRNNParamsToCanonical").Device("XLA_GPU_JIT").TFVK_SIZES, ToCanonicalKernel);
  REGISTER_XLA_OP(Name("CudnnRNNParamsToCanonicalV2").Device("XLA_GPU_JIT").TFVK_SIZES, ToCanonicalKernel);
  REGISTER_XLA_OP(Name("CudnnRNNCanonicalToParams").Device("XLA_GPU_JIT").TFVK_SIZES, FromCanonicalKernel);
  REGISTER_XLA_OP(Name("CudnnRNNCanonicalToParamsV2").Device("XLA_GPU_JIT").TFVK_SIZES, FromCanonicalKernel);
#undef TFVK_SIZES
}

void RegisterCudnnRnnParamsSize(const TypeSet& device_types) {
  auto definition = std::make_unique<tensorflow::KernelDef>();
  definition->set_op("CudnnRNNParamsSize");
  definition->set_device_type(DeviceType());
  TypeSet types;
  for (const tensorflow::DataType type : {tensorflow::DT_HALF, tensorflow::DT_BFLOAT16, tensorflow::DT_FLOAT, tensorflow::DT_DOUBLE}) {
    if (device_types.count(type) != 0) types.insert(type);
  }
  SetConstraintTypes(*definition, "T", types);
  for (const char* input : kSizeInputs) definition->add_host_memory_arg(input);
  definition->add_host_memory_arg("params_size");
  tensorflow::kernel_factory::OpKernelRegistrar(definition.release(), "TfvkCudnnRnnParamsSize",
                                                [](tensorflow::OpKernelConstruction* c) -> tensorflow::OpKernel* { return new ParamsSizeHostKernel(c); });
}

}  // namespace tfvk::plugin
