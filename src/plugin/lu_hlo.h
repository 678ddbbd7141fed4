// The decomposition of matrices into triangular ones, with partial pivoting.
#pragma once

#include "absl/status/statusor.h"
#include "xla/hlo/builder/xla_builder.h"

namespace tfvk::plugin {

// [count, n, n] with L below the diagonal and U on and above it, s32 [count, n] of the row that went to each place, and s32 [count] of the exchanges' number.
struct LuDecomposition {
  xla::XlaOp factors, rows, exchanges;
};

// Of [count, n, n], real or complex. The pivot of a column of zeros is zero, which makes U singular.
absl::StatusOr<LuDecomposition> DecomposeLu(xla::XlaOp matrices);

}  // namespace tfvk::plugin
