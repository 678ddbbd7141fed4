#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "types/error.h"
#include "vulkan/device_fields.h"
#include "vulkan/device_plan.h"
#include "vulkan/snapshot_fixture.h"

namespace tfvk::vulkan {
namespace {

using nlohmann::json;

std::string ProblemOf(const json& snapshot) {
  try {
    SnapshotFromJson(snapshot);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
    return e.what();
  }
  return "no error";
}

// The problem with a good snapshot whose member (a JSON pointer) is replaced.
std::string ProblemWith(const char* member, json value) {
  json snapshot = ToJson(PlainGpu());
  snapshot[json::json_pointer(member)] = std::move(value);
  return ProblemOf(snapshot);
}

int EnabledCount(const DeviceFeatures& features) {
  int count = 0;
  VisitFeatures(features, [&](const char*, bool on) { count += on; });
  return count;
}

TEST(DeviceJson, MissingMembersKeepTheirDefaults) {
  DeviceSnapshot s = SnapshotFromJson(json::parse(R"({"name": "x", "limits": {"shared_bytes": 7}, "memory_types": [{}, {"heap": 1}], "unknown": 1})"));
  EXPECT_EQ(s.name, "x");
  EXPECT_EQ(s.type, DeviceType::kOther);
  EXPECT_EQ(s.limits.shared_bytes, 7u);
  EXPECT_EQ(s.limits.max_invocations, 0u);
  ASSERT_EQ(s.memory_types.size(), 2u);
  EXPECT_EQ(s.memory_types[0].heap, 0u);
  EXPECT_EQ(s.memory_types[1].heap, 1u);
  EXPECT_FALSE(MakeDevicePlan(s).usable);
  EXPECT_EQ(ToJson(SnapshotFromJson(json::object())), ToJson(DeviceSnapshot()));
}

TEST(DeviceJson, KeepsLargeAndFractionalNumbers) {
  DeviceSnapshot s = PlainGpu();
  s.limits.max_buffer_bytes = ~uint64_t{0};
  s.limits.max_allocation_count = ~uint32_t{0};
  s.limits.timestamp_period_ns = 83.33333587646484;
  s.type = DeviceType::kVirtual;
  s = SnapshotFromJson(json::parse(ToJson(s).dump()));
  EXPECT_EQ(s.limits.max_buffer_bytes, ~uint64_t{0});
  EXPECT_EQ(s.limits.max_allocation_count, ~uint32_t{0});
  EXPECT_EQ(s.limits.timestamp_period_ns, 83.33333587646484);
  EXPECT_EQ(s.type, DeviceType::kVirtual);
}

TEST(DeviceJson, NamesTheMemberThatIsWrong) {
  for (auto [member, value] : std::vector<std::pair<const char*, json>>{{"/name", 3},
                                                                        {"/type", 1},
                                                                        {"/type", "quantum"},
                                                                        {"/extensions", "VK_EXT_memory_budget"},
                                                                        {"/features", 3},
                                                                        {"/features/shader_int64", "yes"},
                                                                        {"/features/shader_int64", 1},
                                                                        {"/limits", json::array()},
                                                                        {"/limits/shared_bytes", "many"},
                                                                        {"/limits/shared_bytes", -1},
                                                                        {"/limits/shared_bytes", 1.5},
                                                                        {"/limits/max_workgroup_size", {1, 2}},
                                                                        {"/limits/max_workgroup_size", {1, 2, -3}},
                                                                        {"/limits/timestamp_period_ns", "1"},
                                                                        {"/heaps", 3},
                                                                        {"/heaps", {{"bytes", 1}}},
                                                                        {"/heaps", {3}},
                                                                        {"/heaps/0/bytes", nullptr},
                                                                        {"/memory_types/1/host_visible", 1},
                                                                        {"/queue_families", "all"}}) {
    std::string problem = ProblemWith(member, value), path = member;
    std::string name = path.substr(path.rfind('/') + 1);
    EXPECT_NE(problem.find("member \"" + name + "\" is wrong: "), std::string::npos) << member << " = " << value << ": " << problem;
  }
  EXPECT_EQ(ProblemOf(json::array()), "A device snapshot is a JSON object, not array.");
  EXPECT_EQ(ProblemOf(nullptr), "A device snapshot is a JSON object, not null.");
}

TEST(DeviceJson, OfAPlan) {
  json plan = ToJson(MakeDevicePlan(ReadSnapshot("intel_dg2")));
  EXPECT_EQ(plan["usable"], true);
  EXPECT_EQ(plan["memory"]["arguments"], 2);
  EXPECT_EQ(plan["limits"]["vendor"], "intel");
  EXPECT_EQ(plan["limits"]["matrices"][1], (json{{"m", 8}, {"n", 8}, {"k", 16}, {"a", "bf16"}, {"b", "bf16"}, {"c", "f32"}, {"result", "f32"}}));
  EXPECT_EQ(plan["max_workgroups"], (json{2147483647, 65535}));
  EXPECT_NE(std::find(plan["features"].begin(), plan["features"].end(), "timeline_semaphore"), plan["features"].end());
  EXPECT_EQ(std::find(plan["features"].begin(), plan["features"].end(), "shader_float64"), plan["features"].end());
}

TEST(DisableFeatures, SwitchesOffByName) {
  DeviceSnapshot s = PlainGpu();
  const int before = EnabledCount(s.features);
  EXPECT_TRUE(DisableFeatures(s, "").empty());
  EXPECT_EQ(EnabledCount(s.features), before);
  EXPECT_TRUE(DisableFeatures(s, ",shader_float64,,storage_8bit,").empty());
  EXPECT_EQ(EnabledCount(s.features), before - 2);
  EXPECT_FALSE(s.features.shader_float64 || s.features.storage_8bit);
  EXPECT_TRUE(DisableFeatures(s, "shader_float64").empty());  // once more
  EXPECT_EQ(EnabledCount(s.features), before - 2);
  DevicePlan plan = MakeDevicePlan(s);
  EXPECT_FALSE(plan.limits.float64 || plan.limits.storage_8bit || plan.features.shader_float64 || plan.features.storage_8bit);
}

TEST(DisableFeatures, GivesUnknownNames) {
  DeviceSnapshot s = PlainGpu();
  EXPECT_EQ(DisableFeatures(s, "shader_float,timeline_semaphore,SHADER_INT64"), (std::vector<std::string>{"shader_float", "SHADER_INT64"}));
  EXPECT_FALSE(s.features.timeline_semaphore);
  EXPECT_TRUE(s.features.shader_int64);
}

TEST(DisableFeatures, KnowsEveryFeature) {
  DeviceSnapshot s = PlainGpu();
  std::string names;
  VisitFeatures(s.features, [&](const std::string& name, bool) { names += name + ","; });
  EXPECT_TRUE(DisableFeatures(s, names).empty());
  EXPECT_EQ(EnabledCount(s.features), 0);
}

}  // namespace
}  // namespace tfvk::vulkan
