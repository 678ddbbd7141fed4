// Matrix multiplication, batched, with any operand layout: result[b, m, n] = epilogue(sum over k of lhs[b, m, k] * rhs[b, k, n]).
#pragma once

#include <optional>

#include "kernels/emitter.h"

namespace tfvk::kernels {

struct BatchDimension {
  Size size, stride;
};
// Matrices read straight from memory: element (batch, outer, k) at `the batch's offset + outer * outer_stride + k * k_stride`, where outer is m (left) or n
// (right). The batch's number is one in dimensions of their own strides, the last one running fastest; their sizes multiply to the product's batch.
struct StridedMatrix {
  Tensor tensor;
  std::vector<BatchDimension> batch;  // none: all read the same matrix
  Size outer_stride, k_stride;
};
struct GemmOperand {
  DType dtype = DType::kF32;
  std::optional<StridedMatrix> memory;  // the fast way
  Body body;                            // else the element at {batch, outer, k}: a fused producer
};
enum class GemmPrecision : uint8_t {
  kFull,         // fp32 multiply-add for fp32 operands
  kTensorFloat,  // fp32 operands may lose bits as TF32 does (10 mantissa bits at the least)
};
// Results that lie otherwise than [batch][m][n]: these three are taken apart, and dimension i of the results is dimension dims[i] of all theirs in a row.
struct ResultOrder {
  Shape batch, m, n;  // static
  std::vector<int64_t> dims;
};
struct GemmSpec {
  std::string name;
  Size batch = 1, m = 1, n = 1, k = 1;
  GemmOperand lhs, rhs;
  DType accumulator = DType::kF32;  // f32 for f16, bf16 and f32 operands; f64, s32, u32, s64, u64 for theirs
  GemmPrecision precision = GemmPrecision::kFull;
  size_t plan_rank = 0;        // 0: the plan that the model of gemm_tiles.h likes best; 1: the next; beyond the last one: the last
  std::vector<DType> results;  // row-major [batch, m, n], or in `order`
  Epilogue epilogue;           // from {sum} at {batch, m, n}, or at the index in the results' order; null: the sum itself
  std::optional<ResultOrder> order;
};

// Chooses SIMT or cooperative matrices, tile sizes and split-K from sizes and limits. With run-time sizes the choice is made for large ones.
KernelSequence MakeGemm(const GemmSpec& spec, const DeviceLimits& limits);

}  // namespace tfvk::kernels
