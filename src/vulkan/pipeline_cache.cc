#include "vulkan/pipeline_cache.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>

#include "vulkan/device_internals.h"
#include "vulkan/pipeline_file.h"
#include "vulkan/pipeline_state.h"

namespace tfvk::vulkan {
namespace {

using Stage = Pipeline::State::Stage;
using Clock = std::chrono::steady_clock;

constexpr auto kSaveDelay = std::chrono::seconds(2);  // after the last build

uint64_t HashOf(Span<const uint32_t> spirv, uint32_t subgroup) {
  uint64_t hash = 0xcbf29ce484222325ull ^ subgroup;
  for (uint32_t word : spirv) hash = (hash ^ word) * 0x100000001b3ull;
  return hash ^ hash >> 32;
}

// The caches that are saved when the process exits normally, for a Device is seldom destroyed before.
struct LiveCaches {
  std::mutex mutex;
  std::set<PipelineCache*> caches;
};
LiveCaches& Live() {
  static LiveCaches* const live = [] {
    // Registered after the driver was loaded, so it runs before the driver's own exit handlers.
    std::atexit([] {
      std::lock_guard lock(Live().mutex);
      for (PipelineCache* cache : Live().caches) cache->Save();
    });
    return new LiveCaches();
  }();
  return *live;
}

unsigned ThreadCount() { return std::clamp(std::thread::hardware_concurrency(), 1u, 16u); }

}  // namespace

struct PipelineCache::State {
  State(Device::Internals& device, const std::string& folder);
  ~State();

  // Builds a pipeline whose stage was set to kBuilding; without the lock.
  void Build(Pipeline::State& pipeline);
  VkPipeline Create(const Pipeline::State& pipeline, std::string* failure) const;
  void Work();
  void StartThreads();
  // With the lock: of a thread that builds a pipeline, as its stage says from now on, and of what builds have lasted.
  void Begin(Pipeline::State& pipeline);
  void TellOfLongBuilds();
  void Save();
  std::vector<uint8_t> MergedWith(const std::vector<uint8_t>& others) const;
  VkPipelineCache CreateCache(const std::vector<uint8_t>& binaries) const;

  Device::Internals& d;
  PipelineFile file;
  VkPipelineCache cache = VK_NULL_HANDLE;

  mutable std::mutex mutex;  // of all below
  std::condition_variable work_ready, pipeline_ready;
  std::unordered_multimap<uint64_t, std::unique_ptr<Pipeline>> pipelines;
  std::deque<Pipeline::State*> waiting;  // some may have been taken by a thread that needs them
  std::vector<std::thread> threads;
  std::set<Pipeline::State*> building;
  unsigned idle_threads = 0;
  bool stopping = false, unsaved = false, saving = false, looking = false;
  Clock::time_point last_build;
  PipelineCounters counters;
};

Pipeline::Pipeline(std::unique_ptr<State> state) : state_(std::move(state)) {}
Pipeline::~Pipeline() = default;

void Pipeline::Wait() const {
  State& s = *state_;
  if (s.stage.load(std::memory_order_acquire) == Stage::kReady) return;
  std::unique_lock lock(s.cache->mutex);
  if (s.stage == Stage::kQueued) {  // no thread has come to it: this one builds it
    s.cache->Begin(s);
    lock.unlock();
    s.cache->work_ready.notify_one();
    s.cache->Build(s);
    lock.lock();
  }
  while (!s.cache->pipeline_ready.wait_for(lock, LongWait::kTurn, [&] { return s.stage == Stage::kReady || s.stage == Stage::kFailed; })) {
    s.cache->TellOfLongBuilds();
  }
  if (s.stage == Stage::kFailed) throw Error(ErrorCode::kInternal, s.failure);
}

PipelineCache::State::State(Device::Internals& device, const std::string& folder) : d(device) {
  const DeviceSnapshot& s = d.snapshot;
  file.identity = fmt::format("{} {} {} {:08x} {:08x}:{:08x}", s.driver_uuid, s.device_uuid, s.pipeline_cache_uuid, s.driver_version, s.vendor_id, s.device_id);
  if (!folder.empty()) {
    std::vector<uint32_t> characters(file.identity.begin(), file.identity.end());
    file.path = (std::filesystem::path(folder) / fmt::format("pipelines-{:016x}.bin", HashOf(characters, 0))).string();
  }
  std::vector<uint8_t> binaries;
  if (!file.path.empty()) binaries = file.Read();
  counters.loaded_bytes = binaries.size();
  cache = CreateCache(binaries);
}

VkPipelineCache PipelineCache::State::CreateCache(const std::vector<uint8_t>& binaries) const {
  VkPipelineCacheCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO;
  info.initialDataSize = binaries.size();
  info.pInitialData = binaries.data();
  VkPipelineCache made = VK_NULL_HANDLE;
  if (d.f.CreatePipelineCache(d.device, &info, nullptr, &made) == VK_SUCCESS) return made;
  info.initialDataSize = 0;
  Check(d.f.CreatePipelineCache(d.device, &info, nullptr, &made), "vkCreatePipelineCache");
  return made;
}

PipelineCache::State::~State() {
  {
    std::lock_guard lock(mutex);
    stopping = true;
    waiting.clear();
  }
  work_ready.notify_all();
  for (std::thread& t : threads) t.join();
  Save();
  for (auto& [hash, pipeline] : pipelines) {
    if (pipeline->state().pipeline) d.f.DestroyPipeline(d.device, pipeline->state().pipeline, nullptr);
  }
  d.f.DestroyPipelineCache(d.device, cache, nullptr);
}

VkPipeline PipelineCache::State::Create(const Pipeline::State& p, std::string* failure) const {
  VkShaderModuleCreateInfo module_info{};
  module_info.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO;
  module_info.codeSize = p.spirv.size() * sizeof(uint32_t);
  module_info.pCode = p.spirv.data();
  VkShaderModule module = VK_NULL_HANDLE;
  VkPipeline pipeline = VK_NULL_HANDLE;
  VkResult result = d.f.CreateShaderModule(d.device, &module_info, nullptr, &module);
  if (result == VK_SUCCESS) {
    VkPipelineShaderStageRequiredSubgroupSizeCreateInfoEXT size{};
    size.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO_EXT;
    size.requiredSubgroupSize = p.required_subgroup_size;
    VkComputePipelineCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO;
    info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
    if (p.required_subgroup_size) {
      // A driver with a single subgroup size may refuse that it is required (SizeCanBeRequired in device_plan.cc).
      if (d.snapshot.subgroup.required_size_in_compute) info.stage.pNext = &size;
      // Kernels that require a size count on every subgroup having all of its invocations.
      info.stage.flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT_EXT;
    }
    info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
    info.stage.module = module;
    info.stage.pName = "main";
    info.layout = d.layout;
    result = d.f.CreateComputePipelines(d.device, cache, 1, &info, nullptr, &pipeline);
    d.f.DestroyShaderModule(d.device, module, nullptr);
  }
  if (result == VK_SUCCESS) return pipeline;
  *failure =
      fmt::format("The driver of {} cannot build the kernel \"{}\" ({} words of SPIR-V): {}.", d.snapshot.name, p.name, p.spirv.size(), ResultName(result));
  return VK_NULL_HANDLE;
}

void PipelineCache::State::Build(Pipeline::State& p) {
  Clock::time_point start = Clock::now();
  std::string failure;
  VkPipeline pipeline = Create(p, &failure);
  {
    std::lock_guard lock(mutex);
    building.erase(&p);
    p.pipeline = pipeline;
    p.failure = std::move(failure);
    p.stage.store(pipeline ? Stage::kReady : Stage::kFailed, std::memory_order_release);
    last_build = Clock::now();
    counters.build_seconds += std::chrono::duration<double>(last_build - start).count();
    counters.built += pipeline != VK_NULL_HANDLE;
    unsaved = unsaved || pipeline;
    if (unsaved) StartThreads();  // one must be there to save
  }
  pipeline_ready.notify_all();
}

void PipelineCache::State::Begin(Pipeline::State& p) {
  p.stage = Stage::kBuilding;
  p.build = LongWait();
  building.insert(&p);
}

void PipelineCache::State::TellOfLongBuilds() {
  for (Pipeline::State* p : building) {
    p->build.Turn(
        [&] { return fmt::format("the driver of {} has not built the kernel \"{}\" ({} words of SPIR-V).", d.snapshot.name, p->name, p->spirv.size()); });
  }
}

void PipelineCache::State::StartThreads() {
  if (threads.size() < ThreadCount() && (threads.empty() || idle_threads < waiting.size())) threads.emplace_back([this] { Work(); });
}

void PipelineCache::State::Work() {
  std::unique_lock lock(mutex);
  for (;;) {
    if (!waiting.empty()) {
      Pipeline::State* p = waiting.front();
      waiting.pop_front();
      if (p->stage != Stage::kQueued) continue;
      Begin(*p);
      lock.unlock();
      Build(*p);
      lock.lock();
      continue;
    }
    if (stopping) return;
    bool saver = unsaved && !saving && !file.path.empty();
    if (saver && Clock::now() - last_build >= kSaveDelay) {
      saving = true;
      lock.unlock();
      Save();
      lock.lock();
      saving = false;
      continue;
    }
    ++idle_threads;
    auto awake = [&] { return stopping || !waiting.empty(); };
    // One thread looks at what the others build: who waits for a pipeline may be building it, and cannot tell.
    auto look = [&] { return !looking && !building.empty(); };
    if (saver) {
      work_ready.wait_until(lock, last_build + kSaveDelay, awake);
    } else if (look()) {
      looking = true;
      if (!work_ready.wait_for(lock, LongWait::kTurn, awake)) TellOfLongBuilds();
      looking = false;
      work_ready.notify_one();  // another may look, should this one build now
    } else {
      work_ready.wait(lock, [&] { return awake() || look(); });
    }
    --idle_threads;
  }
}

void PipelineCache::State::Save() {
  {
    std::lock_guard lock(mutex);
    if (!unsaved || file.path.empty()) return;
    unsaved = false;
  }
  try {
    file.Update([this](const std::vector<uint8_t>& others) { return MergedWith(others); });
  } catch (const std::exception&) {  // a cache that cannot be written costs time only
  }
}

// What the driver has built and loaded here, and what other processes have written in the meantime.
std::vector<uint8_t> PipelineCache::State::MergedWith(const std::vector<uint8_t>& others) const {
  VkPipelineCache merged = CreateCache(others);
  std::vector<uint8_t> binaries;
  size_t size = 0;
  if (d.f.MergePipelineCaches(d.device, merged, 1, &cache) == VK_SUCCESS && d.f.GetPipelineCacheData(d.device, merged, &size, nullptr) == VK_SUCCESS) {
    binaries.resize(size);
    if (d.f.GetPipelineCacheData(d.device, merged, &size, binaries.data()) != VK_SUCCESS) size = 0;
    binaries.resize(size);
  }
  d.f.DestroyPipelineCache(d.device, merged, nullptr);
  return binaries;
}

PipelineCache::PipelineCache(Device& device, std::string folder) : state_(std::make_unique<State>(device.internals(), folder)) {
  std::lock_guard lock(Live().mutex);
  Live().caches.insert(this);
}
PipelineCache::~PipelineCache() {
  std::lock_guard lock(Live().mutex);
  Live().caches.erase(this);
}

const Pipeline& PipelineCache::Get(Span<const uint32_t> spirv, uint32_t required_subgroup_size, const std::string& name) {
  State& s = *state_;
  uint64_t hash = HashOf(spirv, required_subgroup_size);
  std::unique_lock lock(s.mutex);
  ++s.counters.requested;
  auto [first, last] = s.pipelines.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    const Pipeline::State& p = it->second->state();
    if (p.required_subgroup_size == required_subgroup_size && std::equal(spirv.begin(), spirv.end(), p.spirv.begin(), p.spirv.end())) {
      ++s.counters.shared;
      return *it->second;
    }
  }
  auto state = std::make_unique<Pipeline::State>();
  state->cache = &s;
  state->name = name;
  state->spirv.assign(spirv.begin(), spirv.end());
  state->required_subgroup_size = required_subgroup_size;
  s.waiting.push_back(state.get());
  const Pipeline& pipeline = *s.pipelines.emplace(hash, std::make_unique<Pipeline>(std::move(state)))->second;
  s.StartThreads();
  lock.unlock();
  s.work_ready.notify_one();
  return pipeline;
}

void PipelineCache::Save() { state_->Save(); }

PipelineCounters PipelineCache::counters() const {
  std::lock_guard lock(state_->mutex);
  return state_->counters;
}

std::string DefaultCacheFolder() {
  auto environment = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value ? value : "");
  };
  if (std::getenv("TFVK_CACHE_DIR")) return environment("TFVK_CACHE_DIR");
  std::string base = environment("XDG_CACHE_HOME");
  if (base.empty() && !environment("HOME").empty()) base = environment("HOME") + "/.cache";
  return base.empty() ? "" : base + "/tensorflow-vulkan";
}

}  // namespace tfvk::vulkan
