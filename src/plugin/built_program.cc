#include "plugin/built_program.h"

#include <memory>
#include <utility>

#include "hlo/module.h"
#include "plugin/compilation_cache.h"
#include "plugin/platform.h"
#include "plugin/statistics.h"
#include "plugin/status.h"
#include "tensorflow/compiler/tf2xla/shape_util.h"
#include "tensorflow/compiler/tf2xla/type_util.h"
#include "tsl/platform/tensor_float_32_utils.h"

namespace tfvk::plugin {
namespace {

using tensorflow::Tensor;

absl::StatusOr<xla::Shape> ShapeOf(const Tensor& tensor) {
  xla::Shape shape;
  TF_RETURN_IF_ERROR(tensorflow::TensorShapeToXLAShape(tensor.dtype(), tensor.shape(), &shape));
  return shape;
}

Compilation Compile(Device& device, const std::string& name, const BuildProgram& build, const std::vector<const Tensor*>& inputs) {
  Compilation compilation;
  compilation.status = Guarded([&]() -> absl::Status {
    xla::XlaBuilder builder(name);
    std::vector<xla::XlaOp> parameters;
    for (const Tensor* input : inputs) {
      TF_ASSIGN_OR_RETURN(const xla::Shape shape, ShapeOf(*input));
      const int number = static_cast<int>(parameters.size());
      parameters.push_back(xla::Parameter(&builder, number, shape, absl::StrCat("parameter", number)));
    }
    const std::vector<xla::XlaOp> results = build(parameters);
    const xla::XlaOp root = xla::Tuple(&builder, results);
    TF_ASSIGN_OR_RETURN(const xla::XlaComputation computation, builder.Build(root));
    hlo::ModulePtr module = hlo::ModuleFromComputation(computation);
    compilation.executable = CompileModule(device, name, std::move(module));
    return absl::OkStatus();
  });
  return compilation;
}

}  // namespace

absl::Status RunBuiltProgram(tensorflow::OpKernelContext* context, const std::string& name, const BuildProgram& build, const std::vector<const Tensor*>& inputs,
                             const std::vector<Tensor*>& outputs) {
  return Guarded([&]() -> absl::Status {
    Device& device = DeviceOf(context);
    std::string key = absl::StrCat("built ", name, "@", reinterpret_cast<uintptr_t>(&device), tsl::tensor_float_32_execution_enabled() ? "t" : "");
    for (const Tensor* input : inputs) absl::StrAppend(&key, ";", static_cast<int>(input->dtype()), input->shape().DebugString());
    const auto compilation = CompilationCache::Global().Get(key, [&] { return Compile(device, name, build, inputs); });
    TF_RETURN_IF_ERROR(compilation->status);
    Executable& executable = *compilation->executable;
    RunArguments arguments;
    for (const Tensor* input : inputs) arguments.parameters.push_back({input->data(), input->TotalBytes()});
    for (const Tensor* output : outputs) arguments.outputs.push_back({output->data(), output->TotalBytes()});
    Tensor temporary;
    if (const uint64_t bytes = executable.TemporaryBytes({}); bytes != 0) {
      TF_RETURN_IF_ERROR(context->allocate_temp(tensorflow::DT_UINT8, tensorflow::TensorShape({static_cast<int64_t>(bytes)}), &temporary));
      arguments.temporary = temporary.data();
    }
    device.Run(executable, arguments);
    ++statistics().runs;
    statistics().launches += executable.launch_count();
    return absl::OkStatus();
  });
}

absl::Status AllocateTemporary(tensorflow::OpKernelContext* context, tensorflow::DataType dtype, const tensorflow::TensorShape& shape, Tensor* tensor,
                               bool on_host) {
  tensorflow::AllocatorAttributes attributes;
  attributes.set_on_host(on_host);
  return context->allocate_temp(dtype, shape, tensor, attributes);
}

void ReadNow(tensorflow::OpKernelContext* context, const Tensor& tensor, void* destination) {
  if (tensor.TotalBytes() == 0) return;
  Device& device = DeviceOf(context);
  device.Wait(device.Download(destination, tensor.data(), tensor.TotalBytes()));
}

}  // namespace tfvk::plugin
