// What a Vulkan driver says about one physical device, as plain data: taken from a driver (snapshot_query.h), or read from JSON, so that the decisions of
// device_plan.h are tested for devices that the tester does not own.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace tfvk::vulkan {

enum class DeviceType : uint8_t { kOther, kIntegrated, kDiscrete, kVirtual, kCpu };  // VkPhysicalDeviceType's values

// Feature bits, named as Vulkan's in this project's style. A bit whose extension is absent is false.
struct DeviceFeatures {
  bool shader_int64 = false, shader_int16 = false, shader_int8 = false, shader_float16 = false, shader_float64 = false;
  bool storage_8bit = false, storage_16bit = false;
  bool buffer_device_address = false, timeline_semaphore = false;
  bool vulkan_memory_model = false, vulkan_memory_model_device_scope = false;
  bool scalar_block_layout = false, subgroup_extended_types = false;
  bool subgroup_size_control = false, compute_full_subgroups = false;
  bool integer_dot_product = false, shader_integer64_atomics = false, maintenance4 = false;
  bool sparse_binding = false;
  bool cooperative_matrix = false;                                  // VK_KHR_cooperative_matrix
  bool bfloat16_type = false, bfloat16_cooperative_matrix = false;  // VK_KHR_shader_bfloat16
  bool cooperative_matrix2_workgroup_scope = false, cooperative_matrix2_flexible_dimensions = false, cooperative_matrix2_reductions = false,
       cooperative_matrix2_conversions = false, cooperative_matrix2_per_element_operations = false, cooperative_matrix2_tensor_addressing = false,
       cooperative_matrix2_block_loads = false;  // VK_NV_cooperative_matrix2
  bool pipeline_executable_info = false;         // VK_KHR_pipeline_executable_properties
};

struct DeviceLimitsSnapshot {
  uint32_t max_invocations = 0, shared_bytes = 0, push_constant_bytes = 0, max_allocation_count = 0;
  std::array<uint32_t, 3> max_workgroup_size = {}, max_workgroup_count = {};
  uint64_t max_allocation_bytes = 0;        // VkPhysicalDeviceMaintenance3Properties::maxMemoryAllocationSize
  uint64_t max_buffer_bytes = 0;            // maintenance4's maxBufferSize; 0: not told
  uint64_t sparse_address_space_bytes = 0;  // of all buffers with sparse binding together; 0: not told
  uint64_t non_coherent_atom_bytes = 0, min_storage_offset_alignment = 0;
  double timestamp_period_ns = 0;
};

struct SubgroupSnapshot {
  uint32_t size = 0, min_size = 0, max_size = 0;  // min and max are `size` where the driver does not tell
  bool compute = false;                           // the operations below work in compute shaders
  bool basic = false, vote = false, arithmetic = false, ballot = false, shuffle = false, shuffle_relative = false, clustered = false;
  bool required_size_in_compute = false;  // requiredSubgroupSizeStages has compute
};

// VK_KHR_shader_float_controls: what an entry point may ask for.
struct FloatControls {
  bool preserve_denormals_f16 = false, preserve_denormals_f32 = false, preserve_denormals_f64 = false;
  bool flush_denormals_f32 = false;
  bool preserve_nan_inf_f16 = false, preserve_nan_inf_f32 = false, preserve_nan_inf_f64 = false;
  bool round_to_even_f16 = false, round_to_even_f32 = false, round_to_even_f64 = false;
};

struct MemoryHeap {
  uint64_t bytes = 0;
  bool device_local = false;
};
struct MemoryType {
  uint32_t heap = 0;
  bool device_local = false, host_visible = false, host_coherent = false, host_cached = false;
  bool special = false;  // protected, lazily allocated or AMD's uncached device-coherent memory: never used
};
struct QueueFamily {
  uint32_t count = 0, timestamp_bits = 0;
  bool graphics = false, compute = false, transfer = false, sparse_binding = false;
};
// VkComponentTypeKHR and VkScopeKHR as Vulkan's numbers.
struct CooperativeMatrixShape {
  uint32_t m = 0, n = 0, k = 0, a = 0, b = 0, c = 0, result = 0, scope = 0;
  bool saturating = false;
};

struct DeviceSnapshot {
  std::string name, driver_name, driver_info, device_uuid, driver_uuid;  // UUIDs as 32 hexadecimal digits
  std::string pipeline_cache_uuid;
  DeviceType type = DeviceType::kOther;
  uint32_t vendor_id = 0, device_id = 0, api_version = 0, driver_version = 0, driver_id = 0;  // driver_id: VkDriverId
  std::string pci_bus_id;                                                                     // "0000:01:00.0"; empty where the driver does not tell
  uint32_t compute_units = 0;                                                                 // SMs, CUs or Xe cores; 0 where no extension tells
  std::vector<std::string> extensions;
  DeviceFeatures features;
  DeviceLimitsSnapshot limits;
  SubgroupSnapshot subgroup;
  FloatControls float_controls;
  std::vector<MemoryHeap> heaps;
  std::vector<MemoryType> memory_types;
  std::vector<QueueFamily> queue_families;
  std::vector<CooperativeMatrixShape> cooperative_matrices;

  bool HasExtension(const std::string& extension) const;
};

// Switches features off, given as a comma-separated list of DeviceFeatures' member names (TFVK_DISABLE_FEATURES): to go round a driver's fault, or to test as a
// poorer device. Gives the names that do not exist.
std::vector<std::string> DisableFeatures(DeviceSnapshot& snapshot, const std::string& names);

nlohmann::json ToJson(const DeviceSnapshot& snapshot);
// Missing members keep their defaults. Throws Error(kInvalidArgument) naming the member whose type is wrong.
DeviceSnapshot SnapshotFromJson(const nlohmann::json& json);

}  // namespace tfvk::vulkan
