#include "program/limits.h"

namespace tfvk::program {
namespace {

kernels::DeviceLimits::Vendor VendorOf(vulkan::KernelLimits::Vendor vendor) {
  using From = vulkan::KernelLimits::Vendor;
  using To = kernels::DeviceLimits::Vendor;
  switch (vendor) {
    case From::kNvidia:
      return To::kNvidia;
    case From::kNvk:
      return To::kNvk;
    case From::kAmd:
      return To::kAmd;
    case From::kIntel:
      return To::kIntel;
    case From::kLlvmpipe:
      return To::kLlvmpipe;
    case From::kSwiftShader:
      return To::kSwiftShader;
    case From::kOther:
      return To::kOther;
  }
  return To::kOther;
}

}  // namespace

kernels::DeviceLimits LimitsOf(const vulkan::DevicePlan& plan) {
  const vulkan::KernelLimits& from = plan.limits;
  kernels::DeviceLimits to;
  to.max_invocations = from.max_invocations;
  to.max_workgroup = from.max_workgroup;
  to.shared_bytes = from.shared_bytes;
  to.subgroup_size = from.subgroup_size;
  to.min_subgroup_size = from.min_subgroup_size;
  to.max_subgroup_size = from.max_subgroup_size;
  to.subgroup_size_control = from.subgroup_size_control;
  to.subgroup_arithmetic = from.subgroup_arithmetic;
  to.subgroup_shuffle = from.subgroup_shuffle;
  to.subgroup_vote = from.subgroup_vote;
  to.storage_8bit = from.storage_8bit;
  to.storage_16bit = from.storage_16bit;
  to.float16 = from.float16;
  to.float64 = from.float64;
  to.int64 = from.int64;
  to.int8 = from.int8;
  to.int16 = from.int16;
  to.bfloat16_matrix = from.bfloat16_matrix;
  to.preserve_nan_inf_f16 = from.preserve_nan_inf_f16;
  to.preserve_nan_inf_f32 = from.preserve_nan_inf_f32;
  to.round_to_even_f16 = from.round_to_even_f16;
  to.preserve_denormals_f16 = from.preserve_denormals_f16;
  to.vulkan_memory_model = from.vulkan_memory_model;
  for (const vulkan::PlannedMatrix& m : from.matrices) to.matrices.push_back({m.m, m.n, m.k, m.a, m.b, m.c, m.result});
  to.compute_units = from.compute_units;
  to.vendor = VendorOf(from.vendor);
  return to;
}

}  // namespace tfvk::program
