// A sequence of launches that is recorded once and replayed often, each time with other argument words: the pipelines, workgroup counts and barriers stay,
// the addresses change.
//
//   Recording r(device);
//   size_t first = r.Launch({&pipeline, 3, workgroups, {{0, 0, 4096, false}, {1, 0, 4096, true}}, "add"});
//   table[first] = x; table[first + 1] = y; table[first + 2] = n;
//   device.queue().Replay(r, table);
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "vulkan/queue.h"

namespace tfvk::vulkan {

// A range of a buffer that is only a number here: accesses of different buffers never conflict, so buffers that may share memory must be given one number.
struct RecordedAccess {
  uint32_t buffer = 0;
  uint64_t offset = 0, bytes = 0;
  bool write = false;
};

struct RecordedLaunch {
  const Pipeline* pipeline = nullptr;
  uint32_t argument_count = 0;
  uint64_t workgroups = 1;
  std::vector<RecordedAccess> accesses;
  std::string name;
  double flops = 0;  // as LaunchInfo's
};

class Recording {
 public:
  explicit Recording(Device& device);
  ~Recording();  // waits for replays under way
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  // Appends a launch; only before the first replay. Gives the place of its first argument word in the table.
  size_t Launch(RecordedLaunch launch);
  // The launch added last copies a result of at most EarlyResults::kPlaceBytes bytes from the address in one word of the table to the one in another, which
  // Replay sets. A submission ends behind the last such launch, and downloads of the result wait for no more than that; see early_results.h.
  void Publish(size_t source_word, size_t destination_word, uint64_t bytes);
  size_t table_words() const;
  size_t launch_count() const;
  size_t barrier_count() const;

  struct State;  // for the files of this room
  State& state() { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

}  // namespace tfvk::vulkan
