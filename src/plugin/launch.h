// The road that both doors share: a kernel's inputs -> tf2xla -> HLO -> the device's program (once per signature) -> its run.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "plugin/random_states.h"
#include "plugin/variable_references.h"
#include "tensorflow/compiler/tf2xla/xla_compiler.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace tfvk::plugin {

// The tf2xla backend that this plugin registers and compiles for: TensorFlow's kernels for it are those for GPUs.
extern const char kXlaBackend[];

// What a kernel compiles.
struct Callable {
  std::string name;                        // the op or function, for messages and dumps
  bool is_function = false;                // for the statistics
  std::string identity;                    // equal only for callables that are the same computation but for their arguments
  std::vector<int> constants;              // inputs whose values are compiled in; in host memory
  std::vector<int> variables;              // inputs that are handles of resource variables; in host memory
  std::vector<ReferenceInput> references;  // inputs that are reference variables; compiled as resource variables
  // Calls CompileSingleOp or CompileFunction.
  std::function<absl::Status(tensorflow::XlaCompiler&, const tensorflow::XlaCompiler::CompileOptions&, std::vector<tensorflow::XlaCompiler::Argument>&,
                             tensorflow::XlaCompiler::CompilationResult*)>
      lower;
  std::shared_ptr<RandomStates> random_states;  // of functions, and of ops with a seed
};

// Computes the context's outputs and updates its variables; all work is queued on the context's device when this returns. Variables that nobody else holds are
// updated in place. `bridge_refused` (may be null) tells that tf2xla has no HLO for the op, in which case nothing was computed.
absl::Status Launch(tensorflow::OpKernelContext* context, const Callable& callable, bool* bridge_refused = nullptr);

}  // namespace tfvk::plugin
