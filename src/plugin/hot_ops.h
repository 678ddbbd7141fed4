// Hot ops: single ops that run often and with changing shapes. Their graphs are built straight in the IR with run-time sizes, so that a new shape compiles
// nothing and a call costs the host little. What one of them does not build goes to the generic kernel of door_ops.h.
//
// Of a call, the *pattern* decides the program (how shapes broadcast, which dimensions are reduced away) and the *sizes* are given to it at each run. A
// family of ops is a class derived from HotOp, in a file of its own, and its ops are rows of a table there.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/types/span.h"
#include "ir/graph.h"
#include "tensorflow/core/framework/kernel_def.pb.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace tfvk::plugin {

// The op's inputs; in place of a variable's handle its value.
using HotInputs = absl::Span<const tensorflow::Tensor* const>;

// What HotOp::Describe says of a call.
struct HotCall {
  enum class Route : uint8_t {
    kProgram,      // run the pattern's program
    kNothing,      // there is nothing to compute: the outputs are empty
    kPassThrough,  // output 0 is input 0 in another shape
    kGenericDoor,  // not built here
  };
  Route route = Route::kProgram;
  uint64_t pattern = 0;
  absl::InlinedVector<int64_t, 8> sizes;                    // of the graph's symbols
  absl::InlinedVector<tensorflow::TensorShape, 1> outputs;  // the op's, without the variables that it updates
};

// One node's op with its attributes. Const functions are called from several threads.
class HotOp {
 public:
  virtual ~HotOp() = default;
  // Checks the shapes, with TensorFlow's error class and words, and fills `call`.
  virtual absl::Status Describe(HotInputs inputs, HotCall& call) const = 0;
  // The graph for a pattern. Its parameters are the inputs that are in device memory, variables included; its outputs those of the op and then the new values
  // of `updated`. An alias lets an output take an input's memory when nobody else holds that.
  virtual void Build(uint64_t pattern, ir::Graph& graph) const = 0;
  // Inputs that are variables and get a new value.
  virtual std::vector<int> updated() const { return {}; }
};

// A table's row: the op and what makes it from its node. `make` may give null for a node that the generic kernel must run.
struct HotOpRow {
  const char* op;
  std::unique_ptr<HotOp> (*make)(tensorflow::OpKernelConstruction*);
};

// The families' tables.
const std::vector<HotOpRow>& HotElementwiseOps();
const std::vector<HotOpRow>& HotMatmulOps();
const std::vector<HotOpRow>& HotReduceOps();
const std::vector<HotOpRow>& HotOptimizerOps();

// Whether the device's back end and some table have this op.
bool IsHotOp(const std::string& op);

// Registers the hot kernel for these types; takes the definition.
void RegisterHotOp(std::unique_ptr<tensorflow::KernelDef> definition);

// Sizes up to which run-time sizes are counted in 32 bits, with room for the surplus of the last workgroups.
inline constexpr int64_t kMostHotElements = int64_t{1} << 31;

}  // namespace tfvk::plugin
