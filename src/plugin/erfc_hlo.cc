// Erfc with few instructions, for the gelu of transformers.
#include "plugin/added_types.h"
#include "plugin/erfc.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla/hlo/builder/lib/math.h"
#include "xla/hlo/builder/xla_builder.h"

namespace tfvk::plugin {
namespace {

using xla::XlaOp;

XlaOp Single(XlaOp x) {
  const auto number = [&](double value) { return xla::ScalarLike(x, value); };
  const XlaOp magnitude = xla::Abs(x), last = number(kErfcLast);
  const XlaOp a = xla::Select(xla::Lt(magnitude, last), magnitude, last);
  const XlaOp u = (a - number(kErfcCentre)) / (a + number(kErfcCentre));
  const XlaOp positive = xla::Exp(-(x * x)) * ErfcSeriesAt(u, number);
  return xla::Select(xla::Lt(x, number(0)), number(2) - positive, positive);
}

class ErfcKernel : public tensorflow::XlaOpKernel {
 public:
  using XlaOpKernel::XlaOpKernel;

  void Compile(tensorflow::XlaOpKernelContext* context) override {
    const XlaOp x = context->Input(0);
    const xla::PrimitiveType type = context->input_xla_type(0);
    if (type == xla::F64) {
      context->SetOutput(0, xla::Erfc(x));
    } else {
      context->SetOutput(0, xla::ConvertElementType(Single(xla::ConvertElementType(x, xla::F32)), type));
    }
  }
};

}  // namespace

void AddErfc() {
  using namespace tensorflow;
  AddTypes<ErfcKernel>("Erfc", {{"T", {DT_BFLOAT16, DT_HALF, DT_FLOAT, DT_DOUBLE}}});
}

}  // namespace tfvk::plugin
