// SparseReorder, SparseConcat: rows sorted by their indices; SparseReshape: rows' indices in another shape. None of them looks whether an index is inside the
// shape, as TensorFlow's kernels do not; what else is wrong is left to those, for their errors.
#include "plugin/platform.h"
#include "plugin/row_hlo.h"
#include "plugin/sized_kernel.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::Tensor;
using tensorflow::TensorShape;
using xla::XlaOp;

// A matrix of indices with a value a row and a column a dimension; at least one column.
bool AreRows(const Tensor& indices, const Tensor& values, const Tensor& shape) {
  return indices.dims() == 2 && values.dims() == 1 && shape.dims() == 1 && indices.dim_size(1) != 0 && indices.dim_size(0) == values.dim_size(0) &&
         indices.dim_size(1) == shape.NumElements();
}

std::vector<XlaOp> InOrder(XlaOp indices, XlaOp values, XlaOp count) {
  const SortedRows sorted = SortRows(indices, count);
  return {FromColumns(sorted.columns), TakeRows(values, sorted.elements)};
}

class ReorderKernel : public SizedKernel {
 public:
  using SizedKernel::SizedKernel;

 protected:
  absl::Status Run(tensorflow::OpKernelContext* context) override {
    const Tensor &indices = context->input(0), &values = context->input(1);
    const int64_t n = values.NumElements();
    if (!AreRows(indices, values, context->input(2)) || !AreCountable(n)) return RunOnCpu(context);
    if (n == 0) {
      context->set_output(0, indices);
      context->set_output(1, values);
      return absl::OkStatus();
    }
    Tensor padded_indices, padded_values, count;
    TF_RETURN_IF_ERROR(PadRows(context, indices, &padded_indices));
    TF_RETURN_IF_ERROR(PadRows(context, values, &padded_values));
    TF_RETURN_IF_ERROR(Numbers(context, {n}, &count));
    const Types types = {{tensorflow::DT_INT64, padded_indices.shape()}, {values.dtype(), padded_values.shape()}};
    std::vector<Tensor> results;
    TF_RETURN_IF_ERROR(RunProgram(
        context, "", {&padded_indices, &padded_values, &count}, types, [](const std::vector<XlaOp>& in) { return InOrder(in[0], in[1], ElementAt(in[2], 0)); },
        &results));
    TF_RETURN_IF_ERROR(SetRows(context, 0, results[0], 0, n));
    return SetRows(context, 1, results[1], 0, n);
  }
};

class ConcatKernel : public SizedKernel {
 public:
  explicit ConcatKernel(tensorflow::OpKernelConstruction* construction) : SizedKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("concat_dim", &axis_));
  }

 protected:
  absl::Status Run(tensorflow::OpKernelContext* context) override {
    const Parts parts(context);
    TensorShape shape;
    if (!parts.SetShape(axis_, &shape)) return RunOnCpu(context);  // TensorFlow's own error
    const int rank = shape.dims(), axis = axis_ < 0 ? axis_ + rank : axis_;
    std::vector<int64_t> numbers;
    int64_t n = 0;
    for (int i = 0; i < parts.count; ++i) numbers.push_back(n += parts.indices(i).dim_size(0));
    for (int i = 0; i < parts.count; ++i) numbers.push_back(parts.shape(i).flat<int64_t>()(axis));
    if (!AreCountable(n)) return RunOnCpu(context);
    Tensor* output_shape = nullptr;
    TF_RETURN_IF_ERROR(context->allocate_output(2, TensorShape({rank}), &output_shape));
    for (int d = 0; d < rank; ++d) output_shape->flat<int64_t>()(d) = shape.dim_size(d);
    if (n == 0) {
      Tensor* empty = nullptr;
      TF_RETURN_IF_ERROR(context->allocate_output(0, TensorShape({0, rank}), &empty));
      return context->allocate_output(1, TensorShape({0}), &empty);
    }
    Tensor indices, values, device_numbers;
    const Types types = {{tensorflow::DT_INT64, TensorShape({PaddedRows(n), rank})}, {parts.values(0).dtype(), TensorShape({PaddedRows(n)})}};
    TF_RETURN_IF_ERROR(AllocateTemporary(context, types[0].first, types[0].second, &indices));
    TF_RETURN_IF_ERROR(AllocateTemporary(context, types[1].first, types[1].second, &values));
    parts.Copy(DeviceOf(context), &indices, &values);
    TF_RETURN_IF_ERROR(Numbers(context, numbers, &device_numbers));
    std::vector<Tensor> results;
    TF_RETURN_IF_ERROR(RunProgram(
        context, "", {&indices, &values, &device_numbers}, types,
        [&](const std::vector<XlaOp>& in) { return InOrder(Moved(in[0], in[2], parts.count, axis), in[1], ElementAt(in[2], parts.count - 1)); }, &results));
    TF_RETURN_IF_ERROR(SetRows(context, 0, results[0], 0, n));
    return SetRows(context, 1, results[1], 0, n);
  }

 private:
  // The op's inputs: so many matrices of indices, then as many vectors of values, then as many shapes.
  struct Parts {
    explicit Parts(tensorflow::OpKernelContext* c) : count(c->num_inputs() / 3), context(c) {}
    const Tensor& indices(int i) const { return context->input(i); }
    const Tensor& values(int i) const { return context->input(count + i); }
    const Tensor& shape(int i) const { return context->input(2 * count + i); }

    // The result's shape; false where an input is wrong.
    bool SetShape(int axis, TensorShape* result) const {
      int64_t length = 0;
      for (int i = 0; i < count; ++i) {
        if (!AreRows(indices(i), values(i), shape(i))) return false;
        TensorShape part;
        if (!TensorShape::BuildTensorShape(shape(i).flat<int64_t>(), &part).ok()) return false;
        if (i == 0) {
          *result = part;
          if (axis < 0) axis += part.dims();
          if (axis < 0 || axis >= part.dims()) return false;
        }
        if (part.dims() != result->dims()) return false;
        length += part.dim_size(axis);
        part.set_dim(axis, result->dim_size(axis));
        if (part != *result) return false;
      }
      return result->SetDimWithStatus(axis, length).ok();
    }

    // One after the other.
    void Copy(Device& device, Tensor* all_indices, Tensor* all_values) const {
      char *to_indices = static_cast<char*>(all_indices->data()), *to_values = static_cast<char*>(all_values->data());
      for (int i = 0; i < count; ++i) {
        if (values(i).NumElements() == 0) continue;
        device.Copy(to_indices, indices(i).data(), indices(i).TotalBytes());
        device.Copy(to_values, values(i).data(), values(i).TotalBytes());
        to_indices += indices(i).TotalBytes();
        to_values += values(i).TotalBytes();
      }
    }

    const int count;
    tensorflow::OpKernelContext* const context;  // not owned
  };

  // Indices whose column `axis` counts on through the parts. `numbers` has where each part's rows end, then the parts' sizes along the axis.
  static XlaOp Moved(XlaOp indices, XlaOp numbers, int parts, int axis) {
    xla::XlaBuilder* builder = indices.builder();
    const xla::Shape shape = builder->GetShape(indices).value();
    const int64_t n = shape.dimensions(0);
    std::vector<XlaOp> columns;
    for (int64_t i = 0; i < shape.dimensions(1); ++i) columns.push_back(Column(indices, i));
    const XlaOp zeros = xla::ZerosLike(columns[0]);
    for (int i = 0; i + 1 < parts; ++i) {
      columns[axis] = columns[axis] + xla::Select(AreBefore(builder, ElementAt(numbers, i), n), zeros, xla::Broadcast(ElementAt(numbers, parts + i), {n}));
    }
    return FromColumns(columns);
  }

  int axis_ = 0;
};

class ReshapeKernel : public SizedKernel {
 public:
  using SizedKernel::SizedKernel;

 protected:
  absl::Status Run(tensorflow::OpKernelContext* context) override {
    const Tensor &indices = context->input(0), &shape_vector = context->input(1), &new_shape = context->input(2);
    if (indices.dims() != 2 || shape_vector.dims() != 1 || new_shape.dims() != 1) return RunOnCpu(context);  // TensorFlow's own error
    const int64_t n = indices.dim_size(0), rank = indices.dim_size(1);
    TensorShape from, to;
    if (rank == 0 || rank != shape_vector.NumElements() || !TensorShape::BuildTensorShape(shape_vector.flat<int64_t>(), &from).ok() ||
        !SetTarget(from, new_shape, &to) || (n != 0 && from.num_elements() == 0) || !AreCountable(n)) {
      return RunOnCpu(context);  // the same
    }
    if (from == to) {
      context->set_output(0, indices);
      context->set_output(1, shape_vector);
      return absl::OkStatus();
    }
    Tensor* output = nullptr;
    TF_RETURN_IF_ERROR(context->allocate_output(1, TensorShape({to.dims()}), &output));
    for (int d = 0; d < to.dims(); ++d) output->flat<int64_t>()(d) = to.dim_size(d);
    if (n == 0 || to.dims() == 0) return context->allocate_output(0, TensorShape({n, to.dims()}), &output);
    std::vector<int64_t> numbers = Strides(from);
    for (const int64_t stride : Strides(to)) numbers.push_back(stride);
    Tensor padded, strides;
    TF_RETURN_IF_ERROR(PadRows(context, indices, &padded));
    TF_RETURN_IF_ERROR(Numbers(context, numbers, &strides));
    std::vector<Tensor> results;
    const Types types = {{tensorflow::DT_INT64, TensorShape({padded.dim_size(0), to.dims()})}};
    TF_RETURN_IF_ERROR(RunProgram(
        context, absl::StrCat(to.dims()), {&padded, &strides}, types,
        [&](const std::vector<XlaOp>& in) { return std::vector<XlaOp>{Reshaped(in[0], in[1], rank, to.dims())}; }, &results));
    return SetRows(context, 0, results[0], 0, n);
  }

 private:
  // The new shape, with its -1 resolved; false where it does not fit.
  static bool SetTarget(const TensorShape& from, const Tensor& sizes, TensorShape* to) {
    int unknown = -1;
    for (int d = 0; d < sizes.NumElements(); ++d) {
      int64_t size = sizes.flat<int64_t>()(d);
      if (size == -1) {
        if (unknown != -1) return false;
        unknown = d;
        size = 1;
      }
      if (!to->AddDimWithStatus(size).ok()) return false;
    }
    if (unknown != -1) {
      if (to->num_elements() == 0 || from.num_elements() % to->num_elements() != 0) return false;
      to->set_dim(unknown, from.num_elements() / to->num_elements());
    }
    return to->num_elements() == from.num_elements();
  }

  static std::vector<int64_t> Strides(const TensorShape& shape) {
    std::vector<int64_t> strides(shape.dims());
    int64_t stride = 1;
    for (int d = shape.dims() - 1; d >= 0; --d) {
      strides[d] = stride;
      stride *= shape.dim_size(d);
    }
    return strides;
  }

  static XlaOp Reshaped(XlaOp indices, XlaOp strides, int64_t from_rank, int64_t to_rank) {
    const int64_t n = indices.builder()->GetShape(indices).value().dimensions(0);
    const auto stride = [&](int64_t i) { return xla::Broadcast(ElementAt(strides, i), {n}); };
    XlaOp element = Column(indices, 0) * stride(0);
    for (int64_t d = 1; d < from_rank; ++d) element = element + Column(indices, d) * stride(d);
    std::vector<XlaOp> columns;
    for (int64_t d = 0; d < to_rank; ++d) {
      columns.push_back(xla::Div(element, stride(from_rank + d)));
      element = xla::Rem(element, stride(from_rank + d));
    }
    return FromColumns(columns);
  }
};

}  // namespace

std::vector<SizedOp> SparseOrderOps() {
  using namespace tensorflow;
  const TypeSet types = {DT_BOOL,   DT_INT8, DT_UINT8,    DT_INT16, DT_UINT16, DT_INT32,     DT_UINT32,    DT_INT64,
                         DT_UINT64, DT_HALF, DT_BFLOAT16, DT_FLOAT, DT_DOUBLE, DT_COMPLEX64, DT_COMPLEX128};
  return {{"SparseReorder", {{"T", types}}, {}, MakeSizedKernel<ReorderKernel>},
          {"SparseConcat", {{"T", types}}, {"shapes", "output_shape"}, MakeSizedKernel<ConcatKernel>},
          {"SparseReshape", {}, {"input_shape", "new_shape", "output_shape"}, MakeSizedKernel<ReshapeKernel>}};
}

}  // namespace tfvk::plugin
