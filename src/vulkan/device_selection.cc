#include "vulkan/device_selection.h"

#include <algorithm>
#include <cctype>
#include <numeric>

#include "types/error.h"

namespace tfvk::vulkan {
namespace {

int Rank(DeviceType type) {
  switch (type) {
    case DeviceType::kDiscrete:
      return 0;
    case DeviceType::kIntegrated:
      return 1;
    case DeviceType::kVirtual:
      return 2;
    case DeviceType::kOther:
      return 3;
    case DeviceType::kCpu:
      return 4;
  }
  return 4;
}

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string Trim(const std::string& text) {
  size_t begin = text.find_first_not_of(" \t"), end = text.find_last_not_of(" \t");
  return begin == std::string::npos ? "" : text.substr(begin, end - begin + 1);
}

std::vector<std::string> Entries(const std::string& list) {
  std::vector<std::string> entries;
  size_t begin = 0;
  while (begin <= list.size()) {
    size_t end = std::min(list.find(',', begin), list.size());
    std::string entry = Trim(list.substr(begin, end - begin));
    if (!entry.empty()) entries.push_back(entry);
    begin = end + 1;
  }
  return entries;
}

// The 32 digits of a UUID without its dashes, or "" when the text is none.
std::string UuidDigits(const std::string& text) {
  std::string digits;
  for (char c : text) {
    if (c == '-') continue;
    if (!std::isxdigit(static_cast<unsigned char>(c))) return "";
    digits += c;
  }
  return digits.size() == 32 ? Lower(digits) : "";
}

bool IsIndex(const std::string& text) {
  return text.size() <= 6 && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

// The devices (of all, usable or not) that an entry means.
std::vector<int> Matches(const std::string& entry, const std::vector<DeviceSnapshot>& snapshots, const std::vector<int>& order) {
  if (IsIndex(entry)) {
    size_t index = std::stoul(entry);
    return index < order.size() ? std::vector<int>{order[index]} : std::vector<int>{};
  }
  std::string uuid = UuidDigits(entry), name = Lower(entry);
  std::vector<int> candidates = order, matches;
  for (size_t i = 0; i < snapshots.size(); ++i) {  // unusable ones too, so that the message can say so
    if (std::find(order.begin(), order.end(), static_cast<int>(i)) == order.end()) candidates.push_back(static_cast<int>(i));
  }
  for (int i : candidates) {
    bool match = uuid.empty() ? Lower(snapshots[i].name).find(name) != std::string::npos : Lower(snapshots[i].device_uuid) == uuid;
    if (match) matches.push_back(i);
  }
  return matches;
}

}  // namespace

std::vector<int> DeviceOrder(const std::vector<DeviceSnapshot>& snapshots, const std::vector<DevicePlan>& plans) {
  std::vector<int> order;
  for (size_t i = 0; i < snapshots.size(); ++i) {
    if (plans.at(i).usable) order.push_back(static_cast<int>(i));
  }
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return Rank(snapshots[a].type) < Rank(snapshots[b].type); });
  return order;
}

DeviceSelection SelectDevices(const std::vector<DeviceSnapshot>& snapshots, const std::vector<DevicePlan>& plans, const std::optional<std::string>& visible) {
  DeviceSelection selection;
  std::vector<int> order = DeviceOrder(snapshots, plans);
  if (!visible) {
    bool gpu = std::any_of(order.begin(), order.end(), [&](int i) { return snapshots[i].type != DeviceType::kCpu; });
    for (int i : order) {
      if (!gpu || snapshots[i].type != DeviceType::kCpu) selection.order.push_back(i);
    }
    return selection;
  }
  for (const std::string& entry : Entries(*visible)) {
    if (entry == "-1") break;  // as CUDA_VISIBLE_DEVICES: nothing from here on
    std::vector<int> matches = Matches(entry, snapshots, order);
    if (matches.empty())
      selection.messages.push_back(fmt::format("TFVK_VISIBLE_DEVICES: \"{}\" matches none of the {} usable Vulkan devices.", entry, order.size()));
    for (int i : matches) {
      if (!plans[i].usable) {
        selection.messages.push_back(
            fmt::format("TFVK_VISIBLE_DEVICES: \"{}\" cannot be used. {}", snapshots[i].name, plans[i].reasons.empty() ? "" : plans[i].reasons[0]));
      } else if (std::find(selection.order.begin(), selection.order.end(), i) == selection.order.end()) {
        selection.order.push_back(i);
      }
    }
  }
  return selection;
}

}  // namespace tfvk::vulkan
