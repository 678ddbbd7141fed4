// InplaceUpdate, InplaceAdd, InplaceSub and DeepCopy: rows written into, added to or taken from a tensor's own memory, which is the output's as well.
// Where an index comes twice, the last row stays or both count, as on the CPU.
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "plugin/built_program.h"
#include "plugin/container_ops.h"
#include "plugin/device_kernel.h"
#include "plugin/status.h"
#include "plugin/table_rows.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using xla::XlaOp;

// Of the indices, each of which is between 0 and `rows`: which of them is the last with each row, or -1.
XlaOp LastWith(XlaOp indices, int64_t rows) {
  xla::XlaBuilder* builder = indices.builder();
  const int64_t count = builder->GetShape(indices)->dimensions(0);
  xla::ScatterDimensionNumbers numbers;
  numbers.add_inserted_window_dims(0);
  numbers.add_scatter_dims_to_operand_dims(0);
  numbers.set_index_vector_dim(1);
  return xla::Scatter(xla::Broadcast(xla::ConstantR0<int32_t>(builder, -1), {rows}), xla::Reshape(indices, {count, 1}), xla::Iota(builder, xla::S32, count),
                      xla::CreateScalarMaxComputation(xla::S32, builder), numbers);
}

// The changed tensor, from the tensor [rows, depth], indices [n] and rows [n, depth].
std::vector<XlaOp> BuildChange(const std::string& op, const std::vector<XlaOp>& parameters) {
  const XlaOp x = parameters[0], v = parameters[2];
  const xla::Shape shape = *x.builder()->GetShape(x);
  const int64_t rows = shape.dimensions(0);
  const XlaOp all = Constant(parameters[1], static_cast<double>(rows));
  const XlaOp indices = xla::Rem(xla::Rem(parameters[1], all) + all, all);  // negative ones count from the end, and large ones begin again
  if (op != "InplaceUpdate") {
    const xla::PrimitiveType type = shape.element_type(), wide = type == xla::F16 || type == xla::BF16 ? xla::F32 : type;
    const XlaOp sums = SumIntoRows(xla::ConvertElementType(v, wide), indices, rows), before = xla::ConvertElementType(x, wide);
    return {xla::ConvertElementType(op == "InplaceAdd" ? before + sums : before - sums, type)};
  }
  const XlaOp last = LastWith(indices, rows), is_changed = xla::Ge(last, xla::ZerosLike(last));
  const XlaOp changed = RowsAt(v, xla::Max(last, xla::ZerosLike(last)));
  return {xla::Select(xla::BroadcastInDim(is_changed, shape.dimensions(), {0}), changed, x)};
}

class InplaceKernel : public tensorflow::OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    OP_REQUIRES_OK(context, Guarded([&] { return Change(context); }));
  }

 private:
  absl::Status Change(OpKernelContext* context) const {
    const Tensor &x = context->input(0), &i = context->input(1), &v = context->input(2);
    TF_RETURN_IF_ERROR(Check(x.shape(), i.shape(), v.shape()));
    context->set_output(0, x);
    if (x.NumElements() == 0 || v.NumElements() == 0) return absl::OkStatus();
    Tensor flat_x, flat_v, changed;
    const int64_t rows = x.dim_size(0), depth = x.NumElements() / rows;
    if (!flat_x.CopyFrom(x, TensorShape({rows, depth})) || !flat_v.CopyFrom(v, TensorShape({v.dim_size(0), depth}))) {
      return absl::InternalError("A tensor of the same number of elements");
    }
    TF_RETURN_IF_ERROR(AllocateTemporary(context, x.dtype(), flat_x.shape(), &changed));
    const std::string op = type_string();
    TF_RETURN_IF_ERROR(RunBuiltProgram(context, op, [&](const std::vector<XlaOp>& p) { return BuildChange(op, p); }, {&flat_x, &i, &flat_v}, {&changed}));
    DeviceOf(context).Copy(x.data(), changed.data(), x.TotalBytes());
    return absl::OkStatus();
  }

  static absl::Status Check(const TensorShape& x, const TensorShape& i, const TensorShape& v) {
    if (i.dims() != 1) return absl::InvalidArgumentError(absl::StrCat("i must be a vector. ", i.DebugString()));
    if (x.dims() != v.dims()) {
      return absl::InvalidArgumentError(absl::StrCat("x and v shape doesn't match (ranks differ): ", x.DebugString(), " vs. ", v.DebugString()));
    }
    if (x.dims() == 0) return absl::InvalidArgumentError(absl::StrCat("x and v must be at least vectors, but their shape is ", x.DebugString()));
    for (int d = 1; d < x.dims(); ++d) {
      if (x.dim_size(d) != v.dim_size(d)) {
        return absl::InvalidArgumentError(absl::StrCat("x and v shape doesn't match at index ", d, " : ", x.DebugString(), " vs. ", v.DebugString()));
      }
    }
    if (i.dim_size(0) == v.dim_size(0)) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("i and x shape doesn't match at index 0: ", i.DebugString(), " vs. ", v.DebugString()));
  }
};

class DeepCopyKernel : public tensorflow::OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    OP_REQUIRES_OK(context, Guarded([&]() -> absl::Status {
                     const Tensor& x = context->input(0);
                     Tensor* y = nullptr;
                     TF_RETURN_IF_ERROR(context->allocate_output(0, x.shape(), &y));
                     if (x.NumElements() != 0) DeviceOf(context).Copy(y->data(), x.data(), x.TotalBytes());
                     return absl::OkStatus();
                   }));
  }
};

}  // namespace

void RegisterInplaceOps() {
  namespace tf = tensorflow;
  const TypeSet numbers = TypesOfDevice({tf::DT_HALF, tf::DT_BFLOAT16, tf::DT_FLOAT, tf::DT_DOUBLE, tf::DT_INT8, tf::DT_INT16, tf::DT_INT64, tf::DT_UINT8,
                                         tf::DT_UINT16, tf::DT_UINT32, tf::DT_UINT64});
  TypeSet all = numbers;
  all.insert(tf::DT_BOOL);
  RegisterDeviceKernel<InplaceKernel>(DeviceKernel("InplaceUpdate", "T", all));
  RegisterDeviceKernel<InplaceKernel>(DeviceKernel("InplaceAdd", "T", numbers));
  RegisterDeviceKernel<InplaceKernel>(DeviceKernel("InplaceSub", "T", numbers));
  RegisterDeviceKernel<DeepCopyKernel>(DeviceKernel("DeepCopy", "T", all));
}

}  // namespace tfvk::plugin
