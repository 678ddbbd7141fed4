// A straight run of steps with known sizes, recorded once.
#pragma once

#include "program/address_map.h"
#include "program/schedule.h"
#include "vulkan/recording.h"

namespace tfvk::program {

class RecordedRun {
 public:
  // Null when the run is too short to gain by it, or has a step that can only be a transfer command on this device. Of a run that is `made_once` in the
  // Program, small outputs that are no parameter's memory are published where much of the run is still to come (vulkan/early_results.h).
  static std::unique_ptr<RecordedRun> Make(const StraightRun& steps, const Program& program, const std::vector<const vulkan::Pipeline*>& pipelines,
                                           const AddressMap& addresses, const std::vector<uint64_t>& temporary_offsets, vulkan::Device& device, bool made_once);
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
  struct Written {
    uint32_t buffer;
    uint64_t begin, end;  // from its start
  };
  std::vector<Written> written_;  // one a buffer
};

}  // namespace tfvk::program
