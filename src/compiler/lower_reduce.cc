// Reductions and pooling windows.
#include <algorithm>
#include <utility>

#include "compiler/lower.h"
#include "kernels/reduce.h"
#include "kernels/window.h"
#include "types/error.h"

namespace tfvk::compiler {
namespace {

using ir::Value;
using kernels::Emitter;

// Inputs, initial values and combiners of all heroes, side by side.
struct Accumulation {
  std::vector<Value> inputs, initials;
  std::vector<DType> dtypes;
  std::vector<const ir::Graph*> regions;
  bool identities = true;
};

Accumulation AccumulationOf(const Fusion& fusion) {
  Accumulation result;
  for (const ir::Node* hero : fusion.heroes) {
    const size_t n = hero->operands.size() / 2;
    const ir::Graph& region = *hero->regions[0];
    result.regions.push_back(&region);
    for (size_t i = 0; i < n; ++i) {
      result.inputs.push_back(hero->operands[i]);
      result.initials.push_back(hero->operands[n + i]);
      result.dtypes.push_back(hero->results[i].dtype);
    }
    result.identities = result.identities && n == 1 && IsIdentityOf(region, hero->operands[n]);
  }
  return result;
}

// The same reduction with neighbouring dimensions of one fate merged: fewer divisions, and kernels see rows and columns.
struct CollapsedReduction {
  Shape input, kept;
  std::vector<int64_t> reduced;
};

CollapsedReduction Collapse(const Shape& shape, const std::vector<int64_t>& dims) {
  CollapsedReduction result;
  std::vector<bool> is_reduced;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == Size(1)) continue;
    const bool reduced = std::find(dims.begin(), dims.end(), static_cast<int64_t>(d)) != dims.end();
    if (!is_reduced.empty() && is_reduced.back() == reduced && result.input.back().is_static() && shape[d].is_static()) {
      result.input.back().value *= shape[d].value;
    } else {
      result.input.push_back(shape[d]);
      is_reduced.push_back(reduced);
    }
  }
  if (std::find(is_reduced.begin(), is_reduced.end(), true) == is_reduced.end()) {
    result.input.push_back(Size(1));
    is_reduced.push_back(true);
  }
  for (size_t d = 0; d < is_reduced.size(); ++d) {
    if (is_reduced[d]) {
      result.reduced.push_back(static_cast<int64_t>(d));
    } else {
      result.kept.push_back(result.input[d]);
    }
  }
  return result;
}

std::vector<kernels::WindowDimension> WindowOf(const ir::Node& node) {
  std::vector<kernels::WindowDimension> window;
  for (const ir::WindowDim& d : node.attr<ir::WindowAttr>().window) {
    window.push_back({d.size, d.stride, d.pad_low, d.pad_high, d.base_dilation, d.window_dilation});
  }
  return window;
}

}  // namespace

kernels::Combiner SideBySide(std::vector<const ir::Graph*> regions) {
  return [regions = std::move(regions)](Emitter& e, const std::vector<spirv::Value>& a, const std::vector<spirv::Value>& b) {
    std::vector<spirv::Value> results;
    size_t next = 0;
    for (const ir::Graph* region : regions) {
      const size_t n = region->outputs.size();
      const auto part = [&](const std::vector<spirv::Value>& all) {
        const auto begin = all.begin() + static_cast<std::ptrdiff_t>(next);
        return std::vector<spirv::Value>(begin, begin + static_cast<std::ptrdiff_t>(n));
      };
      const std::vector<spirv::Value> combined = CombinerOf(*region)(e, part(a), part(b));
      results.insert(results.end(), combined.begin(), combined.end());
      next += n;
    }
    return results;
  };
}

kernels::KernelSequence LowerReduce(const LoweringInput& input) {
  const ir::Node& hero = *input.fusion.hero();
  Accumulation accumulation = AccumulationOf(input.fusion);
  const CollapsedReduction collapsed = Collapse(hero.operand_type(0).shape, hero.attr<ir::DimsAttr>().dims);
  kernels::ReduceSpec spec;
  spec.name = KernelName(input.fusion);
  spec.input = collapsed.input;
  spec.dimensions = collapsed.reduced;
  spec.accumulators = accumulation.dtypes;
  spec.initial = InitialOf(input, accumulation.initials);
  spec.body = BodyOf(input, accumulation.inputs, collapsed.input);
  spec.combiner = SideBySide(accumulation.regions);
  spec.initial_is_identity = accumulation.identities;
  spec.results = ResultDTypes(input.fusion);
  spec.epilogue = EpilogueOf(input, collapsed.kept);
  return kernels::MakeReduce(spec, input.limits);
}

kernels::KernelSequence LowerReduceWindow(const LoweringInput& input) {
  const ir::Node& hero = *input.fusion.hero();
  Accumulation accumulation = AccumulationOf(input.fusion);
  kernels::ReduceWindowSpec spec;
  spec.name = KernelName(input.fusion);
  spec.input = hero.operand_type(0).shape;
  spec.output = hero.type().shape;
  spec.window = WindowOf(hero);
  spec.accumulators = accumulation.dtypes;
  spec.initial = InitialOf(input, accumulation.initials);
  spec.body = BodyOf(input, accumulation.inputs, spec.input);
  spec.combiner = SideBySide(accumulation.regions);
  spec.results = ResultDTypes(input.fusion);
  spec.epilogue = EpilogueOf(input, spec.output);
  return kernels::MakeReduceWindow(spec, input.limits);
}

kernels::KernelSequence LowerSelectAndScatter(const LoweringInput& input) {
  const ir::Node& hero = *input.fusion.hero();
  kernels::SelectAndScatterSpec spec;
  spec.name = KernelName(input.fusion);
  spec.operand = hero.operand_type(0).shape;
  spec.source = hero.operand_type(1).shape;
  spec.window = WindowOf(hero);
  spec.dtype = hero.type().dtype;
  spec.operand_body = BodyOf(input, {hero.operands[0]}, spec.operand);
  spec.source_body = BodyOf(input, {hero.operands[1]}, spec.source);
  spec.select = CombinerOf(*hero.regions[0]);
  spec.scatter = CombinerOf(*hero.regions[1]);
  spec.initial = InitialOf(input, {hero.operands[2]});
  spec.results = ResultDTypes(input.fusion);
  spec.epilogue = EpilogueOf(input, spec.operand);
  return kernels::MakeSelectAndScatter(spec, input.limits);
}

}  // namespace tfvk::compiler
