#include "plugin/hot_ops.h"

#include <map>

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

}  // namespace

bool IsHotOp(const std::string& op) { return ActiveBackend()->runs_graphs() && Rows().count(op) != 0; }

void RegisterHotOp(std::unique_ptr<tensorflow::KernelDef> definition) {
  const auto create = [](tensorflow::OpKernelConstruction* construction) -> tensorflow::OpKernel* {
    std::unique_ptr<HotOp> op;
    const absl::Status status = Guarded([&] {
      op = Rows().at(construction->def().op())->make(construction);
      return absl::OkStatus();
    });
    if (!status.ok()) construction->CtxFailure(status);
    return new HotKernel(construction, std::move(op));
  };
  tensorflow::kernel_factory::OpKernelRegistrar(definition.release(), "TfvkHotOp", create);
}

}  // namespace tfvk::plugin
