#include "plugin/hot_ops.h"

#include <algorithm>
#include <map>

#include "plugin/added_types.h"
#include "plugin/hot_kernel.h"
#include "plugin/platform.h"
#include "plugin/status.h"

namespace tfvk::plugin {
namespace {

const std::map<std::string, const HotOpRow*>& Rows() {
  static const auto* const rows = [] {
    auto* made = new std::map<std::string, const HotOpRow*>;
    for (const auto* table : {&HotElementwiseOps(), &HotMatmulOps(), &HotReduceOps(), &HotOptimizerOps()}) {
      for (const HotOpRow& row : *table) made->emplace(row.op, &row);
    }
    return made;
  }();
  return *rows;
}

// The graphs of hot ops have the real numbers of the IR only; the generic kernel takes the others.
bool HasOtherTypes(const tensorflow::OpKernelConstruction& construction) {
  const auto is_other = [](tensorflow::DataType type) {
    type = tensorflow::BaseType(type);
    return tensorflow::DataTypeIsComplex(type) || NarrowTypes().count(type) != 0;
  };
  const auto &inputs = construction.input_types(), &outputs = construction.output_types();
  if (std::any_of(inputs.begin(), inputs.end(), is_other) || std::any_of(outputs.begin(), outputs.end(), is_other)) return true;
  for (const auto& [name, attribute] : construction.def().attr()) {  // a variable's element type
    if (is_other(attribute.type())) return true;
  }
  return false;
}

}  // namespace

bool IsHotOp(const std::string& op) { return ActiveBackend()->runs_graphs() && Rows().count(op) != 0; }

void RegisterHotOp(std::unique_ptr<tensorflow::KernelDef> definition) {
  const auto create = [](tensorflow::OpKernelConstruction* construction) -> tensorflow::OpKernel* {
    std::unique_ptr<HotOp> op;
    const absl::Status status = Guarded([&] {
      if (!HasOtherTypes(*construction)) op = Rows().at(construction->def().op())->make(construction);
      return absl::OkStatus();
    });
    if (!status.ok()) construction->CtxFailure(status);
    return new HotKernel(construction, std::move(op));
  };
  tensorflow::kernel_factory::OpKernelRegistrar(definition.release(), "TfvkHotOp", create);
}

}  // namespace tfvk::plugin
