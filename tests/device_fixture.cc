#include "device_fixture.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <set>
#include <stdexcept>
#include <string_view>

#include "gtest/gtest.h"
#include "vulkan/vulkan_compat.h"

namespace tfvk::testing {

namespace {

constexpr size_t kGuard = 256;
constexpr uint8_t kPattern = 0xcd;

void Check(VkResult result, const char* what) {
  if (result != VK_SUCCESS) throw std::runtime_error(std::string(what) + " failed with VkResult " + std::to_string(result));
}

}  // namespace

#define TFVK_FIXTURE_INSTANCE(X)            \
  X(EnumeratePhysicalDevices)               \
  X(EnumerateDeviceExtensionProperties)     \
  X(GetPhysicalDeviceProperties2)           \
  X(GetPhysicalDeviceFeatures2)             \
  X(GetPhysicalDeviceMemoryProperties)      \
  X(CreateDevice)                           \
  X(GetPhysicalDeviceQueueFamilyProperties) \
  X(GetDeviceProcAddr)
#define TFVK_FIXTURE_DEVICE(X)   \
  X(GetDeviceQueue)              \
  X(CreateBuffer)                \
  X(DestroyBuffer)               \
  X(GetBufferMemoryRequirements) \
  X(AllocateMemory)              \
  X(FreeMemory)                  \
  X(BindBufferMemory)            \
  X(MapMemory)                   \
  X(GetBufferDeviceAddress)      \
  X(CreatePipelineLayout)        \
  X(CreateShaderModule)          \
  X(DestroyShaderModule)         \
  X(CreateComputePipelines)      \
  X(DestroyPipeline)             \
  X(CreateCommandPool)           \
  X(ResetCommandPool)            \
  X(AllocateCommandBuffers)      \
  X(BeginCommandBuffer)          \
  X(EndCommandBuffer)            \
  X(CmdBindPipeline)             \
  X(CmdPushConstants)            \
  X(CmdDispatch)                 \
  X(CmdPipelineBarrier)          \
  X(QueueSubmit)                 \
  X(QueueWaitIdle)

struct Device::State {
#define TFVK_DECLARE(name) PFN_vk##name name = nullptr;
  TFVK_FIXTURE_INSTANCE(TFVK_DECLARE)
  TFVK_FIXTURE_DEVICE(TFVK_DECLARE)
#undef TFVK_DECLARE
  PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR GetPhysicalDeviceCooperativeMatrixPropertiesKHR = nullptr;  // may be null
  VkInstance instance = VK_NULL_HANDLE;
  VkPhysicalDevice physical = VK_NULL_HANDLE;
  VkDevice device = VK_NULL_HANDLE;
  VkQueue queue = VK_NULL_HANDLE;
  VkCommandPool pool = VK_NULL_HANDLE;
  VkCommandBuffer commands = VK_NULL_HANDLE;
  VkPipelineLayout layout = VK_NULL_HANDLE;
  uint32_t memory_type = 0;
  std::string name;
  kernels::DeviceLimits limits;
  double last_seconds = 0;

  void OpenInstance();
  void OpenDevice();
  bool HasExtension(const char* extension) const;
  void ReadMatrices(bool bfloat16);
  void ReadLimits(const VkPhysicalDeviceFeatures2& features, const VkPhysicalDeviceVulkan11Features& f11, const VkPhysicalDeviceVulkan12Features& f12);
  VkPipeline Compile(const kernels::Kernel& kernel);
};

struct Buffer::Memory {
  Device::State* device = nullptr;
  VkBuffer buffer = VK_NULL_HANDLE;
  VkDeviceMemory memory = VK_NULL_HANDLE;
  uint8_t* mapped = nullptr;
  uint64_t address = 0;
  size_t bytes = 0;
  ~Memory() {
    device->DestroyBuffer(device->device, buffer, nullptr);
    device->FreeMemory(device->device, memory, nullptr);
  }
};

uint64_t Buffer::address() const { return memory_->address + kGuard; }
size_t Buffer::bytes() const { return memory_->bytes; }
void* Buffer::data() const { return memory_->mapped + kGuard; }
void Buffer::CheckGuards() const {
  for (size_t i = 0; i < kGuard; ++i) {
    if (memory_->mapped[i] != kPattern) throw std::runtime_error("a kernel wrote " + std::to_string(kGuard - i) + " bytes before a buffer");
    if (memory_->mapped[kGuard + memory_->bytes + i] != kPattern) {
      throw std::runtime_error("a kernel wrote at byte " + std::to_string(memory_->bytes + i) + " of a buffer of " + std::to_string(memory_->bytes));
    }
  }
}

// Writes the module to the folder that TFVK_DUMP_MODULES names, for tests/drivers.
static void DumpModule(const spirv::Module& module) {
  const char* folder = std::getenv("TFVK_DUMP_MODULES");
  if (!folder || !*folder) return;
  std::string name = module.name;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  const size_t hash = std::hash<std::string_view>()({reinterpret_cast<const char*>(module.words.data()), module.words.size() * 4});
  std::ofstream file(std::string(folder) + "/" + name + "-" + std::to_string(hash) + ".spv", std::ios::binary);
  file.write(reinterpret_cast<const char*>(module.words.data()), static_cast<std::streamsize>(module.words.size() * 4));
}

std::string Validate(const spirv::Module& module) {
  static std::set<std::vector<uint32_t>> valid;
  if (valid.count(module.words)) return "";
  std::string path = ::testing::TempDir() + "tfvk_" + std::to_string(getpid()) + ".spv";
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(module.words.data()), static_cast<std::streamsize>(module.words.size() * 4));
  const char* environment = module.words[1] >= 0x00010600 ? "vulkan1.3" : "vulkan1.2";
  std::string command = std::string(TFVK_SPIRV_VAL) + " --target-env " + environment + " " + path + " 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  if (!pipe) throw std::runtime_error("cannot run " + command);
  std::string output;
  char line[512];
  while (fgets(line, sizeof line, pipe)) output += line;
  int status = pclose(pipe);
  if (status == 0) {
    valid.insert(module.words);
    std::remove(path.c_str());
    DumpModule(module);
    return "";
  }
  return "kernel " + module.name + " (kept as " + path + "): " + (output.empty() ? "spirv-val failed" : output);
}

// ---- Opening ----

void Device::State::OpenInstance() {
  void* loader = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!loader) throw std::runtime_error("no libvulkan.so.1: install a Vulkan loader and a driver (apt-get install mesa-vulkan-drivers)");
  auto resolve = reinterpret_cast<PFN_vkGetInstanceProcAddr>(dlsym(loader, "vkGetInstanceProcAddr"));
  auto create = reinterpret_cast<PFN_vkCreateInstance>(resolve(nullptr, "vkCreateInstance"));
  VkApplicationInfo application{};
  application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
  application.apiVersion = VK_API_VERSION_1_3;
  VkInstanceCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
  info.pApplicationInfo = &application;
  Check(create(&info, nullptr, &instance), "vkCreateInstance");
#define TFVK_RESOLVE(name) name = reinterpret_cast<PFN_vk##name>(resolve(instance, "vk" #name));
  TFVK_FIXTURE_INSTANCE(TFVK_RESOLVE)
#undef TFVK_RESOLVE
  GetPhysicalDeviceCooperativeMatrixPropertiesKHR =
      reinterpret_cast<PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR>(resolve(instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR"));
  uint32_t count = 1;
  EnumeratePhysicalDevices(instance, &count, &physical);
  if (count == 0) throw std::runtime_error("no Vulkan device");
}

void Device::State::ReadLimits(const VkPhysicalDeviceFeatures2& features, const VkPhysicalDeviceVulkan11Features& f11,
                               const VkPhysicalDeviceVulkan12Features& f12) {
  VkPhysicalDeviceVulkan12Properties p12{};
  p12.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES;
  VkPhysicalDeviceVulkan11Properties p11{};
  p11.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES;
  p11.pNext = &p12;
  VkPhysicalDeviceProperties2 properties{};
  properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
  properties.pNext = &p11;
  GetPhysicalDeviceProperties2(physical, &properties);
  name = properties.properties.deviceName;
  const VkPhysicalDeviceLimits& l = properties.properties.limits;
  limits.max_invocations = l.maxComputeWorkGroupInvocations;
  for (int i = 0; i < 3; ++i) limits.max_workgroup[i] = l.maxComputeWorkGroupSize[i];
  limits.shared_bytes = l.maxComputeSharedMemorySize;
  limits.subgroup_size = limits.min_subgroup_size = limits.max_subgroup_size = p11.subgroupSize;
  limits.subgroup_arithmetic = p11.subgroupSupportedOperations & VK_SUBGROUP_FEATURE_ARITHMETIC_BIT;
  limits.subgroup_shuffle = p11.subgroupSupportedOperations & VK_SUBGROUP_FEATURE_SHUFFLE_BIT;
  limits.subgroup_vote = p11.subgroupSupportedOperations & VK_SUBGROUP_FEATURE_VOTE_BIT;
  limits.storage_8bit = f12.storageBuffer8BitAccess;
  limits.storage_16bit = f11.storageBuffer16BitAccess;
  limits.float16 = f12.shaderFloat16;
  limits.float64 = features.features.shaderFloat64;
  limits.int64 = features.features.shaderInt64;
  limits.int8 = f12.shaderInt8;
  limits.int16 = features.features.shaderInt16;
  limits.preserve_nan_inf_f16 = p12.shaderSignedZeroInfNanPreserveFloat16;
  limits.preserve_nan_inf_f32 = p12.shaderSignedZeroInfNanPreserveFloat32;
  limits.round_to_even_f16 = p12.shaderRoundingModeRTEFloat16;
  limits.preserve_denormals_f16 = p12.shaderDenormPreserveFloat16;
  limits.vulkan_memory_model = f12.vulkanMemoryModel;
  if (p12.driverID == VK_DRIVER_ID_MESA_LLVMPIPE) limits.vendor = kernels::DeviceLimits::Vendor::kLlvmpipe;
  if (p12.driverID == VK_DRIVER_ID_NVIDIA_PROPRIETARY) limits.vendor = kernels::DeviceLimits::Vendor::kNvidia;
}

bool Device::State::HasExtension(const char* extension) const {
  uint32_t count = 0;
  EnumerateDeviceExtensionProperties(physical, nullptr, &count, nullptr);
  std::vector<VkExtensionProperties> all(count);
  EnumerateDeviceExtensionProperties(physical, nullptr, &count, all.data());
  return std::any_of(all.begin(), all.end(), [&](const VkExtensionProperties& e) { return std::strcmp(e.extensionName, extension) == 0; });
}

// The shapes of subgroup scope whose components have a DType.
void Device::State::ReadMatrices(bool bfloat16) {
  const auto dtype = [&](VkComponentTypeKHR t, DType* to) {
    if (t == VK_COMPONENT_TYPE_BFLOAT16_KHR && bfloat16) return *to = DType::kBF16, true;
    if (t > VK_COMPONENT_TYPE_UINT64_KHR) return false;
    constexpr DType kTypes[] = {DType::kF16, DType::kF32, DType::kF64, DType::kS8,  DType::kS16, DType::kS32,
                                DType::kS64, DType::kU8,  DType::kU16, DType::kU32, DType::kU64};
    *to = kTypes[t];
    return true;
  };
  uint32_t count = 0;
  GetPhysicalDeviceCooperativeMatrixPropertiesKHR(physical, &count, nullptr);
  std::vector<VkCooperativeMatrixPropertiesKHR> all(count);
  for (VkCooperativeMatrixPropertiesKHR& p : all) p = {VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR, nullptr, 0, 0, 0, {}, {}, {}, {}, VK_FALSE, {}};
  GetPhysicalDeviceCooperativeMatrixPropertiesKHR(physical, &count, all.data());
  for (const VkCooperativeMatrixPropertiesKHR& p : all) {
    kernels::MatrixShape shape{p.MSize, p.NSize, p.KSize};
    if (p.scope != VK_SCOPE_SUBGROUP_KHR || p.saturatingAccumulation) continue;
    if (dtype(p.AType, &shape.a) && dtype(p.BType, &shape.b) && dtype(p.CType, &shape.c) && dtype(p.ResultType, &shape.result))
      limits.matrices.push_back(shape);
  }
}

void Device::State::OpenDevice() {
  VkPhysicalDeviceVulkan12Features f12{};
  f12.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
  // Features beyond Vulkan 1.2, each chained only where its extension is there.
  std::vector<const char*> extensions;
  const auto chain = [&](auto* feature, VkStructureType type, const char* extension) {
    if (!HasExtension(extension)) return;
    *feature = {};
    feature->sType = type;
    feature->pNext = f12.pNext;
    f12.pNext = feature;
    extensions.push_back(extension);
  };
  VkPhysicalDeviceSubgroupSizeControlFeatures subgroup_size{};
  chain(&subgroup_size, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME);
  VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrix{};
  chain(&matrix, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR, VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME);
  VkPhysicalDeviceShaderBfloat16FeaturesKHR bfloat16{};
  chain(&bfloat16, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_BFLOAT16_FEATURES_KHR, VK_KHR_SHADER_BFLOAT16_EXTENSION_NAME);
  VkPhysicalDeviceVulkan11Features f11{};
  f11.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES;
  f11.pNext = &f12;
  VkPhysicalDeviceFeatures2 features{};
  features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
  features.pNext = &f11;
  GetPhysicalDeviceFeatures2(physical, &features);
  ReadLimits(features, f11, f12);
  limits.subgroup_size_control = subgroup_size.subgroupSizeControl && subgroup_size.computeFullSubgroups;
  limits.bfloat16_matrix = bfloat16.shaderBFloat16CooperativeMatrix;
  if (matrix.cooperativeMatrix) ReadMatrices(limits.bfloat16_matrix);
  features.features.robustBufferAccess = VK_FALSE;

  uint32_t family_count = 0, family = 0;
  GetPhysicalDeviceQueueFamilyProperties(physical, &family_count, nullptr);
  std::vector<VkQueueFamilyProperties> families(family_count);
  GetPhysicalDeviceQueueFamilyProperties(physical, &family_count, families.data());
  while (family < family_count && !(families[family].queueFlags & VK_QUEUE_COMPUTE_BIT)) ++family;
  float priority = 1;
  VkDeviceQueueCreateInfo queue_info{};
  queue_info.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
  queue_info.queueFamilyIndex = family;
  queue_info.queueCount = 1;
  queue_info.pQueuePriorities = &priority;
  VkDeviceCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
  info.pNext = &features;
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queue_info;
  info.enabledExtensionCount = static_cast<uint32_t>(extensions.size());
  info.ppEnabledExtensionNames = extensions.data();
  Check(CreateDevice(physical, &info, nullptr, &device), "vkCreateDevice");
#define TFVK_RESOLVE(name) name = reinterpret_cast<PFN_vk##name>(GetDeviceProcAddr(device, "vk" #name));
  TFVK_FIXTURE_DEVICE(TFVK_RESOLVE)
#undef TFVK_RESOLVE
  GetDeviceQueue(device, family, 0, &queue);

  VkPhysicalDeviceMemoryProperties memory;
  GetPhysicalDeviceMemoryProperties(physical, &memory);
  constexpr VkMemoryPropertyFlags kWanted = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  while ((memory.memoryTypes[memory_type].propertyFlags & kWanted) != kWanted) ++memory_type;

  VkCommandPoolCreateInfo pool_info{};
  pool_info.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
  pool_info.queueFamilyIndex = family;
  Check(CreateCommandPool(device, &pool_info, nullptr, &pool), "vkCreateCommandPool");
  VkCommandBufferAllocateInfo commands_info{};
  commands_info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
  commands_info.commandPool = pool;
  commands_info.commandBufferCount = 1;
  Check(AllocateCommandBuffers(device, &commands_info, &commands), "vkAllocateCommandBuffers");
  VkPushConstantRange range{VK_SHADER_STAGE_COMPUTE_BIT, 0, 8};
  VkPipelineLayoutCreateInfo layout_info{};
  layout_info.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO;
  layout_info.pushConstantRangeCount = 1;
  layout_info.pPushConstantRanges = &range;
  Check(CreatePipelineLayout(device, &layout_info, nullptr, &layout), "vkCreatePipelineLayout");
}

Device::Device() : s_(std::make_unique<State>()) {
  s_->OpenInstance();
  s_->OpenDevice();
}
Device::~Device() = default;

Device& Device::Get() {
  static auto* device = new Device();  // never destroyed: drivers' own teardown may come first
  return *device;
}

const kernels::DeviceLimits& Device::limits() const { return s_->limits; }
const std::string& Device::name() const { return s_->name; }
double Device::last_seconds() const { return s_->last_seconds; }

// ---- Running ----

Buffer Device::Allocate(size_t bytes) {
  auto memory = std::make_shared<Buffer::Memory>();
  memory->device = s_.get();
  memory->bytes = bytes;
  VkBufferCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
  info.size = bytes + 2 * kGuard;
  info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT;
  Check(s_->CreateBuffer(s_->device, &info, nullptr, &memory->buffer), "vkCreateBuffer");
  VkMemoryRequirements requirements;
  s_->GetBufferMemoryRequirements(s_->device, memory->buffer, &requirements);
  VkMemoryAllocateFlagsInfo flags{};
  flags.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
  flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
  VkMemoryAllocateInfo allocate{};
  allocate.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
  allocate.pNext = &flags;
  allocate.allocationSize = requirements.size;
  allocate.memoryTypeIndex = s_->memory_type;
  Check(s_->AllocateMemory(s_->device, &allocate, nullptr, &memory->memory), "vkAllocateMemory");
  Check(s_->BindBufferMemory(s_->device, memory->buffer, memory->memory, 0), "vkBindBufferMemory");
  void* mapped = nullptr;
  Check(s_->MapMemory(s_->device, memory->memory, 0, VK_WHOLE_SIZE, 0, &mapped), "vkMapMemory");
  memory->mapped = static_cast<uint8_t*>(mapped);
  std::memset(mapped, kPattern, info.size);
  VkBufferDeviceAddressInfo address{};
  address.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO;
  address.buffer = memory->buffer;
  memory->address = s_->GetBufferDeviceAddress(s_->device, &address);
  return Buffer(memory);
}

VkPipeline Device::State::Compile(const kernels::Kernel& kernel) {
  VkShaderModuleCreateInfo module_info{};
  module_info.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO;
  module_info.codeSize = kernel.module.words.size() * 4;
  module_info.pCode = kernel.module.words.data();
  VkShaderModule module;
  Check(CreateShaderModule(device, &module_info, nullptr, &module), "vkCreateShaderModule");
  VkPipelineShaderStageRequiredSubgroupSizeCreateInfo size{};
  size.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO;
  size.requiredSubgroupSize = kernel.required_subgroup_size;
  VkComputePipelineCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO;
  info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = module;
  info.stage.pName = "main";
  if (kernel.required_subgroup_size) {
    info.stage.pNext = &size;
    info.stage.flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT;
  }
  info.layout = layout;
  VkPipeline pipeline;
  Check(CreateComputePipelines(device, VK_NULL_HANDLE, 1, &info, nullptr, &pipeline), "vkCreateComputePipelines");
  DestroyShaderModule(device, module, nullptr);
  return pipeline;
}

namespace {

// The words of one launch's argument block.
std::vector<uint64_t> ArgumentWords(const kernels::Kernel& kernel, const std::vector<Buffer>& operands, const std::vector<Buffer>& results,
                                    const Buffer& scratch, const std::vector<int64_t>& symbols) {
  using Kind = kernels::KernelArgument::Kind;
  std::vector<uint64_t> words;
  for (const auto& argument : kernel.arguments) {
    switch (argument.kind) {
      case Kind::kRead:
        words.push_back(operands.at(static_cast<size_t>(argument.index)).address());
        break;
      case Kind::kWrite:
        words.push_back(results.at(static_cast<size_t>(argument.index)).address());
        break;
      case Kind::kScratch:
        words.push_back(scratch.address());
        break;
      case Kind::kSize:
        words.push_back(static_cast<uint64_t>(symbols.at(static_cast<size_t>(argument.index))));
        break;
    }
  }
  return words;
}

}  // namespace

void Device::Run(const kernels::KernelSequence& sequence, const std::vector<Buffer>& operands, const std::vector<Buffer>& results,
                 const std::vector<int64_t>& symbols) {
  State& s = *s_;
  Buffer scratch = Allocate(static_cast<size_t>(sequence.scratch_bytes));
  std::vector<Buffer> blocks;
  std::vector<VkPipeline> pipelines;
  VkCommandBufferBeginInfo begin{};
  begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
  Check(s.ResetCommandPool(s.device, s.pool, 0), "vkResetCommandPool");
  Check(s.BeginCommandBuffer(s.commands, &begin), "vkBeginCommandBuffer");
  for (const kernels::Kernel& kernel : sequence.kernels) {
    std::string complaints = Validate(kernel.module);
    if (!complaints.empty()) throw std::runtime_error(complaints);
    if (kernel.module.shared_bytes > s.limits.shared_bytes) throw std::runtime_error(kernel.module.name + " uses too much shared memory");
    int64_t groups = kernel.workgroups.Evaluate(symbols);
    if (groups == 0) continue;
    pipelines.push_back(s.Compile(kernel));
    blocks.push_back(Upload(ArgumentWords(kernel, operands, results, scratch, symbols)));
    uint64_t address = blocks.back().address();
    auto width = static_cast<uint32_t>(std::min<int64_t>(groups, 65535));
    s.CmdBindPipeline(s.commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipelines.back());
    s.CmdPushConstants(s.commands, s.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, 8, &address);
    s.CmdDispatch(s.commands, width, static_cast<uint32_t>((groups + width - 1) / width), 1);
    VkMemoryBarrier barrier{};
    barrier.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
    barrier.srcAccessMask = barrier.dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT;
    s.CmdPipelineBarrier(s.commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1, &barrier, 0, nullptr, 0, nullptr);
  }
  Check(s.EndCommandBuffer(s.commands), "vkEndCommandBuffer");
  VkSubmitInfo submit{};
  submit.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
  submit.commandBufferCount = 1;
  submit.pCommandBuffers = &s.commands;
  auto start = std::chrono::steady_clock::now();
  Check(s.QueueSubmit(s.queue, 1, &submit, VK_NULL_HANDLE), "vkQueueSubmit");
  Check(s.QueueWaitIdle(s.queue), "vkQueueWaitIdle");
  s.last_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  for (VkPipeline pipeline : pipelines) s.DestroyPipeline(s.device, pipeline, nullptr);
  for (const auto* buffers : {&operands, &results}) {
    for (const Buffer& buffer : *buffers) buffer.CheckGuards();
  }
  scratch.CheckGuards();
}

}  // namespace tfvk::testing
