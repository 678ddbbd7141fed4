#include "plugin/sized_kernel.h"

#include <limits>
#include <set>

#include "plugin/compilation_cache.h"
#include "plugin/dump.h"
#include "plugin/generic_op.h"
#include "plugin/platform.h"
#include "plugin/statistics.h"
#include "plugin/status.h"
#include "tensorflow/compiler/tf2xla/shape_util.h"

namespace tfvk::plugin {

using tensorflow::Tensor;
using tensorflow::TensorShape;

namespace {

DeviceBytes BytesOf(const Tensor& tensor) { return {tensor.data(), tensor.TotalBytes()}; }

absl::Status CompileProgram(Device& device, const std::string& name, const std::vector<const Tensor*>& inputs,
                            const std::function<std::vector<xla::XlaOp>(const std::vector<xla::XlaOp>&)>& build, Compilation& compilation) {
  xla::XlaBuilder builder(name);
  std::vector<xla::XlaOp> parameters;
  for (const Tensor* input : inputs) {
    xla::Shape shape;
    TF_RETURN_IF_ERROR(tensorflow::TensorShapeToXLAShape(input->dtype(), input->shape(), &shape));
    const int64_t index = static_cast<int64_t>(parameters.size());
    parameters.push_back(xla::Parameter(&builder, index, shape, absl::StrCat("input", index)));
  }
  const std::vector<xla::XlaOp> results = build(parameters);
  xla::Tuple(&builder, results);
  TF_ASSIGN_OR_RETURN(const xla::XlaComputation computation, builder.Build());
  hlo::ModulePtr module = hlo::ModuleFromComputation(computation);
  Dump dump(name);
  dump.WriteModule(*module);
  CompileOptions options;
  options.keep_text = dump.enabled();
  compilation.executable = device.Compile(std::move(module), options);
  dump.WriteProgram(*compilation.executable);
  ++statistics().programs_compiled;
  return absl::OkStatus();
}

std::vector<SizedOp> AllSizedOps() {
  std::vector<SizedOp> all;
  for (const auto& family : {WhereOps(), UniqueOps(), DynamicPartitionOps(), SegmentOps()}) all.insert(all.end(), family.begin(), family.end());
  return all;
}

}  // namespace

SizedKernel::SizedKernel(tensorflow::OpKernelConstruction* construction) : OpKernel(construction), identity_("sized " + IdentityOf(construction->def())) {}

void SizedKernel::Compute(tensorflow::OpKernelContext* context) {
  OP_REQUIRES_OK(context, Guarded([&] { return Run(context); }));
}

absl::Status SizedKernel::RunProgram(tensorflow::OpKernelContext* context, const std::string& variant, const std::vector<const Tensor*>& inputs,
                                     const Types& types, const Build& build, std::vector<Tensor>* results) const {
  Device& device = DeviceOf(context);
  const Device* const address = &device;
  std::string key = identity_;
  key.append(1, '\0').append(reinterpret_cast<const char*>(&address), sizeof address).append(variant);
  for (const Tensor* input : inputs) absl::StrAppend(&key, "|", input->dtype(), input->shape().DebugString());
  const auto compilation = CompilationCache::Global().Get(key, [&] {
    Compilation made;
    made.status = Guarded([&] { return CompileProgram(device, type_string(), inputs, build, made); });
    return made;
  });
  TF_RETURN_IF_ERROR(compilation->status);

  RunArguments arguments;
  for (const Tensor* input : inputs) arguments.parameters.push_back(BytesOf(*input));
  results->resize(types.size());
  for (size_t i = 0; i < types.size(); ++i) {
    TF_RETURN_IF_ERROR(context->allocate_temp(types[i].first, types[i].second, &(*results)[i]));
    arguments.outputs.push_back(BytesOf((*results)[i]));
  }
  Tensor temporary;
  if (const uint64_t bytes = compilation->executable->TemporaryBytes({}); bytes != 0) {
    TF_RETURN_IF_ERROR(context->allocate_temp(tensorflow::DT_UINT8, TensorShape({static_cast<int64_t>(bytes)}), &temporary));
    arguments.temporary = temporary.data();
  }
  device.Run(*compilation->executable, arguments);
  ++statistics().runs;
  statistics().launches += compilation->executable->launch_count();
  return absl::OkStatus();
}

std::vector<int64_t> SizedKernel::ReadFacts(tensorflow::OpKernelContext* context, const Tensor& facts) {
  Device& device = DeviceOf(context);
  std::vector<int64_t> values(facts.NumElements());
  device.Wait(device.Download(values.data(), facts.data(), facts.TotalBytes()));
  return values;
}

absl::Status SizedKernel::SetRows(tensorflow::OpKernelContext* context, int index, const Tensor& padded, int64_t first, int64_t rows) {
  if (first == 0 && rows != 0 && 2 * rows >= padded.dim_size(0)) {  // not worth a copy
    context->set_output(index, padded.Slice(0, rows));
    return absl::OkStatus();
  }
  TensorShape shape = padded.shape();
  shape.set_dim(0, rows);
  Tensor* output = nullptr;
  TF_RETURN_IF_ERROR(context->allocate_output(index, shape, &output));
  if (output->TotalBytes() == 0) return absl::OkStatus();
  const uint64_t row_bytes = output->TotalBytes() / rows;
  DeviceOf(context).Copy(output->data(), static_cast<const char*>(padded.data()) + first * row_bytes, output->TotalBytes());
  return absl::OkStatus();
}

absl::Status SizedKernel::RunOnCpu(tensorflow::OpKernelContext* context) {
  statistics().CountRunOnCpu(type_string());
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (cpu_kernel_ == nullptr) TF_RETURN_IF_ERROR(CpuKernel::Create(context->function_library(), context->resource_manager(), def(), &cpu_kernel_));
  }
  return cpu_kernel_->RunStaged(context);
}

absl::Status CheckRowCount(int64_t rows) {
  if (rows < std::numeric_limits<int32_t>::max() / 2) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat(rows, " elements are more than this device's kernel counts in 32 bits"));
}

bool IsSizedOp(const std::string& op) {
  static const auto* const names = [] {
    auto* made = new std::set<std::string>;
    for (const SizedOp& sized : AllSizedOps()) made->insert(sized.name);
    return made;
  }();
  return names->count(op) != 0;
}

void RegisterSizedOps(const TypeSet& device_types) {
  for (const SizedOp& op : AllSizedOps()) {
    auto kernel = std::make_unique<tensorflow::KernelDef>();
    kernel->set_op(op.name);
    kernel->set_device_type(DeviceType());
    for (const auto& [attribute, types] : op.types) {
      TypeSet allowed;
      for (const tensorflow::DataType type : types) {
        if (device_types.count(type) != 0) allowed.insert(type);
      }
      SetConstraintTypes(*kernel, attribute, allowed);
    }
    for (const std::string& argument : op.host_arguments) kernel->add_host_memory_arg(argument);
    tensorflow::kernel_factory::OpKernelRegistrar(kernel.release(), "TfvkSizedOp", op.make);
  }
}

}  // namespace tfvk::plugin
