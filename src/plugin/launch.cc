#include "plugin/launch.h"

#include <array>
#include <chrono>
#include <map>
#include <optional>

#include "absl/strings/match.h"
#include "plugin/compilation_cache.h"
#include "plugin/platform.h"
#include "plugin/statistics.h"
#include "plugin/status.h"
#include "tensorflow/compiler/jit/variable_info_util.h"
#include "tensorflow/compiler/tf2xla/type_util.h"
#include "tensorflow/core/framework/function.h"
#include "tensorflow/core/framework/resource_var.h"
#include "tsl/platform/tensor_float_32_utils.h"
#include "xla/client/client_library.h"

namespace tfvk::plugin {

using tensorflow::DataType;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using tensorflow::VariableInfo;
using tensorflow::XlaCompiler;

const char kXlaBackend[] = "XLA_GPU_JIT";

namespace {

uint64_t MicrosecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start).count();
}

// The key's parts are of known length or preceded by it, so different arguments never give one key.
template <class T>
void Append(std::string& key, const T& value) {
  key.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void AppendType(std::string& key, DataType type, const TensorShape& shape) {
  Append(key, type);
  Append(key, shape.dims());
  for (int i = 0; i < shape.dims(); ++i) Append(key, shape.dim_size(i));
}

DeviceBytes BytesOf(const Tensor& tensor) {
  const absl::string_view data = tensor.tensor_data();
  return {const_cast<char*>(data.data()), data.size()};
}

// ---- Compilation ----

absl::Status Lower(tensorflow::OpKernelContext* context, const Callable& callable, std::vector<XlaCompiler::Argument> arguments,
                   XlaCompiler::CompilationResult* result) {
  XlaCompiler::Options options;
  options.device_type = tensorflow::DeviceType(kXlaBackend);
  options.client = xla::ClientLibrary::LocalClientOrDie();
  options.flib_def = context->function_library()->GetFunctionLibraryDefinition();
  options.graph_def_version = context->function_library()->graph_def_version();
  options.detailed_logging = false;
  XlaCompiler::CompileOptions compile_options;
  compile_options.is_entry_computation = true;
  compile_options.always_return_tuple = true;
  compile_options.alias_resource_update = true;
  XlaCompiler compiler(options);
  return callable.lower(compiler, compile_options, arguments, result);
}

// Which tuple element is which result: constants and resources take none.
absl::Status MapResults(Compilation& compilation, const std::string& name) {
  const auto& interface = compilation.interface;
  for (size_t i = 0; i < interface.outputs.size(); ++i) {
    const auto& output = interface.outputs[i];
    if (output.is_tensor_list || output.type == tensorflow::DT_VARIANT) {
      return absl::UnimplementedError(absl::StrCat("[", name, "] Output ", i, " is a list of tensors, which cannot leave a compiled function on this device"));
    }
    if (!output.is_constant && output.type != tensorflow::DT_RESOURCE) compilation.results.push_back({Compilation::Result::Kind::kOutput, static_cast<int>(i)});
  }
  for (size_t i = 0; i < interface.resource_updates.size(); ++i) {
    compilation.results.push_back({Compilation::Result::Kind::kVariable, static_cast<int>(i)});
  }
  return absl::OkStatus();
}

// tf2xla may give another type than the op's own: real eigenvalues for complex ones.
absl::Status CheckResultTypes(const Compilation& compilation, const std::string& name) {
  const auto& interface = compilation.interface;
  for (size_t i = 0; i < compilation.results.size(); ++i) {
    const auto& result = compilation.results[i];
    const bool is_output = result.kind == Compilation::Result::Kind::kOutput;
    const tensorflow::DataType type = is_output ? interface.outputs[result.index].type : interface.resource_updates[result.index].type;
    const xla::Shape& made = interface.xla_output_shape.tuple_shapes(static_cast<int>(i));
    xla::PrimitiveType expected;
    TF_RETURN_IF_ERROR(tensorflow::DataTypeToPrimitiveType(type, &expected));
    if (made.element_type() != expected) {
      return absl::UnimplementedError(
          absl::StrCat("[", name, "] tf2xla gives ", made.ToString(), " for result ", i, " of type ", tensorflow::DataTypeString(type)));
    }
  }
  return absl::OkStatus();
}

// An error of tf2xla's that tells of its own limits, not of what is wrong with the call: TensorFlow's CPU kernel knows better, and may have a result.
bool SaysNothingOfTheCall(const absl::Status& status) {
  return absl::IsUnimplemented(status) || absl::IsInternal(status) || absl::IsUnknown(status) ||
         absl::StartsWith(status.message(), "TF to XLA legalization failed");
}

Compilation CompileNow(tensorflow::OpKernelContext* context, Device& device, const Callable& callable, std::vector<XlaCompiler::Argument> arguments) {
  Compilation compilation;
  compilation.status = Guarded([&]() -> absl::Status {
    const auto start = std::chrono::steady_clock::now();
    compilation.bridge_refused = true;
    TF_RETURN_IF_ERROR(Lower(context, callable, std::move(arguments), &compilation.interface));
    TF_RETURN_IF_ERROR(MapResults(compilation, callable.name));
    TF_RETURN_IF_ERROR(CheckResultTypes(compilation, callable.name));
    compilation.bridge_refused = false;
    hlo::ModulePtr module = hlo::ModuleFromComputation(*compilation.interface.computation);
    compilation.interface.computation.reset();
    statistics().bridge_microseconds += MicrosecondsSince(start);
    if (compilation.results.empty()) return absl::OkStatus();

    const auto compile_start = std::chrono::steady_clock::now();
    compilation.executable = CompileModule(device, callable.name, std::move(module));
    statistics().functions_compiled += callable.is_function;
    statistics().compile_microseconds += MicrosecondsSince(compile_start);
    return absl::OkStatus();
  });
  compilation.bridge_refused = compilation.bridge_refused && SaysNothingOfTheCall(compilation.status);
  return compilation;
}

// ---- One call ----

class Call {
 public:
  Call(tensorflow::OpKernelContext* context, const Callable& callable) : context_(context), callable_(callable), device_(DeviceOf(context)) {}

  absl::Status Run(bool* bridge_refused) {
    TF_RETURN_IF_ERROR(TakeInputs());
    std::vector<XlaCompiler::Argument> arguments;
    std::string key;
    TF_RETURN_IF_ERROR(DescribeArguments(arguments, key));
    compilation_ = CompilationCache::Global().Get(key, [&] { return CompileNow(context_, device_, callable_, std::move(arguments)); });
    if (bridge_refused != nullptr) *bridge_refused = compilation_->bridge_refused;
    TF_RETURN_IF_ERROR(compilation_->status);
    TF_RETURN_IF_ERROR(SetTrivialOutputs());
    if (compilation_->executable == nullptr) return absl::OkStatus();
    return Execute();
  }

 private:
  // Locks the variables for as long as this call lives.
  absl::Status TakeInputs() {
    TF_RETURN_IF_ERROR(references_.Take(context_, callable_.references));
    for (int i = 0; i < context_->num_inputs(); ++i) inputs_.push_back(tensorflow::IsRefType(context_->input_dtype(i)) ? nullptr : &context_->input(i));
    TF_RETURN_IF_ERROR(tensorflow::GetVariableInfosFromInputs(context_->resource_manager(), context_->device(), inputs_, callable_.variables, &variables_));
    TF_RETURN_IF_ERROR(tensorflow::LockVariables(absl::MakeSpan(variables_)));
    variable_of_input_.resize(inputs_.size(), nullptr);
    for (const VariableInfo& variable : variables_) variable_of_input_[variable.index()] = variable.var();
    for (size_t i = 0; i < callable_.references.size(); ++i) variable_of_input_[callable_.references[i].input] = &references_[i];
    return absl::OkStatus();
  }

  absl::Status DescribeArguments(std::vector<XlaCompiler::Argument>& arguments, std::string& key) {
    key = callable_.identity;
    Append(key, &device_);
    Append(key, tsl::tensor_float_32_execution_enabled());
    std::vector<bool> is_constant(inputs_.size());
    for (const int i : callable_.constants) is_constant[i] = true;
    arguments.resize(inputs_.size());
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (variable_of_input_[i] != nullptr) {
        DescribeVariable(*variable_of_input_[i], arguments[i], key);
      } else if (is_constant[i]) {
        DescribeConstant(*inputs_[i], arguments[i], key);
      } else {
        arguments[i].kind = XlaCompiler::Argument::kParameter;
        arguments[i].type = inputs_[i]->dtype();
        arguments[i].shape = inputs_[i]->shape();
        key += 'p';
        AppendType(key, inputs_[i]->dtype(), inputs_[i]->shape());
      }
    }
    for (const VariableInfo& variable : variables_) arguments[variable.index()].name = std::string(variable.name());
    return absl::OkStatus();
  }

  static void DescribeVariable(tensorflow::Var& variable, XlaCompiler::Argument& argument, std::string& key) {
    argument.kind = XlaCompiler::Argument::kResource;
    argument.resource_kind = tensorflow::XlaResource::kVariable;
    argument.initialized = variable.is_initialized;
    argument.type = variable.is_initialized ? variable.tensor()->dtype() : tensorflow::DT_INVALID;
    argument.shape = variable.tensor()->shape();
    key += variable.is_initialized ? 'v' : 'u';
    AppendType(key, argument.type, variable.tensor()->shape());
  }

  static void DescribeConstant(const Tensor& input, XlaCompiler::Argument& argument, std::string& key) {
    argument.kind = XlaCompiler::Argument::kConstant;
    argument.type = input.dtype();
    argument.shape = input.shape();
    argument.constant_value = input;
    key += 'c';
    AppendType(key, input.dtype(), input.shape());
    if (tensorflow::DataTypeCanUseMemcpy(input.dtype())) {
      key.append(input.tensor_data().data(), input.tensor_data().size());
    } else if (input.dtype() == tensorflow::DT_STRING) {
      for (const tensorflow::tstring& text :
           std::vector<tensorflow::tstring>(input.flat<tensorflow::tstring>().data(), input.flat<tensorflow::tstring>().data() + input.NumElements())) {
        Append(key, text.size());
        key.append(text.data(), text.size());
      }
    }
  }

  // Outputs that the program does not compute.
  absl::Status SetTrivialOutputs() {
    const auto& outputs = compilation_->interface.outputs;
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i].is_constant) {
        Tensor* tensor = nullptr;
        TF_RETURN_IF_ERROR(context_->allocate_output(i, outputs[i].constant_value.shape(), &tensor));
        CopyAnywhere(device_, BytesOf(*tensor).address, outputs[i].constant_value.tensor_data().data(), tensor->TotalBytes());
      } else if (outputs[i].type == tensorflow::DT_RESOURCE) {
        context_->set_output(i, *inputs_[outputs[i].input_index]);
      }
    }
    return absl::OkStatus();
  }

  absl::Status Execute() {
    RunArguments arguments;
    const std::vector<int>& mapping = compilation_->interface.input_mapping;
    for (const int input : mapping) {
      tensorflow::Var* variable = variable_of_input_[input];
      arguments.parameters.push_back(BytesOf(variable != nullptr ? *variable->tensor() : *inputs_[input]));
    }
    Tensor random_state;
    if (compilation_->executable->takes_random_state) {
      TF_RETURN_IF_ERROR(context_->allocate_temp(tensorflow::DT_UINT64, TensorShape({2}), &random_state));
      const std::array<uint64_t, 2> state = NextRandomState();
      device_.Upload(BytesOf(random_state).address, state.data(), sizeof state);
      arguments.parameters.push_back(BytesOf(random_state));
    }
    std::vector<std::pair<tensorflow::Var*, Tensor>> replaced;
    for (size_t i = 0; i < compilation_->results.size(); ++i) {
      DeviceBytes bytes;
      TF_RETURN_IF_ERROR(AllocateResult(i, replaced, &bytes));
      arguments.outputs.push_back(bytes);
    }
    Tensor temporary;
    if (const uint64_t bytes = compilation_->executable->TemporaryBytes({}); bytes != 0) {
      TF_RETURN_IF_ERROR(context_->allocate_temp(tensorflow::DT_UINT8, TensorShape({static_cast<int64_t>(bytes)}), &temporary));
      arguments.temporary = temporary.data();
    }
    device_.Run(*compilation_->executable, arguments);
    ++statistics().runs;
    statistics().function_runs += callable_.is_function;
    statistics().launches += compilation_->executable->launch_count();
    for (auto& [variable, tensor] : replaced) {
      *variable->tensor() = tensor;
      variable->is_initialized = true;
    }
    return absl::OkStatus();
  }

  // Single ops share one sequence.
  std::array<uint64_t, 2> NextRandomState() const {
    static auto* const shared = new RandomStates(0);
    return callable_.random_states != nullptr ? callable_.random_states->Next() : shared->Next();
  }

  // The memory of the executable's output `i`. A variable whose buffer nobody else holds keeps it where the executable allows; other variables get a
  // new tensor, put into `replaced` until the run is queued.
  absl::Status AllocateResult(size_t i, std::vector<std::pair<tensorflow::Var*, Tensor>>& replaced, DeviceBytes* bytes) {
    const Compilation::Result& result = compilation_->results[i];
    if (result.kind == Compilation::Result::Kind::kOutput) {
      Tensor* tensor = nullptr;
      TF_RETURN_IF_ERROR(context_->allocate_output(result.index, compilation_->interface.outputs[result.index].shape, &tensor));
      *bytes = BytesOf(*tensor);
      return absl::OkStatus();
    }
    const auto& update = compilation_->interface.resource_updates[result.index];
    tensorflow::Var* variable = variable_of_input_[update.input_index];
    if (MayUpdateInPlace(i, update.input_index, *variable->tensor())) {
      *bytes = BytesOf(*variable->tensor());
      return absl::OkStatus();
    }
    Tensor tensor;
    TF_RETURN_IF_ERROR(context_->allocate_temp(update.type, update.shape, &tensor));
    *bytes = BytesOf(tensor);
    replaced.emplace_back(variable, tensor);
    return absl::OkStatus();
  }

  bool MayUpdateInPlace(size_t output, int input, const Tensor& value) const {
    const std::vector<int>& aliases = compilation_->executable->aliases();
    if (output >= aliases.size() || aliases[output] < 0) return false;
    return aliases[output] < static_cast<int>(compilation_->interface.input_mapping.size()) &&
           compilation_->interface.input_mapping[aliases[output]] == input && value.RefCountIsOne();
  }

  tensorflow::OpKernelContext* const context_;
  const Callable& callable_;
  Device& device_;
  std::vector<const Tensor*> inputs_;  // null for references
  ReferenceValues references_;
  std::vector<VariableInfo> variables_;
  std::vector<tensorflow::Var*> variable_of_input_;  // null for other inputs
  std::shared_ptr<const Compilation> compilation_;
};

}  // namespace

absl::Status Launch(tensorflow::OpKernelContext* context, const Callable& callable, bool* bridge_refused) {
  return Guarded([&] { return Call(context, callable).Run(bridge_refused); });
}

}  // namespace tfvk::plugin
