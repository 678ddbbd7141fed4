#include "plugin/eager_ops.h"

#include <memory>

#include "tensorflow/core/common_runtime/eager/context.h"
#include "tensorflow/core/common_runtime/eager/eager_op_rewrite_registry.h"
#include "tensorflow/core/common_runtime/eager/eager_operation.h"

namespace tfvk::plugin {
namespace {

// Rewrites nothing: it is the one place where a plugin meets an eager context before the context has run an op. There may be several contexts, one after the
// other, and a plugin is loaded before the first.
class RunByKernels : public tensorflow::EagerOpRewrite {
 public:
  RunByKernels() : EagerOpRewrite("TfvkRunByKernels", __FILE__, "") {}

  absl::Status Run(tensorflow::EagerOperation* op, std::unique_ptr<tensorflow::EagerOperation>*) override {
    tensorflow::EagerContext& context = op->EagerContext();
    if (context.RunEagerOpAsFunction()) context.SetRunEagerOpAsFunction(false);
    return absl::OkStatus();
  }
};

}  // namespace

void RunEagerOpsByTheirKernels() {
  constexpr int kOrdinal = 30000;  // after TensorFlow's own rewrites; no two may have the same
  tensorflow::EagerOpRewriteRegistry::Global()->Register(tensorflow::EagerOpRewriteRegistry::PRE_EXECUTION, kOrdinal, std::make_unique<RunByKernels>());
}

}  // namespace tfvk::plugin
