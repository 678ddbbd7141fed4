// What a launch reads and computes, and at which indices: the facts that fusion, aliasing and cost decisions rest on.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <unordered_set>
#include <vector>

#include "ir/graph.h"

namespace tfvk::compiler {

using Members = std::unordered_set<const ir::Node*>;

// The value whose memory `value` lies in: reshapes are views and cost nothing.
ir::Value Base(ir::Value value);

// Operations whose result at an index follows from their operands at some indices (elementwise ones and data movement): they can be computed inside any
// launch. All others are *heroes*: they decide the kind of their launch.
bool IsElemental(const ir::Node& node);
bool IsElementwise(ir::Op op);
// Whether the result is one number that a launch over the elements of operand 0 makes by the way: the launch that computes them, or one of its own.
bool IsByTheWay(const ir::Node& node);
// The tensor over whose elements the launch walks that has this output.
const ir::TensorType& WalkedType(ir::Value output);
// Not where only the operands' shapes count (get_dimension_size).
bool ReadsOperands(const ir::Node& node);
// A constant of one element or of equal elements: written into the kernels that use it.
bool IsInlineConstant(const ir::Node& node);
// Needs no memory at all: inline constants, iotas, and broadcasts and reshapes of such.
bool IsTrivial(const ir::Node& node);
// Instructions of one evaluation, where an addition costs 1.
double Cost(const ir::Node& node);
// The number of elements, with run-time sizes taken as 1024.
double EstimatedCount(const Shape& shape);
double EstimatedBytes(const ir::TensorType& type);

// How a hero uses operand i.
enum class Slot : uint8_t {
  kMemory,  // as a whole tensor in memory
  kFused,   // element by element: a producer may be computed inside the launch
  kScalar,  // one element, read once by each invocation at most
};
Slot SlotOf(const ir::Node& hero, int operand);
// How often a hero evaluates elements of a kFused operand in all.
double Evaluations(const ir::Node& hero, int operand);
// The value that the hero wants in memory for a kMemory operand: its Base, or for a dot the source of transposes that strides can express.
ir::Value MemorySource(const ir::Node& hero, int operand);

// A launch's reads and inner values. A *context* is a way from the launch's index space to a tensor's index: 0 is the identity (the element at the same
// row-major position as the result's), every movement operation makes another.
struct Access {
  std::map<ir::Value, std::set<int>> reads;    // from memory; whole-tensor operands of heroes have context kWhole
  std::map<ir::Value, std::set<int>> emitted;  // computed in registers
  std::vector<double> evaluations;             // of a context
  double emissions = 0;                        // values computed in code, over all contexts
  bool too_large = false;                      // the walk was given up

  bool ReadsOnlyAtIdentity(ir::Value v) const;
  double EvaluationsOf(ir::Value v) const;  // over its contexts
};
inline constexpr int kIdentity = 0;
inline constexpr int kWhole = -1;

// Walks from `outputs` and from the heroes' operands through the members. `space` is the number of elements of the launch's results.
Access Analyze(const std::vector<ir::Value>& outputs, const std::vector<const ir::Node*>& heroes, const Members& members, double space);

}  // namespace tfvk::compiler
