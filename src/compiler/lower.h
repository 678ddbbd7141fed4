// Lowering: a fusion becomes kernels. One file a family.
#pragma once

#include <string>

#include "compiler/compiler.h"
#include "compiler/element_emitter.h"
#include "compiler/fusion.h"
#include "kernels/kernel.h"

namespace tfvk::compiler {

struct LoweringInput {
  const Fusion& fusion;
  const OperandNumbers& operands;  // of all values that the fusion reads
  const kernels::DeviceLimits& limits;
  const CompileOptions& options;

  kernels::Tensor Operand(ir::Value value) const;  // in the value's own shape, read from its Base
};

// The kernels of a fusion whose hero is not control flow. Operand i of the description is the value with number i, result i is fusion.outputs[i]. Results of
// scatter and in-place updates hold the updated operand already, and that operand has the results' memory.
// Throws Error(kUnimplemented) when some kernel generator or the device cannot.
kernels::KernelSequence Lower(const LoweringInput& input);

kernels::KernelSequence LowerMap(const LoweringInput& input);
kernels::KernelSequence LowerReduce(const LoweringInput& input);
kernels::KernelSequence LowerRows(const LoweringInput& input);
kernels::KernelSequence LowerReduceWindow(const LoweringInput& input);
kernels::KernelSequence LowerSelectAndScatter(const LoweringInput& input);
kernels::KernelSequence LowerDot(const LoweringInput& input);
kernels::KernelSequence LowerConvolution(const LoweringInput& input);
kernels::KernelSequence LowerScatter(const LoweringInput& input);
kernels::KernelSequence LowerInPlaceUpdate(const LoweringInput& input);
kernels::KernelSequence LowerSort(const LoweringInput& input);
kernels::KernelSequence LowerRandom(const LoweringInput& input);

// ---- What several families need ----

// A name made of the operations that the launch computes: equal for equal kernels.
std::string KernelName(const Fusion& fusion);
std::vector<DType> ResultDTypes(const Fusion& fusion);
// From the heroes' values (all results of all heroes in order) at an index of `shape` to the fusion's outputs; null when these are the same.
kernels::Epilogue EpilogueOf(const LoweringInput& input, const Shape& shape);
// A map's outputs at an index of `shape`.
kernels::Body MapBodyOf(const LoweringInput& input, const Shape& shape);
// Gives a hero's accumulated value to the code that follows, as the value's dtype holds it.
void BindAccumulated(kernels::Emitter& e, ElementEmitter& elements, ir::Value value, spirv::Value accumulated);
// The elements of some of a launch's `outputs` at a position, in order; of those made by the way, what this element adds to them.
std::vector<spirv::Value> OutputsAt(kernels::Emitter& e, ElementEmitter& elements, const std::vector<ir::Value>& outputs, const std::vector<ir::Value>& some,
                                    const Position& at);
// The elements of `values` at an index of `shape`.
kernels::Body BodyOf(const LoweringInput& input, std::vector<ir::Value> values, const Shape& shape);
// The elements of scalars.
kernels::Initial InitialOf(const LoweringInput& input, std::vector<ir::Value> values);
// A region of (accumulators..., values...) as a combiner of two tuples.
kernels::Combiner CombinerOf(const ir::Graph& region);
// As CombinerOf, of several regions whose accumulators and values lie side by side.
kernels::Combiner SideBySide(std::vector<const ir::Graph*> regions);
// The operation of a region that is one operation of its two parameters; null where it is not.
const ir::Node* SingleOperation(const ir::Graph& region);
// Whether `initial` is a constant that the region's operation leaves unchanged: 0 for add, 1 for multiply, the least value for maximum, ...
bool IsIdentityOf(const ir::Graph& region, ir::Value initial);
// Whether a node is a reduction that adds, of one operand and from zero.
bool IsSum(const ir::Node& node);
// The product of sizes; throws Error(kUnimplemented) when two factors are run-time sizes or one is multiplied by a number.
Size ProductOf(const Shape& shape, const std::vector<int64_t>& dims, const ir::Node& node);

}  // namespace tfvk::compiler
