#include "vulkan/device_plan.h"

#include <algorithm>

#include "types/error.h"
#include "vulkan/driver_faults.h"
#include "vulkan/memory_plan.h"
#include "vulkan/vulkan_compat.h"

namespace tfvk::vulkan {
namespace {

using Vendor = KernelLimits::Vendor;

std::string VersionText(uint32_t version) { return fmt::format("{}.{}", VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version)); }

std::vector<std::string> ReasonsAgainst(const DeviceSnapshot& s) {
  std::vector<std::string> reasons;
  if (s.api_version < VK_API_VERSION_1_2) {
    reasons.push_back(fmt::format("Its driver offers Vulkan {}; version 1.2 is needed. A newer driver may help.", VersionText(s.api_version)));
    return reasons;  // nothing else was asked of it
  }
  if (!s.features.buffer_device_address)
    reasons.push_back("Its driver has no buffer device addresses (bufferDeviceAddress), by which all kernels reach memory.");
  if (!s.features.shader_int64) reasons.push_back("Its driver has no 64-bit integers in shaders (shaderInt64), which addresses are computed with.");
  if (!s.features.timeline_semaphore) reasons.push_back("Its driver has no timeline semaphores (timelineSemaphore), by which work is waited for.");
  bool compute = std::any_of(s.queue_families.begin(), s.queue_families.end(), [](const QueueFamily& q) { return q.compute && q.count > 0; });
  if (!compute) reasons.push_back("It has no queue that computes.");
  if (s.limits.max_invocations < 128) reasons.push_back(fmt::format("Its workgroups have at most {} invocations; 128 are needed.", s.limits.max_invocations));
  return reasons;
}

// A family that computes but does not draw, if there is one: such queues are not shared with the desktop.
uint32_t ChooseQueueFamily(const DeviceSnapshot& s) {
  int best = -1;
  for (size_t i = 0; i < s.queue_families.size(); ++i) {
    const QueueFamily& q = s.queue_families[i];
    if (!q.compute || q.count == 0) continue;
    if (best < 0 || (s.queue_families[best].graphics && !q.graphics && q.timestamp_bits > 0)) best = static_cast<int>(i);
  }
  return best < 0 ? 0 : static_cast<uint32_t>(best);
}

Vendor VendorOf(const DeviceSnapshot& s) {
  if (s.driver_id == kMesaLlvmpipe) return Vendor::kLlvmpipe;
  if (s.driver_id == kSwiftShader) return Vendor::kSwiftShader;
  switch (s.vendor_id) {
    case 0x10de:
      return s.driver_id == kMesaNvk ? Vendor::kNvk : Vendor::kNvidia;
    case 0x1002:
      return Vendor::kAmd;
    case 0x8086:
      return Vendor::kIntel;
    default:
      return Vendor::kOther;
  }
}

uint32_t ComputeUnits(const DeviceSnapshot& s) {
  if (s.compute_units) return s.compute_units;
  if (s.type == DeviceType::kCpu) return 4;
  return s.type == DeviceType::kDiscrete ? 32 : 8;
}

bool ComponentType(uint32_t component, DType* type) {
  switch (component) {
#define TFVK_COMPONENT(vulkan, ours)     \
  case VK_COMPONENT_TYPE_##vulkan##_KHR: \
    *type = DType::ours;                 \
    return true;
    TFVK_COMPONENT(FLOAT16, kF16)
    TFVK_COMPONENT(FLOAT32, kF32)
    TFVK_COMPONENT(FLOAT64, kF64)
    TFVK_COMPONENT(SINT8, kS8)
    TFVK_COMPONENT(SINT16, kS16)
    TFVK_COMPONENT(SINT32, kS32)
    TFVK_COMPONENT(SINT64, kS64)
    TFVK_COMPONENT(UINT8, kU8)
    TFVK_COMPONENT(UINT16, kU16)
    TFVK_COMPONENT(UINT32, kU32)
    TFVK_COMPONENT(UINT64, kU64)
    TFVK_COMPONENT(BFLOAT16, kBF16)
#undef TFVK_COMPONENT
    default:
      return false;  // fp8 and whatever comes later
  }
}

std::vector<PlannedMatrix> Matrices(const DeviceSnapshot& s, const DeviceFeatures& enabled) {
  std::vector<PlannedMatrix> matrices;
  for (const CooperativeMatrixShape& shape : s.cooperative_matrices) {
    PlannedMatrix m{shape.m, shape.n, shape.k};
    bool known = ComponentType(shape.a, &m.a) && ComponentType(shape.b, &m.b) && ComponentType(shape.c, &m.c) && ComponentType(shape.result, &m.result);
    bool bfloat = known && (m.a == DType::kBF16 || m.b == DType::kBF16 || m.c == DType::kBF16 || m.result == DType::kBF16);
    if (!known || shape.saturating || shape.scope != VK_SCOPE_SUBGROUP_KHR || (bfloat && !enabled.bfloat16_cooperative_matrix)) continue;
    matrices.push_back(m);
  }
  return matrices;
}

// Features that need another one are off without it, so that a driver's oddity or TFVK_DISABLE_FEATURES leaves nothing that vkCreateDevice refuses.
DeviceFeatures WithoutOrphans(DeviceFeatures f) {
  f.compute_full_subgroups &= f.subgroup_size_control;
  f.vulkan_memory_model_device_scope &= f.vulkan_memory_model;
  f.bfloat16_cooperative_matrix &= f.bfloat16_type && f.cooperative_matrix;
  // Of VK_NV_cooperative_matrix2 kernels want one of these two; without them it is not enabled at all.
  if (!f.cooperative_matrix || !(f.cooperative_matrix2_workgroup_scope || f.cooperative_matrix2_conversions)) {
    f.cooperative_matrix2_workgroup_scope = f.cooperative_matrix2_flexible_dimensions = f.cooperative_matrix2_reductions = f.cooperative_matrix2_conversions =
        f.cooperative_matrix2_per_element_operations = f.cooperative_matrix2_tensor_addressing = f.cooperative_matrix2_block_loads = false;
  }
  return f;
}

// Whether Kernel::required_subgroup_size may be set. A driver with a single size (AMD up to Vega, NVK) need not let the size be required: it is that one.
bool SizeCanBeRequired(const SubgroupSnapshot& subgroup, const DeviceFeatures& enabled) {
  return enabled.subgroup_size_control && enabled.compute_full_subgroups && (subgroup.required_size_in_compute || subgroup.min_size == subgroup.max_size);
}

KernelLimits Limits(const DeviceSnapshot& s, const DeviceFeatures& f) {
  KernelLimits l;
  l.vendor = VendorOf(s);
  l.max_invocations = s.limits.max_invocations;
  l.shared_bytes = s.limits.shared_bytes;
  l.max_workgroup = s.limits.max_workgroup_size;
  l.subgroup_size = std::max(1u, s.subgroup.size);
  l.min_subgroup_size = std::max(1u, s.subgroup.min_size);
  l.max_subgroup_size = std::max(l.subgroup_size, s.subgroup.max_size);
  l.subgroup_size_control = SizeCanBeRequired(s.subgroup, f);
  l.subgroup_arithmetic = s.subgroup.compute && s.subgroup.arithmetic && l.subgroup_size > 1;
  l.subgroup_shuffle = s.subgroup.compute && s.subgroup.shuffle && l.subgroup_size > 1;
  l.subgroup_vote = s.subgroup.compute && s.subgroup.vote && l.subgroup_size > 1;
  l.storage_8bit = f.storage_8bit;
  l.storage_16bit = f.storage_16bit;
  l.float16 = f.shader_float16;
  l.float64 = f.shader_float64;
  l.int64 = f.shader_int64;
  l.int8 = f.shader_int8;
  l.int16 = f.shader_int16;
  l.preserve_nan_inf_f16 = s.float_controls.preserve_nan_inf_f16;
  l.preserve_nan_inf_f32 = s.float_controls.preserve_nan_inf_f32;
  l.round_to_even_f16 = s.float_controls.round_to_even_f16;
  l.preserve_denormals_f16 = s.float_controls.preserve_denormals_f16;
  l.vulkan_memory_model = f.vulkan_memory_model;
  if (f.cooperative_matrix) l.matrices = Matrices(s, f);
  l.bfloat16_matrix = std::any_of(l.matrices.begin(), l.matrices.end(), [](const PlannedMatrix& m) { return m.a == DType::kBF16; });
  l.compute_units = ComputeUnits(s);
  return l;
}

std::vector<std::string> Extensions(const DeviceSnapshot& s, const DeviceFeatures& enabled) {
  std::vector<std::string> extensions;
  auto want = [&](const char* name, bool needed = true) {
    if (needed && s.HasExtension(name)) extensions.push_back(name);
  };
  bool before13 = s.api_version < VK_API_VERSION_1_3;
  want("VK_EXT_memory_budget");
  want("VK_EXT_subgroup_size_control", before13 && enabled.subgroup_size_control);
  want("VK_KHR_shader_integer_dot_product", before13 && enabled.integer_dot_product);
  want("VK_KHR_maintenance4", before13 && enabled.maintenance4);
  want("VK_KHR_cooperative_matrix", enabled.cooperative_matrix);
  want("VK_KHR_shader_bfloat16", enabled.bfloat16_type);
  want("VK_NV_cooperative_matrix2", enabled.cooperative_matrix2_workgroup_scope || enabled.cooperative_matrix2_conversions);
  want("VK_KHR_portability_subset");  // must be enabled where it is offered
  return extensions;
}

// Whether a tensor that the heap and a buffer have room for is too large for one allocation, and there cannot be several.
bool RefusesLargeTensors(const DeviceSnapshot& s, const MemoryPlan& memory) {
  if (s.memory_types.empty() || SparseQueueFamily(s, 0)) return false;
  const uint64_t heap = s.heaps[s.memory_types[memory.device].heap].bytes, buffer = s.limits.max_buffer_bytes;
  return memory.max_block_bytes < (buffer ? std::min(heap, buffer) : heap);
}

std::vector<std::string> Costs(const DeviceSnapshot& s, const KernelLimits& l, const MemoryPlan& memory) {
  std::vector<std::string> costs;
  auto cost = [&](bool missing, std::string sentence) {
    if (missing) costs.push_back(std::move(sentence));
  };
  cost(!l.float64, "No float64 arithmetic (shaderFloat64): operations on float64 tensors run on the CPU.");
  cost(!l.storage_8bit, "No 8-bit memory access (storageBuffer8BitAccess): operations on bool, int8 and uint8 tensors run on the CPU.");
  cost(!l.storage_16bit, "No 16-bit memory access (storageBuffer16BitAccess): operations on float16, bfloat16, int16 and uint16 tensors run on the CPU.");
  cost(!l.float16 && l.storage_16bit, "No float16 arithmetic (shaderFloat16): float16 tensors are computed in float32, which halves nothing but memory.");
  cost(l.matrices.empty(), "No cooperative matrices (VK_KHR_cooperative_matrix): matrix products and convolutions do not use tensor cores.");
  cost(!l.matrices.empty() && !l.bfloat16_matrix, "No bfloat16 matrices (VK_KHR_shader_bfloat16): prefer the mixed_float16 policy to mixed_bfloat16.");
  cost(!l.subgroup_arithmetic, "No subgroup arithmetic in compute shaders: reductions go through shared memory and are slower.");
  cost(!l.subgroup_size_control, "No control of the subgroup size (VK_EXT_subgroup_size_control): kernels take the size that the driver chooses.");
  cost(!l.preserve_nan_inf_f32,
       "The driver does not promise to keep NaN and infinity in float32 (shaderSignedZeroInfNanPreserveFloat32): tests for them are made on bits.");
  cost(!memory.unified && !s.memory_types.empty() && !s.memory_types[memory.arguments].device_local,
       "No device memory that the host can write (resizable BAR): kernels read their arguments across the bus.");
  cost(!s.memory_types.empty() && !s.memory_types[memory.download].host_cached, "No cached host memory: copies from the device to the host are slow.");
  cost(RefusesLargeTensors(s, memory), fmt::format("No memory from several allocations (sparseBinding): tensors above {:.1f} GiB are refused.",
                                                   static_cast<double>(memory.max_block_bytes) / (uint64_t{1} << 30)));
  cost(!s.HasExtension("VK_EXT_memory_budget"), "No memory budget (VK_EXT_memory_budget): memory that other programs use is not known.");
  cost(s.type == DeviceType::kCpu, "It is a software device: TensorFlow's own CPU kernels are faster. Use it for tests.");
  return costs;
}

}  // namespace

DevicePlan MakeDevicePlan(const DeviceSnapshot& snapshot) {
  DevicePlan plan;
  plan.reasons = ReasonsAgainst(snapshot);
  if (snapshot.api_version < VK_API_VERSION_1_2) return plan;
  plan.features = WithoutOrphans(snapshot.features);
  plan.features.pipeline_executable_info = false;
  plan.features.shader_integer64_atomics = false;
  plan.queue_family = ChooseQueueFamily(snapshot);
  if (plan.queue_family < snapshot.queue_families.size()) plan.timestamps = snapshot.queue_families[plan.queue_family].timestamp_bits > 0;
  plan.max_workgroups = {snapshot.limits.max_workgroup_count[0], snapshot.limits.max_workgroup_count[1]};
  const std::optional<uint32_t> sparse_family = SparseQueueFamily(snapshot, plan.queue_family);
  plan.features.sparse_binding = sparse_family.has_value();
  plan.sparse_queue_family = sparse_family.value_or(plan.queue_family);
  std::string problem;
  plan.memory = PlanMemory(snapshot, ~0u, &problem);
  if (!problem.empty()) plan.reasons.push_back(problem);
  plan.limits = Limits(snapshot, plan.features);
  for (const DriverFault& fault : DriverFaults()) {
    if (!fault.applies(snapshot)) continue;
    fault.apply(plan);
    plan.workarounds.push_back(fmt::format("{}: {}", fault.name, fault.effect));
  }
  plan.features = WithoutOrphans(plan.features);  // a fault may have switched one off
  if (!plan.features.sparse_binding) plan.memory.max_block_bytes = std::min(plan.memory.max_block_bytes, plan.memory.max_allocation_bytes);
  plan.extensions = Extensions(snapshot, plan.features);
  plan.usable = plan.reasons.empty();
  if (plan.usable) plan.costs = Costs(snapshot, plan.limits, plan.memory);
  return plan;
}

}  // namespace tfvk::vulkan
