// The members of the plain-data structures with their names, in one place: what JSON and TFVK_DISABLE_FEATURES call them.
#pragma once

#include "vulkan/device_plan.h"
#include "vulkan/device_snapshot.h"

namespace tfvk::vulkan {

// Each calls visit(name, member) for every member. `S` may be const.
#define TFVK_FIELD(member) visit(#member, s.member);

template <class S, class Visitor>
void VisitFeatures(S& s, Visitor&& visit) {
  TFVK_FIELD(shader_int64)
  TFVK_FIELD(shader_int16)
  TFVK_FIELD(shader_int8)
  TFVK_FIELD(shader_float16)
  TFVK_FIELD(shader_float64)
  TFVK_FIELD(storage_8bit)
  TFVK_FIELD(storage_16bit)
  TFVK_FIELD(buffer_device_address)
  TFVK_FIELD(timeline_semaphore)
  TFVK_FIELD(vulkan_memory_model)
  TFVK_FIELD(vulkan_memory_model_device_scope)
  TFVK_FIELD(scalar_block_layout)
  TFVK_FIELD(subgroup_extended_types)
  TFVK_FIELD(subgroup_size_control)
  TFVK_FIELD(compute_full_subgroups)
  TFVK_FIELD(integer_dot_product)
  TFVK_FIELD(shader_integer64_atomics)
  TFVK_FIELD(maintenance4)
  TFVK_FIELD(sparse_binding)
  TFVK_FIELD(cooperative_matrix)
  TFVK_FIELD(bfloat16_type)
  TFVK_FIELD(bfloat16_cooperative_matrix)
  TFVK_FIELD(cooperative_matrix2_workgroup_scope)
  TFVK_FIELD(cooperative_matrix2_flexible_dimensions)
  TFVK_FIELD(cooperative_matrix2_reductions)
  TFVK_FIELD(cooperative_matrix2_conversions)
  TFVK_FIELD(cooperative_matrix2_per_element_operations)
  TFVK_FIELD(cooperative_matrix2_tensor_addressing)
  TFVK_FIELD(cooperative_matrix2_block_loads)
  TFVK_FIELD(pipeline_executable_info)
}
template <class S, class Visitor>
void VisitLimits(S& s, Visitor&& visit) {
  TFVK_FIELD(max_invocations)
  TFVK_FIELD(shared_bytes)
  TFVK_FIELD(push_constant_bytes)
  TFVK_FIELD(max_allocation_count)
  TFVK_FIELD(max_workgroup_size)
  TFVK_FIELD(max_workgroup_count)
  TFVK_FIELD(max_allocation_bytes)
  TFVK_FIELD(max_buffer_bytes)
  TFVK_FIELD(sparse_address_space_bytes)
  TFVK_FIELD(non_coherent_atom_bytes)
  TFVK_FIELD(min_storage_offset_alignment)
  TFVK_FIELD(timestamp_period_ns)
}
template <class S, class Visitor>
void VisitSubgroup(S& s, Visitor&& visit) {
  TFVK_FIELD(size)
  TFVK_FIELD(min_size)
  TFVK_FIELD(max_size)
  TFVK_FIELD(compute)
  TFVK_FIELD(basic)
  TFVK_FIELD(vote)
  TFVK_FIELD(arithmetic)
  TFVK_FIELD(ballot)
  TFVK_FIELD(shuffle)
  TFVK_FIELD(shuffle_relative)
  TFVK_FIELD(clustered)
  TFVK_FIELD(required_size_in_compute)
}
template <class S, class Visitor>
void VisitFloatControls(S& s, Visitor&& visit) {
  TFVK_FIELD(preserve_denormals_f16)
  TFVK_FIELD(preserve_denormals_f32)
  TFVK_FIELD(preserve_denormals_f64)
  TFVK_FIELD(flush_denormals_f32)
  TFVK_FIELD(preserve_nan_inf_f16)
  TFVK_FIELD(preserve_nan_inf_f32)
  TFVK_FIELD(preserve_nan_inf_f64)
  TFVK_FIELD(round_to_even_f16)
  TFVK_FIELD(round_to_even_f32)
  TFVK_FIELD(round_to_even_f64)
}
template <class S, class Visitor>
void VisitHeap(S& s, Visitor&& visit) {
  TFVK_FIELD(bytes)
  TFVK_FIELD(device_local)
}
template <class S, class Visitor>
void VisitMemoryType(S& s, Visitor&& visit) {
  TFVK_FIELD(heap)
  TFVK_FIELD(device_local)
  TFVK_FIELD(host_visible)
  TFVK_FIELD(host_coherent)
  TFVK_FIELD(host_cached)
  TFVK_FIELD(special)
}
template <class S, class Visitor>
void VisitQueueFamily(S& s, Visitor&& visit) {
  TFVK_FIELD(count)
  TFVK_FIELD(timestamp_bits)
  TFVK_FIELD(graphics)
  TFVK_FIELD(compute)
  TFVK_FIELD(transfer)
  TFVK_FIELD(sparse_binding)
}
template <class S, class Visitor>
void VisitMatrix(S& s, Visitor&& visit) {
  TFVK_FIELD(m)
  TFVK_FIELD(n)
  TFVK_FIELD(k)
  TFVK_FIELD(a)
  TFVK_FIELD(b)
  TFVK_FIELD(c)
  TFVK_FIELD(result)
  TFVK_FIELD(scope)
  TFVK_FIELD(saturating)
}
// The members of a snapshot that are no structures.
template <class S, class Visitor>
void VisitIdentity(S& s, Visitor&& visit) {
  TFVK_FIELD(name)
  TFVK_FIELD(driver_name)
  TFVK_FIELD(driver_info)
  TFVK_FIELD(device_uuid)
  TFVK_FIELD(driver_uuid)
  TFVK_FIELD(pipeline_cache_uuid)
  TFVK_FIELD(vendor_id)
  TFVK_FIELD(device_id)
  TFVK_FIELD(api_version)
  TFVK_FIELD(driver_version)
  TFVK_FIELD(driver_id)
  TFVK_FIELD(pci_bus_id)
  TFVK_FIELD(compute_units)
  TFVK_FIELD(extensions)
}
template <class S, class Visitor>
void VisitKernelLimits(S& s, Visitor&& visit) {
  TFVK_FIELD(max_invocations)
  TFVK_FIELD(shared_bytes)
  TFVK_FIELD(max_workgroup)
  TFVK_FIELD(subgroup_size)
  TFVK_FIELD(min_subgroup_size)
  TFVK_FIELD(max_subgroup_size)
  TFVK_FIELD(subgroup_size_control)
  TFVK_FIELD(subgroup_arithmetic)
  TFVK_FIELD(subgroup_shuffle)
  TFVK_FIELD(subgroup_vote)
  TFVK_FIELD(storage_8bit)
  TFVK_FIELD(storage_16bit)
  TFVK_FIELD(float16)
  TFVK_FIELD(float64)
  TFVK_FIELD(int64)
  TFVK_FIELD(int8)
  TFVK_FIELD(int16)
  TFVK_FIELD(bfloat16_matrix)
  TFVK_FIELD(preserve_nan_inf_f16)
  TFVK_FIELD(preserve_nan_inf_f32)
  TFVK_FIELD(round_to_even_f16)
  TFVK_FIELD(preserve_denormals_f16)
  TFVK_FIELD(vulkan_memory_model)
  TFVK_FIELD(compute_units)
}
template <class S, class Visitor>
void VisitMemoryPlan(S& s, Visitor&& visit) {
  TFVK_FIELD(device)
  TFVK_FIELD(upload)
  TFVK_FIELD(download)
  TFVK_FIELD(arguments)
  TFVK_FIELD(unified)
  TFVK_FIELD(max_block_bytes)
  TFVK_FIELD(max_allocation_bytes)
}
#undef TFVK_FIELD

}  // namespace tfvk::vulkan
