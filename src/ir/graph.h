// Our graph of tensor operations: what both doors produce and what compiler/ turns into a Program.
//
// Operations are named and defined as in StableHLO (https://openxla.org/stablehlo/spec), with row-major tensors. A Graph owns its nodes in topological
// order; a node's operands come before it. Regions (the bodies of reduce, while, ...) are Graphs whose parameters are numbered from 0.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "types/dtype.h"
#include "types/size.h"

namespace tfvk::ir {

struct TensorType {
  DType dtype = DType::kF32;
  Shape shape;
  friend bool operator==(const TensorType& a, const TensorType& b) { return a.dtype == b.dtype && a.shape == b.shape; }
  friend bool operator!=(const TensorType& a, const TensorType& b) { return !(a == b); }
};

// clang-format off
enum class Op : uint8_t {
  // Sources.
  kParameter, kConstant, kIota, kDimensionSize, kRngBitGenerator,
  // One operand, elementwise.
  kAbs, kNegate, kSign, kNot, kExp, kExpm1, kLog, kLog1p, kLogistic, kSqrt, kRsqrt, kCbrt, kSin, kCos, kTan, kTanh, kErf, kErfc,
  kFloor, kCeil, kRoundNearestAfz, kRoundNearestEven, kIsFinite, kPopcnt, kClz, kConvert, kBitcastConvert, kReducePrecision,
  // Two operands, elementwise.
  kAdd, kSubtract, kMultiply, kDivide, kRemainder, kPower, kAtan2, kMaximum, kMinimum, kAnd, kOr, kXor,
  kShiftLeft, kShiftRightLogical, kShiftRightArithmetic, kCompare,
  // Three operands, elementwise.
  kSelect, kClamp,
  // Data movement.
  kBroadcast, kReshape, kTranspose, kSlice, kPad, kConcatenate, kReverse, kDynamicSlice, kDynamicUpdateSlice, kGather, kScatter,
  // Contractions and windows. kLargestExponent: the largest biased exponent of an f32 tensor's finite elements (0 where none is normal), s32[].
  kReduce, kReduceWindow, kSelectAndScatter, kDot, kConvolution, kSort, kLargestExponent,
  // Control flow. Their operands are the values that the regions take as parameters.
  kWhile, kConditional,
};
// clang-format on
inline constexpr int kOpCount = static_cast<int>(Op::kConditional) + 1;

// "add", "broadcast_in_dim", ...: StableHLO's name.
const char* Name(Op op);

class Node;
class Graph;

// One result of a node.
struct Value {
  Node* node = nullptr;
  int result = 0;
  const TensorType& type() const;
  friend bool operator==(const Value& a, const Value& b) { return a.node == b.node && a.result == b.result; }
};
// The order of the nodes in their graph, so that what is compiled does not depend on where they happen to lie in memory.
bool operator<(const Value& a, const Value& b);

// ---- Attributes: one struct a family ----

// kParameter: its number. kIota, kDimensionSize, kConcatenate, kSort: the dimension. kBroadcast: for each operand dimension the result dimension it becomes.
// kTranspose: result dimension i is operand dimension dims[i]. kReverse, kReduce: the dimensions reversed or reduced away.
// kReducePrecision: {exponent bits, mantissa bits}. kDynamicSlice: the slice's sizes.
struct DimsAttr {
  std::vector<int64_t> dims;
};
struct ConstantAttr {  // dense row-major bytes; one element only when `splat`
  std::shared_ptr<const std::vector<uint8_t>> bytes;
  bool splat = false;
};
struct SliceAttr {  // a limit on a run-time dimension may be kToEnd
  std::vector<int64_t> start, limit, stride;
};
// In place of a limit (kSlice) or a slice's size (kDynamicSlice, kGather) on a dimension of run-time size: up to its end. kSlice of the whole dimension keeps
// its symbol, and so does kGather; otherwise the result has a symbol of its own there.
inline constexpr int64_t kToEnd = -1;
struct PadAttr {  // low and high may be negative
  std::vector<int64_t> low, high, interior;
};
enum class Comparison : uint8_t { kEq, kNe, kLt, kLe, kGt, kGe };
struct CompareAttr {
  Comparison direction = Comparison::kEq;
  bool total_order = false;  // floats: -NaN < -inf < ... < -0 < +0 < ... < inf < NaN
};
enum class Precision : uint8_t { kDefault, kHigh, kHighest };  // kDefault: what TensorFlow's TF32 switch allows for fp32
struct DotAttr {
  std::vector<int64_t> lhs_batch, rhs_batch, lhs_contract, rhs_contract;
  Precision precision = Precision::kDefault;
  // Result dimension i is dimension result_order[i] of batch..., lhs free..., rhs free...; empty: these as they are, which is all that StableHLO has.
  std::vector<int64_t> result_order = {};
};
struct WindowDim {
  int64_t size = 1, stride = 1, pad_low = 0, pad_high = 0;  // pads may be negative
  int64_t base_dilation = 1;                                // holes between elements of the operand (XLA's lhs_dilate)
  int64_t window_dilation = 1;                              // holes between elements of the window (rhs_dilate)
  bool reversal = false;                                    // the window is applied back to front (kConvolution only)
};
struct WindowAttr {  // kReduceWindow, kSelectAndScatter: one WindowDim an operand dimension
  std::vector<WindowDim> window;
};
struct ConvolutionAttr {  // window: one WindowDim a spatial dimension
  std::vector<WindowDim> window;
  int64_t input_batch = 0, input_feature = 0, kernel_input_feature = 0, kernel_output_feature = 0, output_batch = 0, output_feature = 0;
  std::vector<int64_t> input_spatial, kernel_spatial, output_spatial;
  int64_t feature_groups = 1, batch_groups = 1;
  Precision precision = Precision::kDefault;
};
struct GatherAttr {  // StableHLO's gather, without operand_batching_dims
  std::vector<int64_t> offset_dims, collapsed_slice_dims, start_index_map, slice_sizes;
  int64_t index_vector_dim = 0;
  bool indices_sorted = false;
};
struct ScatterAttr {  // StableHLO's scatter, without batching dims. Operands: inputs..., indices, updates...
  std::vector<int64_t> update_window_dims, inserted_window_dims, scatter_dims_to_operand_dims;
  int64_t index_vector_dim = 0;
  bool indices_sorted = false, unique_indices = false;
};
struct SortAttr {
  int64_t dimension = 0;
  bool stable = false;
};
enum class RngAlgorithm : uint8_t { kPhilox, kThreeFry };
struct RngAttr {  // operand: the u64 state; results: the new state, the bits
  RngAlgorithm algorithm = RngAlgorithm::kPhilox;
};
using Attributes = std::variant<std::monostate, DimsAttr, ConstantAttr, SliceAttr, PadAttr, CompareAttr, DotAttr, WindowAttr, ConvolutionAttr, GatherAttr,
                                ScatterAttr, SortAttr, RngAttr>;

class Node {
 public:
  Op op;
  int id = 0;  // unique in its graph, in topological order
  std::vector<Value> operands;
  std::vector<TensorType> results;  // one, but for variadic reduce, reduce_window, sort, scatter, rng, while, conditional
  Attributes attributes;
  // kReduce, kReduceWindow, kScatter: {combiner(acc..., value...)}; kSelectAndScatter: {select, scatter}; kSort: {comparator};
  // kWhile: {condition, body}; kConditional: one a branch, each taking all operands after the index (a pred selects branch 0 when true).
  std::vector<std::unique_ptr<Graph>> regions;
  std::string origin;  // the TensorFlow op (and HLO instruction) it came from, for messages and profiles

  template <class A>
  const A& attr() const {
    return std::get<A>(attributes);
  }
  const TensorType& type() const { return results[0]; }
  const TensorType& operand_type(int i) const { return operands[i].type(); }
};

class Graph {
 public:
  Graph() = default;
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  // Appends a node and returns its first result. The types given are trusted here; Verify checks them.
  Value Add(Op op, std::vector<Value> operands, std::vector<TensorType> results, Attributes attributes = {}, std::string origin = {});
  // As above for nodes with regions.
  Node* AddNode(Op op, std::vector<Value> operands, std::vector<TensorType> results, Attributes attributes, std::vector<std::unique_ptr<Graph>> regions,
                std::string origin = {});
  // Parameter `parameters().size()`.
  Value AddParameter(TensorType type, std::string origin = {});

  const std::vector<std::unique_ptr<Node>>& nodes() const { return nodes_; }
  const std::vector<Node*>& parameters() const { return parameters_; }

  std::vector<Value> outputs;
  // Output i may take parameter aliases[i]'s memory (a variable updated in place); -1: none. Empty: no aliases at all.
  std::vector<int> aliases;
  int symbol_count = 0;  // run-time sizes that the shapes refer to
  std::string name;

  // Drops nodes that no output needs (parameters stay) and renumbers.
  void RemoveDeadNodes();
  // Replaces every use of `from` in this graph (outputs included) by `to`.
  void ReplaceUses(Value from, Value to);

 private:
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<Node*> parameters_;
};

inline const TensorType& Value::type() const { return node->results[result]; }
inline bool operator<(const Value& a, const Value& b) {
  if (a.node == b.node) return a.result < b.result;
  if (!a.node || !b.node) return !a.node;
  return a.node->id != b.node->id ? a.node->id < b.node->id : a.node < b.node;  // equal ids: of different graphs
}

// Checks operand counts, dtypes, shapes and attributes of every node against StableHLO's rules, regions included.
// Throws Error(kInternal) naming the node, its shapes and its origin.
void Verify(const Graph& graph);

// The text form: one line a node, `%5 = add(%3, %4) : f32[8,?0]  // origin`. Constants above 16 elements are elided as `dense<...N bytes, hash>`.
std::string ToText(const Graph& graph);
// Reads ToText's form back (constants in full only). Throws Error(kInvalidArgument) with the line number.
std::unique_ptr<Graph> FromText(const std::string& text);

}  // namespace tfvk::ir
