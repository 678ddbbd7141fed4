#include "plugin/compilation_cache.h"

#include <utility>

#include "plugin/statistics.h"

namespace tfvk::plugin {

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
