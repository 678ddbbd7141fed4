#include "compiler/describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

namespace tfvk::compiler {
namespace {

using program::BufferSlice;
using program::LaunchArgument;

std::string SizeText(const Size& size) { return size.is_static() ? fmt::format("{}", size.value) : fmt::format("?{}", size.symbol); }

std::string CountText(const Shape& sizes, int64_t factor) {
  if (IsStatic(sizes)) return fmt::format("{}", ElementCount(sizes) * factor);
  std::string text = fmt::format("{}", factor);
  for (const Size& s : sizes) text += "*" + SizeText(s);
  return text;
}

std::string ShapeText(const Shape& shape) {
  std::string text;
  for (const Size& s : shape) text += (text.empty() ? "" : ",") + SizeText(s);
  return "[" + text + "]";
}

std::string SliceText(const BufferSlice& slice) {
  constexpr char kKinds[] = {'p', 'o', 'c', 't'};
  std::string text = fmt::format("{}{}", kKinds[static_cast<int>(slice.kind)], slice.index);
  if (slice.offset != 0) text += fmt::format("+{}", slice.offset);
  return text + "[" + CountText(slice.bytes.sizes, slice.bytes.factor) + "]";
}

class Describer {
 public:
  explicit Describer(const program::Program& program) : program_(program) {}

  std::string Run() {
    text_ += fmt::format("program {}\n", program_.name);
    Tensors("parameter", program_.parameters, {});
    Tensors("output", program_.outputs, program_.aliases);
    Block(program_.steps, 0);
    int64_t constants = 0;
    for (const auto& bytes : program_.constants) constants += static_cast<int64_t>(bytes.size());
    text_ += fmt::format("{} launches, {} kernels, {} bytes of temporaries, {} bytes of constants\n", LaunchCount(program_), program_.kernels.size(),
                         program_.temporary_bytes, constants);
    return std::move(text_);
  }

 private:
  void Tensors(const char* role, const std::vector<program::TensorInfo>& tensors, const std::vector<int>& aliases) {
    for (size_t i = 0; i < tensors.size(); ++i) {
      text_ += fmt::format("{} {}: {}{} {}", role, i, Name(tensors[i].dtype), ShapeText(tensors[i].shape), tensors[i].name);
      if (i < aliases.size() && aliases[i] >= 0) text_ += fmt::format(" in parameter {}", aliases[i]);
      text_ += "\n";
    }
  }

  void Block(const program::Block& block, int depth) {
    for (const program::Step& step : block) {
      text_ += fmt::format("{:>4} {}", number_++, std::string(static_cast<size_t>(depth) * 2, ' '));
      std::visit([&](const auto& action) { Action(action, depth); }, step.action);
    }
  }

  void Action(const program::Launch& launch, int) {
    const kernels::Kernel& kernel = program_.kernels[launch.kernel];
    std::string reads, writes;
    for (const LaunchArgument& a : launch.arguments) {
      if (a.kind == LaunchArgument::Kind::kSize) {
        reads += fmt::format("{}?{}", reads.empty() ? "" : ", ", a.symbol);
        continue;
      }
      std::string& list = a.kind == LaunchArgument::Kind::kWrite ? writes : reads;
      list += (list.empty() ? "" : ", ") + SliceText(a.slice) + (a.kind == LaunchArgument::Kind::kReadWrite ? "*" : "");
    }
    const kernels::WorkgroupCount& groups = kernel.workgroups;
    text_ +=
        fmt::format("launch {}({}) -> {}  k{} x{}{}{}  // {}\n", kernel.module.name, reads, writes, launch.kernel, CountText(groups.sizes, 1),
                    groups.divisor != 1 ? fmt::format("/{}", groups.divisor) : "", groups.factor != 1 ? fmt::format("*{}", groups.factor) : "", launch.name);
  }
  void Action(const program::Copy& copy, int) { text_ += fmt::format("copy {} -> {}\n", SliceText(copy.source), SliceText(copy.destination)); }
  void Action(const program::Fill& fill, int) { text_ += fmt::format("fill {} with {:#010x}\n", SliceText(fill.destination), fill.pattern); }
  void Action(const program::While& loop, int depth) {
    text_ += loop.trip_count ? fmt::format("repeat {} times\n", *loop.trip_count) : fmt::format("while {}\n", SliceText(loop.predicate));
    if (!loop.trip_count) {
      Block(loop.condition, depth + 1);
      text_ += fmt::format("     {}do\n", std::string(static_cast<size_t>(depth) * 2, ' '));
    }
    Block(loop.body, depth + 1);
  }
  void Action(const program::Conditional& conditional, int depth) {
    text_ += fmt::format("switch {}\n", SliceText(conditional.selector));
    for (size_t i = 0; i < conditional.branches.size(); ++i) {
      text_ += fmt::format("     {}case {}\n", std::string(static_cast<size_t>(depth) * 2, ' '), i);
      Block(conditional.branches[i], depth + 1);
    }
  }

  const program::Program& program_;
  std::string text_;
  int number_ = 0;
};

int64_t Launches(const program::Block& block) {
  int64_t count = 0;
  for (const program::Step& step : block) {
    if (std::holds_alternative<program::Launch>(step.action)) ++count;
    if (const auto* loop = std::get_if<program::While>(&step.action)) {
      count += loop->trip_count ? *loop->trip_count * Launches(loop->body) : Launches(loop->condition) + Launches(loop->body);
    }
    if (const auto* conditional = std::get_if<program::Conditional>(&step.action)) {
      int64_t most = 0;
      for (const program::Block& branch : conditional->branches) most = std::max(most, Launches(branch));
      count += most;
    }
  }
  return count;
}

}  // namespace

std::string Describe(const program::Program& program) { return Describer(program).Run(); }

int64_t LaunchCount(const program::Program& program) { return Launches(program.steps); }

}  // namespace tfvk::compiler
