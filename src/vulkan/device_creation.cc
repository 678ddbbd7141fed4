#include "vulkan/device_internals.h"

namespace tfvk::vulkan {
namespace {

// The feature structures of vkCreateDevice, linked as they are needed.
struct FeatureChain {
  VkPhysicalDeviceFeatures2 head{};
  VkPhysicalDeviceVulkan11Features f11{};
  VkPhysicalDeviceVulkan12Features f12{};
  VkPhysicalDeviceSubgroupSizeControlFeaturesEXT sizes{};
  VkPhysicalDeviceShaderIntegerDotProductFeaturesKHR dots{};
  VkPhysicalDeviceMaintenance4FeaturesKHR maintenance4{};
  VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrices{};
  VkPhysicalDeviceShaderBfloat16FeaturesKHR bfloat{};
  VkPhysicalDeviceCooperativeMatrix2FeaturesNV matrices2{};
  void** next = nullptr;

  template <class T>
  void Add(T& structure, VkStructureType type) {
    structure.sType = type;
    *next = &structure;
    next = &structure.pNext;
  }

  explicit FeatureChain(const DeviceFeatures& f) {
    head.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
    next = &head.pNext;
    AddCore(f);
    if (f.subgroup_size_control) {
      Add(sizes, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES_EXT);
      sizes.subgroupSizeControl = VK_TRUE;
      sizes.computeFullSubgroups = f.compute_full_subgroups;
    }
    if (f.integer_dot_product) {
      Add(dots, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES_KHR);
      dots.shaderIntegerDotProduct = VK_TRUE;
    }
    if (f.maintenance4) {
      Add(maintenance4, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_FEATURES_KHR);
      maintenance4.maintenance4 = VK_TRUE;
    }
    AddMatrices(f);
  }

  void AddCore(const DeviceFeatures& f) {
    head.features.shaderInt64 = f.shader_int64;
    head.features.shaderInt16 = f.shader_int16;
    head.features.shaderFloat64 = f.shader_float64;
    head.features.sparseBinding = f.sparse_binding;
    Add(f11, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES);
    f11.storageBuffer16BitAccess = f.storage_16bit;
    Add(f12, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES);
    f12.storageBuffer8BitAccess = f.storage_8bit;
    f12.shaderInt8 = f.shader_int8;
    f12.shaderFloat16 = f.shader_float16;
    f12.bufferDeviceAddress = f.buffer_device_address;
    f12.timelineSemaphore = f.timeline_semaphore;
    f12.vulkanMemoryModel = f.vulkan_memory_model;
    f12.vulkanMemoryModelDeviceScope = f.vulkan_memory_model_device_scope;
    f12.scalarBlockLayout = f.scalar_block_layout;
    f12.shaderSubgroupExtendedTypes = f.subgroup_extended_types;
    f12.shaderBufferInt64Atomics = f.shader_integer64_atomics;
  }

  void AddMatrices(const DeviceFeatures& f) {
    if (f.cooperative_matrix) {
      Add(matrices, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR);
      matrices.cooperativeMatrix = VK_TRUE;
    }
    if (f.bfloat16_type) {
      Add(bfloat, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_BFLOAT16_FEATURES_KHR);
      bfloat.shaderBFloat16Type = VK_TRUE;
      bfloat.shaderBFloat16CooperativeMatrix = f.bfloat16_cooperative_matrix;
    }
    if (f.cooperative_matrix2_workgroup_scope || f.cooperative_matrix2_conversions) {
      Add(matrices2, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_2_FEATURES_NV);
      matrices2.cooperativeMatrixWorkgroupScope = f.cooperative_matrix2_workgroup_scope;
      matrices2.cooperativeMatrixFlexibleDimensions = f.cooperative_matrix2_flexible_dimensions;
      matrices2.cooperativeMatrixReductions = f.cooperative_matrix2_reductions;
      matrices2.cooperativeMatrixConversions = f.cooperative_matrix2_conversions;
      matrices2.cooperativeMatrixPerElementOperations = f.cooperative_matrix2_per_element_operations;
      matrices2.cooperativeMatrixTensorAddressing = f.cooperative_matrix2_tensor_addressing;
      matrices2.cooperativeMatrixBlockLoads = f.cooperative_matrix2_block_loads;
    }
  }
};

// The queue that computes, and one more where that one cannot bind memory.
std::vector<VkDeviceQueueCreateInfo> QueuesOf(const DevicePlan& plan, const float* priority) {
  VkDeviceQueueCreateInfo queue{};
  queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
  queue.queueFamilyIndex = plan.queue_family;
  queue.queueCount = 1;
  queue.pQueuePriorities = priority;
  std::vector<VkDeviceQueueCreateInfo> queues{queue};
  if (plan.features.sparse_binding && plan.sparse_queue_family != plan.queue_family) {
    queue.queueFamilyIndex = plan.sparse_queue_family;
    queues.push_back(queue);
  }
  return queues;
}

}  // namespace

void CreateLogicalDevice(Device::Internals& d) {
  const InstanceFunctions& f = d.instance.functions();
  FeatureChain features(d.plan.features);
  float priority = 1;
  const std::vector<VkDeviceQueueCreateInfo> queues = QueuesOf(d.plan, &priority);
  std::vector<const char*> extensions;
  for (const std::string& name : d.plan.extensions) extensions.push_back(name.c_str());
  VkDeviceCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
  info.pNext = &features.head;
  info.queueCreateInfoCount = static_cast<uint32_t>(queues.size());
  info.pQueueCreateInfos = queues.data();
  info.enabledExtensionCount = static_cast<uint32_t>(extensions.size());
  info.ppEnabledExtensionNames = extensions.data();
  VkResult result = f.CreateDevice(static_cast<VkPhysicalDevice>(d.instance.physical_device(d.index)), &info, nullptr, &d.device);
  if (result != VK_SUCCESS) Fail(ErrorCode::kUnavailable, "The driver of {} refuses to open it: vkCreateDevice gave {}.", d.snapshot.name, ResultName(result));
  d.f = LoadDeviceFunctions(f, d.device);
  d.f.GetDeviceQueue(d.device, d.plan.queue_family, 0, &d.vk_queue);
  if (d.plan.features.sparse_binding) d.f.GetDeviceQueue(d.device, d.plan.sparse_queue_family, 0, &d.sparse_queue);

  VkPushConstantRange push{VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(Address)};
  VkPipelineLayoutCreateInfo layout{};
  layout.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO;
  layout.pushConstantRangeCount = 1;
  layout.pPushConstantRanges = &push;
  Check(d.f.CreatePipelineLayout(d.device, &layout, nullptr, &d.layout), "vkCreatePipelineLayout");
}

}  // namespace tfvk::vulkan
