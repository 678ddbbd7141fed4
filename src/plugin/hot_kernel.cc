#include "plugin/hot_kernel.h"

#include <chrono>

#include "plugin/compilation_cache.h"
#include "plugin/dump.h"
#include "plugin/generic_op.h"
#include "plugin/platform.h"
#include "plugin/statistics.h"
#include "plugin/status.h"
#include "tensorflow/compiler/jit/variable_info_util.h"
#include "tensorflow/core/framework/resource_var.h"
#include "tsl/platform/tensor_float_32_utils.h"

namespace tfvk::plugin {

using tensorflow::Tensor;
using tensorflow::VariableInfo;

// One call of the kernel. Its variables are locked for as long as it lives.
class HotRun {
 public:
  HotRun(HotKernel& kernel, tensorflow::OpKernelContext* context) : kernel_(kernel), context_(context) {}

  // `*taken` is false for a call that is not built here, of which nothing was done.
  absl::Status Run(bool* taken) {
    TF_RETURN_IF_ERROR(TakeInputs());
    TF_RETURN_IF_ERROR(kernel_.op_->Describe(inputs_, call_));
    *taken = call_.route != HotCall::Route::kGenericDoor;
    switch (call_.route) {
      case HotCall::Route::kGenericDoor:
        return absl::OkStatus();
      case HotCall::Route::kPassThrough:
        return PassThrough();
      case HotCall::Route::kNothing:
        return AllocateOutputs({});
      case HotCall::Route::kProgram:
        break;
    }
    return Execute();
  }

 private:
  absl::Status TakeInputs() {
    const int count = context_->num_inputs();
    inputs_.reserve(count);
    for (int i = 0; i < count; ++i) inputs_.push_back(&context_->input(i));
    if (kernel_.variables_.empty()) return absl::OkStatus();
    TF_RETURN_IF_ERROR(tensorflow::GetVariableInfosFromInputs(context_->resource_manager(), context_->device(), inputs_, kernel_.variables_, &variables_));
    TF_RETURN_IF_ERROR(tensorflow::LockVariables(absl::MakeSpan(variables_)));
    for (const VariableInfo& variable : variables_) {
      if (!variable.var()->is_initialized) {
        return absl::FailedPreconditionError(absl::StrCat("Attempting to use uninitialized variables: ", variable.name()));
      }
      inputs_[variable.index()] = variable.var()->tensor();
    }
    return absl::OkStatus();
  }

  absl::Status PassThrough() {
    Tensor output;
    if (!output.CopyFrom(*inputs_[0], call_.outputs[0])) return absl::InternalError("a tensor passed on has another number of elements");
    context_->set_output(0, output);
    return absl::OkStatus();
  }

  // In the memory of the parameters that `aliases` allow, where nobody else holds that.
  absl::Status AllocateOutputs(const std::vector<int>& aliases) {
    for (size_t i = 0; i < call_.outputs.size(); ++i) {
      Tensor* tensor = nullptr;
      const int alias = i < aliases.size() ? aliases[i] : -1;
      if (alias >= 0) {
        TF_RETURN_IF_ERROR(context_->forward_input_or_allocate_output({kernel_.parameters_[alias]}, static_cast<int>(i), call_.outputs[i], &tensor));
      } else {
        TF_RETURN_IF_ERROR(context_->allocate_output(static_cast<int>(i), call_.outputs[i], &tensor));
      }
      outputs_.push_back({tensor->data(), tensor->TotalBytes()});
    }
    return absl::OkStatus();
  }

  // New values of variables: in place where nobody else holds the old one, else in new tensors that `replaced` keeps until the run is queued.
  absl::Status AllocateUpdates(const std::vector<int>& aliases) {
    for (const int input : kernel_.updated_) {
      const size_t output = outputs_.size();
      const bool in_place = output < aliases.size() && aliases[output] >= 0 && kernel_.parameters_[aliases[output]] == input;
      Tensor* value = const_cast<Tensor*>(inputs_[input]);
      if (!in_place || !value->RefCountIsOne()) {
        Tensor made;
        TF_RETURN_IF_ERROR(context_->allocate_temp(value->dtype(), value->shape(), &made));
        replaced_.emplace_back(value, made);
        value = &replaced_.back().second;
      }
      outputs_.push_back({value->data(), value->TotalBytes()});
    }
    return absl::OkStatus();
  }

  absl::Status Execute() {
    Device& device = kernel_.DeviceOfKernel(context_);
    Executable* program = nullptr;
    TF_RETURN_IF_ERROR(kernel_.ProgramOf(device, call_.pattern, &program));
    Executable& executable = *program;
    TF_RETURN_IF_ERROR(AllocateOutputs(executable.aliases()));
    TF_RETURN_IF_ERROR(AllocateUpdates(executable.aliases()));
    RunArguments arguments;
    arguments.sizes.assign(call_.sizes.begin(), call_.sizes.end());
    arguments.parameters.reserve(kernel_.parameters_.size());
    for (const int input : kernel_.parameters_) arguments.parameters.push_back({inputs_[input]->data(), inputs_[input]->TotalBytes()});
    arguments.outputs.assign(outputs_.begin(), outputs_.end());
    Tensor temporary;
    if (const uint64_t bytes = executable.TemporaryBytes(arguments.sizes); bytes != 0) {
      TF_RETURN_IF_ERROR(context_->allocate_temp(tensorflow::DT_UINT8, tensorflow::TensorShape({static_cast<int64_t>(bytes)}), &temporary));
      arguments.temporary = temporary.data();
    }
    device.Run(executable, arguments);
    ++statistics().runs;
    statistics().launches += executable.launch_count();
    for (auto& [variable, tensor] : replaced_) *variable = tensor;
    return absl::OkStatus();
  }

  HotKernel& kernel_;
  tensorflow::OpKernelContext* const context_;
  absl::InlinedVector<const Tensor*, 8> inputs_;
  std::vector<VariableInfo> variables_;
  HotCall call_;
  absl::InlinedVector<DeviceBytes, 4> outputs_;
  std::vector<std::pair<Tensor*, Tensor>> replaced_;
};

HotKernel::HotKernel(tensorflow::OpKernelConstruction* construction, std::unique_ptr<HotOp> op)
    : OpKernel(construction), op_(std::move(op)), identity_("hot " + IdentityOf(construction->def())) {
  if (op_ != nullptr) updated_ = op_->updated();
  for (int i = 0; i < num_inputs(); ++i) {
    const bool is_variable = input_type(i) == tensorflow::DT_RESOURCE;
    if (is_variable) variables_.push_back(i);
    if (is_variable || input_memory_types()[i] == tensorflow::DEVICE_MEMORY) parameters_.push_back(i);
  }
}

HotKernel::~HotKernel() {
  for (Program* program = programs_.load(); program != nullptr;) {
    const std::unique_ptr<Program> owned(program);
    program = program->next;
  }
}

void HotKernel::Compute(tensorflow::OpKernelContext* context) {
  OP_REQUIRES_OK(context, Guarded([&]() -> absl::Status {
                   bool taken = false;
                   if (op_ != nullptr) TF_RETURN_IF_ERROR(HotRun(*this, context).Run(&taken));
                   return taken ? absl::OkStatus() : RunGenericOp(context);
                 }));
}

absl::Status HotKernel::RunGenericOp(tensorflow::OpKernelContext* context) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (generic_ == nullptr) generic_ = std::make_unique<GenericOp>(*this);
  }
  return generic_->Run(context);
}

Device& HotKernel::DeviceOfKernel(tensorflow::OpKernelContext* context) {
  Device* device = device_.load(std::memory_order_relaxed);
  if (device == nullptr) {  // a kernel is of one device
    device = &DeviceOf(context);
    device_.store(device, std::memory_order_relaxed);
  }
  return *device;
}

absl::Status HotKernel::ProgramOf(Device& device, uint64_t pattern, Executable** executable) {
  const bool tf32 = tsl::tensor_float_32_execution_enabled();
  for (const Program* program = programs_.load(std::memory_order_acquire); program != nullptr; program = program->next) {
    if (program->pattern != pattern || program->tf32 != tf32) continue;
    ++statistics().cache_hits;
    *executable = program->executable.get();
    return absl::OkStatus();
  }
  std::string key = identity_;
  const Device* const address = &device;
  key.append(1, '\0').append(1, tf32 ? '1' : '0').append(reinterpret_cast<const char*>(&pattern), sizeof pattern);
  key.append(reinterpret_cast<const char*>(&address), sizeof address);
  const auto compilation = CompilationCache::Global().Get(key, [&] {
    Compilation made;
    made.status = Guarded([&]() -> absl::Status {
      made.executable = Compile(device, pattern, tf32);
      return absl::OkStatus();
    });
    return made;
  });
  TF_RETURN_IF_ERROR(compilation->status);
  auto program = std::make_unique<Program>(Program{pattern, tf32, compilation->executable, nullptr});
  *executable = program->executable.get();
  std::lock_guard<std::mutex> lock(mutex_);
  program->next = programs_.load(std::memory_order_relaxed);
  programs_.store(program.release(), std::memory_order_release);
  return absl::OkStatus();
}

std::shared_ptr<Executable> HotKernel::Compile(Device& device, uint64_t pattern, bool tf32) const {
  const auto start = std::chrono::steady_clock::now();
  ir::Graph graph;
  graph.name = type_string();
  op_->Build(pattern, graph);
  for (const auto& node : graph.nodes()) node->origin = graph.name;
  ir::Verify(graph);
  Dump dump(type_string());
  CompileOptions options;
  options.allow_tf32 = tf32;
  options.keep_text = dump.enabled();
  std::shared_ptr<Executable> executable = device.Compile(graph, options);
  dump.WriteProgram(*executable);
  ++statistics().programs_compiled;
  statistics().compile_microseconds += std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start).count();
  return executable;
}

}  // namespace tfvk::plugin
