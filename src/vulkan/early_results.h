// Small results that the host can have before the work that made them ends.
//
// A recording may copy them to host memory behind the launches that make them and end a submission there (Recording::Publish). A download of one then waits for
// that submission instead of the whole recording: the loss of a training step is read, and the next step prepared, while the device still computes gradients.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "vulkan/queue.h"

namespace tfvk::vulkan {

// Which places in host memory hold which results; places are used in turn.
class EarlyResults {
 public:
  static constexpr uint64_t kPlaceBytes = 16;  // the largest result
  explicit EarlyResults(size_t places) : read_until_(places) {}

  struct Place {
    size_t index;
    Ticket read_until;  // downloads from it are done when this ticket is; the device must not write it before
  };
  // The next place. What it held is forgotten.
  Place Take();

  struct Result {
    Address address;  // of the tensor
    uint64_t bytes;
    size_t place;
    Ticket ticket;  // the place holds the tensor's bytes when this is done
  };
  void Add(const Result& result);
  // The result that holds these bytes as they are after all work so far; nullopt when there is none.
  std::optional<Result> Find(Address address, uint64_t bytes) const;
  // Forgets results whose memory is written now.
  void Forget(Span<const Access> accesses);
  // A download from the place was queued that is done with the ticket.
  void NoteRead(size_t place, Ticket ticket) { read_until_[place] = ticket; }

 private:
  std::vector<Ticket> read_until_;  // one a place
  size_t next_ = 0;
  std::vector<Result> results_;  // oldest first
};

}  // namespace tfvk::vulkan
