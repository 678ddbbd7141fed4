#define SPV_ENABLE_UTILITY_CODE  // names of capabilities
#include "drivers/module_requirements.h"

#include <algorithm>
#include <map>
#include <set>
#include <spirv/unified1/spirv.hpp11>
#include <stdexcept>

#include "fmt/format.h"
#include "vulkan/vulkan_compat.h"

namespace tfvk::testing {
namespace {

using vulkan::DeviceSnapshot;

// A use of a cooperative matrix type: its extents, which operand of a product it is, and the VkComponentTypeKHR of its numbers; integers stand as signed ones,
// as modules and drivers call the same numbers signed or not.
struct Matrix {
  uint32_t rows, columns, use, component;
};

struct Requirements {
  std::set<spv::Capability> capabilities;
  std::vector<Matrix> matrices;
  uint32_t invocations = 1;
};

// Of OpTypeFloat, whose operands are its id, its width and an encoding where that is not IEEE 754's.
uint32_t FloatComponent(const uint32_t* operand, bool encoded) {
  if (encoded) return VK_COMPONENT_TYPE_BFLOAT16_KHR;
  return operand[1] == 16 ? VK_COMPONENT_TYPE_FLOAT16_KHR : operand[1] == 32 ? VK_COMPONENT_TYPE_FLOAT32_KHR : VK_COMPONENT_TYPE_FLOAT64_KHR;
}

uint32_t IntegerComponent(uint32_t width) {
  switch (width) {
    case 8:
      return VK_COMPONENT_TYPE_SINT8_KHR;
    case 16:
      return VK_COMPONENT_TYPE_SINT16_KHR;
    case 32:
      return VK_COMPONENT_TYPE_SINT32_KHR;
    default:
      return VK_COMPONENT_TYPE_SINT64_KHR;
  }
}

uint32_t AsSigned(uint32_t component) {
  const bool is_unsigned = component >= VK_COMPONENT_TYPE_UINT8_KHR && component <= VK_COMPONENT_TYPE_UINT64_KHR;
  return is_unsigned ? component - VK_COMPONENT_TYPE_UINT8_KHR + VK_COMPONENT_TYPE_SINT8_KHR : component;
}

Requirements Read(const std::vector<uint32_t>& words) {
  if (words.size() < 5 || words[0] != spv::MagicNumber) throw std::runtime_error("this is no SPIR-V module");
  Requirements found;
  std::map<uint32_t, uint32_t> constants, components;  // by id; the extents of matrices are constants
  for (size_t at = 5; at < words.size();) {
    const uint32_t count = words[at] >> 16;
    if (count == 0 || at + count > words.size()) throw std::runtime_error("the SPIR-V module is cut off");
    const uint32_t* operand = &words[at] + 1;
    switch (static_cast<spv::Op>(words[at] & 0xffff)) {
      case spv::Op::OpCapability:
        found.capabilities.insert(static_cast<spv::Capability>(operand[0]));
        break;
      case spv::Op::OpConstant:
        constants[operand[1]] = operand[2];
        break;
      case spv::Op::OpExecutionMode:
        if (static_cast<spv::ExecutionMode>(operand[1]) == spv::ExecutionMode::LocalSize) found.invocations = operand[2] * operand[3] * operand[4];
        break;
      case spv::Op::OpTypeFloat:
        components[operand[0]] = FloatComponent(operand, count > 3);
        break;
      case spv::Op::OpTypeInt:
        components[operand[0]] = IntegerComponent(operand[1]);
        break;
      case spv::Op::OpTypeCooperativeMatrixKHR:
        found.matrices.push_back({constants[operand[3]], constants[operand[4]], constants[operand[5]], components.at(operand[1])});
        break;
      default:
        break;
    }
    at += count;
  }
  return found;
}

bool Has(const DeviceSnapshot& device, spv::Capability capability) {
  const vulkan::DeviceFeatures& f = device.features;
  const vulkan::SubgroupSnapshot& s = device.subgroup;
  switch (capability) {
    case spv::Capability::Float16:
      return f.shader_float16;
    case spv::Capability::Float64:
      return f.shader_float64;
    case spv::Capability::Int8:
      return f.shader_int8;
    case spv::Capability::Int16:
      return f.shader_int16;
    case spv::Capability::Int64:
      return f.shader_int64;
    case spv::Capability::StorageBuffer8BitAccess:
      return f.storage_8bit;
    case spv::Capability::StorageBuffer16BitAccess:
      return f.storage_16bit;
    case spv::Capability::PhysicalStorageBufferAddresses:
      return f.buffer_device_address;
    case spv::Capability::VulkanMemoryModel:
      return f.vulkan_memory_model;
    case spv::Capability::VulkanMemoryModelDeviceScope:
      return f.vulkan_memory_model_device_scope;
    case spv::Capability::GroupNonUniformArithmetic:
      return s.compute && s.arithmetic;
    case spv::Capability::GroupNonUniformBallot:
      return s.compute && s.ballot;
    case spv::Capability::GroupNonUniformShuffle:
      return s.compute && s.shuffle;
    case spv::Capability::GroupNonUniformVote:
      return s.compute && s.vote;
    case spv::Capability::SignedZeroInfNanPreserve:
      return device.float_controls.preserve_nan_inf_f32;
    case spv::Capability::DenormPreserve:
      return device.float_controls.preserve_denormals_f16;
    case spv::Capability::RoundingModeRTE:
      return device.float_controls.round_to_even_f16;
    case spv::Capability::CooperativeMatrixKHR:
      return f.cooperative_matrix;
    case spv::Capability::BFloat16TypeKHR:
      return f.bfloat16_type;
    case spv::Capability::BFloat16CooperativeMatrixKHR:
      return f.bfloat16_cooperative_matrix;
    default:
      return true;  // Shader, Matrix, GroupNonUniform: every Vulkan 1.2 device
  }
}

bool Has(const DeviceSnapshot& device, const Matrix& matrix) {
  return std::any_of(device.cooperative_matrices.begin(), device.cooperative_matrices.end(), [&](const vulkan::CooperativeMatrixShape& shape) {
    const uint32_t rows = matrix.use == 1 ? shape.k : shape.m, columns = matrix.use == 0 ? shape.k : shape.n;  // MatrixAKHR, MatrixBKHR, accumulator
    const uint32_t component = matrix.use == 0 ? shape.a : matrix.use == 1 ? shape.b : shape.c;
    return rows == matrix.rows && columns == matrix.columns && matrix.component == AsSigned(component);
  });
}

}  // namespace

std::string MissingFor(const std::vector<uint32_t>& words, const DeviceSnapshot& device) {
  const Requirements needs = Read(words);
  for (spv::Capability capability : needs.capabilities) {
    if (!Has(device, capability)) return fmt::format("needs SPIR-V's {}", spv::CapabilityToString(capability));
  }
  for (const Matrix& matrix : needs.matrices) {
    if (!Has(device, matrix)) return fmt::format("needs matrices of {}x{} of component type {}", matrix.rows, matrix.columns, matrix.component);
  }
  if (needs.invocations > device.limits.max_invocations) return fmt::format("needs workgroups of {}", needs.invocations);
  return "";
}

}  // namespace tfvk::testing
