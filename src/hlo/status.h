// absl's statuses as tfvk::Error.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "types/error.h"

namespace tfvk::hlo {

inline ErrorCode CodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return ErrorCode::kInvalidArgument;
    case absl::StatusCode::kUnimplemented:
      return ErrorCode::kUnimplemented;
    case absl::StatusCode::kResourceExhausted:
      return ErrorCode::kResourceExhausted;
    case absl::StatusCode::kFailedPrecondition:
      return ErrorCode::kFailedPrecondition;
    default:
      return ErrorCode::kInternal;
  }
}

// `what`: what was being done, the start of the message: "[XLA passes] ...".
inline void ThrowIfError(const absl::Status& status, const char* what) {
  if (!status.ok()) Fail(CodeOf(status), "[{}] {}", what, std::string(status.message()));
}

template <class T>
T ValueOrThrow(absl::StatusOr<T> value, const char* what) {
  ThrowIfError(value.status(), what);
  return *std::move(value);
}

}  // namespace tfvk::hlo
