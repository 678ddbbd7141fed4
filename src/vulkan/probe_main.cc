// tfvk-probe: prints as JSON what this machine's Vulkan is like: driver libraries, devices, plans, order. Exit status 0 even without Vulkan; the JSON says why.
//   tfvk-probe            looks only
//   tfvk-probe --smoke    also copies memory to, on and from each usable device, and compares
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <vector>

#include "types/error.h"
#include "vulkan/device.h"
#include "vulkan/device_selection.h"

namespace {

using nlohmann::json;
using namespace tfvk::vulkan;  // NOLINT: a program, not a header

json DriverLibraries(const Instance& instance) {
  json list = json::array();
  for (const DriverLibrary& d : instance.driver_libraries()) {
    list.push_back({{"manifest", d.manifest}, {"library", d.library}, {"opened", d.opened}, {"problem", d.problem}});
  }
  return list;
}

// Sends numbers to the device, copies them there, fetches them back.
json Smoke(Instance& instance, int index) {
  try {
    Device device(instance, index);
    std::vector<uint32_t> sent(1 << 20), received(sent.size());
    for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<uint32_t>(i * 2654435761u);
    const uint64_t bytes = sent.size() * sizeof(uint32_t);
    Address a = device.Allocate(bytes), b = device.Allocate(bytes);
    Queue& queue = device.queue();
    queue.Upload(a, sent.data(), bytes);
    queue.Copy(b, a, bytes);
    queue.Fill(b, 0x01010101, 4096);
    queue.Download(received.data(), b, bytes);
    queue.Synchronize();
    std::fill_n(sent.begin(), 1024, 0x01010101);
    if (sent != received) return {{"passed", false}, {"problem", "What came back from the device is not what was sent."}};
    return {{"passed", true}};
  } catch (const std::exception& e) {
    return {{"passed", false}, {"problem", e.what()}};
  }
}

json Devices(Instance& instance, bool smoke) {
  json devices = json::array();
  for (size_t i = 0; i < instance.snapshots().size(); ++i) {
    json device = {{"snapshot", ToJson(instance.snapshots()[i])}, {"plan", ToJson(instance.plans()[i])}};
    if (smoke && instance.plans()[i].usable) device["smoke"] = Smoke(instance, static_cast<int>(i));
    devices.push_back(std::move(device));
  }
  return devices;
}

}  // namespace

int main(int argc, char** argv) {
  bool smoke = argc > 1 && std::strcmp(argv[1], "--smoke") == 0;
  if (argc > 2 || (argc == 2 && !smoke)) {
    std::fprintf(stderr, "usage: %s [--smoke]\n", argv[0]);
    return 2;
  }
  Instance& instance = Instance::Get();
  json out;
  out["problem"] = instance.problem();
  out["driver_libraries"] = DriverLibraries(instance);
  out["devices"] = Devices(instance, smoke);
  out["order"] = DeviceOrder(instance.snapshots(), instance.plans());
  std::vector<std::string> messages;
  out["selected"] = instance.SelectedDevices(&messages);
  out["messages"] = messages;
  std::printf("%s\n", out.dump(2, ' ', false, json::error_handler_t::replace).c_str());
  std::fflush(stdout);
  std::_Exit(0);  // a driver that fails in its exit handlers must not hide what was found
}
