// Scans of the windows of an image one position after the other, for ops that look for the position of the largest element and care which of equal ones.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "tensorflow/core/util/padding.h"
#include "xla/hlo/builder/xla_builder.h"

namespace tfvk::plugin {

// Windows over the rows and columns of images [batch, rows, columns, depth].
struct Windows {
  struct Side {
    int64_t input, window, stride, rate;
    int64_t output = 0, padding = 0;  // padding: before the first element
  };
  int64_t batch, depth;
  Side rows, columns;

  std::vector<int64_t> Input() const { return {batch, rows.input, columns.input, depth}; }
  std::vector<int64_t> Output() const { return {batch, rows.output, columns.output, depth}; }
  int64_t Outputs() const { return batch * rows.output * columns.output * depth; }

  // Finds the sizes of the outputs and the paddings, with TensorFlow's errors.
  absl::Status Place(tensorflow::Padding padding);

  // Of every window the row and the column in the image of its position (i, j): s32 [batch, output rows, output columns, depth].
  xla::XlaOp RowOf(xla::XlaOp i) const;
  xla::XlaOp ColumnOf(xla::XlaOp j) const;
};

// The largest element of each window and where it is.
struct Maxima {
  xla::XlaOp value;     // [batch, output rows, output columns, depth]; the type's lowest where no element is larger than that
  xla::XlaOp position;  // s32, i * columns.window + j; -1 where nothing was taken
};

// `offset`, if given, is [rows.window, columns.window, depth] and added to the windows' elements. Of equal elements the first is taken; with `first_always`
// also a window's first element, whatever it is.
absl::StatusOr<Maxima> FindMaxima(xla::XlaOp image, const xla::XlaOp* offset, bool first_always, const Windows& windows);

}  // namespace tfvk::plugin
