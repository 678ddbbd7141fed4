#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "compiler/describe.h"
#include "compiler/memory_plan.h"
#include "compiler/program_runner.h"
#include "device_fixture.h"
#include "program/executable.h"
#include "program/limits.h"
#include "types/error.h"
#include "vulkan/device.h"

namespace tfvk::testing {
namespace {

using reference::Tensor;

vulkan::Device& TheDevice() {
  static vulkan::Device device(vulkan::Instance::Get(), vulkan::Instance::Get().SelectedDevices().at(0));
  return device;
}

// Device memory of one run, given back at its end.
class Memory {
 public:
  ~Memory() {
    for (vulkan::Address a : blocks_) TheDevice().FreeSmall(a);
  }
  vulkan::Address Garbage(uint64_t bytes) {
    blocks_.push_back(TheDevice().AllocateSmall(std::max<uint64_t>(bytes, 256)));
    TheDevice().queue().Fill(blocks_.back(), 0xa5c3e1b7, std::max<uint64_t>(bytes, 256));
    return blocks_.back();
  }
  vulkan::Address Upload(const std::vector<uint8_t>& bytes) {
    const vulkan::Address address = Garbage(bytes.size());
    if (!bytes.empty()) TheDevice().queue().Upload(address, bytes.data(), bytes.size());
    return address;
  }

 private:
  std::vector<vulkan::Address> blocks_;
};

double ToleranceOf(DType dtype, double tolerance) {
  if (dtype == DType::kF16) return std::max(tolerance, 4e-3);
  return dtype == DType::kBF16 ? std::max(tolerance, 3e-2) : tolerance;
}

// Empty when equal.
std::string Difference(const Tensor& got, const Tensor& wanted, double tolerance) {
  const double allowed = ToleranceOf(wanted.dtype, tolerance);
  for (size_t i = 0; i < wanted.elements.size(); ++i) {
    const reference::Number g = got.elements[i], w = wanted.elements[i];
    if (!IsFloat(wanted.dtype)) {
      if (g.i != w.i) return fmt::format("element {} is {}, not {}", i, g.i, w.i);
    } else if (std::isnan(w.f) != std::isnan(g.f) || (std::isinf(w.f) && g.f != w.f) ||
               (std::isfinite(w.f) && !(std::abs(g.f - w.f) <= allowed * std::max(1.0, std::abs(w.f))))) {
      return fmt::format("element {} is {}, not {}", i, g.f, w.f);
    }
  }
  return "";
}

void VisitSlices(const program::Block& block, const std::function<void(const program::BufferSlice&)>& visit) {
  for (const program::Step& step : block) {
    if (const auto* launch = std::get_if<program::Launch>(&step.action)) {
      for (const auto& a : launch->arguments) {
        if (a.kind != program::LaunchArgument::Kind::kSize) visit(a.slice);
      }
    } else if (const auto* copy = std::get_if<program::Copy>(&step.action)) {
      visit(copy->source);
      visit(copy->destination);
      EXPECT_EQ(copy->source.bytes.Evaluate({}), copy->destination.bytes.Evaluate({}));
    } else if (const auto* loop = std::get_if<program::While>(&step.action)) {
      if (!loop->trip_count) visit(loop->predicate);
      VisitSlices(loop->condition, visit);
      VisitSlices(loop->body, visit);
    } else if (const auto* conditional = std::get_if<program::Conditional>(&step.action)) {
      visit(conditional->selector);
      for (const auto& branch : conditional->branches) VisitSlices(branch, visit);
    }
  }
}

int64_t BufferBytes(const program::Program& p, const program::BufferSlice& slice) {
  const auto tensor = [](const program::TensorInfo& t) { return ElementCount(t.shape) * static_cast<int64_t>(ByteSize(t.dtype)); };
  switch (slice.kind) {
    case program::BufferSlice::Kind::kParameter:
      return tensor(p.parameters.at(slice.index));
    case program::BufferSlice::Kind::kOutput:
      return tensor(p.outputs.at(slice.index));
    case program::BufferSlice::Kind::kConstant:
      return static_cast<int64_t>(p.constants.at(slice.index).size());
    case program::BufferSlice::Kind::kTemporary:
      return p.temporaries.at(slice.index).bytes.Evaluate({});
  }
  return 0;
}

}  // namespace

const kernels::DeviceLimits& Limits() {
  static const kernels::DeviceLimits limits = program::LimitsOf(TheDevice().plan());
  return limits;
}

std::vector<Tensor> RunProgram(const program::Program& program, const std::vector<Tensor>& arguments, bool in_place, const std::vector<int64_t>& symbols) {
  program::Executable executable(TheDevice(), program);
  Memory memory;
  program::Arguments run;
  run.symbols = symbols;
  for (const Tensor& t : arguments) run.parameters.push_back(memory.Upload(ToBytes(t)));
  for (size_t i = 0; i < program.outputs.size(); ++i) {
    const int alias = in_place ? program.aliases.at(i) : -1;
    run.outputs.push_back(alias >= 0 ? run.parameters[alias]
                                     : memory.Garbage(ElementCount(program.outputs[i].shape, symbols) * ByteSize(program.outputs[i].dtype)));
  }
  if (const int64_t bytes = executable.TemporaryBytes(symbols)) run.temporaries = memory.Garbage(bytes);
  executable.Run(run);
  std::vector<std::vector<uint8_t>> bytes;
  for (size_t i = 0; i < program.outputs.size(); ++i) {
    bytes.emplace_back(ElementCount(program.outputs[i].shape, symbols) * ByteSize(program.outputs[i].dtype));
    if (!bytes.back().empty()) TheDevice().queue().Download(bytes.back().data(), run.outputs[i], bytes.back().size());
  }
  TheDevice().queue().Synchronize();
  std::vector<Tensor> results;
  for (size_t i = 0; i < program.outputs.size(); ++i) {
    Shape shape;
    for (const Size& s : program.outputs[i].shape) shape.push_back(Evaluate(s, symbols));
    results.push_back(reference::FromBytes({program.outputs[i].dtype, shape}, bytes[i]));
  }
  return results;
}

std::unique_ptr<ir::Graph> Parse(const std::string& text) {
  auto graph = ir::FromText(text);
  ir::Verify(*graph);
  return graph;
}

Tensor RandomTensor(const ir::TensorType& type, std::mt19937& random) {
  Tensor t{type.dtype, {}, {}};
  int64_t count = 1;
  for (const Size& s : type.shape) {
    t.shape.push_back(s.value);
    count *= s.value;
  }
  std::uniform_real_distribution<double> floats(-2, 2);
  std::uniform_int_distribution<int> integers(IsUnsigned(type.dtype) || type.dtype == DType::kBool ? 0 : -9, 9);
  for (int64_t i = 0; i < count; ++i) t.elements.push_back(reference::Rounded(type.dtype, {floats(random), integers(random)}));
  return t;
}

std::vector<Tensor> RandomArguments(const ir::Graph& graph, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<Tensor> arguments;
  for (const ir::Node* parameter : graph.parameters()) arguments.push_back(RandomTensor(parameter->type(), random));
  return arguments;
}

void ExpectValidPlan(const program::Program& program) {
  const auto ranges = compiler::LiveRanges(program);
  for (size_t a = 0; a < ranges.size(); ++a) {
    const int64_t begin = program.temporaries[a].offset, end = begin + program.temporaries[a].bytes.Evaluate({});
    EXPECT_EQ(begin % 256, 0);
    if (ranges[a].last < 0) continue;
    EXPECT_LE(end, program.temporary_bytes);
    for (size_t b = 0; b < a; ++b) {
      if (ranges[b].last < 0 || ranges[a].first > ranges[b].last || ranges[b].first > ranges[a].last) continue;
      const int64_t other_begin = program.temporaries[b].offset, other_end = other_begin + program.temporaries[b].bytes.Evaluate({});
      EXPECT_TRUE(end <= other_begin || other_end <= begin || begin == end || other_begin == other_end) << "temporaries " << a << " and " << b;
    }
  }
  VisitSlices(program.steps, [&](const program::BufferSlice& slice) {
    EXPECT_GE(slice.offset, 0);
    EXPECT_LE(slice.offset + slice.bytes.Evaluate({}), BufferBytes(program, slice));
  });
}

void ExpectMatchesReference(const ir::Graph& graph, const std::vector<Tensor>& arguments, double tolerance) {
  const std::vector<Tensor> wanted = reference::Evaluate(graph, arguments);
  for (const bool fuse : {true, false}) {
    compiler::CompileOptions options;
    options.fuse = fuse;
    options.allow_tf32 = false;
    const program::Program program = compiler::Compile(graph, Limits(), options);
    ExpectValidPlan(program);
    for (const kernels::Kernel& kernel : program.kernels) EXPECT_EQ(Validate(kernel.module), "") << kernel.module.name;
    for (const bool in_place : {true, false}) {
      const std::vector<Tensor> got = RunProgram(program, arguments, in_place);
      for (size_t i = 0; i < wanted.size(); ++i) {
        const std::string difference = Difference(got[i], wanted[i], tolerance);
        EXPECT_EQ(difference, "") << "output " << i << (fuse ? ", fused" : ", not fused") << (in_place ? ", in place\n" : "\n") << compiler::Describe(program)
                                  << ir::ToText(graph);
        if (!difference.empty()) return;
      }
    }
  }
}

void ExpectMatchesReference(const std::string& text, double tolerance) {
  const auto graph = Parse(text);
  ExpectMatchesReference(*graph, RandomArguments(*graph), tolerance);
}

namespace {

// The text with numbers for its symbols: "?1" becomes symbols[1].
std::string WithNumbers(std::string text, const std::vector<int64_t>& symbols) {
  for (size_t i = symbols.size(); i-- > 0;) {
    const std::string symbol = fmt::format("?{}", i);
    for (size_t at; (at = text.find(symbol)) != std::string::npos;) text.replace(at, symbol.size(), std::to_string(symbols[i]));
  }
  return text;
}

}  // namespace

void ExpectMatchesReferenceAt(const std::string& text, const std::vector<std::vector<int64_t>>& symbols, double tolerance) {
  const auto graph = Parse(text);
  for (const bool fuse : {true, false}) {
    compiler::CompileOptions options;
    options.fuse = fuse;
    options.allow_tf32 = false;
    const program::Program program = compiler::Compile(*graph, Limits(), options);
    for (const kernels::Kernel& kernel : program.kernels) EXPECT_EQ(Validate(kernel.module), "") << kernel.module.name;
    for (const std::vector<int64_t>& values : symbols) {
      const auto numbers = Parse(WithNumbers(text, values));
      const std::vector<Tensor> arguments = RandomArguments(*numbers), wanted = reference::Evaluate(*numbers, arguments);
      for (const bool in_place : {true, false}) {
        const std::vector<Tensor> got = RunProgram(program, arguments, in_place, values);
        for (size_t i = 0; i < wanted.size(); ++i) {
          EXPECT_EQ(Difference(got[i], wanted[i], tolerance), "") << "output " << i << (fuse ? ", fused" : ", not fused") << (in_place ? ", in place" : "")
                                                                  << ", sizes " << fmt::format("{}", fmt::join(values, ",")) << "\n"
                                                                  << compiler::Describe(program) << text;
        }
      }
    }
  }
}

}  // namespace tfvk::testing
