#include "plugin/variable_references.h"

#include <algorithm>

namespace tfvk::plugin {

using tensorflow::Tensor;

absl::Status ReferenceValues::Take(tensorflow::OpKernelContext* context, const std::vector<ReferenceInput>& inputs) {
  context_ = context;
  std::vector<tensorflow::mutex*> mutexes;
  for (const ReferenceInput& input : inputs) {
    tensorflow::mutex* mutex = nullptr;
    TF_RETURN_IF_ERROR(context->input_ref_mutex(input.name, &mutex));
    mutexes.push_back(mutex);
  }
  std::sort(mutexes.begin(), mutexes.end());  // all ops lock in one order
  if (std::adjacent_find(mutexes.begin(), mutexes.end()) != mutexes.end()) {
    return absl::UnimplementedError(absl::StrCat("[", context->op_kernel().type_string(), "] The same reference variable is given for two inputs"));
  }
  for (tensorflow::mutex* mutex : mutexes) mutex->lock();
  locked_ = std::move(mutexes);
  for (const ReferenceInput& input : inputs) {
    Tensor value = context->mutable_input(input.input, /*lock_held=*/true);
    values_.push_back({input.input, tensorflow::core::RefCountPtr<tensorflow::Var>(new tensorflow::Var(value.dtype()))});
    tensorflow::Var& variable = *values_.back().variable;
    variable.is_initialized = value.IsInitialized();
    *variable.tensor() = std::move(value);
    context->replace_ref_input(input.input, Tensor(), /*lock_held=*/true);
  }
  return absl::OkStatus();
}

ReferenceValues::~ReferenceValues() {
  for (Value& value : values_) context_->replace_ref_input(value.input, *value.variable->tensor(), /*lock_held=*/true);
  for (auto mutex = locked_.rbegin(); mutex != locked_.rend(); ++mutex) (*mutex)->unlock();
}

}  // namespace tfvk::plugin
