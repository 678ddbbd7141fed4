// Small kernels for the tests of the builder: a function of one element a kernel, run on vectors of the host; and what a module consists of.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <utility>
#include <vector>

#include "device_fixture.h"
#include "kernels/kernel.h"
#include "spirv/builder.h"

namespace tfvk::spirv::testing {

using kernels::KernelArgument;
using tfvk::testing::Buffer;
using tfvk::testing::Device;
using tfvk::testing::Validate;

// The results for one element, all of one dtype, from the inputs' elements.
using Function = std::function<std::vector<Value>(Builder&, const std::vector<Value>&)>;

inline kernels::KernelSequence Sequence(Builder& b, std::vector<KernelArgument> arguments, int64_t groups) {
  kernels::Kernel kernel;
  kernel.module = b.Finish();
  kernel.arguments = std::move(arguments);
  kernel.workgroups.sizes = {groups};
  return {{kernel}, 0};
}

// One invocation an element; the results of element i are the elements from i * (their number) on.
template <class To, class From>
std::vector<To> Computed(DType to, DType from, const std::vector<std::vector<From>>& inputs, const Function& f, BuilderOptions options = {"computed"}) {
  Device& device = Device::Get();
  const auto count = static_cast<uint32_t>(inputs[0].size()), operands = static_cast<uint32_t>(inputs.size());
  Builder b(std::move(options));
  size_t results = 0;
  const Value i = b.GlobalLinearId();
  b.If(i < count, [&] {
    std::vector<Value> elements;
    for (uint32_t k = 0; k < operands; ++k) elements.push_back(b.Load(b.Global(b.Argument(k), from), i));
    const std::vector<Value> computed = f(b, elements);
    results = computed.size();
    for (size_t k = 0; k < results; ++k) b.Store(b.Global(b.Argument(operands), to), i * static_cast<int64_t>(results) + static_cast<int64_t>(k), computed[k]);
  });
  std::vector<KernelArgument> arguments;
  std::vector<Buffer> uploaded;
  for (uint32_t k = 0; k < operands; ++k) {
    arguments.push_back({KernelArgument::Kind::kRead, static_cast<int>(k)});
    uploaded.push_back(device.Upload(inputs[k]));
  }
  arguments.push_back({KernelArgument::Kind::kWrite, 0});
  const Buffer out = device.Allocate(count * results * sizeof(To));
  device.Run(Sequence(b, arguments, (count + 63) / 64), uploaded, {out});
  return device.Download<To>(out);
}

// How often an instruction occurs in a module.
inline int CountOf(const Module& module, uint32_t opcode) {
  int count = 0;
  for (size_t at = 5; at < module.words.size(); at += module.words[at] >> 16) count += (module.words[at] & 0xffff) == opcode;
  return count;
}

inline bool HasIntegers(int bits) {
  const auto& limits = Device::Get().limits();
  if (bits == 8) return limits.int8 && limits.storage_8bit;
  if (bits == 16) return limits.int16 && limits.storage_16bit;
  return bits == 32 || limits.int64;
}

}  // namespace tfvk::spirv::testing
