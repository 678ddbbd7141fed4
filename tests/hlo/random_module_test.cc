// A fixed few of the random modules, on the evaluator after the passes and on the device. `tfvk-hlo --random` runs any number of others.
#include "hlo/random_module.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "compiler/compiler.h"
#include "hlo/comparison.h"
#include "hlo/device_run.h"
#include "hlo/evaluate.h"
#include "hlo/import.h"
#include "hlo/module.h"
#include "hlo/passes.h"
#include "hlo/test_inputs.h"
#include "program/limits.h"
#include "vulkan/device.h"

namespace tfvk::hlo {
namespace {

using Bytes = std::vector<std::vector<uint8_t>>;

Bytes EvaluateOnHost(const xla::HloModule& module, const Bytes& inputs) {
  std::vector<HostBytes> buffers;
  for (const auto& input : inputs) buffers.push_back({input.data(), input.size()});
  Bytes outputs;
  for (HostResult& result : Evaluate(module, buffers)) outputs.push_back(std::move(result.bytes));
  return outputs;
}

vulkan::Device* TestDevice() {
  static const std::unique_ptr<vulkan::Device> device = []() -> std::unique_ptr<vulkan::Device> {
    vulkan::Instance& instance = vulkan::Instance::Get();
    const std::vector<int> devices = instance.SelectedDevices();
    return devices.empty() ? nullptr : std::make_unique<vulkan::Device>(instance, devices[0]);
  }();
  return device.get();
}

class RandomModuleTest : public ::testing::TestWithParam<uint64_t> {};

TEST_P(RandomModuleTest, AgreesWithTheEvaluator) {
  const std::string text = RandomModule(GetParam());
  const ModulePtr reference = ModuleFromText(text);
  const ModulePtr module = Clone(*reference);
  Expand(*reference);
  RunPasses(*module);
  const std::unique_ptr<ir::Graph> graph = Import(*module);
  ir::Verify(*graph);
  const Signature signature = SignatureOf(*reference);
  const Bytes inputs = MakeInputs(signature.parameters, ReadDirectives(text), GetParam());
  const Bytes expected = EvaluateOnHost(*reference, inputs);
  const double tolerance = ToleranceOf(*graph);
  const auto expect_equal = [&](const Bytes& actual, const char* how) {
    ASSERT_EQ(expected.size(), actual.size()) << how;
    for (size_t i = 0; i < expected.size(); ++i) {
      const Difference difference = Compare(signature.outputs[i], expected[i], actual[i], tolerance, kRandomModuleFloor);
      EXPECT_EQ(difference.mismatches, 0) << how << ", output " << i << ": " << difference.ToText() << "\n" << text;
    }
  };
  expect_equal(EvaluateOnHost(*module, inputs), "after the passes");
  vulkan::Device* device = TestDevice();
  if (device == nullptr) GTEST_SKIP() << "no Vulkan device: " << vulkan::Instance::Get().problem();
  program::Executable executable(*device, compiler::Compile(*graph, program::LimitsOf(device->plan()), {/*allow_tf32=*/false, /*fuse=*/true}));
  expect_equal(RunOnDevice(*device, executable, inputs, /*in_place=*/false).outputs, "on the device");
  expect_equal(RunOnDevice(*device, executable, inputs, /*in_place=*/true).outputs, "in place");
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomModuleTest, ::testing::Range(uint64_t{0}, uint64_t{60}));

TEST(RandomModule, IsTheSameForASeed) {
  EXPECT_EQ(RandomModule(7), RandomModule(7));
  EXPECT_NE(RandomModule(7), RandomModule(8));
}

}  // namespace
}  // namespace tfvk::hlo
