// The one exception class of the project. Rooms below plugin/ throw it; plugin/ turns it into the status of the TensorFlow op, so that no exception
// crosses a C boundary.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace tfvk {

enum class ErrorCode {
  kInvalidArgument,     // the caller's shapes, dtypes or values do not fit
  kUnimplemented,       // meaningful, but this back end has no code for it (or the device cannot do it)
  kResourceExhausted,   // out of device or host memory
  kUnavailable,         // the device was lost, or no device is there
  kFailedPrecondition,  // the environment is wrong: another TensorFlow, no driver
  kInternal,            // a broken invariant of our own
};

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

// Throws Error with a sentence that names the values, as TensorFlow's messages do:
//   Fail(ErrorCode::kInvalidArgument, "[Conv2D] filter depth {} does not divide input depth {}", 3, 4);
template <class... Args>
[[noreturn]] void Fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

// Throws kInternal when an invariant of our own code does not hold.
template <class... Args>
void Require(bool holds, fmt::format_string<Args...> format, Args&&... args) {
  if (!holds) throw Error(ErrorCode::kInternal, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace tfvk
