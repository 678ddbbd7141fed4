// CheckNumerics and its second version: the input itself, or an error that says which of NaN and the infinities it holds. The host waits for one number.
// Compiled functions leave the check out, as tf2xla does for CUDA.
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "plugin/built_program.h"
#include "plugin/device_kernel.h"
#include "plugin/mathematics_ops.h"
#include "plugin/status.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::Tensor;
using xla::XlaOp;

enum Found { kNegativeInfinity = 1, kPositiveInfinity = 2, kNaN = 4 };

// A scalar with the bits of what is among the elements.
std::vector<XlaOp> BuildFound(const std::vector<XlaOp>& parameters) {
  const XlaOp x = parameters[0];
  xla::XlaBuilder* builder = x.builder();
  const auto bit = [&](XlaOp is, Found found) {
    return xla::Select(is, xla::Broadcast(xla::ConstantR0<int32_t>(builder, found), {builder->GetShape(x)->dimensions(0)}),
                       xla::Broadcast(xla::ConstantR0<int32_t>(builder, 0), {builder->GetShape(x)->dimensions(0)}));
  };
  const XlaOp infinity = xla::MaxValue(builder, builder->GetShape(x)->element_type());
  const XlaOp bits = bit(xla::Ne(x, x), kNaN) + bit(xla::Eq(x, infinity), kPositiveInfinity) + bit(xla::Eq(x, -infinity), kNegativeInfinity);
  return {xla::Reduce(bits, xla::ConstantR0<int32_t>(builder, 0), xla::CreateScalarOrComputation(xla::S32, builder), {0})};
}

// "-Inf, +Inf, and NaN"
std::string Enumerated(const std::vector<std::string>& words) {
  if (words.size() == 1) return words[0];
  if (words.size() == 2) return words[0] + " and " + words[1];
  return words[0] + ", " + words[1] + ", and " + words[2];
}

class CheckNumericsKernel : public tensorflow::OpKernel {
 public:
  explicit CheckNumericsKernel(tensorflow::OpKernelConstruction* construction) : OpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("message", &message_));
    tells_signs_ = type_string() == "CheckNumericsV2";
  }

  void Compute(tensorflow::OpKernelContext* context) override {
    context->set_output(0, context->input(0));
    OP_REQUIRES_OK(context, Guarded([&] { return Check(context); }));
  }

 private:
  absl::Status Check(tensorflow::OpKernelContext* context) const {
    const Tensor& input = context->input(0);
    if (input.NumElements() == 0) return absl::OkStatus();
    Tensor flat, found;
    if (!flat.CopyFrom(input, tensorflow::TensorShape({input.NumElements()}))) return absl::InternalError("A tensor of the same number of elements");
    TF_RETURN_IF_ERROR(AllocateTemporary(context, tensorflow::DT_INT32, tensorflow::TensorShape({}), &found));
    TF_RETURN_IF_ERROR(RunBuiltProgram(context, "CheckNumerics", BuildFound, {&flat}, {&found}));
    int32_t bits = 0;
    ReadNow(context, found, &bits);
    if (bits == 0) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(message_, " : Tensor had ", Enumerated(Words(bits)), " values"));
  }

  std::vector<std::string> Words(int32_t bits) const {
    std::vector<std::string> words;
    if (tells_signs_) {
      if (bits & kNegativeInfinity) words.push_back("-Inf");
      if (bits & kPositiveInfinity) words.push_back("+Inf");
    } else if (bits & (kNegativeInfinity | kPositiveInfinity)) {
      words.push_back("Inf");
    }
    if (bits & kNaN) words.push_back("NaN");
    return words;
  }

  std::string message_;
  bool tells_signs_;
};

}  // namespace

void RegisterCheckNumericsOps() {
  const TypeSet types = TypesOfDevice({tensorflow::DT_HALF, tensorflow::DT_BFLOAT16, tensorflow::DT_FLOAT, tensorflow::DT_DOUBLE});
  for (const char* op : {"CheckNumerics", "CheckNumericsV2"}) RegisterDeviceKernel<CheckNumericsKernel>(DeviceKernel(op, "T", types));
}

}  // namespace tfvk::plugin
