// The state of compiling one block, shared by block_compiler.cc and lower_control_flow.cc.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "compiler/block_compiler.h"
#include "compiler/fusion.h"
#include "compiler/schedule.h"

namespace tfvk::compiler {

// One thing to schedule: a launch, or an output that is a parameter's or constant's copy.
struct Item {
  const Fusion* fusion = nullptr;
  int output = -1;  // without a fusion: the output that is copied
  ir::Value source;
};

class BlockCompiler {
 public:
  BlockCompiler(ProgramBuilder& builder, const ir::Graph& graph, std::vector<program::BufferSlice> parameters, std::vector<Place> places);
  program::Block Run();

 private:
  // ---- Order ----
  void ListItems();
  PartialOrder DataOrder() const;
  // Makes writes into places wait for the last reads of what they overwrite; where that cannot be, the value goes to a temporary and is copied at the end.
  void OrderInPlaceWrites(PartialOrder& order);
  bool OrderWrite(PartialOrder& order, int writer, ir::Value overwritten);
  bool MayOverwriteItsOperand(const Item& item, ir::Value operand) const;
  std::vector<Footprint> Footprints() const;
  std::vector<ir::Value> ReadsOf(const Item& item) const;

  // ---- Memory ----
  program::BufferSlice SliceOf(ir::Value value);  // of a value in memory already, in the value's type
  // Where a result is written: its place, or a new temporary.
  program::BufferSlice Allocate(ir::Value result);
  // Gives the results that launches make by the way (IsByTheWay) zeros to begin with.
  void ClearMaxima();
  // Whether the value's memory is this block's own and nobody reads it after the current item.
  bool Dies(ir::Value value) const;
  // The slice of `result`, which starts out with the contents of `source`: the same memory when the source dies, else a copy.
  program::BufferSlice TakeOver(ir::Value source, ir::Value result, bool may_share);
  void Copy(const program::BufferSlice& source, const program::BufferSlice& destination);

  // ---- Steps ----
  void Emit(const Item& item);
  void EmitLaunch(const Fusion& fusion);
  void EmitWhile(const ir::Node& loop);        // lower_control_flow.cc
  void EmitConditional(const ir::Node& node);  // lower_control_flow.cc
  program::BufferSlice LoopState(const ir::Node& loop, size_t i);

  ProgramBuilder& builder_;
  const ir::Graph& graph_;
  std::vector<Place> places_;
  std::vector<Fusion> fusions_;
  std::vector<Item> items_;
  std::map<ir::Value, program::BufferSlice> slices_;
  std::map<ir::Value, int> place_of_;                    // outputs that are computed where they belong
  std::map<ir::Value, int> pending_reads_;               // by items not emitted yet
  std::set<int> own_;                                    // temporaries of this block that hold one value
  std::vector<std::pair<ir::Value, int>> final_copies_;  // into places, when all else is done
  program::Block block_;
};

// What a launch is called in profiles: where its hero or last result came from.
std::string LaunchName(const Fusion& fusion);

}  // namespace tfvk::compiler
