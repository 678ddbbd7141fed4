// What is behind a Pipeline.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "vulkan/functions.h"
#include "vulkan/long_wait.h"
#include "vulkan/pipeline_cache.h"

namespace tfvk::vulkan {

struct Pipeline::State {
  enum class Stage : uint8_t { kQueued, kBuilding, kReady, kFailed };

  PipelineCache::State* cache = nullptr;
  std::string name;
  std::vector<uint32_t> spirv;
  uint32_t required_subgroup_size = 0;
  VkPipeline pipeline = VK_NULL_HANDLE;  // valid once stage is kReady
  std::string failure;                   // once stage is kFailed
  std::atomic<Stage> stage{Stage::kQueued};
  LongWait build;  // since the driver got it; under the cache's lock
};

}  // namespace tfvk::vulkan
