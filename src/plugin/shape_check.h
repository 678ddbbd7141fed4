// TensorFlow's own checks of an op's shapes. tf2xla trusts that they were made, and eager execution does not make them: a batch product of matrices that do
// not fit gets a number there instead of an error.
#pragma once

#include <vector>

#include "tensorflow/compiler/tf2xla/xla_compiler.h"
#include "tensorflow/core/framework/node_def.pb.h"

namespace tfvk::plugin {

// Runs the op's shape function on what a call passes (shapes, and the values of compiled-in constants). Its error is that of TensorFlow's graph.
absl::Status CheckShapes(const tensorflow::NodeDef& node, const std::vector<tensorflow::XlaCompiler::Argument>& arguments);

// The gradients of maxima over windows: whether the output and the gradient that come in have the shapes of the input and of its windows, which neither the
// shape functions nor tf2xla ask. The words are the CPU kernels'.
absl::Status CheckPoolGradientShapes(const tensorflow::NodeDef& node, const std::vector<tensorflow::XlaCompiler::Argument>& arguments);

}  // namespace tfvk::plugin
