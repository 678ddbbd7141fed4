// Launches over rows.
#include <memory>
#include <utility>

#include "compiler/lower.h"
#include "kernels/arith.h"
#include "kernels/rows.h"

namespace tfvk::compiler {
namespace {

using ir::Value;
using kernels::Emitter;
using kernels::Index;

bool IsOfRow(Value output, const Rows& rows) { return ElementCount(output.type().shape) == ElementCount(rows.rows); }

class RowElements : public kernels::RowBody {
 public:
  RowElements(Emitter& e, const LoweringInput& input, Shape shape)
      : e_(e), fusion_(input.fusion), rows_(*input.fusion.rows), shape_(std::move(shape)), elements_(e, input.fusion, input.operands) {}

  std::vector<spirv::Value> Terms(size_t stage, const Index& element) override {
    std::vector<spirv::Value> terms;
    for (const ir::Node* hero : rows_.stages[stage]) terms.push_back(elements_.Element(hero->operands[0], Positions::Of(shape_, element)));
    return terms;
  }

  void Bind(size_t stage, const std::vector<spirv::Value>& totals) override {
    for (size_t i = 0; i < totals.size(); ++i) BindAccumulated(e_, elements_, {const_cast<ir::Node*>(rows_.stages[stage][i]), 0}, totals[i]);
  }

  std::vector<spirv::Value> OfElement(const Index& element) override {
    std::vector<Value> outputs;
    for (Value v : fusion_.outputs) {
      if (IsByTheWay(*v.node) || !IsOfRow(v, rows_)) outputs.push_back(v);
    }
    return OutputsAt(e_, elements_, fusion_.outputs, outputs, Positions::Of(shape_, element));
  }

  std::vector<spirv::Value> OfRow(const Index& row) override {
    std::vector<Value> outputs;
    for (Value v : fusion_.outputs) {
      if (!IsByTheWay(*v.node) && IsOfRow(v, rows_)) outputs.push_back(v);
    }
    return OutputsAt(e_, elements_, fusion_.outputs, outputs, Positions::Of(rows_.rows, row));
  }

 private:
  Emitter& e_;
  const Fusion& fusion_;
  const Rows& rows_;
  const Shape shape_;
  ElementEmitter elements_;
};

}  // namespace

kernels::KernelSequence LowerRows(const LoweringInput& input) {
  const Rows& rows = *input.fusion.rows;
  kernels::RowsSpec spec;
  spec.name = KernelName(input.fusion);
  spec.rows = rows.rows;
  spec.columns = rows.columns;
  for (const std::vector<const ir::Node*>& heroes : rows.stages) {
    std::vector<Value> initials;
    std::vector<const ir::Graph*> regions;
    kernels::RowStage stage;
    for (const ir::Node* hero : heroes) {
      initials.push_back(hero->operands[1]);
      regions.push_back(hero->regions[0].get());
      stage.accumulators.push_back(hero->type().dtype);
    }
    stage.initial = InitialOf(input, std::move(initials));
    stage.combiner = SideBySide(std::move(regions));
    spec.stages.push_back(std::move(stage));
  }
  for (Value v : input.fusion.outputs) {
    if (IsByTheWay(*v.node)) {
      spec.has_maxima = true;
    } else {
      spec.results.push_back({v.type().dtype, IsOfRow(v, rows)});
    }
  }
  Shape shape = rows.rows;
  shape.emplace_back(rows.columns);
  spec.begin = [&input, shape](Emitter& e) { return std::make_unique<RowElements>(e, input, shape); };
  return kernels::MakeRows(spec, input.limits);
}

}  // namespace tfvk::compiler
