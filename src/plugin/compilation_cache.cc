#include "plugin/compilation_cache.h"

#include <utility>

#include "plugin/dump.h"
#include "plugin/statistics.h"
#include "tsl/platform/tensor_float_32_utils.h"

namespace tfvk::plugin {

std::shared_ptr<Executable> CompileModule(Device& device, const std::string& name, hlo::ModulePtr module) {
  Dump dump(name);
  dump.WriteModule(*module);
  CompileOptions options;
  options.allow_tf32 = tsl::tensor_float_32_execution_enabled();
  options.keep_text = dump.enabled();
  std::shared_ptr<Executable> executable = device.Compile(std::move(module), options);
  dump.WriteProgram(*executable);
  ++statistics().programs_compiled;
  return executable;
}

CompilationCache& CompilationCache::Global() {
  static auto* const cache = new CompilationCache;  // leaked: kernels may outlive static objects
  return *cache;
}

std::shared_ptr<const Compilation> CompilationCache::Get(const std::string& key, const std::function<Compilation()>& compile) {
  std::promise<std::shared_ptr<const Compilation>> promise;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    if (const auto entry = entries_.find(key); entry != entries_.end()) {
      const Future future = entry->second;
      lock.unlock();
      ++statistics().cache_hits;
      return future.get();
    }
    entries_.emplace(key, promise.get_future().share());
  }
  auto compilation = std::make_shared<const Compilation>(compile());
  if (absl::IsResourceExhausted(compilation->status) || absl::IsUnavailable(compilation->status)) {
    std::lock_guard<std::mutex> lock(mutex_);
    entries_.erase(key);
  }
  promise.set_value(compilation);
  return compilation;
}

}  // namespace tfvk::plugin
