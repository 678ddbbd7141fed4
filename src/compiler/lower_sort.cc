// Sorting.
#include "compiler/lower.h"
#include "kernels/sort.h"

namespace tfvk::compiler {

kernels::KernelSequence LowerSort(const LoweringInput& input) {
  const ir::Node& sort = *input.fusion.hero();
  const ir::Graph& comparator = *sort.regions[0];
  kernels::SortSpec spec;
  spec.name = KernelName(input.fusion);
  spec.shape = sort.type().shape;
  spec.dimension = sort.attr<ir::SortAttr>().dimension;
  spec.dtypes = ResultDTypes(input.fusion);
  spec.body = BodyOf(input, sort.operands, spec.shape);
  // The comparator's parameters go in pairs: (a0, b0, a1, b1, ...).
  spec.before = [&comparator](kernels::Emitter& e, const std::vector<spirv::Value>& a, const std::vector<spirv::Value>& b) {
    std::vector<spirv::Value> arguments;
    for (size_t i = 0; i < a.size(); ++i) {
      arguments.push_back(a[i]);
      arguments.push_back(b[i]);
    }
    return EmitRegion(e, comparator, arguments, false)[0];
  };
  return kernels::MakeSort(spec, input.limits);
}

}  // namespace tfvk::compiler
