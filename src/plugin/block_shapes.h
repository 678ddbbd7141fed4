// The checks of shapes that the block ops of recurrent networks share, in the words of TensorFlow's kernels.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"

namespace tfvk::plugin {

struct BlockDimension {
  int64_t size;
  const char* name;
};

inline absl::Status ExpectBlockShape(tensorflow::XlaOpKernelContext* context, const char* input, const std::vector<BlockDimension>& expected) {
  TF_ASSIGN_OR_RETURN(const xla::Shape shape, context->InputXlaShape(input));
  if (shape.dimensions().size() != expected.size()) {
    return absl::InvalidArgumentError(absl::StrCat(input, " must be rank ", expected.size(), " but is rank ", shape.dimensions().size()));
  }
  for (size_t i = 0; i < expected.size(); ++i) {
    if (shape.dimensions(i) == expected[i].size) continue;
    return absl::InvalidArgumentError(absl::StrCat(input, ".dims(", i, ") != ", expected[i].name, ": ", shape.dimensions(i), " vs. ", expected[i].size));
  }
  return absl::OkStatus();
}

}  // namespace tfvk::plugin
