#include "vulkan/address_reservation.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace tfvk::vulkan {
namespace {

constexpr uint64_t kHostEnd = uint64_t{1} << 47;  // Linux gives addresses beyond only to those who ask for them

}  // namespace

AddressReservation::~AddressReservation() {
  if (bytes_ != 0) munmap(reinterpret_cast<void*>(start_), bytes_);
}

std::optional<AddressReservation> AddressReservation::Make(Address start, uint64_t bytes) {
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t begin = start / page * page, end = std::min(kHostEnd, (start + bytes + page - 1) / page * page);
  if (begin >= end) return AddressReservation();
  void* const wanted = reinterpret_cast<void*>(begin);
  void* const got = mmap(wanted, end - begin, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  if (got == MAP_FAILED) return errno == EPERM ? std::optional(AddressReservation()) : std::nullopt;  // EPERM: below what any process may map
  if (got != wanted) {                                                                                // Linux before 4.17 takes the address as a wish
    munmap(got, end - begin);
    return std::nullopt;
  }
  return AddressReservation(begin, end - begin);
}

}  // namespace tfvk::vulkan
