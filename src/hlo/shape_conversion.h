// XLA's element types and shapes as ours.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "types/error.h"
#include "xla/shape.h"
#include "xla/xla_data.pb.h"

namespace tfvk::hlo {

// Nothing for complex numbers, floats and integers below 8 bits, 8-bit floats, tokens and opaque values.
std::optional<DType> DTypeOf(xla::PrimitiveType type);

// Of an array's shape, its layout ignored. When the element type is missing or a dimension is dynamic, throws Error(kUnimplemented) whose sentence ends with
// the result of `describe` (only then called).
template <class Describe>
ir::TensorType TypeOf(const xla::Shape& shape, Describe describe) {
  const auto dtype = DTypeOf(shape.element_type());
  if (!dtype) {
    Fail(ErrorCode::kUnimplemented, "Element type {} of shape {} is not supported on Vulkan devices yet, in {}", xla::PrimitiveType_Name(shape.element_type()),
         shape.ToString(), describe());
  }
  if (shape.is_dynamic()) {
    Fail(ErrorCode::kUnimplemented, "Shape {} has dynamic dimensions, which Vulkan programs do not support yet, in {}", shape.ToString(), describe());
  }
  return {*dtype, Shape(shape.dimensions().begin(), shape.dimensions().end())};
}

// The arrays of a shape in the order of a depth-first walk over its tuples; an array's own shape alone.
std::vector<const xla::Shape*> Leaves(const xla::Shape& shape);

}  // namespace tfvk::hlo
