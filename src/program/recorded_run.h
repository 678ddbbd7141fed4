// A straight run of steps with known sizes, recorded once.
#pragma once

#include "program/address_map.h"
#include "program/schedule.h"
#include "vulkan/recording.h"

namespace tfvk::program {

class RecordedRun {
 public:
  // Null when the run is too short to gain by it, or has a step that can only be a transfer command on this device.
  static std::unique_ptr<RecordedRun> Make(const StraightRun& steps, const Program& program, const std::vector<const vulkan::Pipeline*>& pipelines,
                                           const AddressMap& addresses, const std::vector<uint64_t>& temporary_offsets, vulkan::Device& device);
  explicit RecordedRun(vulkan::Device& device) : recording_(device) {}

  // `bases`: AddressMap::Bases.
  void Replay(vulkan::Queue& queue, const std::vector<uint64_t>& bases);

 private:
  friend class RunRecorder;
  vulkan::Recording recording_;
  struct Word {
    size_t place;  // in the table
    Location location;
  };
  std::vector<Word> words_;
};

}  // namespace tfvk::program
