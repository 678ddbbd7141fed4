#include "vulkan/instance.h"

#include <cstdlib>

#include "vulkan/device_selection.h"
#include "vulkan/functions.h"
#include "vulkan/snapshot_query.h"

namespace tfvk::vulkan {

Instance& Instance::Get() {
  static Instance* const instance = new Instance();
  return *instance;
}

Instance::Instance() {
  try {
    driver_libraries_ = OpenDriverLibraries();
    Create();
  } catch (const std::exception& e) {
    problem_ = e.what();
  }
}

Instance::~Instance() = default;

void Instance::Create() {
  functions_ = std::make_unique<InstanceFunctions>(LoadLoader());
  InstanceFunctions& f = *functions_;
  uint32_t version = VK_API_VERSION_1_0;
  if (f.EnumerateInstanceVersion) f.EnumerateInstanceVersion(&version);
  if (version < VK_API_VERSION_1_2) {
    Fail(ErrorCode::kFailedPrecondition, "The Vulkan loader is version {}.{}; 1.2 is needed.", VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version));
  }
  VkApplicationInfo application{};
  application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
  application.pApplicationName = application.pEngineName = "tensorflow-vulkan";
  application.apiVersion = version < VK_API_VERSION_1_3 ? VK_API_VERSION_1_2 : VK_API_VERSION_1_3;
  VkInstanceCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
  info.pApplicationInfo = &application;
  VkResult result = f.CreateInstance(&info, nullptr, &f.instance);
  if (result == VK_ERROR_INCOMPATIBLE_DRIVER) {
    Fail(ErrorCode::kFailedPrecondition, "No Vulkan driver works on this machine (vkCreateInstance gave {}).", ResultName(result));
  }
  Check(result, "vkCreateInstance");
  LoadInstanceFunctions(f);

  uint32_t count = 0;
  Check(f.EnumeratePhysicalDevices(f.instance, &count, nullptr), "vkEnumeratePhysicalDevices");
  std::vector<VkPhysicalDevice> devices(count);
  result = f.EnumeratePhysicalDevices(f.instance, &count, devices.data());
  if (result != VK_INCOMPLETE) Check(result, "vkEnumeratePhysicalDevices");
  devices.resize(count);
  for (VkPhysicalDevice device : devices) {
    DeviceSnapshot snapshot = QuerySnapshot(f, device);
    const char* disabled = std::getenv("TFVK_DISABLE_FEATURES");
    if (disabled) unknown_features_ = DisableFeatures(snapshot, disabled);
    plans_.push_back(MakeDevicePlan(snapshot));
    snapshots_.push_back(std::move(snapshot));
    physical_devices_.push_back(device);
  }
}

std::vector<int> Instance::SelectedDevices(std::vector<std::string>* messages) const {
  const char* visible = std::getenv("TFVK_VISIBLE_DEVICES");
  DeviceSelection selection = SelectDevices(snapshots_, plans_, visible ? std::optional<std::string>(visible) : std::nullopt);
  if (messages) {
    *messages = selection.messages;
    for (const std::string& name : unknown_features_) messages->push_back(fmt::format("TFVK_DISABLE_FEATURES: there is no feature \"{}\".", name));
  }
  return selection.order;
}

}  // namespace tfvk::vulkan
