#include "compiler/block_compiler.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "compiler/block_compiler_state.h"
#include "compiler/lower.h"
#include "types/error.h"

namespace tfvk::compiler {
namespace {

using ir::Op;
using ir::Value;
using program::BufferSlice;

bool Same(const BufferSlice& a, const BufferSlice& b) { return a.kind == b.kind && a.index == b.index && a.offset == b.offset; }

bool IsSource(const ir::Node& node) { return node.op == Op::kParameter || (node.op == Op::kConstant && !IsInlineConstant(node)); }

bool IsControlFlow(const Fusion& fusion) { return !fusion.is_map() && (fusion.hero()->op == Op::kWhile || fusion.hero()->op == Op::kConditional); }

// The operands that a launch updates in place: result i starts out as operand i.
size_t UpdatedOperands(const Fusion& fusion) {
  if (fusion.is_map()) return 0;
  const ir::Node& hero = *fusion.hero();
  if (hero.op == Op::kScatter) return hero.results.size();
  return IsInPlaceUpdate(hero) ? 1 : 0;
}

bool IsEmpty(const ir::TensorType& type) { return std::find(type.shape.begin(), type.shape.end(), Size(0)) != type.shape.end(); }

}  // namespace

std::string LaunchName(const Fusion& fusion) {
  const ir::Node& root = fusion.root();
  return root.origin.empty() ? KernelName(fusion) : root.origin;
}

BlockCompiler::BlockCompiler(ProgramBuilder& builder, const ir::Graph& graph, std::vector<BufferSlice> parameters, std::vector<Place> places)
    : builder_(builder),
      graph_(graph),
      places_(std::move(places)),
      fusions_(FormFusions(graph, builder.limits(), builder.options().fuse, builder.options().excess_precision)) {
  Require(parameters.size() == graph.parameters().size() && places_.size() == graph.outputs.size(), "a block got {} parameters and {} outputs, not {} and {}",
          parameters.size(), places_.size(), graph.parameters().size(), graph.outputs.size());
  for (size_t i = 0; i < parameters.size(); ++i) slices_[{graph.parameters()[i], 0}] = parameters[i];
}

program::Block BlockCompiler::Run() {
  ListItems();
  PartialOrder order = DataOrder();
  OrderInPlaceWrites(order);
  for (const Item& item : items_) {
    for (Value v : ReadsOf(item)) ++pending_reads_[v];
  }
  ClearMaxima();
  for (int item : Schedule(order, Footprints())) Emit(items_[item]);
  for (const auto& [value, output] : final_copies_) Copy(SliceOf(value), places_[output].slice);
  return std::move(block_);
}

void BlockCompiler::ListItems() {
  for (const Fusion& fusion : fusions_) items_.push_back({&fusion, -1, {}});
  for (size_t i = 0; i < graph_.outputs.size(); ++i) {
    const int output = static_cast<int>(i);
    const Value value = Base(graph_.outputs[i]);
    if (IsSource(*value.node)) {
      if (!Same(SliceOf(value), places_[i].slice)) items_.push_back({nullptr, output, value});
    } else if (IsByTheWay(*value.node) || !place_of_.try_emplace(value, output).second) {
      final_copies_.emplace_back(value, output);
    }
  }
}

std::vector<Value> BlockCompiler::ReadsOf(const Item& item) const {
  if (!item.fusion) return {item.source};
  std::vector<Value> reads;
  for (const auto& [value, contexts] : item.fusion->access.reads) reads.push_back(value);
  return reads;
}

PartialOrder BlockCompiler::DataOrder() const {
  std::map<Value, int> producer;
  for (size_t i = 0; i < items_.size(); ++i) {
    if (!items_[i].fusion) continue;
    for (Value v : items_[i].fusion->outputs) producer[v] = static_cast<int>(i);
  }
  PartialOrder order(static_cast<int>(items_.size()));
  for (size_t i = 0; i < items_.size(); ++i) {
    for (Value v : ReadsOf(items_[i])) {
      auto it = producer.find(v);
      if (it == producer.end()) continue;
      Require(order.Add(it->second, static_cast<int>(i)), "two launches of a graph wait for each other");
    }
  }
  return order;
}

void BlockCompiler::OrderInPlaceWrites(PartialOrder& order) {
  for (size_t i = 0; i < items_.size(); ++i) {
    const int writer = static_cast<int>(i);
    std::vector<std::pair<Value, int>> written;  // value, output
    if (items_[i].fusion) {
      for (Value v : items_[i].fusion->outputs) {
        auto place = place_of_.find(v);
        if (place != place_of_.end()) written.emplace_back(v, place->second);
      }
    } else {
      written.emplace_back(items_[i].source, items_[i].output);
    }
    for (const auto& [value, output] : written) {
      const int parameter = places_[output].aliased_parameter;
      if (parameter < 0 || OrderWrite(order, writer, {graph_.parameters()[parameter], 0})) continue;
      final_copies_.emplace_back(value, output);
      if (items_[i].fusion) {
        place_of_.erase(value);
      } else {
        items_[i].output = -1;  // saved to a temporary first
      }
    }
  }
}

bool BlockCompiler::OrderWrite(PartialOrder& order, int writer, Value overwritten) {
  if (!MayOverwriteItsOperand(items_[writer], overwritten)) return false;
  for (size_t reader = 0; reader < items_.size(); ++reader) {
    if (static_cast<int>(reader) == writer) continue;
    const std::vector<Value> reads = ReadsOf(items_[reader]);
    if (std::find(reads.begin(), reads.end(), overwritten) == reads.end()) continue;
    if (!order.Add(static_cast<int>(reader), writer)) return false;
  }
  return true;
}

// Safe where each invocation reads only the element that it writes, and where the kernel is made to work in place.
bool BlockCompiler::MayOverwriteItsOperand(const Item& item, Value operand) const {
  if (!item.fusion) return true;
  const Fusion& fusion = *item.fusion;
  auto read = fusion.access.reads.find(operand);
  if (read == fusion.access.reads.end()) return true;
  if (IsControlFlow(fusion)) return false;
  if (UpdatedOperands(fusion) > 0) {
    return UpdatedOperands(fusion) == 1 && Base(fusion.hero()->operands[0]) == operand && read->second == std::set<int>{kWhole};
  }
  return fusion.access.ReadsOnlyAtIdentity(operand);
}

std::vector<Footprint> BlockCompiler::Footprints() const {
  std::vector<Footprint> footprints;
  for (const Item& item : items_) {
    Footprint footprint;
    if (item.fusion) {
      for (Value v : item.fusion->outputs) {
        if (!place_of_.count(v) && !IsByTheWay(*v.node)) footprint.allocates += EstimatedBytes(v.type());
      }
    }
    for (Value v : ReadsOf(item)) {
      if (!IsSource(*v.node) && !place_of_.count(v)) footprint.reads.push_back(v);
    }
    footprints.push_back(std::move(footprint));
  }
  return footprints;
}

BufferSlice BlockCompiler::SliceOf(Value value) {
  auto it = slices_.find(value);
  if (it != slices_.end()) return it->second;
  Require(value.node->op == Op::kConstant, "{} is used before it is computed", ir::Name(value.node->op));
  return slices_[value] = builder_.Constant(*value.node);
}

BufferSlice BlockCompiler::Allocate(Value result) {
  auto place = place_of_.find(result);
  if (place != place_of_.end()) return slices_[result] = places_[place->second].slice;
  const BufferSlice slice = builder_.NewTemporary(result.type());
  own_.insert(slice.index);
  return slices_[result] = slice;
}

void BlockCompiler::ClearMaxima() {
  constexpr int64_t kApart = 128;  // they change at the same time: a cache line each
  std::vector<Value> values;
  for (const Fusion& fusion : fusions_) {
    std::copy_if(fusion.outputs.begin(), fusion.outputs.end(), std::back_inserter(values), [](Value v) { return IsByTheWay(*v.node); });
  }
  if (values.empty()) return;
  const BufferSlice all = builder_.NewTemporary(program::ByteCount{{}, kApart * static_cast<int64_t>(values.size())});
  block_.push_back({program::Fill{all, 0}});
  for (size_t i = 0; i < values.size(); ++i) {
    BufferSlice slice = all;
    slice.offset = kApart * static_cast<int64_t>(i);
    slice.bytes = BytesOf(values[i].type());
    slices_[values[i]] = slice;
  }
}

bool BlockCompiler::Dies(Value value) const {
  auto slice = slices_.find(value);
  if (slice == slices_.end() || slice->second.kind != BufferSlice::Kind::kTemporary || !own_.count(slice->second.index)) return false;
  const bool copied = std::any_of(final_copies_.begin(), final_copies_.end(), [&](const auto& copy) { return copy.first == value; });
  auto reads = pending_reads_.find(value);
  return !copied && (reads == pending_reads_.end() || reads->second == 0);
}

BufferSlice BlockCompiler::TakeOver(Value source, Value result, bool may_share) {
  const BufferSlice from = SliceOf(source);
  if (may_share && !place_of_.count(result) && Dies(source)) return slices_[result] = from;
  const BufferSlice to = Allocate(result);
  Copy(from, to);
  return to;
}

void BlockCompiler::Copy(const BufferSlice& source, const BufferSlice& destination) {
  if (!Same(source, destination)) block_.push_back({program::Copy{source, destination}});
}

void BlockCompiler::Emit(const Item& item) {
  for (Value v : ReadsOf(item)) --pending_reads_[v];
  if (item.fusion) return EmitLaunch(*item.fusion);
  if (item.output >= 0) return Copy(SliceOf(item.source), places_[item.output].slice);
  const BufferSlice saved = builder_.NewTemporary(item.source.type());
  Copy(SliceOf(item.source), saved);
  slices_[item.source] = saved;
}

void BlockCompiler::EmitLaunch(const Fusion& fusion) {
  if (IsControlFlow(fusion)) return fusion.hero()->op == Op::kWhile ? EmitWhile(*fusion.hero()) : EmitConditional(*fusion.hero());
  OperandNumbers numbers;
  std::vector<BufferSlice> operands, results;
  for (const auto& [value, contexts] : fusion.access.reads) {
    numbers[value] = static_cast<int>(operands.size());
    operands.push_back(SliceOf(value));
  }
  const size_t updated = UpdatedOperands(fusion);
  for (size_t r = 0; r < fusion.outputs.size(); ++r) {
    const Value result = fusion.outputs[r];
    if (r < updated) {
      const Value source = Base(fusion.hero()->operands[r]);
      const bool only_use = updated == 1 && fusion.access.reads.at(source) == std::set<int>{kWhole};
      results.push_back(TakeOver(source, result, only_use));
      if (only_use) operands[numbers.at(source)] = results.back();
    } else {
      results.push_back(IsByTheWay(*result.node) ? slices_.at(result) : Allocate(result));
    }
  }
  const bool empty = std::all_of(fusion.outputs.begin(), fusion.outputs.end(), [](Value v) { return IsEmpty(v.type()); });
  if (empty) return;
  kernels::KernelSequence sequence = Lower({fusion, numbers, builder_.limits(), builder_.options()});
  builder_.AppendLaunches(block_, std::move(sequence), operands, results, LaunchName(fusion));
}

program::Block CompileBlock(ProgramBuilder& builder, const ir::Graph& graph, std::vector<BufferSlice> parameters, std::vector<Place> places) {
  return BlockCompiler(builder, graph, std::move(parameters), std::move(places)).Run();
}

}  // namespace tfvk::compiler
