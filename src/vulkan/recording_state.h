// What is behind a Recording.
#pragma once

#include <memory>
#include <vector>

#include "vulkan/command_buffers.h"
#include "vulkan/hazards.h"
#include "vulkan/recording.h"

namespace tfvk::vulkan {

struct Recording::State {
  struct Entry {
    RecordedLaunch launch;
    size_t first_word;
    bool barrier_before;
  };
  // One copy of the recording that can be under way: its table and the command buffers that read it. Long recordings have several, so that no submission
  // runs long enough to trip a driver's watchdog.
  struct Slot {
    ArenaPiece table;
    std::vector<CommandBuffer> parts;
    std::vector<std::shared_ptr<TimestampPool>> timestamps;  // one a part, when timed
    Ticket ticket = 0;
    bool timed = false;
  };

  Device::Internals* device = nullptr;
  std::vector<Entry> entries;
  size_t words = 0, barriers = 0;
  HazardTracker hazards;
  std::vector<std::unique_ptr<Slot>> slots;
  size_t next_slot = 0;
  bool sealed = false;  // replayed once
  double flops_per_part = 0;

  // Records the slot's command buffers; the slot must not be under way.
  void RecordSlot(Slot& slot, bool timed) const;
  void RecordLaunch(const Entry& entry, const Slot& slot, VkCommandBuffer commands) const;
  void DestroySlot(Slot& slot) const;
};

}  // namespace tfvk::vulkan
