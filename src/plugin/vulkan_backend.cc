// The product's back end: Vulkan devices, with programs that the compiler makes from HLO modules and graphs.
#include <algorithm>
#include <utility>

#include "compiler/compiler.h"
#include "hlo/import.h"
#include "hlo/passes.h"
#include "plugin/backend.h"
#include "program/executable.h"
#include "program/limits.h"
#include "types/error.h"
#include "vulkan/device.h"
#include "vulkan/instance.h"

namespace tfvk::plugin {
namespace {

vulkan::Address AddressOf(const void* pointer) { return reinterpret_cast<vulkan::Address>(pointer); }

std::vector<vulkan::Address> AddressesOf(const std::vector<DeviceBytes>& ranges) {
  std::vector<vulkan::Address> addresses;
  addresses.reserve(ranges.size());
  for (const DeviceBytes& range : ranges) addresses.push_back(range.bytes == 0 ? 0 : AddressOf(range.address));
  return addresses;
}

class VulkanExecutable : public Executable {
 public:
  VulkanExecutable(vulkan::Device& device, program::Program program, std::string graph_text)
      : program_(device, std::move(program)), graph_text_(std::move(graph_text)) {}

  const std::vector<int>& aliases() const override { return program_.program().aliases; }
  uint64_t TemporaryBytes(const std::vector<int64_t>& sizes) const override { return program_.TemporaryBytes(sizes); }
  int launch_count() const override { return static_cast<int>(program_.program().steps.size()); }
  std::string Describe() const override;
  void Run(const program::Arguments& arguments) { program_.Run(arguments); }

 private:
  program::Executable program_;
  std::string graph_text_;  // kept only for dumps
};

std::string DescribeStep(const program::Program& program, const program::Step& step) {
  if (const auto* launch = std::get_if<program::Launch>(&step.action)) {
    return fmt::format("launch kernel {} ({} arguments)  // {}", launch->kernel, launch->arguments.size(), launch->name);
  }
  if (std::holds_alternative<program::Copy>(step.action)) return "copy";
  if (std::holds_alternative<program::Fill>(step.action)) return "fill";
  if (const auto* loop = std::get_if<program::While>(&step.action)) {
    return fmt::format("while ({} steps in the condition, {} in the body, trip count {})", loop->condition.size(), loop->body.size(),
                       loop->trip_count.value_or(-1));
  }
  return fmt::format("conditional of {} branches", std::get<program::Conditional>(step.action).branches.size());
}

std::string VulkanExecutable::Describe() const {
  const program::Program& program = program_.program();
  std::string text = graph_text_ + fmt::format("\nprogram {}: {} parameters, {} outputs, {} kernels, {} bytes of temporaries, {}\n", program.name,
                                               program.parameters.size(), program.outputs.size(), program.kernels.size(), program.temporary_bytes,
                                               program_.recorded() ? "replayed" : "launched step by step");
  for (const program::Step& step : program.steps) text += "  " + DescribeStep(program, step) + "\n";
  return text;
}

class VulkanDevice : public Device {
 public:
  VulkanDevice(vulkan::Instance& instance, int index)
      : device_(instance, index),
        limits_(program::LimitsOf(device_.plan())),
        info_{device_.snapshot().name, device_.snapshot().driver_name, device_.snapshot().driver_name + " " + device_.snapshot().driver_info,
              device_.snapshot().pci_bus_id} {}

  const DeviceInfo& info() const override { return info_; }
  // Memory and arithmetic of this type; 8- and 16-bit arithmetic can be done in wider registers, 64-bit cannot.
  bool Supports(DType dtype) const {
    switch (ByteSize(dtype)) {
      case 1:
        return limits_.storage_8bit;
      case 2:
        return limits_.storage_16bit;
      case 8:
        return dtype == DType::kF64 ? limits_.float64 : limits_.int64;
      default:
        return true;
    }
  }

  void* Allocate(uint64_t bytes) override {
    try {
      return reinterpret_cast<void*>(device_.Allocate(bytes));
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kResourceExhausted) return nullptr;
      throw;
    }
  }
  void Free(void* address) override { device_.Free(AddressOf(address)); }
  bool Owns(const void* address) const override { return device_.HoldsTensors(AddressOf(address)); }
  void* AllocateHost(uint64_t bytes) override {
    try {
      return device_.AllocatePinned(bytes);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kResourceExhausted) return nullptr;
      throw;
    }
  }
  void FreeHost(void* address) override { device_.FreePinned(address); }
  MemoryUse memory_use() const override {
    const vulkan::MemoryUsage usage = device_.Usage();
    return {usage.total_bytes, usage.free_bytes, usage.in_use_bytes, usage.peak_bytes, usage.block_count};
  }

  void Upload(void* destination, const void* source, uint64_t bytes) override { device_.queue().Upload(AddressOf(destination), source, bytes); }
  Ticket Download(void* destination, const void* source, uint64_t bytes) override { return device_.queue().Download(destination, AddressOf(source), bytes); }
  void Copy(void* destination, const void* source, uint64_t bytes) override { device_.queue().Copy(AddressOf(destination), AddressOf(source), bytes); }
  void Fill(void* destination, uint32_t pattern, uint64_t bytes) override { device_.queue().Fill(AddressOf(destination), pattern, bytes); }
  Ticket Record() override { return device_.queue().Record(); }
  Ticket RecordResults() override { return device_.queue().RecordResults(); }
  bool Done(Ticket ticket) override { return device_.queue().Done(ticket); }
  void Wait(Ticket ticket) override { device_.queue().Wait(ticket); }

  std::shared_ptr<Executable> Compile(hlo::ModulePtr module, const CompileOptions& options) override {
    const bool takes_random_state = hlo::RunPasses(*module);
    std::shared_ptr<Executable> executable = Compile(*hlo::Import(*module), options);
    executable->takes_random_state = takes_random_state;
    return executable;
  }
  std::shared_ptr<Executable> Compile(const ir::Graph& graph, const CompileOptions& options) override {
    compiler::CompileOptions choices;
    choices.allow_tf32 = options.allow_tf32;
    return std::make_shared<VulkanExecutable>(device_, compiler::Compile(graph, limits_, choices), options.keep_text ? ir::ToText(graph) : std::string());
  }
  void Run(Executable& executable, const RunArguments& arguments) override {
    program::Arguments words;
    words.parameters = AddressesOf(arguments.parameters);
    words.outputs = AddressesOf(arguments.outputs);
    words.temporaries = AddressOf(arguments.temporary);
    words.symbols = arguments.sizes;
    static_cast<VulkanExecutable&>(executable).Run(words);
  }

 private:
  vulkan::Device device_;
  kernels::DeviceLimits limits_;
  DeviceInfo info_;
};

class VulkanBackend : public Backend {
 public:
  VulkanBackend() {
    vulkan::Instance& instance = vulkan::Instance::Get();
    std::vector<std::string> messages;
    for (const int index : instance.SelectedDevices(&messages)) devices_.push_back(std::make_unique<VulkanDevice>(instance, index));
    if (!instance.problem().empty()) messages.push_back(instance.problem());
    if (devices_.empty() && messages.empty()) messages.push_back("No Vulkan driver offers a device that can be used; `tfvk doctor` tells why.");
    for (const std::string& message : messages) problem_ += (problem_.empty() ? "" : " ") + message;
  }
  const std::vector<std::unique_ptr<Device>>& devices() const override { return devices_; }
  const std::string& problem() const override { return problem_; }
  bool Supports(DType dtype) const override {
    return std::all_of(devices_.begin(), devices_.end(), [&](const auto& device) { return static_cast<const VulkanDevice&>(*device).Supports(dtype); });
  }
  bool runs_graphs() const override { return true; }

 private:
  std::vector<std::unique_ptr<Device>> devices_;
  std::string problem_;
};

}  // namespace

std::unique_ptr<Backend> OpenBackend() { return std::make_unique<VulkanBackend>(); }

}  // namespace tfvk::plugin
