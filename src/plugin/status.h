// tfvk::Error as TensorFlow's statuses: no exception crosses from the plugin into TensorFlow.
#pragma once

#include <exception>
#include <string>

#include "absl/status/status.h"
#include "types/error.h"

namespace tfvk::plugin {

inline absl::StatusCode StatusCodeOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return absl::StatusCode::kInvalidArgument;
    case ErrorCode::kUnimplemented:
      return absl::StatusCode::kUnimplemented;
    case ErrorCode::kResourceExhausted:
      return absl::StatusCode::kResourceExhausted;
    case ErrorCode::kUnavailable:
      return absl::StatusCode::kUnavailable;
    case ErrorCode::kFailedPrecondition:
      return absl::StatusCode::kFailedPrecondition;
    case ErrorCode::kInternal:
      break;
  }
  return absl::StatusCode::kInternal;
}

inline absl::Status StatusOf(const std::exception& exception) {
  if (const auto* error = dynamic_cast<const Error*>(&exception)) return absl::Status(StatusCodeOf(error->code()), error->what());
  if (dynamic_cast<const std::bad_alloc*>(&exception) != nullptr) return absl::ResourceExhaustedError("Out of host memory");
  return absl::InternalError(exception.what());
}

// Runs `body`, which returns a status; what it throws becomes one.
template <class Body>
absl::Status Guarded(Body body) {
  try {
    return body();
  } catch (const std::exception& exception) {
    return StatusOf(exception);
  }
}

}  // namespace tfvk::plugin
