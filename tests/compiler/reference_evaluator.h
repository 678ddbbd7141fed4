// A naive evaluator of graphs, the oracle of the compiler's tests: plain loops over numbers, one function an operation, nothing shared with the compiler.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/graph.h"

namespace tfvk::reference {

// One element: `f` holds floats (as the dtype rounds them), `i` integers and bools (wrapped to the dtype; u64 as its bits).
struct Number {
  double f = 0;
  int64_t i = 0;
};

struct Tensor {
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  std::vector<Number> elements;  // row-major

  int64_t count() const { return static_cast<int64_t>(elements.size()); }
};

Number FromBytes(DType dtype, const uint8_t* bytes);
void ToBytes(DType dtype, Number n, uint8_t* bytes);
Tensor FromBytes(const ir::TensorType& type, const std::vector<uint8_t>& bytes);
std::vector<uint8_t> ToBytes(const Tensor& tensor);

// Rounds floats and wraps integers to what the dtype can hold.
Number Rounded(DType dtype, Number n);
// Elementwise operations on numbers.
Number EvaluateElementwise(const ir::Node& node, const std::vector<Number>& operands);

// The graph's outputs. Static shapes only.
std::vector<Tensor> Evaluate(const ir::Graph& graph, const std::vector<Tensor>& arguments);

}  // namespace tfvk::reference
