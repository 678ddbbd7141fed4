// The rules of the plan one by one, on a made-up device that is changed in one thing at a time.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "vulkan/device_plan.h"
#include "vulkan/driver_faults.h"
#include "vulkan/snapshot_fixture.h"
#include "vulkan/vulkan_compat.h"

namespace tfvk::vulkan {
namespace {

template <class Change>
DevicePlan PlanOf(Change change) {
  DeviceSnapshot s = PlainGpu();
  change(s);
  return MakeDevicePlan(s);
}

// Whether exactly one sentence has this in it.
bool Says(const std::vector<std::string>& sentences, const std::string& text) {
  return std::count_if(sentences.begin(), sentences.end(), [&](const std::string& s) { return s.find(text) != std::string::npos; }) == 1;
}

// The plan's only reason not to use the device has this in it.
template <class Change>
testing::AssertionResult IsRefused(const char* text, Change change) {
  DevicePlan plan = PlanOf(change);
  if (plan.usable) return testing::AssertionFailure() << "it is usable";
  if (!plan.costs.empty()) return testing::AssertionFailure() << "it tells costs of what is not used";
  if (plan.reasons.size() != 1 || !Says(plan.reasons, text)) return testing::AssertionFailure() << testing::PrintToString(plan.reasons);
  return testing::AssertionSuccess();
}

DeviceSnapshot WithMatrices() {
  DeviceSnapshot s = PlainGpu();
  DeviceFeatures& f = s.features;
  f.cooperative_matrix = f.bfloat16_type = f.bfloat16_cooperative_matrix = f.cooperative_matrix2_workgroup_scope = f.cooperative_matrix2_reductions = true;
  s.extensions = {"VK_KHR_cooperative_matrix", "VK_KHR_shader_bfloat16", "VK_NV_cooperative_matrix2"};
  s.cooperative_matrices = {{16, 16, 16, VK_COMPONENT_TYPE_FLOAT16_KHR, VK_COMPONENT_TYPE_FLOAT16_KHR, VK_COMPONENT_TYPE_FLOAT32_KHR,
                             VK_COMPONENT_TYPE_FLOAT32_KHR, VK_SCOPE_SUBGROUP_KHR, false},
                            {16, 16, 8, VK_COMPONENT_TYPE_BFLOAT16_KHR, VK_COMPONENT_TYPE_BFLOAT16_KHR, VK_COMPONENT_TYPE_FLOAT32_KHR,
                             VK_COMPONENT_TYPE_FLOAT32_KHR, VK_SCOPE_SUBGROUP_KHR, false}};
  return s;
}

TEST(DeviceRules, APlainGpuIsUsedAndLacksMatrices) {
  DevicePlan plan = MakeDevicePlan(PlainGpu());
  EXPECT_TRUE(plan.usable);
  EXPECT_TRUE(plan.reasons.empty());
  ASSERT_EQ(plan.costs.size(), 1u) << testing::PrintToString(plan.costs);
  EXPECT_TRUE(Says(plan.costs, "No cooperative matrices"));
  EXPECT_EQ(plan.extensions, std::vector<std::string>{"VK_EXT_memory_budget"});
  EXPECT_EQ(plan.queue_family, 1u);  // computes but does not draw
  EXPECT_EQ(plan.max_workgroups, (std::array<uint32_t, 2>{100000, 65535}));
  EXPECT_FALSE(plan.features.pipeline_executable_info);
}

TEST(DeviceRules, NeedsVulkan12) {
  EXPECT_TRUE(IsRefused("offers Vulkan 1.1; version 1.2 is needed", [](DeviceSnapshot& s) { s.api_version = VK_API_VERSION_1_1; }));
  EXPECT_TRUE(IsRefused("offers Vulkan 1.0;", [](DeviceSnapshot& s) { s.api_version = VK_API_VERSION_1_0; }));
  DeviceSnapshot old;  // as it is asked of a driver that is too old
  old.api_version = VK_MAKE_API_VERSION(0, 1, 1, 250);
  EXPECT_EQ(MakeDevicePlan(old).reasons.size(), 1u);
  EXPECT_TRUE(PlanOf([](DeviceSnapshot& s) { s.api_version = VK_API_VERSION_1_2; }).usable);
}

TEST(DeviceRules, NeedsWhatTheEngineIsBuiltOn) {
  EXPECT_TRUE(IsRefused("bufferDeviceAddress", [](DeviceSnapshot& s) { s.features.buffer_device_address = false; }));
  EXPECT_TRUE(IsRefused("shaderInt64", [](DeviceSnapshot& s) { s.features.shader_int64 = false; }));
  EXPECT_TRUE(IsRefused("timelineSemaphore", [](DeviceSnapshot& s) { s.features.timeline_semaphore = false; }));
  EXPECT_TRUE(IsRefused("no queue that computes", [](DeviceSnapshot& s) { s.queue_families = {{1, 64, true, false, true}}; }));
  EXPECT_TRUE(IsRefused("no queue that computes", [](DeviceSnapshot& s) { s.queue_families = {{0, 64, true, true, true}}; }));
  EXPECT_TRUE(IsRefused("no queue that computes", [](DeviceSnapshot& s) { s.queue_families.clear(); }));
  EXPECT_TRUE(IsRefused("at most 127 invocations; 128", [](DeviceSnapshot& s) { s.limits.max_invocations = 127; }));
  EXPECT_TRUE(IsRefused("no memory that both", [](DeviceSnapshot& s) { s.memory_types.resize(1); }));
  EXPECT_TRUE(PlanOf([](DeviceSnapshot& s) { s.limits.max_invocations = 128; }).usable);
}

TEST(DeviceRules, NamesEveryReason) {
  DevicePlan plan = PlanOf([](DeviceSnapshot& s) {
    s.features = {};
    s.queue_families.clear();
    s.memory_types.clear();
  });
  EXPECT_FALSE(plan.usable);
  EXPECT_EQ(plan.reasons.size(), 5u) << testing::PrintToString(plan.reasons);
}

TEST(DeviceRules, QueueFamilies) {
  auto family = [](std::vector<QueueFamily> families) { return PlanOf([&](DeviceSnapshot& s) { s.queue_families = families; }); };
  const QueueFamily all{1, 64, true, true, true}, compute{2, 36, false, true, true}, untimed{2, 0, false, true, true}, copies{1, 64, false, false, true};
  EXPECT_EQ(family({copies, all}).queue_family, 1u);
  EXPECT_EQ(family({copies, all, compute}).queue_family, 2u);
  EXPECT_EQ(family({compute, all}).queue_family, 0u);
  EXPECT_EQ(family({all, untimed}).queue_family, 0u);  // profiles need timestamps
  EXPECT_EQ(family({all, {0, 64, false, true, true}}).queue_family, 0u);
  EXPECT_TRUE(family({all}).timestamps);
  EXPECT_FALSE(family({untimed}).timestamps);
}

TEST(DeviceRules, SparseBinding) {
  DevicePlan plan = MakeDevicePlan(PlainGpu());
  EXPECT_TRUE(plan.features.sparse_binding);
  EXPECT_EQ(plan.sparse_queue_family, plan.queue_family);
  EXPECT_EQ(plan.memory.max_block_bytes, uint64_t{8} << 30);
  EXPECT_EQ(plan.memory.max_allocation_bytes, uint64_t{4} << 30);
  plan = PlanOf([](DeviceSnapshot& s) { s.queue_families[1].sparse_binding = false; });
  EXPECT_TRUE(plan.features.sparse_binding);
  EXPECT_EQ(plan.queue_family, 1u);
  EXPECT_EQ(plan.sparse_queue_family, 0u);
  EXPECT_EQ(ToJson(plan)["sparse_queue_family"], 0);
  plan = PlanOf([](DeviceSnapshot& s) {
    for (QueueFamily& family : s.queue_families) family.sparse_binding = false;
  });
  EXPECT_FALSE(plan.features.sparse_binding);
  EXPECT_EQ(plan.memory.max_block_bytes, uint64_t{4} << 30);
  EXPECT_TRUE(Says(plan.costs, "tensors above 4.0 GiB are refused"));
  auto silent = [](auto change) {
    DevicePlan plan = PlanOf([&](DeviceSnapshot& s) {
      s.features.sparse_binding = false;
      change(s);
    });
    return !Says(plan.costs, "are refused");
  };
  EXPECT_TRUE(silent([](DeviceSnapshot& s) { s.heaps[0].bytes = uint64_t{3} << 30; }));           // nothing larger would fit
  EXPECT_TRUE(silent([](DeviceSnapshot& s) { s.limits.max_buffer_bytes = uint64_t{4} << 30; }));  // nor into a buffer
  EXPECT_FALSE(silent([](DeviceSnapshot& s) { s.limits.max_buffer_bytes = uint64_t{1} << 40; }));
}

TEST(DeviceRules, EachMissingFeatureCostsSomething) {
  auto cost = [](auto change) {
    std::vector<std::string> costs = PlanOf(change).costs;
    EXPECT_EQ(costs.size(), 2u) << testing::PrintToString(costs);  // one beside the matrices
    return costs;
  };
  EXPECT_TRUE(Says(cost([](DeviceSnapshot& s) { s.features.shader_float64 = false; }), "shaderFloat64"));
  EXPECT_TRUE(Says(cost([](DeviceSnapshot& s) { s.features.sparse_binding = false; }), "sparseBinding"));
  EXPECT_TRUE(Says(cost([](DeviceSnapshot& s) { s.features.storage_8bit = false; }), "storageBuffer8BitAccess"));
  EXPECT_TRUE(Says(cost([](DeviceSnapshot& s) { s.features.storage_16bit = s.features.shader_float16 = false; }), "storageBuffer16BitAccess"));
  EXPECT_TRUE(Says(cost([](DeviceSnapshot& s) { s.features.shader_float16 = false; }), "shaderFloat16"));
  EXPECT_TRUE(Says(cost([](DeviceSnapshot& s) { s.subgroup.arithmetic = false; }), "No subgroup arithmetic"));
  EXPECT_TRUE(Says(cost([](DeviceSnapshot& s) { s.subgroup.compute = false; }), "No subgroup arithmetic"));
  EXPECT_TRUE(Says(cost([](DeviceSnapshot& s) { s.features.subgroup_size_control = false; }), "VK_EXT_subgroup_size_control"));
  EXPECT_TRUE(Says(cost([](DeviceSnapshot& s) { s.float_controls.preserve_nan_inf_f32 = false; }), "tests for them are made on bits"));
  EXPECT_TRUE(Says(cost([](DeviceSnapshot& s) { s.memory_types.pop_back(); }), "resizable BAR"));
  EXPECT_TRUE(Says(cost([](DeviceSnapshot& s) { s.memory_types.erase(s.memory_types.begin() + 2); }), "No cached host memory"));
  EXPECT_TRUE(Says(cost([](DeviceSnapshot& s) { s.extensions.clear(); }), "VK_EXT_memory_budget"));
  EXPECT_TRUE(Says(cost([](DeviceSnapshot& s) { s.type = DeviceType::kCpu; }), "software device"));
}

TEST(DeviceRules, KernelsSeeEachFeature) {
  const std::pair<const char*, const char*> pairs[] = {
      {"shader_float16", "float16"},    {"shader_float64", "float64"},      {"shader_int8", "int8"},   {"shader_int16", "int16"},
      {"storage_8bit", "storage_8bit"}, {"storage_16bit", "storage_16bit"}, {"shader_int64", "int64"}, {"vulkan_memory_model", "vulkan_memory_model"}};
  const nlohmann::json all = ToJson(MakeDevicePlan(PlainGpu()))["limits"];
  for (auto [feature, limit] : pairs) {
    EXPECT_EQ(all[limit], true) << limit;
    nlohmann::json expected = all;
    expected[limit] = false;
    EXPECT_EQ(ToJson(PlanOf([f = feature](DeviceSnapshot& s) { DisableFeatures(s, f); }))["limits"], expected) << feature;
  }
}

TEST(DeviceRules, ASubgroupOfOneIsNone) {
  DevicePlan plan = PlanOf([](DeviceSnapshot& s) { s.subgroup.size = s.subgroup.min_size = s.subgroup.max_size = 1; });
  EXPECT_FALSE(plan.limits.subgroup_arithmetic || plan.limits.subgroup_shuffle || plan.limits.subgroup_vote);
  plan = PlanOf([](DeviceSnapshot& s) { s.subgroup = {}; });
  EXPECT_EQ(plan.limits.subgroup_size, 1u);
  EXPECT_EQ(plan.limits.min_subgroup_size, 1u);
  EXPECT_EQ(plan.limits.max_subgroup_size, 1u);
}

TEST(DeviceRules, SubgroupSizesAreChosenWhereTheyCanBe) {
  auto chosen = [](auto change) { return PlanOf(change).limits.subgroup_size_control; };
  EXPECT_TRUE(chosen([](DeviceSnapshot&) {}));
  EXPECT_TRUE(chosen([](DeviceSnapshot& s) { s.subgroup.required_size_in_compute = false; }));  // there is one size only
  EXPECT_FALSE(chosen([](DeviceSnapshot& s) { s.subgroup.min_size = 16, s.subgroup.required_size_in_compute = false; }));
  EXPECT_TRUE(chosen([](DeviceSnapshot& s) { s.subgroup.min_size = 16; }));
  EXPECT_FALSE(chosen([](DeviceSnapshot& s) { s.features.compute_full_subgroups = false; }));
  EXPECT_FALSE(chosen([](DeviceSnapshot& s) { s.features.subgroup_size_control = false; }));
}

TEST(DeviceRules, ExtensionsThatVulkan13MadeCore) {
  const std::vector<std::string> names = {"VK_EXT_subgroup_size_control", "VK_KHR_shader_integer_dot_product", "VK_KHR_maintenance4"};
  DeviceSnapshot s = PlainGpu();
  s.extensions = names;
  EXPECT_TRUE(MakeDevicePlan(s).extensions.empty());
  s.api_version = VK_API_VERSION_1_2;
  EXPECT_EQ(MakeDevicePlan(s).extensions, names);
  s.features.maintenance4 = false;
  EXPECT_EQ(MakeDevicePlan(s).extensions, (std::vector<std::string>{names[0], names[1]}));
  s.extensions = {"VK_KHR_portability_subset"};
  EXPECT_EQ(MakeDevicePlan(s).extensions, s.extensions);
}

TEST(DeviceRules, MatricesThatKernelsCanUse) {
  DeviceSnapshot s = WithMatrices();
  DevicePlan plan = MakeDevicePlan(s);
  ASSERT_EQ(plan.limits.matrices.size(), 2u);
  EXPECT_EQ(plan.limits.matrices[0].a, DType::kF16);
  EXPECT_EQ(plan.limits.matrices[1].a, DType::kBF16);
  EXPECT_EQ(plan.limits.matrices[1].k, 8u);
  EXPECT_TRUE(plan.limits.bfloat16_matrix);
  EXPECT_EQ(plan.extensions, s.extensions);
  s.cooperative_matrices[0].saturating = true;
  EXPECT_EQ(MakeDevicePlan(s).limits.matrices.size(), 1u);
  s.cooperative_matrices[1].scope = VK_SCOPE_WORKGROUP_KHR;
  EXPECT_TRUE(MakeDevicePlan(s).limits.matrices.empty());
  s = WithMatrices();
  s.cooperative_matrices[0].b = 1000491002;  // an eight-bit float: no DType
  ASSERT_EQ(MakeDevicePlan(s).limits.matrices.size(), 1u);
  EXPECT_EQ(MakeDevicePlan(s).limits.matrices[0].a, DType::kBF16);
}

TEST(DeviceRules, WhatBuildsOnADisabledFeatureGoesWithIt) {
  auto without = [](const char* feature) {
    DeviceSnapshot s = WithMatrices();
    EXPECT_TRUE(DisableFeatures(s, feature).empty());
    return MakeDevicePlan(s);
  };
  DevicePlan plan = without("cooperative_matrix");
  EXPECT_TRUE(plan.limits.matrices.empty());
  EXPECT_EQ(plan.extensions, std::vector<std::string>{"VK_KHR_shader_bfloat16"});  // VK_NV_cooperative_matrix2 needs VK_KHR_cooperative_matrix
  EXPECT_FALSE(plan.features.bfloat16_cooperative_matrix || plan.features.cooperative_matrix2_workgroup_scope || plan.features.cooperative_matrix2_reductions);
  for (const char* feature : {"bfloat16_type", "bfloat16_cooperative_matrix"}) {
    plan = without(feature);
    ASSERT_EQ(plan.limits.matrices.size(), 1u) << feature;
    EXPECT_EQ(plan.limits.matrices[0].a, DType::kF16);
    EXPECT_FALSE(plan.limits.bfloat16_matrix);
    EXPECT_TRUE(Says(plan.costs, "prefer the mixed_float16 policy"));
  }
  plan = without("cooperative_matrix2_workgroup_scope");
  EXPECT_FALSE(plan.features.cooperative_matrix2_reductions);
  EXPECT_EQ(plan.extensions, (std::vector<std::string>{"VK_KHR_cooperative_matrix", "VK_KHR_shader_bfloat16"}));
  EXPECT_FALSE(without("subgroup_size_control").features.compute_full_subgroups);
}

TEST(DriverFaults, MatricesNeedTheMemoryModel) {
  DeviceSnapshot s = WithMatrices();
  EXPECT_TRUE(MakeDevicePlan(s).workarounds.empty());
  s.features.vulkan_memory_model = false;
  DevicePlan plan = MakeDevicePlan(s);
  EXPECT_TRUE(plan.usable);
  EXPECT_TRUE(plan.limits.matrices.empty());
  EXPECT_FALSE(plan.limits.bfloat16_matrix || plan.features.cooperative_matrix || plan.features.bfloat16_cooperative_matrix);
  EXPECT_FALSE(plan.features.cooperative_matrix2_workgroup_scope || plan.features.vulkan_memory_model_device_scope);
  EXPECT_EQ(plan.extensions, std::vector<std::string>{"VK_KHR_shader_bfloat16"});
  EXPECT_TRUE(Says(plan.workarounds, "cooperative-matrix-needs-memory-model: Cooperative matrices are off"));
  EXPECT_TRUE(Says(plan.costs, "No cooperative matrices"));
}

TEST(DriverFaults, SayWhatTheyDoAndWhereTheyWereSeen) {
  std::vector<std::string> names;
  for (const DriverFault& fault : DriverFaults()) {
    names.push_back(fault.name);
    EXPECT_EQ(std::string(fault.effect).back(), '.') << fault.name;
    EXPECT_FALSE(std::string(fault.evidence).empty()) << fault.name;
    EXPECT_FALSE(fault.applies(PlainGpu())) << fault.name;
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::unique(names.begin(), names.end()), names.end());
}

TEST(DeviceRules, VendorsAndComputeUnits) {
  using Vendor = KernelLimits::Vendor;
  auto vendor = [](uint32_t id, uint32_t driver) { return PlanOf([&](DeviceSnapshot& s) { s.vendor_id = id, s.driver_id = driver; }).limits.vendor; };
  EXPECT_EQ(vendor(0x10de, kNvidiaProprietary), Vendor::kNvidia);
  EXPECT_EQ(vendor(0x10de, kMesaNvk), Vendor::kNvk);
  EXPECT_EQ(vendor(0x1002, kAmdProprietary), Vendor::kAmd);
  EXPECT_EQ(vendor(0x8086, kIntelMesa), Vendor::kIntel);
  EXPECT_EQ(vendor(0x10005, kMesaLlvmpipe), Vendor::kLlvmpipe);
  EXPECT_EQ(vendor(0x1ae0, kSwiftShader), Vendor::kSwiftShader);
  EXPECT_EQ(vendor(0x5143, kMesaTurnip), Vendor::kOther);
  auto units = [](DeviceType type, uint32_t told) { return PlanOf([&](DeviceSnapshot& s) { s.type = type, s.compute_units = told; }).limits.compute_units; };
  EXPECT_EQ(units(DeviceType::kDiscrete, 132), 132u);
  EXPECT_EQ(units(DeviceType::kDiscrete, 0), 32u);
  EXPECT_EQ(units(DeviceType::kIntegrated, 0), 8u);
  EXPECT_EQ(units(DeviceType::kCpu, 0), 4u);
}

}  // namespace
}  // namespace tfvk::vulkan
