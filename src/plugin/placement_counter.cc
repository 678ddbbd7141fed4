#include "plugin/placement_counter.h"

#include <algorithm>
#include <memory>
#include <string>

#include "plugin/element_types.h"
#include "plugin/platform.h"
#include "plugin/statistics.h"
#include "tensorflow/core/common_runtime/optimization_registry.h"
#include "tensorflow/core/graph/graph.h"
#include "tensorflow/core/util/device_name_utils.h"

namespace tfvk::plugin {
namespace {

bool IsOn(const tensorflow::Node& node, const std::string& type) {
  tensorflow::DeviceNameUtils::ParsedName name;
  return tensorflow::DeviceNameUtils::ParseFullName(node.assigned_device_name(), &name) && name.type == type;
}

// Arguments, transfers and input pipelines belong on the host.
bool IsHostMatter(const tensorflow::Node& node) {
  if (node.IsArg() || node.IsRetval() || node.IsConstant() || node.IsSource() || node.IsSink() || node.IsIdentity() || node.IsSend() || node.IsRecv())
    return true;
  const std::string& op = node.type_string();
  for (const char* word : {"Dataset", "Iterator", "Save", "Restore", "Summary", "String"}) {
    if (op.find(word) != std::string::npos) return true;
  }
  return false;
}

// Has it an argument or result that the device computes with? Small int32 numbers are shapes, and live on the host anyway.
bool HandlesData(const tensorflow::Node& node) {
  static const auto* const types = new TypeSet(DeviceTypes());
  const auto is_data = [](tensorflow::DataType type) {
    return type != tensorflow::DT_INT32 && type != tensorflow::DT_BOOL && types->count(tensorflow::BaseType(type)) != 0;
  };
  return std::any_of(node.input_types().begin(), node.input_types().end(), is_data) ||
         std::any_of(node.output_types().begin(), node.output_types().end(), is_data);
}

class PlacementCounter : public tensorflow::GraphOptimizationPass {
 public:
  absl::Status Run(const tensorflow::GraphOptimizationPassOptions& options) override {
    if (options.graph == nullptr || *options.graph == nullptr) return absl::OkStatus();
    const tensorflow::Graph& graph = **options.graph;
    const auto nodes = graph.op_nodes();
    if (std::none_of(nodes.begin(), nodes.end(), [](const tensorflow::Node* node) { return !IsHostMatter(*node) && IsOn(*node, DeviceType()); }))
      return absl::OkStatus();
    for (const tensorflow::Node* node : nodes) {
      if (IsOn(*node, "CPU") && !IsHostMatter(*node) && HandlesData(*node)) statistics().CountPlacedOnCpu(node->type_string());
    }
    return absl::OkStatus();
  }
};

}  // namespace

void RegisterPlacementCounter() {
  auto pass = std::make_unique<PlacementCounter>();
  pass->set_name("TfvkPlacementCounter");
  tensorflow::OptimizationPassRegistry::Global()->Register(tensorflow::OptimizationPassRegistry::POST_REWRITE_FOR_EXEC, 0, std::move(pass));
}

}  // namespace tfvk::plugin
