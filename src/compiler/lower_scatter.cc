// Scatter, and dynamic_update_slice as a scatter of one window. Both work in place: the results hold the updated operands when the kernels run.
#include <numeric>
#include <utility>

#include "compiler/lower.h"
#include "kernels/scatter.h"
#include "types/error.h"

namespace tfvk::compiler {

using kernels::Emitter;
using kernels::Index;

namespace {

void RequireIndexable(const ir::Node& node) {
  for (const Size& size : node.type().shape) {
    if (size.is_static() && size.value > int64_t{0xffffffff}) {
      Fail(ErrorCode::kUnimplemented, "[Compiler] {} updates a tensor with a dimension of {} elements, more than 32 bits count ({})", ir::Name(node.op),
           size.value, node.origin);
    }
  }
}

}  // namespace

kernels::KernelSequence LowerScatter(const LoweringInput& input) {
  const ir::Node& scatter = *input.fusion.hero();
  const auto& attr = scatter.attr<ir::ScatterAttr>();
  const size_t n = scatter.operands.size() / 2;
  RequireIndexable(scatter);
  kernels::ScatterSpec spec;
  spec.name = KernelName(input.fusion);
  spec.input = scatter.type().shape;
  spec.indices = scatter.operand_type(static_cast<int>(n)).shape;
  spec.updates = scatter.operand_type(static_cast<int>(n) + 1).shape;
  spec.update_window_dims = attr.update_window_dims;
  spec.inserted_window_dims = attr.inserted_window_dims;
  spec.scatter_dims_to_operand_dims = attr.scatter_dims_to_operand_dims;
  spec.index_vector_dim = attr.index_vector_dim;
  spec.unique_indices = attr.unique_indices;
  std::vector<ir::Value> updates;
  for (size_t i = 0; i < n; ++i) {
    spec.dtypes.push_back(scatter.results[i].dtype);
    spec.inputs.push_back(input.Operand(scatter.operands[i]));
    updates.push_back(scatter.operands[n + 1 + i]);
  }
  spec.in_place = true;
  spec.index_body = BodyOf(input, {scatter.operands[n]}, spec.indices);
  spec.update_body = BodyOf(input, updates, spec.updates);
  spec.combiner = CombinerOf(*scatter.regions[0]);
  return kernels::MakeScatter(spec, input.limits);
}

kernels::KernelSequence LowerInPlaceUpdate(const LoweringInput& input) {
  const ir::Node& node = *input.fusion.hero();
  const Shape &whole = node.type().shape, &part = node.operand_type(1).shape;
  const int64_t rank = static_cast<int64_t>(whole.size());
  RequireIndexable(node);
  kernels::ScatterSpec spec;
  spec.name = KernelName(input.fusion);
  spec.input = whole;
  spec.indices = {Size(rank)};
  spec.updates = part;
  spec.update_window_dims.resize(static_cast<size_t>(rank));
  std::iota(spec.update_window_dims.begin(), spec.update_window_dims.end(), 0);
  spec.scatter_dims_to_operand_dims = spec.update_window_dims;
  spec.index_vector_dim = 0;
  spec.unique_indices = true;
  spec.dtypes = {node.type().dtype};
  spec.inputs = {input.Operand(node.operands[0])};
  spec.in_place = true;
  spec.update_body = BodyOf(input, {node.operands[1]}, part);
  spec.combiner = [](Emitter&, const std::vector<spirv::Value>&, const std::vector<spirv::Value>& update) { return update; };
  const Fusion& fusion = input.fusion;
  const OperandNumbers& operands = input.operands;
  spec.index_body = [&node, &fusion, &operands](Emitter& e, const Index& index) {
    ElementEmitter elements(e, fusion, operands);
    spirv::Builder& b = e.b();
    spirv::Value start = b.U32(0);
    for (size_t d = 0; d < node.type().shape.size(); ++d) {
      const spirv::Value candidate = ClampStart(elements, elements.Scalar(node.operands[2 + d]), node.type().shape[d], node.operand_type(1).shape[d]);
      start = b.Select(index[0] == static_cast<uint32_t>(d), candidate, start);
    }
    return std::vector<spirv::Value>{start};
  };
  return kernels::MakeScatter(spec, input.limits);
}

}  // namespace tfvk::compiler
