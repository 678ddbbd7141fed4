#include "vulkan/address_reservation.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <vector>

namespace tfvk::vulkan {
namespace {

constexpr uint64_t kBytes = 1 << 20;

// Where this process has nothing yet.
Address FreeAddress() {
  void* const memory = mmap(nullptr, kBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(memory, kBytes);
  return reinterpret_cast<Address>(memory);
}

bool HostCanHave(Address address) {
  void* const wanted = reinterpret_cast<void*>(address);
  void* const got = mmap(wanted, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (got == MAP_FAILED) return false;
  munmap(got, 4096);
  return got == wanted;
}

TEST(AddressReservation, KeepsHostMemoryAwayWhileItLives) {
  const Address start = FreeAddress();
  {
    std::optional<AddressReservation> made = AddressReservation::Make(start, kBytes - 100);
    ASSERT_TRUE(made);
    EXPECT_FALSE(HostCanHave(start));
    EXPECT_FALSE(HostCanHave(start + kBytes - 4096));
    EXPECT_FALSE(AddressReservation::Make(start, kBytes)) << "the address space of another device";
    const AddressReservation moved = std::move(*made);
    made.reset();
    EXPECT_FALSE(HostCanHave(start));
  }
  EXPECT_TRUE(HostCanHave(start));
}

TEST(AddressReservation, RefusesWhatTheHostHas) {
  const std::vector<char> heap(kBytes);
  EXPECT_FALSE(AddressReservation::Make(reinterpret_cast<Address>(heap.data()) + 5000, 1));
  int on_the_stack = 0;
  EXPECT_FALSE(AddressReservation::Make(reinterpret_cast<Address>(&on_the_stack), 4));
}

TEST(AddressReservation, NeedsNothingBeyondTheHostsAddresses) {
  EXPECT_TRUE(AddressReservation::Make(uint64_t{0xffff800000000000}, kBytes));
  EXPECT_TRUE(AddressReservation::Make(0x1000, 0x1000)) << "below what a process may map";
}

}  // namespace
}  // namespace tfvk::vulkan
