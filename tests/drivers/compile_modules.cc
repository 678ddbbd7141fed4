// Compiles SPIR-V modules with the first Vulkan device of this machine and tells what its driver says of each: instructions, registers, spills.
//   compile_modules [--statistics FILE] FOLDER
// FOLDER holds .spv files: the C++ tests write theirs to the folder that TFVK_DUMP_MODULES names, `tfvk-hlo --modules` writes NAME.json beside NAME.spv, whose
// subgroup size is then required as the plugin requires it. Exit status 1 when the driver refuses one; modules that use what the device lacks are counted and
// left out. FILE gets the statistics as JSON.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "drivers/module_requirements.h"
#include "fmt/format.h"
#include "vulkan/functions.h"
#include "vulkan/instance.h"

namespace {

namespace fs = std::filesystem;
using tfvk::vulkan::Check;
using tfvk::vulkan::Instance;
using tfvk::vulkan::ResultName;

// A logical device with everything on that the driver has, and pipeline statistics.
class Compiler {
 public:
  Compiler(Instance& instance, int index);
  // What the driver made of the module, and its statistics of each compiled variant.
  VkResult Compile(const std::vector<uint32_t>& words, uint32_t subgroup_size, nlohmann::json& statistics);

 private:
  VkDevice device_ = VK_NULL_HANDLE;
  VkPipelineLayout layout_ = VK_NULL_HANDLE;
  bool size_can_be_required_;
  tfvk::vulkan::DeviceFunctions f_;
  PFN_vkGetPipelineExecutablePropertiesKHR properties_ = nullptr;
  PFN_vkGetPipelineExecutableStatisticsKHR statistics_ = nullptr;

  nlohmann::json Statistics(VkPipeline pipeline) const;
};

// The feature structures that matter, linked in the order of the driver's extensions; filled by the driver and given back to it.
struct Features {
  VkPhysicalDeviceFeatures2 head{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, nullptr, {}};
  VkPhysicalDeviceVulkan11Features v11{};
  VkPhysicalDeviceVulkan12Features v12{};
  VkPhysicalDeviceSubgroupSizeControlFeaturesEXT sizes{};
  VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrices{};
  VkPhysicalDeviceShaderBfloat16FeaturesKHR bfloat{};
  VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR executables{};
  std::vector<const char*> extensions;

  explicit Features(const tfvk::vulkan::DeviceSnapshot& device) {
    void** next = &head.pNext;
    auto add = [&](auto& structure, VkStructureType type, const char* extension) {
      if (extension && !device.HasExtension(extension)) return;
      if (extension) extensions.push_back(extension);
      structure.sType = type;
      *next = &structure;
      next = &structure.pNext;
    };
    add(v11, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES, nullptr);
    add(v12, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES, nullptr);
    add(sizes, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES_EXT, "VK_EXT_subgroup_size_control");
    add(matrices, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR, "VK_KHR_cooperative_matrix");
    add(bfloat, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_BFLOAT16_FEATURES_KHR, "VK_KHR_shader_bfloat16");
    add(executables, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR, "VK_KHR_pipeline_executable_properties");
  }
};

Compiler::Compiler(Instance& instance, int index) : size_can_be_required_(instance.snapshots()[index].subgroup.required_size_in_compute) {
  const tfvk::vulkan::InstanceFunctions& f = instance.functions();
  const auto physical = static_cast<VkPhysicalDevice>(instance.physical_device(index));
  Features features(instance.snapshots()[index]);
  f.GetPhysicalDeviceFeatures2(physical, &features.head);
  const float priority = 1;
  VkDeviceQueueCreateInfo queue{};
  queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
  queue.queueFamilyIndex = instance.plans()[index].queue_family;
  queue.queueCount = 1;
  queue.pQueuePriorities = &priority;
  VkDeviceCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
  info.pNext = &features.head;
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queue;
  info.enabledExtensionCount = static_cast<uint32_t>(features.extensions.size());
  info.ppEnabledExtensionNames = features.extensions.data();
  Check(f.CreateDevice(physical, &info, nullptr, &device_), "vkCreateDevice");
  f_ = LoadDeviceFunctions(f, device_);
  if (features.executables.pipelineExecutableInfo) {
    properties_ = reinterpret_cast<PFN_vkGetPipelineExecutablePropertiesKHR>(f.GetDeviceProcAddr(device_, "vkGetPipelineExecutablePropertiesKHR"));
    statistics_ = reinterpret_cast<PFN_vkGetPipelineExecutableStatisticsKHR>(f.GetDeviceProcAddr(device_, "vkGetPipelineExecutableStatisticsKHR"));
  }
  VkPushConstantRange push{VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(uint64_t)};
  VkPipelineLayoutCreateInfo layout{};
  layout.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO;
  layout.pushConstantRangeCount = 1;
  layout.pPushConstantRanges = &push;
  Check(f_.CreatePipelineLayout(device_, &layout, nullptr, &layout_), "vkCreatePipelineLayout");
}

VkResult Compiler::Compile(const std::vector<uint32_t>& words, uint32_t subgroup_size, nlohmann::json& statistics) {
  VkShaderModuleCreateInfo module_info{};
  module_info.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO;
  module_info.codeSize = words.size() * sizeof(uint32_t);
  module_info.pCode = words.data();
  VkShaderModule module = VK_NULL_HANDLE;
  Check(f_.CreateShaderModule(device_, &module_info, nullptr, &module), "vkCreateShaderModule");
  VkPipelineShaderStageRequiredSubgroupSizeCreateInfoEXT size{};
  size.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO_EXT;
  size.requiredSubgroupSize = subgroup_size;
  VkComputePipelineCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO;
  info.flags = statistics_ ? VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR : 0;
  info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  if (subgroup_size) {
    // As src/vulkan/pipeline_cache.cc does.
    if (size_can_be_required_) info.stage.pNext = &size;
    info.stage.flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT_EXT;
  }
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = module;
  info.stage.pName = "main";
  info.layout = layout_;
  VkPipeline pipeline = VK_NULL_HANDLE;
  const VkResult result = f_.CreateComputePipelines(device_, VK_NULL_HANDLE, 1, &info, nullptr, &pipeline);
  f_.DestroyShaderModule(device_, module, nullptr);
  if (result != VK_SUCCESS) return result;
  statistics = Statistics(pipeline);
  f_.DestroyPipeline(device_, pipeline, nullptr);
  return result;
}

nlohmann::json Compiler::Statistics(VkPipeline pipeline) const {
  nlohmann::json variants = nlohmann::json::array();
  if (!statistics_ || !properties_) return variants;
  VkPipelineInfoKHR info{VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR, nullptr, pipeline};
  uint32_t executables = 0;
  Check(properties_(device_, &info, &executables, nullptr), "vkGetPipelineExecutablePropertiesKHR");
  std::vector<VkPipelineExecutablePropertiesKHR> facts(executables, {VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_PROPERTIES_KHR, nullptr, 0, "", "", 0});
  Check(properties_(device_, &info, &executables, facts.data()), "vkGetPipelineExecutablePropertiesKHR");
  for (uint32_t i = 0; i < executables; ++i) {
    VkPipelineExecutableInfoKHR which{VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR, nullptr, pipeline, i};
    uint32_t count = 0;
    Check(statistics_(device_, &which, &count, nullptr), "vkGetPipelineExecutableStatisticsKHR");
    std::vector<VkPipelineExecutableStatisticKHR> numbers(count, {VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR, nullptr, "", "", {}, {}});
    Check(statistics_(device_, &which, &count, numbers.data()), "vkGetPipelineExecutableStatisticsKHR");
    nlohmann::json variant = {{"Subgroup size", facts[i].subgroupSize}};
    for (const VkPipelineExecutableStatisticKHR& n : numbers) {
      const bool real = n.format == VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_FLOAT64_KHR;
      variant[n.name] = real ? nlohmann::json(n.value.f64) : nlohmann::json(n.value.u64);
    }
    variants.push_back(variant);
  }
  return variants;
}

std::vector<uint32_t> ReadWords(const fs::path& path) {
  std::vector<uint32_t> words(fs::file_size(path) / sizeof(uint32_t));
  std::ifstream(path, std::ios::binary).read(reinterpret_cast<char*>(words.data()), static_cast<std::streamsize>(words.size() * sizeof(uint32_t)));
  return words;
}

// The subgroup size that the module's kernel requires; 0: any.
uint32_t RequiredSubgroupSize(fs::path module) {
  std::ifstream facts(module.replace_extension(".json"));
  return facts ? nlohmann::json::parse(facts).at("required_subgroup_size").get<uint32_t>() : 0;
}

std::vector<fs::path> Modules(const fs::path& folder) {
  std::vector<fs::path> paths;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".spv") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  if (paths.empty()) throw std::runtime_error("there is no .spv file in " + folder.string());
  return paths;
}

// What is known of a driver's refusal, with its row in docs/troubleshooting.md; empty for one that wants looking into.
std::string KnownFault(const tfvk::vulkan::DeviceSnapshot& device, VkResult result) {
  const bool before_turing = device.driver_name == "NVK" && !device.features.shader_float16;
  if (before_turing && result == VK_ERROR_UNKNOWN) return "known fault: NVK's compiler finds no free register before Turing";
  return "";
}

// One child of this process: compiles `paths` from `first` on, at most kBatch of them, and writes a line of JSON before and after each.
constexpr size_t kBatch = 250;

void CompileBatch(const std::vector<fs::path>& paths, size_t first, std::FILE* out) {
  const auto say = [&](const nlohmann::json& line) {
    fmt::print(out, "{}\n", line.dump());
    std::fflush(out);  // the next module may end this process
  };
  Instance& instance = Instance::Get();
  if (instance.snapshots().empty()) throw std::runtime_error("no Vulkan device: " + instance.problem());
  const tfvk::vulkan::DeviceSnapshot& device = instance.snapshots()[0];
  say({{"device", device.name}, {"driver", device.driver_name + " " + device.driver_info}});
  Compiler compiler(instance, 0);
  for (size_t i = first; i < std::min(paths.size(), first + kBatch); ++i) {
    say({{"module", i}});
    const std::vector<uint32_t> words = ReadWords(paths[i]);
    if (std::string missing = tfvk::testing::MissingFor(words, device); !missing.empty()) {
      say({{"left out", missing}});
      continue;
    }
    nlohmann::json statistics;
    const VkResult result = compiler.Compile(words, RequiredSubgroupSize(paths[i]), statistics);
    const std::string fault = KnownFault(device, result);
    if (result == VK_SUCCESS) {
      say({{"statistics", statistics}});
    } else if (!fault.empty()) {
      say({{"left out", fault}});
    } else {
      say({{"refused", "vkCreateComputePipelines gave " + ResultName(result)}});
    }
  }
}

// What the children said, added up.
struct Report {
  nlohmann::json json;
  std::map<std::string, int> left_out;
  int compiled = 0, refused = 0;

  void LeaveOut(const fs::path& module, const std::string& why) {
    ++left_out[why];
    json["left out"][module.stem().string()] = why;
  }
  void Refuse(const fs::path& module, const std::string& why) {
    ++refused;
    json["refused"][module.stem().string()] = why;
    fmt::print("REFUSED {}: {}\n", module.filename().string(), why);
  }
};

// Runs one child; the index of the module to go on with. A child that a module ends costs that module only.
size_t RunBatch(const std::vector<fs::path>& paths, size_t first, Report& report) {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("pipe failed");
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    int status = 0;
    try {
      CompileBatch(paths, first, fdopen(ends[1], "w"));
    } catch (const std::exception& error) {
      fmt::print(stderr, "{}\n", error.what());
      status = 1;
    }
    std::_Exit(status);  // drivers without hardware do not all survive their exit handlers
  }
  close(ends[1]);
  size_t current = first;
  bool began = false;
  std::FILE* in = fdopen(ends[0], "r");
  char* text = nullptr;
  size_t capacity = 0;
  while (getline(&text, &capacity, in) > 0) {
    const nlohmann::json line = nlohmann::json::parse(text);
    if (line.contains("device")) report.json.update(line);
    if (line.contains("module")) current = line["module"], began = true;
    if (line.contains("left out")) report.LeaveOut(paths[current], line["left out"]);
    if (line.contains("refused")) report.Refuse(paths[current], line["refused"]);
    if (line.contains("statistics")) {
      report.json["modules"][paths[current].stem().string()] = line["statistics"];
      ++report.compiled;
    }
  }
  std::free(text);
  std::fclose(in);
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0 && !began) throw std::runtime_error("the driver did not give a device");
  if (status != 0)
    report.Refuse(paths[current], WIFSIGNALED(status) ? fmt::format("the driver ended the process with signal {}", WTERMSIG(status)) : "see above");
  return current + 1;
}

// How many modules the driver refused. It works in children of this process: the amdgpu shim loses a buffer (its GEM_MMAP of a handle it gave finds nothing)
// after some five hundred pipelines, and a driver that crashes should be told with its module.
int CompileAll(const fs::path& folder, const std::string& statistics_file) {
  const std::vector<fs::path> paths = Modules(folder);
  Report report;
  const auto start = std::chrono::steady_clock::now();
  for (size_t next = 0; next < paths.size();) next = RunBatch(paths, next, report);
  fmt::print("{}, {}\n", report.json["device"].get<std::string>(), report.json["driver"].get<std::string>());
  for (const auto& [reason, count] : report.left_out) fmt::print("left out, {}: {}\n", reason, count);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  fmt::print("compiled {}, refused {}, in {:.1f} s\n", report.compiled, report.refused, seconds);
  if (!statistics_file.empty()) std::ofstream(statistics_file) << report.json.dump(1) << "\n";
  if (report.compiled == 0) throw std::runtime_error("not one module was compiled");
  return report.refused;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  std::string statistics_file;
  if (arguments.size() >= 2 && arguments[0] == "--statistics") {
    statistics_file = arguments[1];
    arguments.erase(arguments.begin(), arguments.begin() + 2);
  }
  if (arguments.size() != 1) {
    fmt::print(stderr, "usage: {} [--statistics FILE] FOLDER\n", argv[0]);
    return 2;
  }
  int status = 1;
  try {
    status = CompileAll(arguments[0], statistics_file) ? 1 : 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
  }
  return status;
}
