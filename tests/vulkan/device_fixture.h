// The device that the tests of this room run on, and kernels to launch.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "vulkan/device.h"

namespace tfvk::vulkan {

// The first device that TensorFlow would see; throws with what to install when there is none.
Device& TestDevice();
int TestDeviceIndex();

// u32: destination[i] = source[i] * factor + summand, i < n. Arguments: destination, source, n, factor, summand. 64 invocations a workgroup.
const std::vector<uint32_t>& AffineKernel();
// The same, but it counts to `turns` (argument 5) first, so that it takes a while.
const std::vector<uint32_t>& SlowAffineKernel();

// Launches AffineKernel.
void Affine(Queue& queue, Address destination, Address source, uint32_t n, uint32_t factor, uint32_t summand);
void SlowAffine(Queue& queue, Address destination, Address source, uint32_t n, uint32_t factor, uint32_t summand, uint32_t turns);

std::vector<uint32_t> Fetch(Address address, size_t count);
void Send(Address address, const std::vector<uint32_t>& numbers);

// Device memory of a test.
class TestBlock {
 public:
  explicit TestBlock(uint64_t bytes) : address_(TestDevice().Allocate(bytes)) {}
  ~TestBlock() { TestDevice().Free(address_); }
  TestBlock(const TestBlock&) = delete;
  TestBlock& operator=(const TestBlock&) = delete;
  operator Address() const { return address_; }  // NOLINT: it stands for its address

 private:
  Address address_;
};

}  // namespace tfvk::vulkan
