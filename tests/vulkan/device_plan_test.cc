// What is planned with real devices, as their drivers describe them. A row says what the plan must be; a new snapshot needs a new row.
#include "vulkan/device_plan.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "vulkan/device_fields.h"
#include "vulkan/snapshot_fixture.h"

namespace tfvk::vulkan {
namespace {

constexpr char kLavapipeSize[] = "8 of 8..8, chosen", kAmdWaves[] = "64 of 32..64, chosen", kIntelSizes[] = "32 of 8..32, chosen";
constexpr char kAllTypes[] = "f16 f64 i8 i16 i64 8-bit 16-bit", kAllButF16[] = "f64 i8 i16 i64 8-bit 16-bit", kAllButF64[] = "f16 i8 i16 i64 8-bit 16-bit";
constexpr char kAmdIntegers[] =
    "16x16x16 u8*u8->u32, 16x16x16 u8*u8->s32, 16x16x16 u8*s8->u32, 16x16x16 u8*s8->s32, 16x16x16 s8*u8->u32, 16x16x16 s8*u8->s32, 16x16x16 s8*s8->u32, "
    "16x16x16 s8*s8->s32";

struct Row {
  const char* name;
  const char* reason;    // why it is not usable; empty: it is
  const char* device;    // vendor, type, compute units
  uint32_t queue;        // family
  const char* memory;    // types for tensors, uploads, downloads and arguments; whether unified
  uint64_t block_bytes;  // the largest block
  const char* subgroup;  // size of least..largest, whether kernels may choose it
  const char* types;     // of arithmetic and in memory
  std::string matrices;
  const char* extensions;
  const char* missing;  // what the costs are about, as Topic names it
};

const std::vector<Row>& Rows() {
  static const std::vector<Row>* const rows = new std::vector<Row>{
      {"amd_gfx1201", "", "amd discrete 64", 1, "0 2 5 3", 0xfffffffc, kAmdWaves, kAllTypes,
       std::string(kAmdIntegers) + ", 16x16x16 f16*f16->f16, 16x16x16 bf16*bf16->bf16, 16x16x16 f16*f16->f32, 16x16x16 bf16*bf16->f32",
       "VK_EXT_memory_budget VK_KHR_cooperative_matrix VK_KHR_shader_bfloat16", ""},
      {"amd_navi10", "", "amd discrete 40", 1, "0 2 5 3", 0xfffffffc, kAmdWaves, kAllTypes, "", "VK_EXT_memory_budget", "matrices"},
      {"amd_navi31", "", "amd discrete 96", 1, "0 2 5 3", 0xfffffffc, kAmdWaves, kAllTypes,
       std::string(kAmdIntegers) + ", 16x16x16 f16*f16->f16, 16x16x16 f16*f16->f32", "VK_EXT_memory_budget VK_KHR_cooperative_matrix", "bfloat16"},
      {"amd_polaris10", "", "amd discrete 36", 1, "0 2 5 3", 0xfffffffc, "64 of 64..64, chosen", kAllButF16, "", "VK_EXT_memory_budget", "float16 matrices"},
      {"amd_vega10", "", "amd discrete 64", 1, "0 2 5 3", 0xfffffffc, "64 of 64..64, chosen", kAllTypes, "", "VK_EXT_memory_budget", "matrices"},
      {"dzn_26.1", "", "amd discrete 32", 1, "3 1 2 1", uint64_t{2} << 30, "32 of 32..64, chosen", "f16 f64 i16 i64 16-bit", "",
       "VK_EXT_memory_budget VK_EXT_subgroup_size_control VK_KHR_shader_integer_dot_product", "8-bit matrices NaN window sparse"},
      {"dzn_26.1_sm6.5", "no buffer device addresses", "intel integrated 8", 1, "0 1 2 1 unified", uint64_t{2} << 30, "8 of 8..32", "f16 f64 i16 i64 16-bit",
       "", "VK_EXT_memory_budget VK_KHR_shader_integer_dot_product", ""},
      {"intel_bmg", "", "intel discrete 32", 0, "0 1 1 2", uint64_t{4} << 30, "32 of 16..32, chosen", kAllTypes,
       "8x16x16 f16*f16->f16, 8x16x16 f16*f16->f32, 8x16x16 bf16*bf16->bf16, 8x16x16 bf16*bf16->f32, 8x16x32 s8*s8->s32, 8x16x32 u8*u8->u32",
       "VK_KHR_cooperative_matrix VK_KHR_shader_bfloat16", "budget"},
      {"intel_dg2", "", "intel discrete 32", 0, "0 1 1 2", uint64_t{4} << 30, kIntelSizes, kAllButF64,
       "8x8x16 f16*f16->f32, 8x8x16 bf16*bf16->f32, 8x8x32 s8*s8->s32, 8x8x32 u8*u8->u32", "VK_KHR_cooperative_matrix VK_KHR_shader_bfloat16",
       "float64 budget"},
      {"intel_skl", "", "intel integrated 8", 0, "0 1 2 1 unified", uint64_t{2} << 30, kIntelSizes, kAllTypes, "", "VK_EXT_memory_budget", "matrices"},
      {"intel_tgl", "", "intel integrated 8", 0, "0 1 2 1 unified", uint64_t{2} << 30, kIntelSizes, kAllButF64, "", "VK_EXT_memory_budget", "float64 matrices"},
      {"lavapipe_22.3", "", "llvmpipe cpu 4", 0, "0 0 0 0 unified", uint64_t{2} << 30, kLavapipeSize, kAllTypes, "", "", "matrices budget software"},
      {"lavapipe_26.1", "", "llvmpipe cpu 4", 0, "0 0 0 0 unified", uint64_t{2} << 30, kLavapipeSize, kAllTypes,
       "8x8x8 f16*f16->f16, 8x8x8 f16*f16->f32, 8x8x8 u8*u8->u32, 8x8x8 s8*s8->s32", "VK_EXT_memory_budget VK_KHR_cooperative_matrix VK_NV_cooperative_matrix2",
       "bfloat16 software"},
      {"nvidia_h200", "", "nvidia discrete 132", 2, "1 2 3 4", 0x2319b00000, "32 of 32..32, chosen", kAllTypes,
       "16x16x16 f16*f16->f16, 16x8x16 f16*f16->f16, 16x8x8 f16*f16->f16, 16x16x16 f16*f16->f32, 16x8x16 f16*f16->f32, 16x8x8 f16*f16->f32, "
       "16x16x32 u8*u8->u32, 16x16x32 s8*s8->s32, 16x8x32 u8*u8->u32, 16x8x32 s8*s8->s32, 16x16x16 bf16*bf16->f32",
       "VK_EXT_memory_budget VK_KHR_cooperative_matrix VK_KHR_shader_bfloat16 VK_NV_cooperative_matrix2", ""},
      {"nvk_118", "", "nvk discrete 1", 0, "0 2 2 1", uint64_t{2} << 30, "32 of 32..32, chosen", kAllButF16, "", "VK_EXT_memory_budget", "float16 matrices"},
      {"nvk_172", "", "nvk discrete 2", 0, "0 2 2 1", uint64_t{2} << 30, "32 of 32..32, chosen", kAllTypes,
       "16x16x16 f16*f16->f16, 16x8x16 f16*f16->f16, 16x8x8 f16*f16->f16, 16x16x16 f16*f16->f32, 16x8x16 f16*f16->f32, 16x8x8 f16*f16->f32, "
       "16x16x32 u8*u8->u32, 16x8x32 u8*u8->u32, 16x8x16 u8*u8->u32, 8x8x16 u8*u8->u32, "
       "16x16x32 s8*s8->s32, 16x8x32 s8*s8->s32, 16x8x16 s8*s8->s32, 8x8x16 s8*s8->s32",
       "VK_EXT_memory_budget VK_KHR_cooperative_matrix", "bfloat16"},
      {"swiftshader", "no 64-bit integers in shaders", "swiftshader cpu 4", 0, "0 0 0 0 unified", uint64_t{1} << 30, "4 of 4..4, chosen", "", "", "", ""},
  };
  return *rows;
}

// A word for the feature that each sentence of DevicePlan::costs is about; the sentence itself when it is a new one.
std::string Topic(const std::string& cost) {
  const std::pair<const char*, const char*> topics[] = {
      {"No float64 arithmetic", "float64"},
      {"No 8-bit memory access", "8-bit"},
      {"No 16-bit memory access", "16-bit"},
      {"No float16 arithmetic", "float16"},
      {"No cooperative matrices", "matrices"},
      {"No bfloat16 matrices", "bfloat16"},
      {"No subgroup arithmetic", "reductions"},
      {"No control of the subgroup", "sizes"},
      {"The driver does not promise to keep NaN", "NaN"},
      {"No device memory that the host", "window"},
      {"No cached host memory", "cached"},
      {"No memory budget", "budget"},
      {"It is a software device", "software"},
      {"No memory from several allocations", "sparse"},
  };
  for (const auto& [start, topic] : topics) {
    if (cost.rfind(start, 0) == 0) return topic;
  }
  return cost;
}

std::string Joined(const std::vector<std::string>& words, const char* between = " ") {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

std::string DeviceText(const DeviceSnapshot& s, const DevicePlan& plan) {
  return fmt::format("{} {} {}", ToJson(plan)["limits"]["vendor"].get<std::string>(), ToJson(s)["type"].get<std::string>(), plan.limits.compute_units);
}

std::string MemoryText(const MemoryPlan& m) { return fmt::format("{} {} {} {}{}", m.device, m.upload, m.download, m.arguments, m.unified ? " unified" : ""); }

std::string SubgroupText(const KernelLimits& l) {
  return fmt::format("{} of {}..{}{}", l.subgroup_size, l.min_subgroup_size, l.max_subgroup_size, l.subgroup_size_control ? ", chosen" : "");
}

std::string TypesText(const KernelLimits& l) {
  std::vector<std::string> types;
  for (auto [has, name] : {std::pair{l.float16, "f16"},
                           {l.float64, "f64"},
                           {l.int8, "i8"},
                           {l.int16, "i16"},
                           {l.int64, "i64"},
                           {l.storage_8bit, "8-bit"},
                           {l.storage_16bit, "16-bit"}}) {
    if (has) types.push_back(name);
  }
  return Joined(types);
}

std::string MatricesText(const KernelLimits& l) {
  std::vector<std::string> matrices;
  for (const PlannedMatrix& m : l.matrices) {
    EXPECT_EQ(m.c, m.result);  // no device has another
    matrices.push_back(fmt::format("{}x{}x{} {}*{}->{}", m.m, m.n, m.k, Name(m.a), Name(m.b), Name(m.result)));
  }
  return Joined(matrices, ", ");
}

std::map<std::string, bool> FeatureMap(const DeviceFeatures& features) {
  std::map<std::string, bool> map;
  VisitFeatures(features, [&](const char* name, bool on) { map[name] = on; });
  return map;
}

class RealDevice : public testing::TestWithParam<Row> {
 protected:
  const Row& row_ = GetParam();
  const DeviceSnapshot snapshot_ = ReadSnapshot(row_.name);
  const DevicePlan plan_ = MakeDevicePlan(snapshot_);
};

TEST_P(RealDevice, SurvivesJson) {
  nlohmann::json file = SnapshotFile(row_.name);
  EXPECT_EQ(nlohmann::json::diff(file, ToJson(snapshot_)), nlohmann::json::array());
  EXPECT_EQ(ToJson(SnapshotFromJson(ToJson(snapshot_))), file);
}

TEST_P(RealDevice, IsUsableOrSaysWhyNot) {
  EXPECT_EQ(plan_.usable, *row_.reason == 0);
  ASSERT_EQ(plan_.reasons.size(), *row_.reason ? 1u : 0u);
  for (const std::string& reason : plan_.reasons) EXPECT_NE(reason.find(row_.reason), std::string::npos) << reason;
}

TEST_P(RealDevice, IsPlannedAsExpected) {
  EXPECT_EQ(DeviceText(snapshot_, plan_), row_.device);
  EXPECT_EQ(plan_.queue_family, row_.queue);
  EXPECT_EQ(MemoryText(plan_.memory), row_.memory);
  EXPECT_EQ(plan_.memory.max_block_bytes, row_.block_bytes);
  EXPECT_EQ(SubgroupText(plan_.limits), row_.subgroup);
  EXPECT_EQ(TypesText(plan_.limits), row_.types);
  EXPECT_EQ(MatricesText(plan_.limits), row_.matrices);
  EXPECT_EQ(plan_.limits.bfloat16_matrix, row_.matrices.find("bf16") != std::string::npos);
  EXPECT_EQ(Joined(plan_.extensions), row_.extensions);
  std::vector<std::string> missing;
  for (const std::string& cost : plan_.costs) missing.push_back(Topic(cost));
  EXPECT_EQ(Joined(missing), row_.missing);
}

TEST_P(RealDevice, EnablesOnlyWhatIsOffered) {
  for (const std::string& extension : plan_.extensions) EXPECT_TRUE(snapshot_.HasExtension(extension)) << extension;
  const std::map<std::string, bool> offered = FeatureMap(snapshot_.features);
  for (const auto& [name, on] : FeatureMap(plan_.features)) EXPECT_LE(on, offered.at(name)) << name;
}

TEST_P(RealDevice, ComputesOnItsQueue) {
  ASSERT_LT(plan_.queue_family, snapshot_.queue_families.size());
  const QueueFamily& family = snapshot_.queue_families[plan_.queue_family];
  EXPECT_TRUE(family.compute);
  EXPECT_GT(family.count, 0u);
  EXPECT_TRUE(plan_.timestamps);
  EXPECT_EQ(plan_.max_workgroups[0], snapshot_.limits.max_workgroup_count[0]);
  EXPECT_EQ(plan_.max_workgroups[1], snapshot_.limits.max_workgroup_count[1]);
  EXPECT_EQ(plan_.limits.max_invocations, snapshot_.limits.max_invocations);
  EXPECT_EQ(plan_.limits.shared_bytes, snapshot_.limits.shared_bytes);
}

TEST_P(RealDevice, TakesMemoryThatIsWhatItIsFor) {
  const MemoryPlan& m = plan_.memory;
  auto type = [&](uint32_t index) { return snapshot_.memory_types.at(index); };
  auto some = [&](auto property) { return std::any_of(snapshot_.memory_types.begin(), snapshot_.memory_types.end(), property); };
  EXPECT_TRUE(type(m.device).device_local);
  for (uint32_t index : {m.upload, m.download, m.arguments}) EXPECT_TRUE(type(index).host_visible && type(index).host_coherent) << index;
  EXPECT_EQ(type(m.download).host_cached, some([](const MemoryType& t) { return t.host_visible && t.host_cached && !t.special; }));
  EXPECT_EQ(type(m.arguments).device_local, some([](const MemoryType& t) { return t.host_visible && t.device_local && !t.special; }));
  for (uint32_t index : {m.device, m.upload, m.download, m.arguments}) EXPECT_FALSE(type(index).special) << index;
  EXPECT_GT(m.max_block_bytes, 0u);
  EXPECT_LE(m.max_block_bytes, snapshot_.heaps.at(type(m.device).heap).bytes);
  EXPECT_LE(m.max_allocation_bytes, snapshot_.limits.max_allocation_bytes);
  if (!plan_.features.sparse_binding) {
    EXPECT_LE(m.max_block_bytes, m.max_allocation_bytes);
  }
  if (snapshot_.limits.max_buffer_bytes) {
    EXPECT_LE(m.max_block_bytes, snapshot_.limits.max_buffer_bytes);
  }
}

std::string TestName(const testing::TestParamInfo<Row>& info) {
  std::string name = info.param.name;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Snapshots, RealDevice, testing::ValuesIn(Rows()), TestName);

TEST(DevicePlan, EverySnapshotHasARow) {
  std::vector<std::string> rows;
  for (const Row& row : Rows()) rows.push_back(row.name);
  std::sort(rows.begin(), rows.end());
  EXPECT_EQ(SnapshotNames(), rows);
}

TEST(DevicePlan, MatrixUnitsAreWhereTheHardwareHasThem) {
  for (const Row& row : Rows()) {
    const std::string name = row.name;
    const bool bfloat = name == "intel_dg2" || name == "intel_bmg" || name == "amd_gfx1201" || name == "nvidia_h200";
    const bool matrices = bfloat || name == "amd_navi31" || name == "nvk_172" || name == "lavapipe_26.1";
    const DevicePlan plan = MakeDevicePlan(ReadSnapshot(name));
    auto multiplies = [&](DType type) {
      return std::any_of(plan.limits.matrices.begin(), plan.limits.matrices.end(),
                         [&](const PlannedMatrix& m) { return m.a == type && m.b == type && m.c == DType::kF32 && m.result == DType::kF32; });
    };
    EXPECT_EQ(multiplies(DType::kF16), matrices) << name;
    EXPECT_EQ(multiplies(DType::kBF16), bfloat) << name;
    // Kernels that use them need to know the subgroup's size.
    EXPECT_LE(matrices, plan.limits.subgroup_size_control) << name;
    EXPECT_LE(matrices, plan.limits.vulkan_memory_model) << name;
  }
}

TEST(DevicePlan, GoesRoundDozensOffsets) {
  DeviceSnapshot s = ReadSnapshot("dzn_26.1");
  s.limits.max_allocation_bytes = uint64_t{8} << 30;
  DevicePlan plan = MakeDevicePlan(s);
  EXPECT_EQ(plan.memory.max_block_bytes, uint64_t{2} << 30);
  ASSERT_EQ(plan.workarounds.size(), 1u);
  EXPECT_EQ(plan.workarounds[0].rfind("dozen-32-bit-offsets: Memory comes in blocks", 0), 0u) << plan.workarounds[0];
  EXPECT_TRUE(MakeDevicePlan(ReadSnapshot("amd_navi31")).workarounds.empty());
}

}  // namespace
}  // namespace tfvk::vulkan
