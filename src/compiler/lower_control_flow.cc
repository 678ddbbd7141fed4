// Loops and conditionals: their regions become blocks over shared memory.
#include <algorithm>
#include <optional>
#include <utility>

#include "compiler/block_compiler_state.h"
#include "compiler/constant_value.h"
#include "compiler/trip_count.h"
#include "types/error.h"

namespace tfvk::compiler {

using ir::Value;
using program::BufferSlice;

namespace {

// The loop leaves state `i` as it is.
bool IsInvariant(const ir::Node& loop, size_t i) {
  const ir::Graph& body = *loop.regions[1];
  return Base(body.outputs[i]) == Value{body.parameters()[i], 0};
}

}  // namespace

BufferSlice BlockCompiler::LoopState(const ir::Node& loop, size_t i) {
  const Value initial = Base(loop.operands[i]), result{const_cast<ir::Node*>(&loop), static_cast<int>(i)};
  const auto uses = std::count_if(loop.operands.begin(), loop.operands.end(), [&](Value v) { return Base(v) == initial; });
  if (!IsInvariant(loop, i)) return TakeOver(initial, result, uses == 1);

  const BufferSlice slice = SliceOf(initial);
  const bool has_place = place_of_.count(result) > 0;
  const bool used = has_place || pending_reads_[result] > 0 ||
                    std::any_of(final_copies_.begin(), final_copies_.end(), [&](const auto& copy) { return copy.first == result; });
  // A parameter may be overwritten after the loop, while the loop's result is still needed.
  if (has_place || (used && initial.node->op == ir::Op::kParameter)) {
    Copy(slice, Allocate(result));
  } else {
    slices_[result] = slice;
    if (slice.kind == BufferSlice::Kind::kTemporary) own_.erase(slice.index);
  }
  return slice;
}

void BlockCompiler::EmitWhile(const ir::Node& loop) {
  std::vector<BufferSlice> state;
  std::vector<Place> places;
  for (size_t i = 0; i < loop.operands.size(); ++i) {
    state.push_back(LoopState(loop, i));
    places.push_back({state.back(), static_cast<int>(i)});
  }
  program::While step;
  step.trip_count = TripCount(loop);
  if (!step.trip_count) {
    step.predicate = builder_.NewTemporary(ir::TensorType{DType::kBool, {}});
    step.condition = CompileBlock(builder_, *loop.regions[0], state, {{step.predicate, -1}});
  }
  step.body = CompileBlock(builder_, *loop.regions[1], state, places);
  block_.push_back({std::move(step)});
}

void BlockCompiler::EmitConditional(const ir::Node& node) {
  std::vector<BufferSlice> arguments;
  for (size_t i = 1; i < node.operands.size(); ++i) arguments.push_back(SliceOf(Base(node.operands[i])));
  std::vector<Place> places;
  for (size_t r = 0; r < node.results.size(); ++r) places.push_back({Allocate({const_cast<ir::Node*>(&node), static_cast<int>(r)}), -1});
  program::Conditional step;
  step.selector = SliceOf(Base(node.operands[0]));
  step.selector_is_bool = node.operand_type(0).dtype == DType::kBool;
  for (const auto& branch : node.regions) step.branches.push_back(CompileBlock(builder_, *branch, arguments, places));
  block_.push_back({std::move(step)});
}

}  // namespace tfvk::compiler
