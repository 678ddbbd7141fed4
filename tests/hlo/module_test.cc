// Every HLO file of tests/hlo/modules: through the passes, the import and the verifier; on the evaluator before and after the passes; and on the device.
#include "hlo/module.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "compiler/compiler.h"
#include "compiler/excess_precision.h"
#include "hlo/comparison.h"
#include "hlo/device_run.h"
#include "hlo/evaluate.h"
#include "hlo/import.h"
#include "hlo/passes.h"
#include "hlo/rounding.h"
#include "hlo/test_inputs.h"
#include "program/limits.h"
#include "vulkan/device.h"

namespace tfvk::hlo {
namespace {

using Bytes = std::vector<std::vector<uint8_t>>;

std::vector<std::string> Files() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(TFVK_TEST_DATA "/hlo/modules")) names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

// The first device that TensorFlow would see; null where there is none.
vulkan::Device* TestDevice() {
  static const std::unique_ptr<vulkan::Device> device = []() -> std::unique_ptr<vulkan::Device> {
    vulkan::Instance& instance = vulkan::Instance::Get();
    const std::vector<int> devices = instance.SelectedDevices();
    return devices.empty() ? nullptr : std::make_unique<vulkan::Device>(instance, devices[0]);
  }();
  return device.get();
}

class ModuleTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    std::ifstream file(TFVK_TEST_DATA "/hlo/modules/" + GetParam() + ".hlo");
    const std::string text(std::istreambuf_iterator<char>(file), {});
    const TestDirectives directives = ReadDirectives(text);
    reference_ = ModuleFromText(text);
    module_ = CloneWithoutNarrowTypes(*reference_);
    Expand(*reference_);
    RunPasses(*module_);
    graph_ = Import(*module_);
    ir::Verify(*graph_);
    signature_ = SignatureOf(*reference_);
    inputs_ = MakeInputs(signature_.parameters, directives, 1);
    tolerance_ = directives.tolerance.value_or(ToleranceOf(*graph_));
  }

  Bytes EvaluateOnHost(const xla::HloModule& module) const { return EvaluateOnHost(module, inputs_); }

  static Bytes EvaluateOnHost(const xla::HloModule& module, const Bytes& inputs) {
    std::vector<HostBytes> buffers;
    for (const auto& input : inputs) buffers.push_back({input.data(), input.size()});
    Bytes outputs;
    for (HostResult& result : Evaluate(module, buffers)) outputs.push_back(std::move(result.bytes));
    return outputs;
  }

  void ExpectEqual(const Bytes& expected, const Bytes& actual, const char* how) const {
    ASSERT_EQ(expected.size(), actual.size()) << how;
    for (size_t i = 0; i < expected.size(); ++i) {
      const Difference difference = Compare(signature_.outputs[i], expected[i], actual[i], tolerance_);
      EXPECT_EQ(difference.mismatches, 0) << how << ", output " << i << ": " << difference.ToText();
    }
  }

  // Results of bfloat16 that keep more digits than the evaluator's may be off by what rounding does to the module.
  void ExpectEqualButForRounding(const Bytes& expected, const Bytes& actual) const {
    std::vector<Movement> movements(expected.size());
    for (uint64_t seed = 0; seed < 16; ++seed) {
      Bytes inputs = Perturb(signature_.parameters, inputs_, UnitRoundoff(*graph_), seed);
      for (const size_t kept : ParametersReadAsBits(*graph_)) inputs[kept] = inputs_[kept];
      const Bytes moved = EvaluateOnHost(*reference_, inputs);
      for (size_t i = 0; i < moved.size(); ++i) movements[i].Add(Compare(signature_.outputs[i], expected[i], moved[i], tolerance_));
    }
    for (size_t i = 0; i < expected.size(); ++i) {
      const Difference difference = Compare(signature_.outputs[i], expected[i], actual[i], tolerance_);
      EXPECT_TRUE(difference.mismatches == 0 || movements[i].Covers(difference)) << "output " << i << ": " << difference.ToText();
    }
  }

  ModulePtr reference_, module_;
  std::unique_ptr<ir::Graph> graph_;
  Signature signature_;
  Bytes inputs_;
  double tolerance_ = 0;
};

TEST_P(ModuleTest, PassesKeepItsMeaning) {
  ASSERT_EQ(graph_->parameters().size(), signature_.parameters.size());
  for (size_t i = 0; i < signature_.parameters.size(); ++i) EXPECT_EQ(graph_->parameters()[i]->type(), signature_.parameters[i]);
  ASSERT_EQ(graph_->outputs.size(), signature_.outputs.size());
  for (size_t i = 0; i < signature_.outputs.size(); ++i) EXPECT_EQ(graph_->outputs[i].type(), signature_.outputs[i]);
  EXPECT_EQ(graph_->aliases, signature_.aliases);
  ExpectEqual(EvaluateOnHost(*reference_), EvaluateOnHost(*module_), "after the passes");
}

// A step that loss scaling skips, as it does when a gradient is not finite, would compare nothing but the variables' old values.
TEST_P(ModuleTest, TrainingStepsChangeTheirVariables) {
  if (GetParam().rfind("keras_", 0) != 0 || GetParam().find("_train") == std::string::npos) return;
  const Bytes outputs = EvaluateOnHost(*reference_);
  int variables = 0, changed = 0;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (signature_.aliases[i] < 0 || outputs[i].size() <= sizeof(double)) continue;  // counters and sums of metrics are scalars
    ++variables;
    changed += outputs[i] != inputs_[signature_.aliases[i]];
  }
  EXPECT_GT(variables, 0);
  EXPECT_GE(changed, variables * 9 / 10) << "of " << variables << " variables";
}

TEST_P(ModuleTest, DeviceAgreesWithEvaluator) {
  vulkan::Device* device = TestDevice();
  if (!device) GTEST_SKIP() << "no Vulkan device: " << vulkan::Instance::Get().problem();
  const Bytes expected = EvaluateOnHost(*reference_);
  compiler::CompileOptions options;
  options.allow_tf32 = false;
  options.excess_precision = false;  // the evaluator rounds every result
  program::Executable executable(*device, compiler::Compile(*graph_, program::LimitsOf(device->plan()), options));
  ExpectEqual(expected, RunOnDevice(*device, executable, inputs_, /*in_place=*/false).outputs, "on the device");
  ExpectEqual(expected, RunOnDevice(*device, executable, inputs_, /*in_place=*/true).outputs, "in place");
  if (compiler::ResultsWithExcessPrecision(*graph_).empty()) return;
  program::Executable exceeding(*device, compiler::Compile(*graph_, program::LimitsOf(device->plan()), {/*allow_tf32=*/false}));
  ExpectEqualButForRounding(expected, RunOnDevice(*device, exceeding, inputs_, /*in_place=*/true).outputs);
}

INSTANTIATE_TEST_SUITE_P(Files, ModuleTest, ::testing::ValuesIn(Files()), [](const auto& info) { return info.param; });

}  // namespace
}  // namespace tfvk::hlo
