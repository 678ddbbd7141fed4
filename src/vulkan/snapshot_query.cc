#include "vulkan/snapshot_query.h"

#include <algorithm>

namespace tfvk::vulkan {
namespace {

std::string Hex(const uint8_t* bytes, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += fmt::format("{:02x}", bytes[i]);
  return text;
}

// Links structures into one pNext chain.
class Chain {
 public:
  explicit Chain(void* head) : last_(static_cast<VkBaseOutStructure*>(head)) {}
  void Add(void* structure) {
    last_->pNext = static_cast<VkBaseOutStructure*>(structure);
    last_ = last_->pNext;
  }

 private:
  VkBaseOutStructure* last_;
};

struct Query {
  const InstanceFunctions& f;
  VkPhysicalDevice device;
  DeviceSnapshot& s;

  bool Has(const char* extension) const { return s.HasExtension(extension); }
  bool IsAtLeast13() const { return s.api_version >= VK_API_VERSION_1_3; }

  void Extensions() {
    uint32_t count = 0;
    Check(f.EnumerateDeviceExtensionProperties(device, nullptr, &count, nullptr), "vkEnumerateDeviceExtensionProperties");
    std::vector<VkExtensionProperties> extensions(count);
    VkResult result = f.EnumerateDeviceExtensionProperties(device, nullptr, &count, extensions.data());
    if (result != VK_INCOMPLETE) Check(result, "vkEnumerateDeviceExtensionProperties");
    for (uint32_t i = 0; i < count; ++i) s.extensions.push_back(extensions[i].extensionName);
    std::sort(s.extensions.begin(), s.extensions.end());
  }

  void Basics(const VkPhysicalDeviceProperties& p) {
    s.name = p.deviceName;
    s.type = p.deviceType <= VK_PHYSICAL_DEVICE_TYPE_CPU ? static_cast<DeviceType>(p.deviceType) : DeviceType::kOther;
    s.vendor_id = p.vendorID;
    s.device_id = p.deviceID;
    s.api_version = p.apiVersion;
    s.driver_version = p.driverVersion;
    s.pipeline_cache_uuid = Hex(p.pipelineCacheUUID, VK_UUID_SIZE);
  }

  void Limits(const VkPhysicalDeviceLimits& l) {
    DeviceLimitsSnapshot& o = s.limits;
    o.max_invocations = l.maxComputeWorkGroupInvocations;
    o.shared_bytes = l.maxComputeSharedMemorySize;
    o.push_constant_bytes = l.maxPushConstantsSize;
    o.max_allocation_count = l.maxMemoryAllocationCount;
    o.sparse_address_space_bytes = l.sparseAddressSpaceSize;
    for (int i = 0; i < 3; ++i) {
      o.max_workgroup_size[i] = l.maxComputeWorkGroupSize[i];
      o.max_workgroup_count[i] = l.maxComputeWorkGroupCount[i];
    }
    o.non_coherent_atom_bytes = l.nonCoherentAtomSize;
    o.min_storage_offset_alignment = l.minStorageBufferOffsetAlignment;
    o.timestamp_period_ns = l.timestampPeriod;
  }

  void Subgroups(const VkPhysicalDeviceVulkan11Properties& p) {
    SubgroupSnapshot& o = s.subgroup;
    o.size = o.min_size = o.max_size = p.subgroupSize;
    o.compute = p.subgroupSupportedStages & VK_SHADER_STAGE_COMPUTE_BIT;
    VkSubgroupFeatureFlags ops = p.subgroupSupportedOperations;
    o.basic = ops & VK_SUBGROUP_FEATURE_BASIC_BIT;
    o.vote = ops & VK_SUBGROUP_FEATURE_VOTE_BIT;
    o.arithmetic = ops & VK_SUBGROUP_FEATURE_ARITHMETIC_BIT;
    o.ballot = ops & VK_SUBGROUP_FEATURE_BALLOT_BIT;
    o.shuffle = ops & VK_SUBGROUP_FEATURE_SHUFFLE_BIT;
    o.shuffle_relative = ops & VK_SUBGROUP_FEATURE_SHUFFLE_RELATIVE_BIT;
    o.clustered = ops & VK_SUBGROUP_FEATURE_CLUSTERED_BIT;
  }

  void FloatControlProperties(const VkPhysicalDeviceVulkan12Properties& p) {
    FloatControls& o = s.float_controls;
    o.preserve_denormals_f16 = p.shaderDenormPreserveFloat16;
    o.preserve_denormals_f32 = p.shaderDenormPreserveFloat32;
    o.preserve_denormals_f64 = p.shaderDenormPreserveFloat64;
    o.flush_denormals_f32 = p.shaderDenormFlushToZeroFloat32;
    o.preserve_nan_inf_f16 = p.shaderSignedZeroInfNanPreserveFloat16;
    o.preserve_nan_inf_f32 = p.shaderSignedZeroInfNanPreserveFloat32;
    o.preserve_nan_inf_f64 = p.shaderSignedZeroInfNanPreserveFloat64;
    o.round_to_even_f16 = p.shaderRoundingModeRTEFloat16;
    o.round_to_even_f32 = p.shaderRoundingModeRTEFloat32;
    o.round_to_even_f64 = p.shaderRoundingModeRTEFloat64;
  }

  void Properties() {
    VkPhysicalDeviceProperties2 head{};
    head.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
    VkPhysicalDeviceVulkan11Properties p11{};
    p11.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES;
    VkPhysicalDeviceVulkan12Properties p12{};
    p12.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES;
    VkPhysicalDeviceSubgroupSizeControlPropertiesEXT sizes{};
    sizes.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES_EXT;
    VkPhysicalDeviceMaintenance4PropertiesKHR m4{};
    m4.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_PROPERTIES_KHR;
    VkPhysicalDevicePCIBusInfoPropertiesEXT pci{};
    pci.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PCI_BUS_INFO_PROPERTIES_EXT;
    VkPhysicalDeviceShaderSMBuiltinsPropertiesNV sm{};
    sm.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SM_BUILTINS_PROPERTIES_NV;
    VkPhysicalDeviceShaderCoreProperties2AMD cores{};
    cores.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_CORE_PROPERTIES_2_AMD;
    bool has_sizes = IsAtLeast13() || Has("VK_EXT_subgroup_size_control"), has_m4 = IsAtLeast13() || Has("VK_KHR_maintenance4");
    Chain chain(&head);
    chain.Add(&p11);
    chain.Add(&p12);
    if (has_sizes) chain.Add(&sizes);
    if (has_m4) chain.Add(&m4);
    if (Has("VK_EXT_pci_bus_info")) chain.Add(&pci);
    if (Has("VK_NV_shader_sm_builtins")) chain.Add(&sm);
    if (Has("VK_AMD_shader_core_properties2")) chain.Add(&cores);
    f.GetPhysicalDeviceProperties2(device, &head);

    Limits(head.properties.limits);
    Subgroups(p11);
    FloatControlProperties(p12);
    if (has_sizes && sizes.minSubgroupSize) {
      s.subgroup.min_size = sizes.minSubgroupSize;
      s.subgroup.max_size = sizes.maxSubgroupSize;
      s.subgroup.required_size_in_compute = sizes.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT;
    }
    s.limits.max_allocation_bytes = p11.maxMemoryAllocationSize;
    s.limits.max_buffer_bytes = has_m4 ? m4.maxBufferSize : 0;
    s.driver_name = p12.driverName;
    s.driver_info = p12.driverInfo;
    s.driver_id = p12.driverID;
    s.device_uuid = Hex(p11.deviceUUID, VK_UUID_SIZE);
    s.driver_uuid = Hex(p11.driverUUID, VK_UUID_SIZE);
    if (Has("VK_EXT_pci_bus_info")) s.pci_bus_id = fmt::format("{:04x}:{:02x}:{:02x}.{:x}", pci.pciDomain, pci.pciBus, pci.pciDevice, pci.pciFunction);
    s.compute_units = sm.shaderSMCount ? sm.shaderSMCount : cores.activeComputeUnitCount;
  }

  void CooperativeMatrix2(const VkPhysicalDeviceCooperativeMatrix2FeaturesNV& nv) {
    s.features.cooperative_matrix2_workgroup_scope = nv.cooperativeMatrixWorkgroupScope;
    s.features.cooperative_matrix2_flexible_dimensions = nv.cooperativeMatrixFlexibleDimensions;
    s.features.cooperative_matrix2_reductions = nv.cooperativeMatrixReductions;
    s.features.cooperative_matrix2_conversions = nv.cooperativeMatrixConversions;
    s.features.cooperative_matrix2_per_element_operations = nv.cooperativeMatrixPerElementOperations;
    s.features.cooperative_matrix2_tensor_addressing = nv.cooperativeMatrixTensorAddressing;
    s.features.cooperative_matrix2_block_loads = nv.cooperativeMatrixBlockLoads;
  }

  void CoreFeatures(const VkPhysicalDeviceFeatures& f10, const VkPhysicalDeviceVulkan11Features& f11, const VkPhysicalDeviceVulkan12Features& f12) {
    DeviceFeatures& o = s.features;
    o.shader_int64 = f10.shaderInt64;
    o.shader_int16 = f10.shaderInt16;
    o.shader_float64 = f10.shaderFloat64;
    o.sparse_binding = f10.sparseBinding;
    o.shader_int8 = f12.shaderInt8;
    o.shader_float16 = f12.shaderFloat16;
    o.storage_8bit = f12.storageBuffer8BitAccess;
    o.storage_16bit = f11.storageBuffer16BitAccess;
    o.buffer_device_address = f12.bufferDeviceAddress;
    o.timeline_semaphore = f12.timelineSemaphore;
    o.vulkan_memory_model = f12.vulkanMemoryModel;
    o.vulkan_memory_model_device_scope = f12.vulkanMemoryModelDeviceScope;
    o.scalar_block_layout = f12.scalarBlockLayout;
    o.subgroup_extended_types = f12.shaderSubgroupExtendedTypes;
    o.shader_integer64_atomics = f12.shaderBufferInt64Atomics;
  }

  void Features() {
    VkPhysicalDeviceFeatures2 head{};
    head.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
    VkPhysicalDeviceVulkan11Features f11{};
    f11.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES;
    VkPhysicalDeviceVulkan12Features f12{};
    f12.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
    VkPhysicalDeviceSubgroupSizeControlFeaturesEXT sizes{};
    sizes.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES_EXT;
    VkPhysicalDeviceShaderIntegerDotProductFeaturesKHR dots{};
    dots.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES_KHR;
    VkPhysicalDeviceMaintenance4FeaturesKHR m4{};
    m4.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_FEATURES_KHR;
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrices{};
    matrices.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR;
    VkPhysicalDeviceShaderBfloat16FeaturesKHR bfloat{};
    bfloat.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_BFLOAT16_FEATURES_KHR;
    VkPhysicalDeviceCooperativeMatrix2FeaturesNV matrices2{};
    matrices2.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_2_FEATURES_NV;
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR executables{};
    executables.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR;
    Chain chain(&head);
    chain.Add(&f11);
    chain.Add(&f12);
    if (IsAtLeast13() || Has("VK_EXT_subgroup_size_control")) chain.Add(&sizes);
    if (IsAtLeast13() || Has("VK_KHR_shader_integer_dot_product")) chain.Add(&dots);
    if (IsAtLeast13() || Has("VK_KHR_maintenance4")) chain.Add(&m4);
    if (Has("VK_KHR_cooperative_matrix")) chain.Add(&matrices);
    if (Has("VK_KHR_shader_bfloat16")) chain.Add(&bfloat);
    if (Has("VK_NV_cooperative_matrix2")) chain.Add(&matrices2);
    if (Has("VK_KHR_pipeline_executable_properties")) chain.Add(&executables);
    f.GetPhysicalDeviceFeatures2(device, &head);

    CoreFeatures(head.features, f11, f12);
    s.features.subgroup_size_control = sizes.subgroupSizeControl;
    s.features.compute_full_subgroups = sizes.computeFullSubgroups;
    s.features.integer_dot_product = dots.shaderIntegerDotProduct;
    s.features.maintenance4 = m4.maintenance4;
    s.features.cooperative_matrix = matrices.cooperativeMatrix;
    s.features.bfloat16_type = bfloat.shaderBFloat16Type;
    s.features.bfloat16_cooperative_matrix = bfloat.shaderBFloat16CooperativeMatrix;
    s.features.pipeline_executable_info = executables.pipelineExecutableInfo;
    CooperativeMatrix2(matrices2);
  }

  void Matrices() {
    if (!s.features.cooperative_matrix || !f.GetPhysicalDeviceCooperativeMatrixPropertiesKHR) return;
    uint32_t count = 0;
    Check(f.GetPhysicalDeviceCooperativeMatrixPropertiesKHR(device, &count, nullptr), "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
    VkCooperativeMatrixPropertiesKHR empty{};
    empty.sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR;
    std::vector<VkCooperativeMatrixPropertiesKHR> shapes(count, empty);
    VkResult result = f.GetPhysicalDeviceCooperativeMatrixPropertiesKHR(device, &count, shapes.data());
    if (result != VK_INCOMPLETE) Check(result, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
    for (uint32_t i = 0; i < count; ++i) {
      const VkCooperativeMatrixPropertiesKHR& p = shapes[i];
      auto number = [](auto e) { return static_cast<uint32_t>(e); };
      s.cooperative_matrices.push_back(
          {p.MSize, p.NSize, p.KSize, number(p.AType), number(p.BType), number(p.CType), number(p.ResultType), number(p.scope), p.saturatingAccumulation != 0});
    }
  }

  void Memory() {
    VkPhysicalDeviceMemoryProperties m{};
    f.GetPhysicalDeviceMemoryProperties(device, &m);
    for (uint32_t i = 0; i < m.memoryHeapCount; ++i) {
      s.heaps.push_back({m.memoryHeaps[i].size, (m.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) != 0});
    }
    constexpr VkMemoryPropertyFlags kSpecial = VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT | VK_MEMORY_PROPERTY_PROTECTED_BIT |
                                               VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD | VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD;
    for (uint32_t i = 0; i < m.memoryTypeCount; ++i) {
      VkMemoryPropertyFlags flags = m.memoryTypes[i].propertyFlags;
      s.memory_types.push_back({m.memoryTypes[i].heapIndex, (flags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT) != 0,
                                (flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0, (flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) != 0,
                                (flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT) != 0, (flags & kSpecial) != 0});
    }
  }

  void QueueFamilies() {
    uint32_t count = 0;
    f.GetPhysicalDeviceQueueFamilyProperties(device, &count, nullptr);
    std::vector<VkQueueFamilyProperties> families(count);
    f.GetPhysicalDeviceQueueFamilyProperties(device, &count, families.data());
    for (const VkQueueFamilyProperties& q : families) {
      s.queue_families.push_back({q.queueCount, q.timestampValidBits, (q.queueFlags & VK_QUEUE_GRAPHICS_BIT) != 0, (q.queueFlags & VK_QUEUE_COMPUTE_BIT) != 0,
                                  (q.queueFlags & VK_QUEUE_TRANSFER_BIT) != 0, (q.queueFlags & VK_QUEUE_SPARSE_BINDING_BIT) != 0});
    }
  }
};

}  // namespace

DeviceSnapshot QuerySnapshot(const InstanceFunctions& functions, VkPhysicalDevice device) {
  DeviceSnapshot snapshot;
  Query query{functions, device, snapshot};
  VkPhysicalDeviceProperties properties{};
  functions.GetPhysicalDeviceProperties(device, &properties);
  query.Basics(properties);
  query.Extensions();
  query.Memory();
  query.QueueFamilies();
  if (snapshot.api_version < VK_API_VERSION_1_2) return snapshot;
  query.Properties();
  query.Features();
  query.Matrices();
  return snapshot;
}

}  // namespace tfvk::vulkan
