// TensorFlow's element types as ours, and which of them the device computes with.
#pragma once

#include <optional>
#include <set>

#include "tensorflow/core/framework/types.pb.h"
#include "types/dtype.h"

namespace tfvk::plugin {

using TypeSet = std::set<tensorflow::DataType>;

inline std::optional<DType> DTypeOf(tensorflow::DataType type) {
  switch (type) {
    case tensorflow::DT_BOOL:
      return DType::kBool;
    case tensorflow::DT_INT8:
    case tensorflow::DT_QINT8:
      return DType::kS8;
    case tensorflow::DT_INT16:
      return DType::kS16;
    case tensorflow::DT_INT32:
    case tensorflow::DT_QINT32:
      return DType::kS32;
    case tensorflow::DT_INT64:
      return DType::kS64;
    case tensorflow::DT_UINT8:
    case tensorflow::DT_QUINT8:
      return DType::kU8;
    case tensorflow::DT_UINT16:
      return DType::kU16;
    case tensorflow::DT_UINT32:
      return DType::kU32;
    case tensorflow::DT_UINT64:
      return DType::kU64;
    case tensorflow::DT_HALF:
      return DType::kF16;
    case tensorflow::DT_BFLOAT16:
      return DType::kBF16;
    case tensorflow::DT_FLOAT:
      return DType::kF32;
    case tensorflow::DT_DOUBLE:
      return DType::kF64;
    default:
      return std::nullopt;
  }
}

// The types that this process's device has kernels for.
TypeSet DeviceTypes();

}  // namespace tfvk::plugin
