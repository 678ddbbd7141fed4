// HistogramFixedWidth: how many values fall in each of equally wide bins; those beyond the range in the first and the last.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "plugin/image_ops.h"
#include "plugin/table_rows.h"
#include "tensorflow/compiler/tf2xla/type_util.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::TensorShape;
using tensorflow::XlaOpKernelContext;
using xla::XlaOp;

// The least distance from the range's start that TensorFlow, which divides in fp64, puts into each bin from 0 to `bins`, of which the last is beyond reach.
template <typename T>
std::vector<T> BinStarts(double step, int64_t bins) {
  std::vector<T> starts(bins + 1, T(0));
  const T infinity = std::numeric_limits<T>::infinity();
  for (int64_t bin = 1; bin < bins; ++bin) {
    const auto reached = [&](T distance) { return static_cast<double>(distance) / step >= static_cast<double>(bin); };
    T start = static_cast<T>(step * static_cast<double>(bin));
    while (reached(start) && start > 0) start = std::nextafter(start, T(0));
    while (!reached(start)) start = std::nextafter(start, infinity);
    starts[bin] = start;
  }
  starts[bins] = infinity;
  return starts;
}

class HistogramKernel : public tensorflow::XlaOpKernel {
 public:
  explicit HistogramKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("dtype", &count_type_));
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  struct Range {
    double low, width;
    int64_t bins;
  };

  static absl::StatusOr<Range> Check(XlaOpKernelContext* context) {
    const TensorShape range = context->InputShape(1), bins = context->InputShape(2);
    if (range.dims() != 1) return absl::InvalidArgumentError("value_range should be a vector.");
    if (range.num_elements() != 2) return absl::InvalidArgumentError("value_range should be a vector of 2 elements.");
    if (bins.dims() != 0) return absl::InvalidArgumentError("nbins should be a scalar.");
    xla::Literal literal;
    TF_RETURN_IF_ERROR(context->ConstantInput(1, &literal));
    int64_t count = 0;
    TF_RETURN_IF_ERROR(context->ConstantInputAsIntScalar(2, &count));
    const bool single = context->InputXlaType("values") == xla::F32;
    const double low = single ? literal.Get<float>({0}) : literal.Get<double>({0}), high = single ? literal.Get<float>({1}) : literal.Get<double>({1});
    if (!(low < high)) {
      return absl::InvalidArgumentError(absl::StrCat("value_range should satisfy value_range[0] < value_range[1], but got '[", low, ", ", high, "]'"));
    }
    if (count <= 0) return absl::InvalidArgumentError(absl::StrCat("nbins should be a positive number, but got '", count, "'"));
    return Range{low, single ? static_cast<float>(high) - static_cast<float>(low) : high - low, count};
  }

  absl::Status Build(XlaOpKernelContext* context) {
    TF_ASSIGN_OR_RETURN(const Range range, Check(context));
    if (!std::isfinite(range.low) || !std::isfinite(range.width)) {
      return absl::UnimplementedError(absl::StrCat("HistogramFixedWidth of a range from ", range.low, " of the width ", range.width, " on this device"));
    }
    xla::PrimitiveType type = xla::S32;
    TF_RETURN_IF_ERROR(tensorflow::DataTypeToPrimitiveType(count_type_, &type));
    const int64_t size = context->InputShape(0).num_elements();
    if (size == 0) {
      context->SetOutput(0, xla::Broadcast(xla::Zero(context->builder(), type), {range.bins}));
      return absl::OkStatus();
    }
    const XlaOp values = xla::Reshape(context->Input(0), {size}), low = Constant(values, range.low);
    const XlaOp bin = Bin(xla::Max(values, low) - low, range, context->InputXlaType("values") == xla::F32);
    const XlaOp ones = xla::Broadcast(xla::One(context->builder(), type), {size, 1});
    context->SetOutput(0, xla::Reshape(SumIntoRows(ones, bin, range.bins), {range.bins}));
    return absl::OkStatus();
  }

  // A guess by the reciprocal, which may be one off, put right by where the bins start. NaN is in no bin.
  static XlaOp Bin(XlaOp distance, const Range& range, bool single) {
    xla::XlaBuilder* builder = distance.builder();
    const double step = range.width / static_cast<double>(range.bins);
    const XlaOp starts =
        single ? xla::ConstantR1<float>(builder, BinStarts<float>(step, range.bins)) : xla::ConstantR1<double>(builder, BinStarts<double>(step, range.bins));
    const XlaOp table = xla::Reshape(starts, {range.bins + 1, 1});
    const XlaOp last = Constant(distance, static_cast<double>(range.bins - 1)), zero = Constant(distance, 0);
    const XlaOp known = xla::Eq(distance, distance);
    const XlaOp inside = xla::Select(known, xla::Min(distance, Constant(distance, range.width)), xla::ZerosLike(distance));
    XlaOp bin = xla::ConvertElementType(xla::Clamp(zero, xla::Floor(inside * Constant(distance, 1.0 / step)), last), xla::S32);
    const auto start = [&](XlaOp index) { return xla::Reshape(RowsAt(table, index), builder->GetShape(distance)->dimensions()); };
    const XlaOp one = xla::ConvertElementType(xla::Ge(distance, start(bin + Constant(bin, 1))), xla::S32);
    const XlaOp less = xla::ConvertElementType(xla::Lt(distance, start(bin)), xla::S32);
    bin = xla::Min(bin + one - less, Constant(bin, static_cast<double>(range.bins - 1)));
    return xla::Select(known, bin, xla::ZerosLike(bin) - Constant(bin, 1));
  }

  tensorflow::DataType count_type_;
};

}  // namespace

void RegisterHistogramOps() {
  REGISTER_XLA_OP(Name("HistogramFixedWidth")
                      .Device("XLA_GPU_JIT")
                      .TypeConstraint("T", std::vector<tensorflow::DataType>{tensorflow::DT_FLOAT, tensorflow::DT_DOUBLE})
                      .CompileTimeConstantInput("value_range")
                      .CompileTimeConstantInput("nbins"),
                  HistogramKernel);
}

}  // namespace tfvk::plugin
