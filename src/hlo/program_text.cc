#include "hlo/program_text.h"

#include <fmt/format.h>

namespace tfvk::hlo {
namespace {

using program::Block;
using program::BufferSlice;

std::string Text(const Size& size) { return size.is_static() ? fmt::format("{}", size.value) : fmt::format("?{}", size.symbol); }

std::string Text(const BufferSlice& slice) {
  constexpr const char* kKinds[] = {"parameter", "output", "constant", "temporary"};
  std::string text = fmt::format("{} {}", kKinds[static_cast<int>(slice.kind)], slice.index);
  if (slice.offset != 0) text += fmt::format(" + {}", slice.offset);
  std::string bytes = fmt::format("{}", slice.bytes.factor);
  for (const Size& size : slice.bytes.sizes) bytes += "*" + Text(size);
  return text + " (" + bytes + " B)";
}

std::string Text(const program::LaunchArgument& argument) {
  constexpr const char* kKinds[] = {"read", "write", "update", "size"};
  const std::string kind = kKinds[static_cast<int>(argument.kind)];
  return argument.kind == program::LaunchArgument::Kind::kSize ? fmt::format("{} ?{}", kind, argument.symbol) : kind + " " + Text(argument.slice);
}

class Printer {
 public:
  explicit Printer(const program::Program& program) : program_(program) {}

  void Print(const Block& block, int depth) {
    for (const program::Step& step : block) std::visit([&](const auto& action) { Print(action, depth); }, step.action);
  }
  void Line(int depth, const std::string& line) { text += std::string(2 * depth, ' ') + line + "\n"; }

  std::string text;

 private:
  void Print(const program::Launch& launch, int depth) {
    const kernels::Kernel& kernel = program_.kernels.at(launch.kernel);
    std::string workgroups = fmt::format("{}", kernel.workgroups.factor);
    for (const Size& size : kernel.workgroups.sizes) workgroups += "*" + Text(size);
    if (kernel.workgroups.divisor != 1) workgroups += fmt::format("/{}", kernel.workgroups.divisor);
    Line(depth,
         fmt::format("launch kernel {}, {} workgroups, {:.3g} flops, {:.3g} bytes: {}", launch.kernel, workgroups, kernel.flops, kernel.bytes, launch.name));
    for (const program::LaunchArgument& argument : launch.arguments) Line(depth + 1, Text(argument));
  }
  void Print(const program::Copy& copy, int depth) { Line(depth, fmt::format("copy {} to {}", Text(copy.source), Text(copy.destination))); }
  void Print(const program::Fill& fill, int depth) { Line(depth, fmt::format("fill {} with {:#010x}", Text(fill.destination), fill.pattern)); }
  void Print(const program::While& loop, int depth) {
    Line(depth, loop.trip_count ? fmt::format("loop {} times", *loop.trip_count) : "while " + Text(loop.predicate));
    if (!loop.trip_count) Print(loop.condition, depth + 2);
    Line(depth, "do");
    Print(loop.body, depth + 1);
  }
  void Print(const program::Conditional& conditional, int depth) {
    for (size_t i = 0; i < conditional.branches.size(); ++i) {
      Line(depth, fmt::format("case {} of {}", i, Text(conditional.selector)));
      Print(conditional.branches[i], depth + 1);
    }
  }

  const program::Program& program_;
};

}  // namespace

std::string ToText(const program::Program& program) {
  Printer printer(program);
  printer.Line(0, fmt::format("program {}: {} parameters, {} outputs, {} kernels, {} bytes of temporaries", program.name, program.parameters.size(),
                              program.outputs.size(), program.kernels.size(), program.temporary_bytes));
  printer.Print(program.steps, 1);
  return printer.text;
}

}  // namespace tfvk::hlo
