// Erfc as a call that the compiler takes for one operation. What tf2xla's own kernel makes of it is the called computation: two expansions of some 100
// HLO instructions in all, both computed for each element.
#include "hlo/composites.h"
#include "plugin/added_types.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "xla/hlo/builder/lib/math.h"
#include "xla/hlo/builder/xla_builder.h"

namespace tfvk::plugin {
namespace {

class ErfcKernel : public tensorflow::XlaOpKernel {
 public:
  using XlaOpKernel::XlaOpKernel;

  void Compile(tensorflow::XlaOpKernelContext* context) override {
    xla::XlaBuilder* builder = context->builder();
    const xla::XlaOp x = context->Input(0);
    const auto shape = builder->GetShape(x);
    OP_REQUIRES_OK(context, shape.status());
    if (shape->is_dynamic()) {  // IsErfc wants whole arrays
      context->SetOutput(0, xla::Erfc(x));
      return;
    }
    const auto meaning = builder->CreateSubBuilder("erfc");
    xla::Erfc(xla::Parameter(meaning.get(), 0, *shape, "x"));
    const auto computation = meaning->Build();
    OP_REQUIRES_OK(context, computation.status());
    context->SetOutput(0, xla::CompositeCall(builder, *computation, {x}, hlo::kErfcComposite));
  }
};

}  // namespace

void AddErfc() {
  using namespace tensorflow;
  AddTypes<ErfcKernel>("Erfc", {{"T", {DT_BFLOAT16, DT_HALF, DT_FLOAT, DT_DOUBLE}}});
}

}  // namespace tfvk::plugin
