// The process's Vulkan: the loader library, the instance and its physical devices.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "vulkan/device_plan.h"
#include "vulkan/device_snapshot.h"
#include "vulkan/driver_libraries.h"

namespace tfvk::vulkan {

struct InstanceFunctions;

class Instance {
 public:
  // The one instance; made at the first call and never destroyed (drivers' exit handlers and TensorFlow's leaked singletons run in no fixed order). Never
  // throws: without Vulkan it has no devices, and problem() tells why.
  static Instance& Get();

  const std::string& problem() const { return problem_; }  // empty when an instance exists
  const std::vector<DriverLibrary>& driver_libraries() const { return driver_libraries_; }
  // In Vulkan's order.
  const std::vector<DeviceSnapshot>& snapshots() const { return snapshots_; }
  const std::vector<DevicePlan>& plans() const { return plans_; }
  // The devices that TensorFlow shall see (TFVK_VISIBLE_DEVICES); what is odd about it or TFVK_DISABLE_FEATURES goes to `messages`.
  std::vector<int> SelectedDevices(std::vector<std::string>* messages = nullptr) const;

  // For the files of this room.
  const InstanceFunctions& functions() const { return *functions_; }
  void* physical_device(int index) const { return physical_devices_.at(index); }  // VkPhysicalDevice

 private:
  Instance();
  ~Instance();  // never runs
  void Create();

  std::string problem_;
  std::vector<DriverLibrary> driver_libraries_;
  std::unique_ptr<InstanceFunctions> functions_;
  std::vector<void*> physical_devices_;
  std::vector<DeviceSnapshot> snapshots_;
  std::vector<std::string> unknown_features_;
  std::vector<DevicePlan> plans_;
};

}  // namespace tfvk::vulkan
