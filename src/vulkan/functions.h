// Tables of the Vulkan functions that this room calls, filled at run time: nothing links against libvulkan.
#pragma once

#include <string>

#include "types/error.h"
#include "vulkan/vulkan_compat.h"

namespace tfvk::vulkan {

#define TFVK_INSTANCE_FUNCTIONS(X)          \
  X(EnumeratePhysicalDevices)               \
  X(GetPhysicalDeviceProperties)            \
  X(GetPhysicalDeviceProperties2)           \
  X(GetPhysicalDeviceFeatures2)             \
  X(GetPhysicalDeviceMemoryProperties)      \
  X(GetPhysicalDeviceMemoryProperties2)     \
  X(GetPhysicalDeviceQueueFamilyProperties) \
  X(EnumerateDeviceExtensionProperties)     \
  X(CreateDevice)                           \
  X(GetDeviceProcAddr)

#define TFVK_DEVICE_FUNCTIONS(X) \
  X(DestroyDevice)               \
  X(GetDeviceQueue)              \
  X(DeviceWaitIdle)              \
  X(CreateBuffer)                \
  X(DestroyBuffer)               \
  X(GetBufferMemoryRequirements) \
  X(GetBufferDeviceAddress)      \
  X(AllocateMemory)              \
  X(FreeMemory)                  \
  X(BindBufferMemory)            \
  X(MapMemory)                   \
  X(CreatePipelineLayout)        \
  X(DestroyPipelineLayout)       \
  X(CreateShaderModule)          \
  X(DestroyShaderModule)         \
  X(CreateComputePipelines)      \
  X(DestroyPipeline)             \
  X(CreatePipelineCache)         \
  X(DestroyPipelineCache)        \
  X(GetPipelineCacheData)        \
  X(MergePipelineCaches)         \
  X(CreateCommandPool)           \
  X(DestroyCommandPool)          \
  X(ResetCommandPool)            \
  X(AllocateCommandBuffers)      \
  X(BeginCommandBuffer)          \
  X(EndCommandBuffer)            \
  X(CmdBindPipeline)             \
  X(CmdPushConstants)            \
  X(CmdDispatch)                 \
  X(CmdPipelineBarrier)          \
  X(CmdCopyBuffer)               \
  X(CmdFillBuffer)               \
  X(CreateQueryPool)             \
  X(DestroyQueryPool)            \
  X(CmdResetQueryPool)           \
  X(CmdWriteTimestamp)           \
  X(GetQueryPoolResults)         \
  X(QueueSubmit)                 \
  X(CreateSemaphore)             \
  X(DestroySemaphore)            \
  X(GetSemaphoreCounterValue)    \
  X(WaitSemaphores)              \
  X(QueueBindSparse)             \
  X(CreateFence)                 \
  X(DestroyFence)                \
  X(WaitForFences)

#define TFVK_DECLARE(name) PFN_vk##name name = nullptr;
struct InstanceFunctions {
  VkInstance instance = VK_NULL_HANDLE;
  PFN_vkGetInstanceProcAddr GetInstanceProcAddr = nullptr;
  PFN_vkCreateInstance CreateInstance = nullptr;
  PFN_vkEnumerateInstanceVersion EnumerateInstanceVersion = nullptr;
  PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR GetPhysicalDeviceCooperativeMatrixPropertiesKHR = nullptr;  // may be null
  TFVK_INSTANCE_FUNCTIONS(TFVK_DECLARE)
};
struct DeviceFunctions {
  TFVK_DEVICE_FUNCTIONS(TFVK_DECLARE)
};
#undef TFVK_DECLARE

// Opens libvulkan and finds its entry point; throws Error(kFailedPrecondition) with what is missing.
InstanceFunctions LoadLoader();
// Fills the rest of the table once `instance` is set.
void LoadInstanceFunctions(InstanceFunctions& functions);
DeviceFunctions LoadDeviceFunctions(const InstanceFunctions& functions, VkDevice device);

// "VK_ERROR_DEVICE_LOST", or the number of a result without a name here.
std::string ResultName(VkResult result);

// Throws unless the result is VK_SUCCESS: kResourceExhausted when memory ran out, kUnavailable when the device was lost, else kInternal.
void Check(VkResult result, const char* call);

}  // namespace tfvk::vulkan
