// Keeps host memory away from the addresses of device memory. TensorFlow hands over plain pointers, some of them device addresses where it says host memory
// and the other way round, so an address must tell what it is. The two address spaces are separate, though: NVIDIA's driver gives blocks below 4 GiB, where the
// heap of a program at fixed addresses lies too.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "vulkan/queue.h"

namespace tfvk::vulkan {

class AddressReservation {
 public:
  AddressReservation() = default;  // of nothing
  AddressReservation(AddressReservation&& other) noexcept : start_(std::exchange(other.start_, 0)), bytes_(std::exchange(other.bytes_, 0)) {}
  AddressReservation& operator=(AddressReservation&& other) noexcept {
    std::swap(start_, other.start_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~AddressReservation();

  // While it lives, no host memory comes to lie in the pages of [start, start + bytes); it costs address space, no memory. Nullopt when some of them are in use
  // or the process may not have more address space. Addresses that the host cannot have need nothing.
  static std::optional<AddressReservation> Make(Address start, uint64_t bytes);

 private:
  AddressReservation(uint64_t start, uint64_t bytes) : start_(start), bytes_(bytes) {}

  uint64_t start_ = 0, bytes_ = 0;
};

}  // namespace tfvk::vulkan
