#include "compiler/compiler.h"

#include <memory>
#include <utility>

#include "compiler/block_compiler.h"
#include "compiler/memory_plan.h"
#include "compiler/moments.h"
#include "compiler/narrow_products.h"
#include "compiler/program_builder.h"
#include "compiler/transposed_products.h"
#include "types/error.h"

namespace tfvk::compiler {
namespace {

using program::BufferSlice;

BufferSlice SliceOf(BufferSlice::Kind kind, size_t index, const ir::TensorType& type) {
  BufferSlice slice;
  slice.kind = kind;
  slice.index = static_cast<int>(index);
  slice.bytes = BytesOf(type);
  return slice;
}

program::TensorInfo InfoOf(const ir::TensorType& type, std::string name) { return {type.dtype, type.shape, std::move(name)}; }

}  // namespace

std::unique_ptr<ir::Graph> Rewritten(const ir::Graph& graph, const kernels::DeviceLimits& limits, const CompileOptions& options) {
  std::unique_ptr<ir::Graph> rewritten;
  const auto rewrite = [&](std::unique_ptr<ir::Graph> next) {
    if (next) rewritten = std::move(next);
  };
  const auto latest = [&]() -> const ir::Graph& { return rewritten ? *rewritten : graph; };
  if (options.fuse) {
    rewrite(TransposeProducts(graph));
    rewrite(JoinMoments(latest()));
  }
  if (options.allow_tf32 && options.narrow_products) rewrite(NarrowProducts(latest(), limits));
  return rewritten;
}

program::Program Compile(const ir::Graph& given, const kernels::DeviceLimits& limits, const CompileOptions& options) {
  const std::unique_ptr<ir::Graph> rewritten = Rewritten(given, limits, options);
  const ir::Graph& graph = rewritten ? *rewritten : given;
  ProgramBuilder builder(limits, options);
  std::vector<BufferSlice> parameters;
  std::vector<Place> places;
  for (size_t i = 0; i < graph.parameters().size(); ++i) {
    const ir::Node& node = *graph.parameters()[i];
    builder.program().parameters.push_back(InfoOf(node.type(), node.origin));
    parameters.push_back(SliceOf(BufferSlice::Kind::kParameter, i, node.type()));
  }
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    const int alias = graph.aliases.empty() ? -1 : graph.aliases.at(i);
    Require(alias < static_cast<int>(parameters.size()), "output {} is to take the memory of parameter {} of {}", i, alias, parameters.size());
    builder.program().outputs.push_back(InfoOf(graph.outputs[i].type(), graph.outputs[i].node->origin));
    builder.program().aliases.push_back(alias);
    places.push_back({SliceOf(BufferSlice::Kind::kOutput, i, graph.outputs[i].type()), alias});
  }
  builder.program().name = graph.name;
  builder.program().symbol_count = graph.symbol_count;
  builder.program().steps = CompileBlock(builder, graph, std::move(parameters), std::move(places));
  program::Program program = std::move(builder.program());
  PlanMemory(program);
  return program;
}

}  // namespace tfvk::compiler
