// What is behind a Recording.
#pragma once

#include <memory>
#include <optional>
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
    std::optional<size_t> publishing_part;  // at whose end the published results are there
  };

  struct Published {
    size_t source_word, destination_word;
    uint64_t bytes;
  };

  Device::Internals* device = nullptr;
  std::vector<Entry> entries;
  std::vector<Published> published;
  size_t published_behind = 0;  // so many entries
  size_t words = 0, barriers = 0;
  HazardTracker hazards;
  std::vector<std::unique_ptr<Slot>> slots;
  size_t next_slot = 0;
  bool sealed = false;  // replayed once
  double flops_per_part = 0;

  // Records the slot's command buffers; the slot must not be under way.
  void RecordSlot(Slot& slot, bool timed) const;
  void BeginPart(Slot& slot) const;
  void EndPart(Slot& slot) const;
  void RecordLaunch(const Entry& entry, const Slot& slot, VkCommandBuffer commands) const;
  void DestroySlot(Slot& slot) const;
};

}  // namespace tfvk::vulkan
