// Reference variables of TensorFlow 1: inputs that are tensors which an op may replace.
#pragma once

#include <string>
#include <vector>

#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/resource_var.h"

namespace tfvk::plugin {

struct ReferenceInput {
  int input;
  std::string name;
};

// Holds the values of some inputs of a kernel as resource variables, for as long as this lives; nobody else reads or writes them meanwhile. What the variables
// have at the end is put back. A value that nobody else holds has a reference count of one here.
class ReferenceValues {
 public:
  ReferenceValues() = default;
  ReferenceValues(const ReferenceValues&) = delete;
  ReferenceValues& operator=(const ReferenceValues&) = delete;
  ~ReferenceValues();

  // To be called once.
  absl::Status Take(tensorflow::OpKernelContext* context, const std::vector<ReferenceInput>& inputs);

  // In the order of the inputs.
  tensorflow::Var& operator[](size_t i) { return *values_[i].variable; }

 private:
  struct Value {
    int input;
    tensorflow::core::RefCountPtr<tensorflow::Var> variable;
  };
  tensorflow::OpKernelContext* context_ = nullptr;
  std::vector<tensorflow::mutex*> locked_;
  std::vector<Value> values_;
};

}  // namespace tfvk::plugin
