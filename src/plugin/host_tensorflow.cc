#include "plugin/host_tensorflow.h"

#include <fmt/format.h>

#include <string_view>

#include "tensorflow/c/c_api.h"
#include "tensorflow/core/util/port.h"

namespace tfvk::plugin {
namespace {

// "2.21" of "2.21.0-rc1"
std::string_view MinorVersion(std::string_view version) { return version.substr(0, version.find('.', version.find('.') + 1)); }

}  // namespace

std::string IncompatibleTensorFlow() {
  const std::string_view built = TFVK_TENSORFLOW_VERSION, running = TF_Version();
  if (MinorVersion(built) == MinorVersion(running)) return {};
  return fmt::format(
      "tensorflow-vulkan was built for TensorFlow {0}.x, but TensorFlow {1} is running, so no Vulkan device is offered. Install tensorflow-cpu {0}.x, "
      "or the tensorflow-vulkan release for TensorFlow {2}.",
      MinorVersion(built), running, MinorVersion(running));
}

bool HasVendorGpuKernels() { return tensorflow::IsGoogleCudaEnabled() || tensorflow::IsBuiltWithROCm(); }

}  // namespace tfvk::plugin
