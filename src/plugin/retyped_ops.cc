// Ops of which tf2xla's own kernel is right for more types than it is registered for: it is made as if for one of its types, and given the inputs as they are.
#include <map>
#include <memory>
#include <string>

#include "plugin/added_types.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/core/framework/node_def_util.h"
#include "tensorflow/core/framework/op.h"

namespace tfvk::plugin {
namespace {

using tensorflow::OpKernelConstruction;

class RetypedKernel : public tensorflow::XlaOpKernel {
 public:
  explicit RetypedKernel(OpKernelConstruction* construction) : XlaOpKernel(construction) { OP_REQUIRES_OK(construction, Create(construction)); }

  void Compile(tensorflow::XlaOpKernelContext* context) override { kernel_->Compute(context->op_kernel_context()); }

 private:
  absl::Status Create(OpKernelConstruction* construction) {
    tensorflow::NodeDef node = construction->def();
    (*node.mutable_attr())["T"].set_type(tensorflow::DT_FLOAT);
    std::shared_ptr<const tensorflow::NodeProperties> properties;
    TF_RETURN_IF_ERROR(tensorflow::NodeProperties::CreateFromNodeDef(node, tensorflow::OpRegistry::Global(), &properties));
    tensorflow::OpKernel* kernel = nullptr;
    TF_RETURN_IF_ERROR(tensorflow::CreateOpKernel(construction->device_type(), construction->device(),
                                                  construction->device()->GetAllocator(tensorflow::AllocatorAttributes()), construction->function_library(),
                                                  construction->resource_manager(), properties, construction->graph_def_version(), &kernel));
    kernel_.reset(kernel);
    return absl::OkStatus();
  }

  std::unique_ptr<tensorflow::OpKernel> kernel_;
};

}  // namespace

void AddRetypedOps() {
  const TypeSet complex = {tensorflow::DT_COMPLEX64, tensorflow::DT_COMPLEX128};
  for (const char* op : {"Conv", "Conv2D", "Conv2DBackpropInput"}) AddTypes<RetypedKernel>(op, {{"T", {tensorflow::DT_INT32}}});
  AddTypes<RetypedKernel>("ResourceApplyMomentum", {{"T", complex}});
  AddTypes<RetypedKernel>("TridiagonalMatMul", {{"T", complex}});
  AddTypes<RetypedKernel>("TopKV2", {{"T", {tensorflow::DT_UINT16}}});
}

}  // namespace tfvk::plugin
