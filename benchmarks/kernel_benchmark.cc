// Times single kernels on a Vulkan device and prints one line of JSON a case: milliseconds (median of repetitions by the device's timestamps), GB/s or
// TFLOP/s, and what share of the run the kernels took.
//   tfvk-kernel-benchmark [--filter TEXT] [--device N] [--scale small|full]
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "kernels/convolution.h"
#include "kernels/gemm.h"
#include "kernels/gemm_tiles.h"
#include "kernels/map.h"
#include "kernels/reduce.h"
#include "program/limits.h"
#include "types/error.h"
#include "vulkan/device.h"

namespace tfvk {
namespace {

using kernels::DeviceLimits;
using kernels::Emitter;
using kernels::Index;
using kernels::KernelSequence;
using kernels::Tensor;
using spirv::Value;
using vulkan::Address;

struct Case {
  std::string name;
  double flops = 0, bytes = 0;  // of one run; the larger share decides what is printed
  std::vector<int64_t> operand_bytes, result_bytes;
  std::function<KernelSequence(const DeviceLimits&)> make;
};

Tensor Operand(int index, DType dtype, Shape shape) { return {Tensor::Role::kOperand, index, dtype, std::move(shape)}; }

Case AddCase(int64_t n, DType dtype) {
  Case c;
  c.name = fmt::format("add {}[{}]", Name(dtype), n);
  int64_t bytes = n * static_cast<int64_t>(ByteSize(dtype));
  c.bytes = 3.0 * bytes;
  c.operand_bytes = {bytes, bytes};
  c.result_bytes = {bytes};
  c.make = [=](const DeviceLimits& limits) {
    kernels::MapSpec spec{"add",
                          {n},
                          {dtype},
                          [=](Emitter& e, const Index& i) { return std::vector<Value>{e.Read(Operand(0, dtype, {n}), i) + e.Read(Operand(1, dtype, {n}), i)}; },
                          true};
    return kernels::MakeMap(spec, limits);
  };
  return c;
}

Case TransposeCase(int64_t rows, int64_t columns) {
  Case c;
  c.name = fmt::format("transpose f32[{},{}]", rows, columns);
  c.bytes = 8.0 * rows * columns;
  c.operand_bytes = {rows * columns * 4};
  c.result_bytes = {rows * columns * 4};
  c.make = [=](const DeviceLimits& limits) {
    kernels::MapSpec spec{"transpose", {columns, rows}, {DType::kF32}, [=](Emitter& e, const Index& i) {
                            return std::vector<Value>{e.Read(Operand(0, DType::kF32, {rows, columns}), {i[1], i[0]})};
                          }};
    return kernels::MakeMap(spec, limits);
  };
  return c;
}

Case ReduceCase(const std::string& what, Shape shape, std::vector<int64_t> dimensions) {
  Case c;
  int64_t n = ElementCount(shape), kept = 1;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (std::find(dimensions.begin(), dimensions.end(), static_cast<int64_t>(d)) == dimensions.end()) kept *= shape[d].value;
  }
  c.name = fmt::format("reduce {} f32[{}] over {}", what, n, dimensions.size());
  c.bytes = 4.0 * (n + kept);
  c.operand_bytes = {n * 4};
  c.result_bytes = {kept * 4};
  c.make = [=](const DeviceLimits& limits) {
    kernels::ReduceSpec spec;
    spec.name = "reduce";
    spec.input = shape;
    spec.dimensions = dimensions;
    spec.accumulators = {DType::kF32};
    spec.initial = [](Emitter& e) { return std::vector<Value>{e.b().F32(0)}; };
    spec.body = [=](Emitter& e, const Index& i) { return std::vector<Value>{e.Read(Operand(0, DType::kF32, shape), i)}; };
    spec.combiner = [](Emitter&, const std::vector<Value>& a, const std::vector<Value>& b) { return std::vector<Value>{a[0] + b[0]}; };
    spec.results = {DType::kF32};
    return kernels::MakeReduce(spec, limits);
  };
  return c;
}

// `layout`: "nn", "nt", "tn": whether lhs, rhs are transposed in memory.
using MakeProduct = std::function<KernelSequence(const kernels::GemmSpec&, const DeviceLimits&)>;

Case GemmCase(int64_t batch, int64_t m, int64_t n, int64_t k, DType dtype, const std::string& layout, bool tensor_float,
              const MakeProduct& make = kernels::MakeGemm) {
  Case c;
  c.name = fmt::format("gemm {}{} {} {}x{}x{}x{}", Name(dtype), tensor_float ? "(tf32)" : "", layout, batch, m, n, k);
  c.flops = 2.0 * batch * m * n * k;
  int64_t size = static_cast<int64_t>(ByteSize(dtype));
  c.operand_bytes = {batch * m * k * size, batch * k * n * size};
  c.result_bytes = {batch * m * n * size};
  c.make = [=](const DeviceLimits& limits) {
    bool lt = layout[0] == 't', rt = layout[1] == 't';
    kernels::GemmSpec spec;
    spec.name = "gemm";
    spec.batch = batch, spec.m = m, spec.n = n, spec.k = k;
    spec.lhs.dtype = spec.rhs.dtype = dtype;
    spec.lhs.memory = kernels::StridedMatrix{Operand(0, dtype, {batch, lt ? k : m, lt ? m : k}), m * k, lt ? 1 : k, lt ? m : 1};
    spec.rhs.memory = kernels::StridedMatrix{Operand(1, dtype, {batch, rt ? n : k, rt ? k : n}), k * n, rt ? k : 1, rt ? 1 : n};
    spec.precision = tensor_float ? kernels::GemmPrecision::kTensorFloat : kernels::GemmPrecision::kFull;
    spec.results = {dtype};
    return make(spec, limits);
  };
  return c;
}

// Products by the first `count` plans of each family that the model of gemm_tiles.cc proposes: what the model is fitted to.
std::vector<Case> PlanCases(const DeviceLimits& limits, int count) {
  std::vector<Case> cases;
  const auto add = [&](int64_t m, int64_t n, int64_t k, DType dtype, const std::string& layout) {
    const bool tensor_float = dtype == DType::kF32;
    std::vector<kernels::GemmPlan> plans;
    const Case probe = GemmCase(1, m, n, k, dtype, layout, tensor_float, [&](const kernels::GemmSpec& spec, const DeviceLimits& l) {
      plans = kernels::GemmPlans(kernels::ContractionOf(spec), l);
      return KernelSequence();
    });
    probe.make(limits);
    std::map<kernels::GemmPlan::Family, int> taken;
    for (size_t i = 0; i < plans.size(); ++i) {
      if (taken[plans[i].family]++ >= count) continue;
      Case c = GemmCase(1, m, n, k, dtype, layout, tensor_float, [plan = plans[i]](const kernels::GemmSpec& spec, const DeviceLimits& l) {
        return kernels::MakeContraction(kernels::ContractionOf(spec), plan, l);
      });
      c.name += fmt::format(" #{} {}", i, plans[i].Name());
      if (plans[i].family == kernels::GemmPlan::Family::kMatrix) c.name += fmt::format("_{}x{}", plans[i].matrix.wm, plans[i].matrix.wn);
      cases.push_back(std::move(c));
    }
  };
  for (DType dtype : {DType::kBF16, DType::kF32}) {
    add(4096, 4096, 4096, dtype, "nn");
    add(8192, 2048, 512, dtype, "nn");
    add(8192, 512, 2048, dtype, "nt");
    add(8192, 512, 512, dtype, "nn");
    add(512, 2048, 8192, dtype, "tn");
    add(512, 512, 8192, dtype, "tn");
    add(1024, 1024, 1024, dtype, "nn");
    add(1024, 4096, 1024, dtype, "nn");
    add(1024, 4096, 4096, dtype, "nn");
    add(1024, 4096, 4096, dtype, "nt");
    add(4096, 4096, 1024, dtype, "tn");
    add(1024, 1000, 4096, dtype, "nn");
    add(4096, 1000, 1024, dtype, "tn");
    add(200704, 64, 64, dtype, "nn");
    add(802816, 96, 16, dtype, "nn");
    add(802816, 16, 32, dtype, "nn");
    add(200704, 144, 24, dtype, "nn");
    add(200704, 24, 144, dtype, "nn");
    add(12544, 384, 64, dtype, "nn");
    add(12544, 64, 384, dtype, "nn");
  }
  return cases;
}

// One layer's convolution in NHWC with HWIO filters. `direction`: 'f' forward, 'i' input gradient, 'k' filter gradient, as HLO writes them.
Case ConvolutionCase(char direction, int64_t batch, int64_t size, int64_t in, int64_t out, int64_t filter, int64_t stride, int64_t groups, DType dtype,
                     bool tensor_float) {
  int64_t result = (size + stride - 1) / stride;
  int64_t pad = std::max<int64_t>((result - 1) * stride + filter - size, 0), low = pad / 2;
  Case c;
  c.name = fmt::format("conv {} {}{} {}x{}x{}x{} -> {} k{} s{} g{}", direction, Name(dtype), tensor_float ? "(tf32)" : "", batch, size, size, in, out, filter,
                       stride, groups);
  c.flops = 2.0 * batch * result * result * out * filter * filter * in / groups;
  int64_t bytes = static_cast<int64_t>(ByteSize(dtype));
  int64_t x = batch * size * size * in * bytes, y = batch * result * result * out * bytes, w = filter * filter * in / groups * out * bytes;
  Shape xs = {batch, size, size, in}, ys = {batch, result, result, out}, ws = {filter, filter, in / groups, out};
  c.make = [=](const DeviceLimits& limits) {
    kernels::ConvolutionSpec s;
    s.name = "convolution";
    s.precision = tensor_float ? kernels::GemmPrecision::kTensorFloat : kernels::GemmPrecision::kFull;
    s.results = {dtype};
    s.input_batch = 0, s.input_spatial = {1, 2}, s.input_feature = 3;
    s.output_batch = 0, s.output_spatial = {1, 2}, s.output_feature = 3;
    s.kernel_spatial = {0, 1}, s.kernel_input_feature = 2, s.kernel_output_feature = 3;
    kernels::ConvolutionWindow window;
    if (direction == 'f') {
      s.input = Operand(0, dtype, xs), s.kernel = Operand(1, dtype, ws), s.output = ys;
      window.size = filter, window.stride = stride, window.pad_low = low, window.pad_high = pad - low;
      s.feature_groups = groups;
    } else if (direction == 'i') {
      s.input = Operand(0, dtype, ys), s.kernel = Operand(1, dtype, ws), s.output = xs;
      s.kernel_input_feature = 3, s.kernel_output_feature = 2;
      window.size = filter, window.base_dilation = stride, window.reversal = true, window.pad_low = filter - 1 - low;
      window.pad_high = size - 1 - ((result - 1) * stride) + low;
    } else {
      s.input = Operand(0, dtype, xs), s.kernel = Operand(1, dtype, ys), s.output = ws;
      s.input_batch = 3, s.input_feature = 0, s.kernel_spatial = {1, 2}, s.kernel_input_feature = 0, s.kernel_output_feature = 3;
      s.output_batch = 2, s.output_spatial = {0, 1}, s.output_feature = 3;
      window.size = result, window.window_dilation = stride, window.pad_low = low;
      window.pad_high = filter - 1 + (result - 1) * stride + 1 - size - low;
    }
    s.window = {window, window};
    return kernels::MakeConvolution(s, limits);
  };
  if (direction == 'f') c.operand_bytes = {x, w}, c.result_bytes = {y};
  if (direction == 'i') c.operand_bytes = {y, w}, c.result_bytes = {x};
  if (direction == 'k') c.operand_bytes = {x, y}, c.result_bytes = {w};
  return c;
}

std::vector<Case> Cases(bool small) {
  std::vector<Case> cases;
  int64_t big = small ? 1 << 18 : 1 << 27;
  cases.push_back(AddCase(big, DType::kF32));
  cases.push_back(AddCase(big, DType::kBF16));
  int64_t side = small ? 256 : 8192;
  cases.push_back(TransposeCase(side, side));
  cases.push_back(ReduceCase("rows", {side, side}, {1}));
  cases.push_back(ReduceCase("columns", {side, side}, {0}));
  cases.push_back(ReduceCase("all", {side, side}, {0, 1}));
  cases.push_back(ReduceCase("batch norm", {small ? 2 : 64, small ? 8 : 56, small ? 8 : 56, 256}, {0, 1, 2}));
  for (int64_t n : small ? std::vector<int64_t>{64, 128} : std::vector<int64_t>{256, 1024, 4096}) {
    cases.push_back(GemmCase(1, n, n, n, DType::kF32, "nn", false));
    cases.push_back(GemmCase(1, n, n, n, DType::kF32, "nn", true));
    cases.push_back(GemmCase(1, n, n, n, DType::kBF16, "nn", false));
    cases.push_back(GemmCase(1, n, n, n, DType::kF16, "nn", false));
  }
  if (small) {
    for (char direction : {'f', 'i', 'k'}) cases.push_back(ConvolutionCase(direction, 2, 8, 16, 16, 3, 1, 1, DType::kF32, false));
    return cases;
  }
  for (const char* layout : {"nt", "tn"}) {
    cases.push_back(GemmCase(1, 1024, 4096, 4096, DType::kF32, layout, true));
    cases.push_back(GemmCase(1, 1024, 4096, 4096, DType::kBF16, layout, false));
  }
  cases.push_back(GemmCase(256, 256, 256, 64, DType::kF32, "nt", true));
  cases.push_back(GemmCase(1, 8192, 512, 2048, DType::kF32, "nn", true));
  struct Layer {
    int64_t size, in, out, filter, stride, groups;
  };
  for (const Layer& l : {Layer{224, 3, 64, 7, 2, 1}, Layer{56, 64, 64, 1, 1, 1}, Layer{56, 64, 64, 3, 1, 1}, Layer{56, 256, 64, 1, 1, 1},
                         Layer{56, 256, 512, 1, 2, 1}, Layer{28, 128, 128, 3, 1, 1}, Layer{14, 256, 256, 3, 1, 1}, Layer{7, 512, 512, 3, 1, 1},
                         Layer{112, 32, 32, 3, 1, 32}, Layer{14, 576, 576, 3, 1, 576}}) {
    for (char direction : {'f', 'i', 'k'}) {
      if (direction == 'k' && l.groups > 1) continue;
      if (direction == 'i' && l.groups > 1) continue;
      cases.push_back(ConvolutionCase(direction, 64, l.size, l.in, l.out, l.filter, l.stride, l.groups, DType::kF32, true));
      if (l.filter == 3) cases.push_back(ConvolutionCase(direction, 64, l.size, l.in, l.out, l.filter, l.stride, l.groups, DType::kF32, false));
      if (l.filter == 3) cases.push_back(ConvolutionCase(direction, 64, l.size, l.in, l.out, l.filter, l.stride, l.groups, DType::kBF16, false));
    }
  }
  return cases;
}

struct Bound {
  std::vector<Address> operands, results;
  Address scratch = 0;
};

void Launch(vulkan::Queue& queue, const std::vector<const vulkan::Pipeline*>& pipelines, const KernelSequence& sequence, const Bound& bound) {
  for (size_t k = 0; k < sequence.kernels.size(); ++k) {
    const kernels::Kernel& kernel = sequence.kernels[k];
    std::vector<uint64_t> words;
    std::vector<vulkan::Access> accesses;
    for (const kernels::KernelArgument& a : kernel.arguments) {
      Address address = a.kind == kernels::KernelArgument::Kind::kRead    ? bound.operands.at(a.index)
                        : a.kind == kernels::KernelArgument::Kind::kWrite ? bound.results.at(a.index)
                                                                          : bound.scratch;
      words.push_back(address);
      accesses.push_back({address, 4, a.kind != kernels::KernelArgument::Kind::kRead});
    }
    vulkan::LaunchInfo info;
    info.pipeline = pipelines[k];
    info.arguments = words;
    info.workgroups = static_cast<uint64_t>(kernel.workgroups.Evaluate({}));
    info.accesses = accesses;
    queue.Launch(info);
  }
}

double Milliseconds(vulkan::Queue& queue, const std::function<void()>& once) {
  auto run = [&](int repetitions) {
    auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < repetitions; ++i) once();
    queue.Synchronize();
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  };
  double first = run(1);
  first = std::min(first, run(1));
  int repetitions = std::clamp(static_cast<int>(60.0 / std::max(first, 1e-3)), 1, 300);
  std::vector<double> samples;
  for (int i = 0; i < 3; ++i) samples.push_back(run(repetitions) / repetitions);
  std::sort(samples.begin(), samples.end());
  return samples[1];
}

// An idle GPU lowers its clock, so it is kept busy with what is timed next.
void WarmUp(vulkan::Queue& queue, std::chrono::milliseconds time, const std::function<void()>& launch) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
    for (int i = 0; i < 10; ++i) launch();
    queue.Synchronize();
  }
}

void Measure(vulkan::Device& device, const DeviceLimits& limits, const Case& c, bool warm_up) {
  auto start = std::chrono::steady_clock::now();
  KernelSequence sequence = c.make(limits);
  std::vector<const vulkan::Pipeline*> pipelines;
  size_t words = 0;
  for (const kernels::Kernel& k : sequence.kernels) {
    pipelines.push_back(&device.pipelines().Get(k.module.words, k.required_subgroup_size, k.module.name));
    pipelines.back()->Wait();
    words += k.module.words.size();
  }
  double compile = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  Bound bound;
  for (int64_t bytes : c.operand_bytes) {
    bound.operands.push_back(device.Allocate(bytes));
    device.queue().Fill(bound.operands.back(), 0, bytes);
  }
  for (int64_t bytes : c.result_bytes) bound.results.push_back(device.Allocate(bytes));
  if (sequence.scratch_bytes) bound.scratch = device.Allocate(sequence.scratch_bytes);
  const auto launch = [&] { Launch(device.queue(), pipelines, sequence, bound); };
  if (warm_up) WarmUp(device.queue(), std::chrono::milliseconds(300), launch);
  double ms = Milliseconds(device.queue(), launch);
  std::string rate = c.flops > 0 ? fmt::format("\"tflops\": {:.2f}", c.flops / ms / 1e9) : fmt::format("\"gb_s\": {:.1f}", c.bytes / ms / 1e6);
  std::printf("{\"case\": \"%s\", \"ms\": %.4f, %s, \"kernels\": %zu, \"compile_ms\": %.1f, \"words\": %zu, \"kernel\": \"%s\"}\n", c.name.c_str(), ms,
              rate.c_str(), sequence.kernels.size(), compile, words, sequence.kernels.empty() ? "" : sequence.kernels[0].module.name.c_str());
  std::fflush(stdout);
  for (Address a : bound.operands) device.Free(a);
  for (Address a : bound.results) device.Free(a);
  device.Free(bound.scratch);
}

int Main(int argc, char** argv) {
  CLI::App app("Times single kernels on a Vulkan device.");
  std::string filter, scale = "full";
  int index = 0;
  int plans = 0;
  app.add_option("--plans", plans, "matrix products by the first so many plans of each family instead");
  app.add_option("--filter", filter, "only cases whose name contains this");
  app.add_option("--device", index, "the device's number in the order of tfvk devices");
  app.add_option("--scale", scale, "sizes: small (software drivers) or full")->check(CLI::IsMember({"small", "full"}));
  CLI11_PARSE(app, argc, argv);
  vulkan::Instance& instance = vulkan::Instance::Get();
  vulkan::Device device(instance, instance.SelectedDevices().at(index));
  DeviceLimits limits = program::LimitsOf(device.plan());
  int failed = 0;
  for (const Case& c : plans > 0 ? PlanCases(limits, plans) : Cases(scale == "small")) {
    if (c.name.find(filter) == std::string::npos) continue;
    try {
      Measure(device, limits, c, scale == "full");
    } catch (const Error& error) {
      std::printf("{\"case\": \"%s\", \"error\": \"%s\"}\n", c.name.c_str(), error.what());
      ++failed;
    }
  }
  return failed != 0;
}

}  // namespace
}  // namespace tfvk

int main(int argc, char** argv) {
  try {
    return tfvk::Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tfvk-kernel-benchmark: %s\n", error.what());
    return 1;
  }
}
