// Compiled computations by signature, for the life of the process. Every signature is compiled once, however many threads ask for it; different
// signatures are compiled at the same time.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "plugin/backend.h"
#include "tensorflow/compiler/tf2xla/xla_compiler.h"

namespace tfvk::plugin {

struct Compilation {
  absl::Status status;                                   // why there is no executable
  bool bridge_refused = false;                           // `status` is tf2xla's: the op is valid but has no HLO, so TensorFlow's CPU kernel may run it
  tensorflow::XlaCompiler::CompilationResult interface;  // how arguments and results map to the executable's; its computation is dropped
  std::shared_ptr<Executable> executable;                // null also when there is nothing to compute

  // Output tuple element i of the executable is this result.
  struct Result {
    enum class Kind { kOutput, kVariable } kind;
    int index;  // of interface.outputs or interface.resource_updates
  };
  std::vector<Result> results;
};

// The executable of an HLO module, with TF32 where TensorFlow allows it now; dumped (plugin/dump.h) and counted. Throws what the device throws.
std::shared_ptr<Executable> CompileModule(Device& device, const std::string& name, hlo::ModulePtr module);

class CompilationCache {
 public:
  // The cache of the process.
  static CompilationCache& Global();

  // The compilation of this key; made by `compile`, which must not throw, if it is the first time. Failures are kept too, except those that may pass
  // (out of memory, device lost).
  std::shared_ptr<const Compilation> Get(const std::string& key, const std::function<Compilation()>& compile);

 private:
  using Future = std::shared_future<std::shared_ptr<const Compilation>>;
  std::mutex mutex_;
  std::unordered_map<std::string, Future> entries_;
};

}  // namespace tfvk::plugin
