#include "vulkan/device_fixture.h"

#include <stdexcept>

#include "spirv/builder.h"

namespace tfvk::vulkan {
namespace {

std::vector<uint32_t> MakeAffine(bool slow) {
  spirv::BuilderOptions options;
  options.name = slow ? "slow_affine" : "affine";
  spirv::Builder b(options);
  spirv::Value i = b.GlobalLinearId();
  b.If(i < b.SizeArgument(2), [&] {
    spirv::Pointer to = b.Global(b.Argument(0), DType::kU32), from = b.Global(b.Argument(1), DType::kU32);
    spirv::Value summand = b.SizeArgument(4);
    if (slow) {
      // A generator of random numbers, which no compiler sees through; its last state adds nothing.
      spirv::Variable state = b.Declare(i);
      b.For(b.U32(0), b.SizeArgument(5), b.U32(1), [&](spirv::Value) { state.Set(state.Get() * 1664525 + 1013904223); });
      summand = b.Select(state.Get() == 0x12345678, summand + 0, summand);
      summand = summand + b.Min(state.Get(), b.U32(0));
    }
    b.Store(to, i, b.Load(from, i) * b.SizeArgument(3) + summand);
  });
  return b.Finish().words;
}

void LaunchAffine(Queue& queue, const std::vector<uint32_t>& kernel, Span<const uint64_t> words, uint32_t n) {
  LaunchInfo launch;
  launch.pipeline = &TestDevice().pipelines().Get(kernel, 0, "affine");
  launch.arguments = words;
  launch.workgroups = (n + 63) / 64;
  Access accesses[] = {{words[0], n * uint64_t{4}, true}, {words[1], n * uint64_t{4}, false}};
  launch.accesses = {accesses, 2};
  launch.name = "affine";
  queue.Launch(launch);
}

}  // namespace

int TestDeviceIndex() {
  std::vector<int> order = Instance::Get().SelectedDevices();
  if (order.empty()) throw std::runtime_error("These tests need a Vulkan device (apt-get install mesa-vulkan-drivers). " + Instance::Get().problem());
  return order[0];
}

Device& TestDevice() {
  static Device* const device = new Device(Instance::Get(), TestDeviceIndex());
  return *device;
}

const std::vector<uint32_t>& AffineKernel() {
  static const std::vector<uint32_t>* const words = new std::vector<uint32_t>(MakeAffine(false));
  return *words;
}
const std::vector<uint32_t>& SlowAffineKernel() {
  static const std::vector<uint32_t>* const words = new std::vector<uint32_t>(MakeAffine(true));
  return *words;
}

void Affine(Queue& queue, Address destination, Address source, uint32_t n, uint32_t factor, uint32_t summand) {
  LaunchAffine(queue, AffineKernel(), {destination, source, n, factor, summand}, n);
}
void SlowAffine(Queue& queue, Address destination, Address source, uint32_t n, uint32_t factor, uint32_t summand, uint32_t turns) {
  LaunchAffine(queue, SlowAffineKernel(), {destination, source, n, factor, summand, turns}, n);
}

std::vector<uint32_t> Fetch(Address address, size_t count) {
  std::vector<uint32_t> numbers(count);
  TestDevice().queue().Download(numbers.data(), address, count * 4);
  TestDevice().queue().Synchronize();
  return numbers;
}

void Send(Address address, const std::vector<uint32_t>& numbers) { TestDevice().queue().Upload(address, numbers.data(), numbers.size() * 4); }

}  // namespace tfvk::vulkan
