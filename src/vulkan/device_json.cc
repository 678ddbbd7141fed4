#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "types/error.h"
#include "vulkan/device_fields.h"

namespace tfvk::vulkan {
namespace {

using nlohmann::json;

constexpr const char* kTypeNames[] = {"other", "integrated", "discrete", "virtual", "cpu"};
constexpr const char* kVendorNames[] = {"other", "nvidia", "nvk", "amd", "intel", "llvmpipe", "swiftshader"};

struct Writer {
  json& out;
  template <class T>
  void operator()(const char* name, const T& member) {
    out[name] = member;
  }
};

[[noreturn]] void FailMember(const char* name, const std::string& problem) {
  Fail(ErrorCode::kInvalidArgument, "The device snapshot's member \"{}\" is wrong: {}.", name, problem);
}

// nlohmann's conversions wrap negative numbers and cut fractions.
bool HasNegativeOrFraction(const json& value) {
  if (value.is_array()) return std::any_of(value.begin(), value.end(), HasNegativeOrFraction);
  return value.is_number_float() || (value.is_number_integer() && !value.is_number_unsigned());
}

struct Reader {
  const json& in;
  template <class T>
  void operator()(const char* name, T& member) {
    if (!in.contains(name)) return;
    if (!std::is_same_v<T, double> && HasNegativeOrFraction(in.at(name))) FailMember(name, "it counts from 0 and is whole");
    try {
      in.at(name).get_to(member);
    } catch (const json::exception& e) {
      FailMember(name, e.what());
    }
  }
};

// Writes or reads a list of structures with one of the Visit functions.
template <class T, class Visit>
json ListToJson(const std::vector<T>& list, Visit visit) {
  json out = json::array();
  for (const T& item : list) {
    json o;
    visit(item, Writer{o});
    out.push_back(std::move(o));
  }
  return out;
}
template <class T, class Visit>
void ListFromJson(const json& in, const char* name, std::vector<T>& list, Visit visit) {
  if (!in.contains(name)) return;
  if (!in.at(name).is_array()) FailMember(name, "it is no list of structures");
  for (const json& o : in.at(name)) {
    if (!o.is_object()) FailMember(name, "it is no list of structures");
    T item;
    visit(item, Reader{o});
    list.push_back(item);
  }
}
#define TFVK_VISIT(function) [](auto& s, auto&& visit) { function(s, visit); }

template <class T, class Visit>
json StructureToJson(const T& structure, Visit visit) {
  json o;
  visit(structure, Writer{o});
  return o;
}
template <class T, class Visit>
void StructureFromJson(const json& in, const char* name, T& structure, Visit visit) {
  if (!in.contains(name)) return;
  if (!in.at(name).is_object()) FailMember(name, "it is no structure");
  visit(structure, Reader{in.at(name)});
}

}  // namespace

json ToJson(const DeviceSnapshot& s) {
  json out;
  VisitIdentity(s, Writer{out});
  out["type"] = kTypeNames[static_cast<int>(s.type)];
  out["features"] = StructureToJson(s.features, TFVK_VISIT(VisitFeatures));
  out["limits"] = StructureToJson(s.limits, TFVK_VISIT(VisitLimits));
  out["subgroup"] = StructureToJson(s.subgroup, TFVK_VISIT(VisitSubgroup));
  out["float_controls"] = StructureToJson(s.float_controls, TFVK_VISIT(VisitFloatControls));
  out["heaps"] = ListToJson(s.heaps, TFVK_VISIT(VisitHeap));
  out["memory_types"] = ListToJson(s.memory_types, TFVK_VISIT(VisitMemoryType));
  out["queue_families"] = ListToJson(s.queue_families, TFVK_VISIT(VisitQueueFamily));
  out["cooperative_matrices"] = ListToJson(s.cooperative_matrices, TFVK_VISIT(VisitMatrix));
  return out;
}

DeviceSnapshot SnapshotFromJson(const json& in) {
  if (!in.is_object()) Fail(ErrorCode::kInvalidArgument, "A device snapshot is a JSON object, not {}.", in.type_name());
  DeviceSnapshot s;
  VisitIdentity(s, Reader{in});
  std::string type = kTypeNames[0];
  Reader{in}("type", type);
  const auto* known = std::find(std::begin(kTypeNames), std::end(kTypeNames), type);
  if (known == std::end(kTypeNames)) FailMember("type", fmt::format("there is no device type \"{}\"", type));
  s.type = static_cast<DeviceType>(known - std::begin(kTypeNames));
  StructureFromJson(in, "features", s.features, TFVK_VISIT(VisitFeatures));
  StructureFromJson(in, "limits", s.limits, TFVK_VISIT(VisitLimits));
  StructureFromJson(in, "subgroup", s.subgroup, TFVK_VISIT(VisitSubgroup));
  StructureFromJson(in, "float_controls", s.float_controls, TFVK_VISIT(VisitFloatControls));
  ListFromJson(in, "heaps", s.heaps, TFVK_VISIT(VisitHeap));
  ListFromJson(in, "memory_types", s.memory_types, TFVK_VISIT(VisitMemoryType));
  ListFromJson(in, "queue_families", s.queue_families, TFVK_VISIT(VisitQueueFamily));
  ListFromJson(in, "cooperative_matrices", s.cooperative_matrices, TFVK_VISIT(VisitMatrix));
  return s;
}

json ToJson(const DevicePlan& plan) {
  json out;
  out["usable"] = plan.usable;
  out["reasons"] = plan.reasons;
  out["extensions"] = plan.extensions;
  json enabled = json::array();
  VisitFeatures(plan.features, [&](const char* name, bool on) {
    if (on) enabled.push_back(name);
  });
  out["features"] = enabled;
  out["queue_family"] = plan.queue_family;
  out["sparse_queue_family"] = plan.sparse_queue_family;
  out["timestamps"] = plan.timestamps;
  out["max_workgroups"] = plan.max_workgroups;
  out["memory"] = StructureToJson(plan.memory, TFVK_VISIT(VisitMemoryPlan));
  json limits = StructureToJson(plan.limits, TFVK_VISIT(VisitKernelLimits));
  limits["vendor"] = kVendorNames[static_cast<int>(plan.limits.vendor)];
  json matrices = json::array();
  for (const PlannedMatrix& m : plan.limits.matrices) {
    matrices.push_back({{"m", m.m}, {"n", m.n}, {"k", m.k}, {"a", Name(m.a)}, {"b", Name(m.b)}, {"c", Name(m.c)}, {"result", Name(m.result)}});
  }
  limits["matrices"] = matrices;
  out["limits"] = limits;
  out["costs"] = plan.costs;
  out["workarounds"] = plan.workarounds;
  return out;
}

}  // namespace tfvk::vulkan
