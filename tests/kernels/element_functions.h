// Bodies and combiners that the tests of kernel families share.
#pragma once

#include "kernels/emitter.h"

namespace tfvk::testing {

using Values = std::vector<spirv::Value>;

// Operand `index` of a kernel's description.
inline kernels::Tensor Operand(int index, DType dtype, Shape shape) { return {kernels::Tensor::Role::kOperand, index, dtype, std::move(shape)}; }

// The operands' elements at the index.
inline kernels::Body ReadAll(std::vector<kernels::Tensor> tensors) {
  return [tensors](kernels::Emitter& e, const kernels::Index& index) {
    Values values;
    for (const auto& tensor : tensors) values.push_back(e.Read(tensor, index));
    return values;
  };
}

inline kernels::Combiner Sum() {
  return [](kernels::Emitter&, const Values& a, const Values& b) {
    Values sums;
    for (size_t i = 0; i < a.size(); ++i) sums.push_back(a[i] + b[i]);
    return sums;
  };
}
inline kernels::Combiner Maximum() {
  return [](kernels::Emitter& e, const Values& a, const Values& b) { return Values{e.b().Select(a[0] >= b[0], a[0], b[0])}; };
}

inline kernels::Initial Number(DType dtype, double number) {
  return [=](kernels::Emitter& e) { return Values{e.b().Constant(kernels::ComputeType(dtype), number)}; };
}

}  // namespace tfvk::testing
