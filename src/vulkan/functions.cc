#include "vulkan/functions.h"

#include "vulkan/platform.h"

namespace tfvk::vulkan {

InstanceFunctions LoadLoader() {
  std::string problem;
  void* library = nullptr;
  for (const char* name : platform::VulkanLoaderNames()) {
    library = platform::OpenLibrary(name, platform::Binding::kDefault, &problem);
    if (library) break;
  }
  if (!library)
    Fail(ErrorCode::kFailedPrecondition, "The Vulkan loader was not found ({}). Install it, on Debian and Ubuntu with `apt-get install libvulkan1`.", problem);
  InstanceFunctions f;
  f.GetInstanceProcAddr = reinterpret_cast<PFN_vkGetInstanceProcAddr>(platform::FindSymbol(library, "vkGetInstanceProcAddr"));
  if (!f.GetInstanceProcAddr) Fail(ErrorCode::kFailedPrecondition, "The Vulkan loader has no vkGetInstanceProcAddr.");
  f.CreateInstance = reinterpret_cast<PFN_vkCreateInstance>(f.GetInstanceProcAddr(nullptr, "vkCreateInstance"));
  f.EnumerateInstanceVersion = reinterpret_cast<PFN_vkEnumerateInstanceVersion>(f.GetInstanceProcAddr(nullptr, "vkEnumerateInstanceVersion"));
  if (!f.CreateInstance) Fail(ErrorCode::kFailedPrecondition, "The Vulkan loader has no vkCreateInstance.");
  return f;
}

void LoadInstanceFunctions(InstanceFunctions& f) {
#define TFVK_LOAD(name)                                                                   \
  f.name = reinterpret_cast<PFN_vk##name>(f.GetInstanceProcAddr(f.instance, "vk" #name)); \
  if (!f.name) Fail(ErrorCode::kFailedPrecondition, "The Vulkan loader is too old: it has no vk{}.", #name);
  TFVK_INSTANCE_FUNCTIONS(TFVK_LOAD)
#undef TFVK_LOAD
  f.GetPhysicalDeviceCooperativeMatrixPropertiesKHR = reinterpret_cast<PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR>(
      f.GetInstanceProcAddr(f.instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR"));
}

DeviceFunctions LoadDeviceFunctions(const InstanceFunctions& functions, VkDevice device) {
  DeviceFunctions f;
#define TFVK_LOAD(name)                                                                     \
  f.name = reinterpret_cast<PFN_vk##name>(functions.GetDeviceProcAddr(device, "vk" #name)); \
  if (!f.name) Fail(ErrorCode::kUnavailable, "The Vulkan driver has no vk{}.", #name);
  TFVK_DEVICE_FUNCTIONS(TFVK_LOAD)
#undef TFVK_LOAD
  return f;
}

std::string ResultName(VkResult result) {
  switch (result) {
#define TFVK_NAME(name) \
  case name:            \
    return #name;
    TFVK_NAME(VK_SUCCESS)
    TFVK_NAME(VK_NOT_READY)
    TFVK_NAME(VK_TIMEOUT)
    TFVK_NAME(VK_INCOMPLETE)
    TFVK_NAME(VK_ERROR_OUT_OF_HOST_MEMORY)
    TFVK_NAME(VK_ERROR_OUT_OF_DEVICE_MEMORY)
    TFVK_NAME(VK_ERROR_INITIALIZATION_FAILED)
    TFVK_NAME(VK_ERROR_DEVICE_LOST)
    TFVK_NAME(VK_ERROR_MEMORY_MAP_FAILED)
    TFVK_NAME(VK_ERROR_LAYER_NOT_PRESENT)
    TFVK_NAME(VK_ERROR_EXTENSION_NOT_PRESENT)
    TFVK_NAME(VK_ERROR_FEATURE_NOT_PRESENT)
    TFVK_NAME(VK_ERROR_INCOMPATIBLE_DRIVER)
    TFVK_NAME(VK_ERROR_TOO_MANY_OBJECTS)
    TFVK_NAME(VK_ERROR_UNKNOWN)
    TFVK_NAME(VK_ERROR_INVALID_OPAQUE_CAPTURE_ADDRESS)
#undef TFVK_NAME
    default:
      return "VkResult " + std::to_string(static_cast<int>(result));
  }
}

void Check(VkResult result, const char* call) {
  if (result == VK_SUCCESS) return;
  ErrorCode code = ErrorCode::kInternal;
  if (result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_DEVICE_MEMORY || result == VK_ERROR_TOO_MANY_OBJECTS)
    code = ErrorCode::kResourceExhausted;
  if (result == VK_ERROR_DEVICE_LOST) code = ErrorCode::kUnavailable;
  Fail(code, "{} gave {}.", call, ResultName(result));
}

}  // namespace tfvk::vulkan
