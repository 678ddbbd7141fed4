// Element functions of graph nodes: writes the code that computes one element of a value from elements of the values it depends on.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "compiler/fusion.h"
#include "compiler/position.h"
#include "ir/graph.h"
#include "kernels/emitter.h"

namespace tfvk::compiler {

// The operands of a launch: which kernel operand holds a value.
using OperandNumbers = std::map<ir::Value, int>;

// One ElementEmitter lives as long as one call of a kernel's element function: everything it emits dominates what it emits later, so that a value is
// computed once for each index at which it is needed.
class ElementEmitter {
 public:
  ElementEmitter(kernels::Emitter& emitter, const Members& members, const OperandNumbers& operands);
  ElementEmitter(kernels::Emitter& emitter, const Fusion& fusion, const OperandNumbers& operands);

  // Gives a value without computing it, whatever the index: an accumulated result of a hero, a region's parameter.
  void Bind(ir::Value value, spirv::Value element) { bound_[value] = element; }
  // The accumulated result of a hero, which is rounded here if it must be.
  void BindResult(ir::Value value, spirv::Value element);
  // f16 and bf16 results are rounded after every operation, but for those that a fusion names, so that a value is the same wherever it is computed. Off
  // inside combiners, which may accumulate in f32.
  void KeepExcessPrecision() { round_ = false; }

  // The element in its compute type. Members are computed, operands read. Throws Error(kUnimplemented) when the device cannot.
  spirv::Value Element(ir::Value value, const Position& at);
  // The one element of a scalar.
  spirv::Value Scalar(ir::Value value) { return Element(value, {}); }
  // A value rounded to what memory of the dtype holds.
  spirv::Value Rounded(spirv::Value v, DType dtype);

 private:
  bool Rounds(const ir::Node& node) const { return round_ && (exceeding_ == nullptr || exceeding_->count(&node) == 0); }
  spirv::Value Emit(const ir::Node& node, const Position& at);
  spirv::Value Elementwise(const ir::Node& node, const Position& at);
  bool ReadsBits(const ir::Node& node) const;  // a bitcast-convert whose operand lies in memory and would change on its way through f32
  spirv::Value MemoryAs(DType dtype, ir::Value value, const Position& at);
  spirv::Value OperandBits(const ir::Node& node, const kernels::Index& index);  // of a bitcast-convert
  spirv::Value WidthChangingBitcast(const ir::Node& node, const Position& at);
  // element_movement.cc
  spirv::Value Movement(const ir::Node& node, const Position& at);
  spirv::Value Broadcast(const ir::Node& node, const Position& at);
  spirv::Value Slice(const ir::Node& node, const kernels::Index& index);
  spirv::Value Pad(const ir::Node& node, const kernels::Index& index);
  spirv::Value Concatenate(const ir::Node& node, const kernels::Index& index, size_t first, size_t last, const std::vector<spirv::Value>& ends);
  spirv::Value Concatenate(const ir::Node& node, const kernels::Index& index);
  spirv::Value DynamicSlice(const ir::Node& node, const kernels::Index& index);
  spirv::Value DynamicUpdateSlice(const ir::Node& node, const Position& at);
  spirv::Value Gather(const ir::Node& node, const kernels::Index& index);
  // A start index moved into [0, size - slice], as u32, or as u64 where the size needs it.
  spirv::Value ClampedStart(spirv::Value start, const Size& size, const Size& slice);
  // An index of a slice in the whole.
  spirv::Value Shifted(spirv::Value index, spirv::Value start);
  spirv::Value At(ir::Value value, const kernels::Index& index) { return Element(value, Positions::Of(value.type().shape, index)); }
  spirv::Value Choose(spirv::Value condition, const std::function<spirv::Value()>& then, const std::function<spirv::Value()>& otherwise, DType dtype);

  friend spirv::Value ClampStart(ElementEmitter& elements, spirv::Value start, const Size& size, const Size& slice);

  kernels::Emitter& e_;
  const Members& members_;
  const OperandNumbers& operands_;
  ScopedValues values_;
  Positions positions_;
  std::map<ir::Value, spirv::Value> bound_;
  const Members* exceeding_ = nullptr;
  bool round_ = true;
};

// A start index of a dynamic slice as u32, moved into [0, size - slice].
spirv::Value ClampStart(ElementEmitter& elements, spirv::Value start, const Size& size, const Size& slice);

// The results of a region of scalars (a combiner, a comparator) for the given arguments.
std::vector<spirv::Value> EmitRegion(kernels::Emitter& emitter, const ir::Graph& region, const std::vector<spirv::Value>& arguments,
                                     bool keep_excess_precision);

}  // namespace tfvk::compiler
