#include "vulkan/recording.h"

#include "vulkan/pipeline_state.h"
#include "vulkan/queue_state.h"
#include "vulkan/recording_state.h"

namespace tfvk::vulkan {
namespace {

constexpr size_t kWordAlignment = 2;  // argument blocks start at multiples of 16 bytes

// Buffers are numbers here; each gets its own part of the 64-bit address space, so that one tracker serves addresses and recordings.
Access ToAccess(const RecordedAccess& a) {
  Require(a.offset + a.bytes < (uint64_t{1} << 44) && a.buffer < (1u << 20), "A recorded access to buffer {} at {} is out of range.", a.buffer, a.offset);
  return {(static_cast<uint64_t>(a.buffer) << 44) + a.offset, a.bytes, a.write};
}

}  // namespace

Recording::Recording(Device& device) : state_(std::make_unique<State>()) {
  state_->device = &device.internals();
  // A hundred milliseconds at a rate that weak kernels reach.
  state_->flops_per_part = device.plan().limits.compute_units * 50e9 * 0.1;
}

Recording::~Recording() {
  for (auto& slot : state_->slots) {
    try {
      state_->device->queue->Wait(slot->ticket);
    } catch (const Error&) {  // a lost device is done with everything
    }
  }
  for (auto& slot : state_->slots) state_->DestroySlot(*slot);
}

size_t Recording::Launch(RecordedLaunch launch) {
  State& s = *state_;
  Require(!s.sealed, "A launch was added to a recording that has been replayed.");
  Require(launch.pipeline != nullptr, "A recorded launch has no pipeline.");
  std::vector<Access> accesses;
  for (const RecordedAccess& a : launch.accesses) accesses.push_back(ToAccess(a));
  bool barrier = s.hazards.Add(accesses);
  size_t first = s.words;
  s.words += (launch.argument_count + kWordAlignment - 1) / kWordAlignment * kWordAlignment;
  s.barriers += barrier;
  s.entries.push_back({std::move(launch), first, barrier});
  return first;
}

void Recording::Publish(size_t source_word, size_t destination_word, uint64_t bytes) {
  State& s = *state_;
  Require(!s.sealed && !s.entries.empty() && source_word < s.words && destination_word < s.words && bytes <= EarlyResults::kPlaceBytes,
          "A result of {} bytes was published by words {} and {} of {}, behind {} launches.", bytes, source_word, destination_word, s.words, s.entries.size());
  s.published.push_back({source_word, destination_word, bytes});
  s.published_behind = s.entries.size();
}

size_t Recording::table_words() const { return state_->words; }
size_t Recording::launch_count() const { return state_->entries.size(); }
size_t Recording::barrier_count() const { return state_->barriers; }

void Recording::State::RecordLaunch(const Entry& entry, const Slot& slot, VkCommandBuffer commands) const {
  const DeviceFunctions& f = device->f;
  Address arguments = slot.table.address + entry.first_word * sizeof(uint64_t);
  f.CmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, entry.launch.pipeline->state().pipeline);
  f.CmdPushConstants(commands, device->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(arguments), &arguments);
  auto [x, y] = FoldWorkgroups(device->plan, entry.launch.workgroups);
  f.CmdDispatch(commands, x, y, 1);
}

void Recording::State::RecordSlot(Slot& slot, bool timed) const {
  for (CommandBuffer& part : slot.parts) DestroyCommandBuffer(*device, part);
  slot.parts.clear();
  slot.timestamps.clear();
  slot.timed = timed;
  slot.publishing_part.reset();
  double flops = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = entries[i];
    if (entry.launch.workgroups != 0) {
      if (slot.parts.empty() || slot.publishing_part == slot.parts.size() - 1 || (entry.barrier_before && flops > flops_per_part)) {
        EndPart(slot);
        BeginPart(slot);
        flops = 0;
      } else if (entry.barrier_before) {
        RecordBarrier(device->f, slot.parts.back().commands);
      }
      RecordLaunch(entry, slot, slot.parts.back().commands);
      if (timed) slot.timestamps.back()->After(slot.parts.back().commands, entry.launch.name);
      flops += entry.launch.flops;
    }
    if (i + 1 == published_behind) {
      RecordHostBarrier(device->f, slot.parts.back().commands);
      slot.publishing_part = slot.parts.size() - 1;
    }
  }
  EndPart(slot);
}

void Recording::State::BeginPart(Slot& slot) const {
  slot.parts.push_back(MakeCommandBuffer(*device));
  const VkCommandBuffer commands = slot.parts.back().commands;
  BeginCommandBuffer(*device, commands, false);
  if (slot.timed) {
    slot.timestamps.push_back(std::make_shared<TimestampPool>(*device, static_cast<uint32_t>(entries.size()) + 1));
    slot.timestamps.back()->Begin(commands);
  }
  RecordBarrier(device->f, commands);
}

void Recording::State::EndPart(Slot& slot) const {
  if (!slot.parts.empty()) Check(device->f.EndCommandBuffer(slot.parts.back().commands), "vkEndCommandBuffer");
}

void Recording::State::DestroySlot(Slot& slot) const {
  slot.timestamps.clear();
  for (CommandBuffer& part : slot.parts) DestroyCommandBuffer(*device, part);
  device->tables->Free(slot.table, slot.ticket);
}

}  // namespace tfvk::vulkan
