// Pipelines to build and folders to keep them in.
#pragma once

#include <cstdint>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "spirv/builder.h"
#include "vulkan/pipeline_cache.h"

namespace tfvk::vulkan {

// A folder that goes away with the test.
class TemporaryFolder {
 public:
  TemporaryFolder() : path_(std::filesystem::temp_directory_path() / ("tfvk-test-" + std::to_string(std::random_device()()))) {}
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string path() const { return path_.string(); }
  std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> found;
    if (std::filesystem::exists(path_)) {
      for (const auto& entry : std::filesystem::directory_iterator(path_)) found.push_back(entry.path());
    }
    return found;
  }

 private:
  std::filesystem::path path_;
};

// A kernel of its own for each number, which it stores into the u32 of argument 0; argument 1 says how many.
inline std::vector<uint32_t> NumberedKernel(uint32_t number) {
  spirv::BuilderOptions options;
  spirv::Builder b(options);
  spirv::Value i = b.GlobalLinearId();
  b.If(i < b.SizeArgument(1), [&] { b.Store(b.Global(b.Argument(0), DType::kU32), i, b.U32(number)); });
  return b.Finish().words;
}

// Builds the kernels from `first` on, and waits for them.
inline void Build(PipelineCache& cache, uint32_t count, uint32_t first = 0) {
  std::vector<const Pipeline*> pipelines;
  for (uint32_t i = 0; i < count; ++i) pipelines.push_back(&cache.Get(NumberedKernel(first + i), 0, "numbered"));
  for (const Pipeline* p : pipelines) p->Wait();
}

}  // namespace tfvk::vulkan
