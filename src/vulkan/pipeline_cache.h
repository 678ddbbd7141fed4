// Compute pipelines: built in parallel by a few threads, once for each SPIR-V module, with the driver's binaries remembered on disk.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "types/span.h"

namespace tfvk::vulkan {

class Device;

// A compute pipeline, perhaps still being built. Owned by its PipelineCache for the device's life.
class Pipeline {
 public:
  // Blocks until it is built, and tells when that lasts (long_wait.h). Throws Error(kInternal) with the driver's result and the kernel's name when the driver
  // refused the module.
  void Wait() const;

  struct State;  // for the files of this room
  explicit Pipeline(std::unique_ptr<State> state);
  ~Pipeline();
  State& state() const { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

struct PipelineCounters {
  uint64_t requested = 0;     // calls of Get
  uint64_t built = 0;         // pipelines that the driver made
  uint64_t shared = 0;        // calls answered by a pipeline of the same content
  uint64_t loaded_bytes = 0;  // of driver binaries taken from disk at the start
  double build_seconds = 0;   // summed over the threads
};

class PipelineCache {
 public:
  // Binaries are kept in `folder` (DefaultCacheFolder()); an empty name keeps nothing on disk.
  PipelineCache(Device& device, std::string folder);
  ~PipelineCache();
  PipelineCache(const PipelineCache&) = delete;
  PipelineCache& operator=(const PipelineCache&) = delete;

  // Starts building the module's entry point "main" and returns at once; equal modules give one pipeline. `required_subgroup_size` 0: the driver's choice.
  // `name` is for messages.
  const Pipeline& Get(Span<const uint32_t> spirv, uint32_t required_subgroup_size = 0, const std::string& name = "");
  // Writes the binaries to disk now if there are new ones. Never throws: a cache that cannot be written costs time only.
  void Save();
  PipelineCounters counters() const;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

// TFVK_CACHE_DIR, else $XDG_CACHE_HOME/tensorflow-vulkan, else ~/.cache/tensorflow-vulkan; empty when TFVK_CACHE_DIR is set to nothing or there is no home.
std::string DefaultCacheFolder();

}  // namespace tfvk::vulkan
