// TensorFlow 1's arrays of tensors: graphs of loops made before lists of tensors were. The array is TensorFlow's own resource, so its kernels of sizes,
// gradients and closing, which look into no tensor, work on it too; the elements are in device memory, those of type int32 in host memory.
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "plugin/built_program.h"
#include "plugin/container_ops.h"
#include "plugin/device_kernel.h"
#include "plugin/element_ops.h"
#include "plugin/status.h"
#include "tensorflow/core/kernels/tensor_array.h"

namespace tfvk::plugin {
namespace {
struct ArrayDevice {};  // tells TensorFlow's templates to add and clear elements with the functions below
}  // namespace
}  // namespace tfvk::plugin

namespace tensorflow::tensor_array {

// The type of the elements is the tensors', not the template's.
template <>
absl::Status AddToTensor<tfvk::plugin::ArrayDevice, float>(OpKernelContext* context, Tensor* sum, const Tensor* current, const Tensor* add) {
  Tensor made;  // `sum` may be `current`
  TF_RETURN_IF_ERROR(tfvk::plugin::AddElements(context, *current, *add, &made));
  *sum = made;
  return absl::OkStatus();
}

template <>
absl::Status TensorSetZero<tfvk::plugin::ArrayDevice, float>(OpKernelContext* context, Tensor* value) {
  return tfvk::plugin::MakeZeros(context, value->dtype(), value->shape(), value->dtype() == DT_INT32, value);
}

}  // namespace tensorflow::tensor_array

namespace tfvk::plugin {
namespace {

using tensorflow::DataType;
using tensorflow::DataTypeString;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::PartialTensorShape;
using tensorflow::Tensor;
using tensorflow::TensorArray;
using tensorflow::TensorShape;
using ArrayPointer = tensorflow::core::RefCountPtr<TensorArray>;

bool IsOnHost(DataType type) { return type == tensorflow::DT_INT32; }

absl::Status AllocateFlow(OpKernelContext* context, int output) {
  Tensor* flow = nullptr;
  TF_RETURN_IF_ERROR(context->allocate_output(output, TensorShape({}), &flow));
  DeviceOf(context).Fill(flow->data(), 0, flow->TotalBytes());
  return absl::OkStatus();
}

// The array of the first input: a resource, or before the third version a name in two strings.
absl::Status FindArray(OpKernelContext* context, ArrayPointer* array) {
  if (context->input_dtype(0) == tensorflow::DT_RESOURCE) return tensorflow::LookupResource(context, tensorflow::HandleFromInput(context, 0), array);
  const bool is_reference = tensorflow::IsRefType(context->input_dtype(0));
  const Tensor handle = is_reference ? context->mutable_input(0, /*lock_held=*/false) : context->input(0);
  if (handle.NumElements() != 2) {
    return absl::InvalidArgumentError(absl::StrCat("Tensor array handle must be 2-element vector, but had shape: ", handle.shape().DebugString()));
  }
  const auto name = handle.flat<tensorflow::tstring>();
  if (context->step_container() == nullptr) return absl::InternalError("No step container to find the TensorArray in");
  TensorArray* found = nullptr;
  const std::string key = absl::StrCat(absl::string_view(name(0)), absl::string_view(name(1)));
  TF_RETURN_IF_ERROR(context->step_container()->Lookup(context->resource_manager(), key, &found));
  array->reset(found);
  return absl::OkStatus();
}

class ArrayKernel : public tensorflow::OpKernel {
 public:
  explicit ArrayKernel(OpKernelConstruction* construction) : OpKernel(construction) {
    const bool is_named_t = construction->HasAttr("T");
    OP_REQUIRES_OK(construction, construction->GetAttr(is_named_t ? "T" : "dtype", &type_));
  }

  void Compute(OpKernelContext* context) override {
    OP_REQUIRES_OK(context, Guarded([&] { return Run(context); }));
  }

 protected:
  virtual absl::Status Run(OpKernelContext* context) = 0;

  absl::Status CheckType(TensorArray& array, const char* wish) const {
    if (array.ElemType() == type_) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("TensorArray dtype is ", DataTypeString(array.ElemType()), " but Op ", wish, " dtype ", DataTypeString(type_), "."));
  }

  absl::Status AllocateElements(OpKernelContext* context, int output, const TensorShape& shape, Tensor** tensor) const {
    tensorflow::AllocatorAttributes attributes;
    attributes.set_on_host(IsOnHost(type_));
    return context->allocate_output(output, shape, tensor, attributes);
  }

  static void CopyBytes(OpKernelContext* context, const Tensor& to, uint64_t to_offset, const Tensor& from, uint64_t from_offset, uint64_t bytes) {
    if (bytes == 0) return;
    CopyAnywhere(DeviceOf(context), static_cast<char*>(to.data()) + to_offset, static_cast<const char*>(from.data()) + from_offset, bytes);
  }

  DataType type_;
};

class MakeArrayKernel : public ArrayKernel {
 public:
  explicit MakeArrayKernel(OpKernelConstruction* construction) : ArrayKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("element_shape", &element_shape_));
    OP_REQUIRES_OK(construction, construction->GetAttr("dynamic_size", &is_dynamic_));
    OP_REQUIRES_OK(construction, construction->GetAttr("clear_after_read", &is_cleared_));
    OP_REQUIRES_OK(construction, construction->GetAttr("tensor_array_name", &name_));
    if (name_.empty()) name_ = name();
    if (construction->HasAttr("identical_element_shapes")) {
      OP_REQUIRES_OK(construction, construction->GetAttr("identical_element_shapes", &has_one_shape_));
    }
  }

 private:
  absl::Status Run(OpKernelContext* context) override {
    const Tensor& size = context->input(0);
    if (size.dims() != 0) {
      return absl::InvalidArgumentError(absl::StrCat("TensorArray size must be scalar, but had shape: ", size.shape().DebugString()));
    }
    const int32_t count = size.scalar<int32_t>()();
    if (count < 0) return absl::InvalidArgumentError("Size should be >= 0.");
    if (context->step_container() == nullptr) return absl::InternalError("No step container to keep the TensorArray in");
    Tensor handle;
    TF_RETURN_IF_ERROR(AllocateTemporary(context, tensorflow::DT_STRING, TensorShape({2}), &handle, /*on_host=*/true));
    auto words = handle.flat<tensorflow::tstring>();
    words(0) = "_tensor_arrays";
    words(1) = absl::StrCat(name_, "_", TensorArray::tensor_array_counter.fetch_add(1));
    const std::string key = absl::StrCat(absl::string_view(words(0)), absl::string_view(words(1)));
    ArrayPointer array(new TensorArray(key, type_, handle, count, element_shape_, has_one_shape_, is_dynamic_, /*multiple_writes_aggregate=*/false,
                                       /*is_grad=*/false, /*marked_size=*/-1, is_cleared_));
    array->Ref();  // the container takes one
    TF_RETURN_IF_ERROR(context->step_container()->Create(context->resource_manager(), key, array.get()));
    TF_RETURN_IF_ERROR(SetHandle(context, *array));
    return context->num_outputs() == 2 ? AllocateFlow(context, 1) : absl::OkStatus();
  }

  static absl::Status SetHandle(OpKernelContext* context, TensorArray& array) {
    const DataType type = context->expected_output_dtype(0);
    if (tensorflow::IsRefType(type)) {
      context->set_output_ref(0, array.mu(), array.handle());
    } else if (type == tensorflow::DT_STRING) {
      context->set_output(0, *array.handle());
    } else {
      Tensor* handle = nullptr;
      TF_RETURN_IF_ERROR(context->allocate_output(0, TensorShape({}), &handle));
      handle->flat<tensorflow::ResourceHandle>()(0) = array.resource_handle(context);
    }
    return absl::OkStatus();
  }

  PartialTensorShape element_shape_;
  bool is_dynamic_, is_cleared_, has_one_shape_ = false;
  std::string name_;
};

absl::StatusOr<int32_t> IndexOf(const Tensor& index) {
  if (index.dims() != 0) return absl::InvalidArgumentError(absl::StrCat("TensorArray index must be scalar, but had shape: ", index.shape().DebugString()));
  return index.scalar<int32_t>()();
}

class WriteKernel : public ArrayKernel {
 public:
  using ArrayKernel::ArrayKernel;

 private:
  absl::Status Run(OpKernelContext* context) override {
    TF_ASSIGN_OR_RETURN(const int32_t index, IndexOf(context->input(1)));
    ArrayPointer array;
    TF_RETURN_IF_ERROR(FindArray(context, &array));
    TF_RETURN_IF_ERROR(CheckType(*array, "is trying to write"));
    TF_RETURN_IF_ERROR((array->WriteOrAggregate<ArrayDevice, float>(context, index, &context->input(2))));
    context->set_output(0, context->input(3));
    return absl::OkStatus();
  }
};

class ReadKernel : public ArrayKernel {
 public:
  using ArrayKernel::ArrayKernel;

 private:
  absl::Status Run(OpKernelContext* context) override {
    TF_ASSIGN_OR_RETURN(const int32_t index, IndexOf(context->input(1)));
    ArrayPointer array;
    TF_RETURN_IF_ERROR(FindArray(context, &array));
    TF_RETURN_IF_ERROR(CheckType(*array, "requested"));
    Tensor value;
    TF_RETURN_IF_ERROR((array->Read<ArrayDevice, float>(context, index, &value)));
    context->set_output(0, value);
    return absl::OkStatus();
  }
};

std::vector<int32_t> UpTo(int32_t count) {
  std::vector<int32_t> numbers(count);
  for (int32_t i = 0; i < count; ++i) numbers[i] = i;
  return numbers;
}

absl::StatusOr<std::vector<int32_t>> IndicesOf(const Tensor& indices) {
  if (indices.dims() != 1)
    return absl::InvalidArgumentError(absl::StrCat("Expected indices to be a vector, but received shape: ", indices.shape().DebugString()));
  const auto flat = indices.flat<int32_t>();
  return std::vector<int32_t>(flat.data(), flat.data() + flat.size());
}

// All elements (Pack, the first version's name) or some of them, one after the other along a new first dimension.
class GatherKernel : public ArrayKernel {
 public:
  explicit GatherKernel(OpKernelConstruction* construction) : ArrayKernel(construction), takes_all_(type_string() == "TensorArrayPack") {
    OP_REQUIRES_OK(construction, construction->GetAttr("element_shape", &element_shape_));
  }

 private:
  absl::Status Run(OpKernelContext* context) override {
    ArrayPointer array;
    TF_RETURN_IF_ERROR(FindArray(context, &array));
    TF_RETURN_IF_ERROR(CheckType(*array, "requested"));
    TF_RETURN_IF_ERROR(array->SetElemShape(element_shape_));
    std::vector<int32_t> indices;
    if (takes_all_) {
      int32_t size = 0;
      TF_RETURN_IF_ERROR(array->PackOrConcatSize(&size));
      indices = UpTo(size);
    } else {
      TF_ASSIGN_OR_RETURN(indices, IndicesOf(context->input(1)));
    }
    if (indices.empty()) return SetNothing(context);
    std::vector<Tensor> values;
    TF_RETURN_IF_ERROR((array->ReadMany<ArrayDevice, float>(context, indices, &values)));
    TF_RETURN_IF_ERROR(CheckShapes(values));
    TensorShape shape = values[0].shape();
    shape.InsertDim(0, static_cast<int64_t>(values.size()));
    Tensor* output = nullptr;
    TF_RETURN_IF_ERROR(AllocateElements(context, 0, shape, &output));
    const uint64_t bytes = output->NumElements() == 0 ? 0 : values[0].TotalBytes();
    for (size_t i = 0; i < values.size(); ++i) CopyBytes(context, *output, i * bytes, values[i], 0, bytes);
    return absl::OkStatus();
  }

  absl::Status SetNothing(OpKernelContext* context) const {
    TensorShape shape;
    if (!element_shape_.AsTensorShape(&shape)) {
      return absl::UnimplementedError(absl::StrCat("TensorArray has size zero, but element shape ", element_shape_.DebugString(),
                                                   " is not fully defined. Currently only static shapes are supported when packing zero-size TensorArrays."));
    }
    shape.InsertDim(0, 0);
    Tensor* output = nullptr;
    return AllocateElements(context, 0, shape, &output);
  }

  absl::Status CheckShapes(const std::vector<Tensor>& values) const {
    if (!element_shape_.IsCompatibleWith(values[0].shape())) {
      return absl::InvalidArgumentError(absl::StrCat("TensorArray was passed element_shape ", element_shape_.DebugString(),
                                                     " which does not match the Tensor at index 0: ", values[0].shape().DebugString()));
    }
    for (size_t i = 1; i < values.size(); ++i) {
      if (values[i].shape() == values[0].shape()) continue;
      return absl::InvalidArgumentError(absl::StrCat("TensorArray has inconsistent shapes.  Index 0 has shape: ", values[0].shape().DebugString(),
                                                     " but index ", i, " has shape: ", values[i].shape().DebugString()));
    }
    return absl::OkStatus();
  }

  const bool takes_all_;
  PartialTensorShape element_shape_;
};

class ConcatKernel : public ArrayKernel {
 public:
  explicit ConcatKernel(OpKernelConstruction* construction) : ArrayKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("element_shape_except0", &row_shape_));
  }

 private:
  absl::Status Run(OpKernelContext* context) override {
    ArrayPointer array;
    TF_RETURN_IF_ERROR(FindArray(context, &array));
    TF_RETURN_IF_ERROR(CheckType(*array, "requested"));
    int32_t size = 0;
    TF_RETURN_IF_ERROR(array->PackOrConcatSize(&size));
    Tensor *output = nullptr, *lengths = nullptr;
    TF_RETURN_IF_ERROR(context->allocate_output(1, TensorShape({size}), &lengths));
    std::vector<Tensor> values;
    TF_RETURN_IF_ERROR((array->ReadMany<ArrayDevice, float>(context, UpTo(size), &values)));
    TensorShape shape;
    TF_RETURN_IF_ERROR(RowShape(values, &shape));
    int64_t rows = 0;
    for (int32_t i = 0; i < size; ++i) {
      lengths->flat<int64_t>()(i) = values[i].dim_size(0);
      rows += values[i].dim_size(0);
    }
    shape.InsertDim(0, rows);
    TF_RETURN_IF_ERROR(AllocateElements(context, 0, shape, &output));
    uint64_t offset = 0;
    for (const Tensor& value : values) {
      if (value.NumElements() == 0) continue;
      CopyBytes(context, *output, offset, value, 0, value.TotalBytes());
      offset += value.TotalBytes();
    }
    return absl::OkStatus();
  }

  // The shape that all elements have after their first dimension.
  absl::Status RowShape(const std::vector<Tensor>& values, TensorShape* shape) const {
    if (values.empty()) {
      if (row_shape_.AsTensorShape(shape)) return absl::OkStatus();
      return absl::UnimplementedError(absl::StrCat("TensorArray has size zero, but element_shape_except0 ", row_shape_.DebugString(),
                                                   " is not fully defined. Currently only static shapes are supported when concatenating zero-size "
                                                   "TensorArrays."));
    }
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i].dims() == 0) {
        return absl::InvalidArgumentError(
            absl::StrCat("Concat saw a scalar shape at index ", i, " but requires at least vectors.  Did you mean to call pack?"));
      }
      TensorShape row = values[i].shape();
      row.RemoveDim(0);
      if (i == 0) *shape = row;
      if (i == 0 && !row_shape_.IsCompatibleWith(row)) {
        return absl::InvalidArgumentError(absl::StrCat("TensorArray was passed element_shape_except0 ", row_shape_.DebugString(),
                                                       " but index 0 has (excepting dimension 0) shape: ", row.DebugString(), " which does not match."));
      }
      if (row != *shape) {
        return absl::InvalidArgumentError(absl::StrCat("TensorArray has inconsistent shapes.  Index 0 has (excepting dimension 0) shape: ",
                                                       shape->DebugString(), " but index ", i, " has (excepting dimension 0) shape: ", row.DebugString()));
      }
    }
    return absl::OkStatus();
  }

  PartialTensorShape row_shape_;
};

// Elements out of consecutive parts of one tensor.
class PartsKernel : public ArrayKernel {
 public:
  using ArrayKernel::ArrayKernel;

 protected:
  // Writes the parts of `value` that have these shapes to these indices; together they are not larger than it.
  static absl::Status WriteParts(OpKernelContext* context, TensorArray& array, const Tensor& value, const std::vector<TensorShape>& shapes,
                                 const std::vector<int32_t>& indices) {
    std::vector<Tensor> parts(shapes.size());
    uint64_t offset = 0;
    for (size_t i = 0; i < shapes.size(); ++i) {
      TF_RETURN_IF_ERROR(AllocateTemporary(context, value.dtype(), shapes[i], &parts[i], IsOnHost(value.dtype())));
      const uint64_t bytes = parts[i].NumElements() == 0 ? 0 : parts[i].TotalBytes();
      CopyBytes(context, parts[i], 0, value, offset, bytes);
      offset += bytes;
    }
    return array.WriteOrAggregateMany<ArrayDevice, float>(context, indices, &parts);
  }
};

class ScatterKernel : public PartsKernel {
 public:
  explicit ScatterKernel(OpKernelConstruction* construction) : PartsKernel(construction), fills_all_(type_string() == "TensorArrayUnpack") {}

 private:
  absl::Status Run(OpKernelContext* context) override {
    ArrayPointer array;
    TF_RETURN_IF_ERROR(FindArray(context, &array));
    const Tensor& value = context->input(fills_all_ ? 1 : 2);
    TF_RETURN_IF_ERROR(CheckType(*array, "is trying to write"));
    if (value.dims() == 0) {
      return absl::InvalidArgumentError(absl::StrCat("Input value for unpack must be at least a vector but received shape: ", value.shape().DebugString()));
    }
    const int64_t rows = value.dim_size(0);
    TensorShape element = value.shape();
    element.RemoveDim(0);
    TF_RETURN_IF_ERROR(array->SetElemShape(PartialTensorShape(element.dim_sizes())));
    std::vector<int32_t> indices;
    if (fills_all_) {
      TF_RETURN_IF_ERROR(CheckSize(*array, rows));
      indices = UpTo(static_cast<int32_t>(rows));
    } else {
      TF_ASSIGN_OR_RETURN(indices, IndicesOf(context->input(1)));
      if (static_cast<int64_t>(indices.size()) != rows) {
        return absl::InvalidArgumentError(absl::StrCat("Expected len(indices) == values.shape[0], but saw: ", indices.size(), " vs. ", rows));
      }
    }
    TF_RETURN_IF_ERROR(WriteParts(context, *array, value, std::vector<TensorShape>(rows, element), indices));
    context->set_output(0, context->input(fills_all_ ? 2 : 3));
    return absl::OkStatus();
  }

  static absl::Status CheckSize(TensorArray& array, int64_t rows) {
    int32_t size = 0;
    TF_RETURN_IF_ERROR(array.Size(&size));
    if (array.HasDynamicSize() && size < rows) size = static_cast<int32_t>(rows);
    if (size != rows) {
      return absl::InvalidArgumentError(absl::StrCat("Input value must have first dimension equal to the array size (", rows, " vs. ", size, ")"));
    }
    return array.SetMarkedSize(size);
  }

  const bool fills_all_;
};

class SplitKernel : public PartsKernel {
 public:
  using PartsKernel::PartsKernel;

 private:
  absl::Status Run(OpKernelContext* context) override {
    ArrayPointer array;
    TF_RETURN_IF_ERROR(FindArray(context, &array));
    const Tensor &value = context->input(1), &lengths = context->input(2);
    TF_RETURN_IF_ERROR(CheckType(*array, "is trying to write"));
    TF_RETURN_IF_ERROR(CheckLengths(value, lengths));
    const auto flat = lengths.flat<int64_t>();
    const int32_t count = static_cast<int32_t>(flat.size());
    int32_t size = 0;
    TF_RETURN_IF_ERROR(array->Size(&size));
    if (array->HasDynamicSize() && count > size) size = count;
    if (size != count) {
      return absl::InvalidArgumentError(absl::StrCat("TensorArray's size is not equal to the size of lengths (", size, " vs. ", count,
                                                     "), and the TensorArray is not marked as dynamically resizeable"));
    }
    if (type_string() == "TensorArraySplit") TF_RETURN_IF_ERROR(array->SetMarkedSize(size));
    std::vector<TensorShape> shapes(count, value.shape());
    for (int32_t i = 0; i < count; ++i) shapes[i].set_dim(0, flat(i));
    TF_RETURN_IF_ERROR(WriteParts(context, *array, value, shapes, UpTo(count)));
    context->set_output(0, context->input(3));
    return absl::OkStatus();
  }

  static absl::Status CheckLengths(const Tensor& value, const Tensor& lengths) {
    if (lengths.dims() != 1) {
      return absl::InvalidArgumentError(absl::StrCat("Expected lengths to be a vector, received shape: ", lengths.shape().DebugString()));
    }
    if (lengths.NumElements() > std::numeric_limits<int32_t>::max()) {
      return absl::InvalidArgumentError(absl::StrCat("Expected lengths to have < max int32 entries, but it has ", lengths.NumElements()));
    }
    if (value.dims() == 0) {
      return absl::InvalidArgumentError(absl::StrCat("Expected value to be at least a vector, but received shape: ", value.shape().DebugString()));
    }
    int64_t total = 0;
    for (int64_t i = 0; i < lengths.NumElements(); ++i) {
      const int64_t length = lengths.flat<int64_t>()(i);
      if (length < 0 || length > value.dim_size(0) - total) {
        return absl::InvalidArgumentError(absl::StrCat("Expected lengths that are not negative and whose sum is values.shape[0], but length ", i, " is ",
                                                       length, ", those before it are ", total,
                                                       " together, and value's shape is: ", value.shape().DebugString()));
      }
      total += length;
    }
    if (total == value.dim_size(0)) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("Expected sum of lengths to be equal to values.shape[0], but sum of lengths is ", total,
                                                   " and value's shape is: ", value.shape().DebugString()));
  }
};

// Every version of an op; int32 elements, of which TensorFlow takes only some on a GPU, are in host memory.
template <class Kernel>
void RegisterVersions(const std::string& op, const std::vector<const char*>& versions, const std::string& attribute, const std::string& elements,
                      const std::vector<std::string>& host_arguments) {
  for (const char* version : versions) {
    RegisterDeviceKernel<Kernel>(DeviceKernel(op + version, attribute, DeviceTypesWithoutInt32(), host_arguments));
    std::vector<std::string> all = host_arguments;
    if (!elements.empty()) all.push_back(elements);
    RegisterDeviceKernel<Kernel>(DeviceKernel(op + version, attribute, {tensorflow::DT_INT32}, all));
  }
}

}  // namespace

void RegisterTensorArrayOps() {
  const std::vector<const char*> all = {"", "V2", "V3"}, first = {""};
  RegisterVersions<MakeArrayKernel>("TensorArray", all, "dtype", "", {"size", "handle"});
  RegisterVersions<WriteKernel>("TensorArrayWrite", all, "T", "value", {"handle", "index"});
  RegisterVersions<ReadKernel>("TensorArrayRead", all, "dtype", "value", {"handle", "index"});
  RegisterVersions<GatherKernel>("TensorArrayPack", first, "dtype", "value", {"handle"});
  RegisterVersions<GatherKernel>("TensorArrayGather", all, "dtype", "value", {"handle", "indices"});
  RegisterVersions<ConcatKernel>("TensorArrayConcat", all, "dtype", "value", {"handle", "lengths"});
  RegisterVersions<ScatterKernel>("TensorArrayUnpack", first, "T", "value", {"handle"});
  RegisterVersions<ScatterKernel>("TensorArrayScatter", all, "T", "value", {"handle", "indices"});
  RegisterVersions<SplitKernel>("TensorArraySplit", all, "T", "value", {"handle", "lengths"});
}

}  // namespace tfvk::plugin
