// Matrix products and convolutions.
#include <utility>

#include "compiler/lower.h"
#include "compiler/strided_view.h"
#include "kernels/convolution.h"
#include "kernels/gemm.h"
#include "types/error.h"

namespace tfvk::compiler {
namespace {

using kernels::Emitter;
using kernels::Index;

kernels::GemmPrecision PrecisionOf(ir::Precision precision, const CompileOptions& options) {
  return precision == ir::Precision::kDefault && options.allow_tf32 ? kernels::GemmPrecision::kTensorFloat : kernels::GemmPrecision::kFull;
}

DType AccumulatorOf(const ir::Node& node) {
  const DType dtype = node.type().dtype;
  if (dtype == DType::kBool) Fail(ErrorCode::kUnimplemented, "[Compiler] {} of bool is not supported ({})", ir::Name(node.op), node.origin);
  return kernels::ComputeType(dtype);
}

Shape ShapeOf(const Shape& shape, const std::vector<int64_t>& dims) {
  Shape result;
  for (int64_t d : dims) result.push_back(shape[d]);
  return result;
}

// The element at {batch, outer, k} for dimensions that do not nest in memory.
kernels::Body ElementBody(const LoweringInput& input, ir::Value value, const DotOperand& operand) {
  const Fusion& fusion = input.fusion;
  const OperandNumbers& numbers = input.operands;
  return [&fusion, &numbers, value, operand](Emitter& e, const Index& index) {
    const Shape& shape = value.type().shape;
    Index from(shape.size());
    const std::vector<int64_t>* roles[3] = {&operand.batch, &operand.outer, &operand.contract};
    for (int role = 0; role < 3; ++role) {
      const Index part = e.Delinearize(ShapeOf(shape, *roles[role]), index[role]);
      for (size_t i = 0; i < part.size(); ++i) from[(*roles[role])[i]] = part[i];
    }
    ElementEmitter elements(e, fusion, numbers);
    return std::vector<spirv::Value>{elements.Element(value, Positions::Of(shape, from))};
  };
}

kernels::GemmOperand OperandOf(const LoweringInput& input, const ir::Node& dot, int index) {
  const ir::Value value = dot.operands[index];
  const DotOperand operand = DotOperandOf(dot, index);
  kernels::GemmOperand result;
  result.dtype = value.type().dtype;
  if (operand.strided()) {
    std::vector<kernels::BatchDimension> batch;
    for (const StridedDimension& d : Nested(operand.view, operand.batch)) batch.push_back({d.size, d.stride});
    result.memory = kernels::StridedMatrix{input.Operand(operand.view.base), std::move(batch), *operand.outer_stride, *operand.k_stride};
  } else {
    result.body = ElementBody(input, value, operand);
  }
  return result;
}

}  // namespace

kernels::KernelSequence LowerDot(const LoweringInput& input) {
  const ir::Node& dot = *input.fusion.hero();
  const auto& attr = dot.attr<ir::DotAttr>();
  const DotOperand lhs = DotOperandOf(dot, 0), rhs = DotOperandOf(dot, 1);
  const Shape &left = dot.operand_type(0).shape, &right = dot.operand_type(1).shape;
  kernels::GemmSpec spec;
  spec.name = KernelName(input.fusion);
  spec.batch = ProductOf(left, lhs.batch, dot);
  spec.m = ProductOf(left, lhs.outer, dot);
  spec.n = ProductOf(right, rhs.outer, dot);
  spec.k = ProductOf(left, lhs.contract, dot);
  spec.lhs = OperandOf(input, dot, 0);
  spec.rhs = OperandOf(input, dot, 1);
  spec.accumulator = AccumulatorOf(dot);
  spec.precision = PrecisionOf(attr.precision, input.options);
  spec.plan_rank = input.options.plan_rank;
  spec.results = ResultDTypes(input.fusion);
  if (!attr.result_order.empty()) {
    spec.order = kernels::ResultOrder{ShapeOf(left, lhs.batch), ShapeOf(left, lhs.outer), ShapeOf(right, rhs.outer), attr.result_order};
  }
  spec.epilogue = EpilogueOf(input, spec.order ? dot.type().shape : Shape{spec.batch, spec.m, spec.n});
  return kernels::MakeGemm(spec, input.limits);
}

kernels::KernelSequence LowerConvolution(const LoweringInput& input) {
  const ir::Node& convolution = *input.fusion.hero();
  const auto& attr = convolution.attr<ir::ConvolutionAttr>();
  kernels::ConvolutionSpec spec;
  spec.name = KernelName(input.fusion);
  spec.input = input.Operand(convolution.operands[0]);
  spec.kernel = input.Operand(convolution.operands[1]);
  spec.output = convolution.type().shape;
  for (const ir::WindowDim& d : attr.window) {
    spec.window.push_back({d.size, d.stride, d.pad_low, d.pad_high, d.base_dilation, d.window_dilation, d.reversal});
  }
  spec.input_batch = attr.input_batch;
  spec.input_feature = attr.input_feature;
  spec.kernel_input_feature = attr.kernel_input_feature;
  spec.kernel_output_feature = attr.kernel_output_feature;
  spec.output_batch = attr.output_batch;
  spec.output_feature = attr.output_feature;
  spec.input_spatial = attr.input_spatial;
  spec.kernel_spatial = attr.kernel_spatial;
  spec.output_spatial = attr.output_spatial;
  spec.feature_groups = attr.feature_groups;
  spec.batch_groups = attr.batch_groups;
  spec.accumulator = AccumulatorOf(convolution);
  spec.precision = PrecisionOf(attr.precision, input.options);
  spec.plan_rank = input.options.plan_rank;
  spec.results = ResultDTypes(input.fusion);
  spec.epilogue = EpilogueOf(input, spec.output);
  return kernels::MakeConvolution(spec, input.limits);
}

}  // namespace tfvk::compiler
