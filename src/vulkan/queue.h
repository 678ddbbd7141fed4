// The device's one queue: launches, copies, fills, transfers to and from the host, all in the order of the calls, whichever thread makes them.
//
// Work is collected in an open command buffer and submitted when it is long enough, when the device is idle, or when somebody waits or asks. Work that
// touches no common memory runs at the same time: a barrier is recorded only where ranges conflict (read after write, write after read, write after write).
//
// When the device is lost every call throws Error(kUnavailable) with the first message, except Done, which is then always true so that pollers end.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "types/span.h"

namespace tfvk::vulkan {

class Device;
class Pipeline;
class Recording;
class QueueState;

using Address = uint64_t;  // a device address; interior ones are as good as a block's start
using Ticket = uint64_t;   // a point in the queue's order, reached when all work called before it is done; 0 is always reached

// A range of memory that a launch reads or writes.
struct Access {
  Address address = 0;
  uint64_t bytes = 0;
  bool write = false;  // writes, or reads and writes
};

struct LaunchInfo {
  const Pipeline* pipeline = nullptr;  // waited for when it is still being built
  Span<const uint64_t> arguments;      // the words of the argument block; copied
  uint64_t workgroups = 1;             // folded into x and y; 0 launches nothing
  Span<const Access> accesses;
  std::string_view name;  // for timings
  double flops = 0;       // an estimate: long work is submitted sooner
};

struct QueueCounters {
  uint64_t launches = 0, replays = 0, copies = 0, fills = 0, barriers = 0, submissions = 0, bytes_uploaded = 0, bytes_downloaded = 0;
  uint64_t early_downloads = 0;  // those of early_results.h
};

// What one launch took on the device. Start is in nanoseconds of the device's clock; launches without a barrier between them overlap.
struct LaunchTiming {
  std::string name;
  uint64_t start_ns = 0, duration_ns = 0;
};

class Queue {
 public:
  explicit Queue(Device& device);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  void Launch(const LaunchInfo& launch);
  // The ranges must not overlap (a copy onto itself does nothing). Throws Error(kInvalidArgument) when a range is not inside one block.
  void Copy(Address destination, Address source, uint64_t bytes);
  // Repeats the pattern's four bytes from `destination` on; any alignment, any size (the last repetition may be cut).
  void Fill(Address destination, uint32_t pattern, uint64_t bytes);
  // Reads `source` before it returns, unless `source_stays`: then a pinned source is read later, and must stay as it is until the work is done.
  void Upload(Address destination, const void* source, uint64_t bytes, bool source_stays = false);
  // `destination` holds the bytes once the ticket that it gives is done: for a published result (recording.h) an earlier one than Record's. Sizes beyond the
  // staging ring make it wait for the earlier parts.
  Ticket Download(void* destination, Address source, uint64_t bytes);
  // Runs a recording with its table of argument words rewritten (Recording::table_words of them). See recording.h. `writes`: what it writes, for results that
  // earlier replays published.
  void Replay(Recording& recording, Span<const uint64_t> table, Span<const Access> writes = {});

  // The point behind all work so far.
  Ticket Record();
  // The same, but of a recording that only transfers followed up to its published results: all that the host waits for before it reads them.
  Ticket RecordResults();
  // Submits what is open if the ticket needs it; then costs a load, or one query of the driver.
  bool Done(Ticket ticket);
  void Wait(Ticket ticket);
  Ticket Completed();  // the last point known to be reached
  void Flush();        // submits what is open
  void Synchronize() { Wait(Record()); }

  QueueCounters counters() const;
  // Timestamps around every launch from now on. TakeTimings gives those of the work that is done, oldest first, and forgets them.
  void SetTiming(bool on);
  std::vector<LaunchTiming> TakeTimings();
  bool lost() const;

  QueueState& state() { return *state_; }  // for the files of this room

 private:
  std::unique_ptr<QueueState> state_;
};

}  // namespace tfvk::vulkan
