#include "plugin/platform.h"

#include <cstring>
#include <exception>

#include "plugin/host_tensorflow.h"
#include "plugin/statistics.h"
#include "tensorflow/c/kernels.h"
#include "tensorflow/c/tf_status.h"
#include "types/error.h"
#include "xla/tsl/platform/logging.h"

namespace tfvk::plugin {
namespace {

std::unique_ptr<Backend> OpenOrWarn() {
  std::string problem = IncompatibleTensorFlow();
  std::unique_ptr<Backend> backend;
  if (problem.empty()) {
    try {
      backend = OpenBackend();
      problem = backend->problem();
    } catch (const std::exception& error) {
      problem = error.what();
    }
  }
  if (backend && backend->devices().empty()) backend.reset();
  if (!problem.empty()) LOG(WARNING) << "tensorflow-vulkan: " << problem << (backend ? "" : " No Vulkan device is offered to TensorFlow.");
  return backend;
}

}  // namespace

Backend* ActiveBackend() {
  // Leaked: TensorFlow's threads may still use it while the process exits.
  static Backend* const backend = OpenOrWarn().release();
  return backend;
}

const char* DeviceType() {
  static const char* const type = HasVendorGpuKernels() ? "VULKAN" : "GPU";
  return type;
}

Device* OwnerOf(const void* address) {
  for (const std::unique_ptr<Device>& device : ActiveBackend()->devices()) {
    if (device->Owns(address)) return device.get();
  }
  return nullptr;
}

Device& DeviceOf(tensorflow::OpKernelContext* context) {
  std::unique_ptr<TF_Status, decltype(&TF_DeleteStatus)> status(TF_NewStatus(), TF_DeleteStatus);
  SP_Stream stream = TF_GetStream(reinterpret_cast<TF_OpKernelContext*>(context), status.get());
  Require(TF_GetCode(status.get()) == TF_OK, "[plugin] A Vulkan kernel runs without a stream: {}", TF_Message(status.get()));
  stream->computes = true;
  return *stream->device;
}

Ticket CopyAnywhere(Device& device, void* destination, const void* source, uint64_t bytes) {
  if (bytes == 0) return 0;
  Device* const to = OwnerOf(destination);
  Device* const from = OwnerOf(source);
  if (to != nullptr && to == from) {
    statistics().bytes_copied += bytes;
    to->Copy(destination, source, bytes);
  } else if (to != nullptr && from == nullptr) {
    statistics().bytes_uploaded += bytes;
    to->Upload(destination, source, bytes);
  } else if (to == nullptr && from != nullptr) {
    statistics().bytes_downloaded += bytes;
    return from->Download(destination, source, bytes);
  } else if (to == nullptr) {
    device.Wait(device.Record());  // a download into `source` may be under way
    std::memcpy(destination, source, bytes);
  } else {
    statistics().bytes_downloaded += bytes;
    statistics().bytes_uploaded += bytes;
    std::vector<char> staging(bytes);
    const Ticket staged = from->Download(staging.data(), source, bytes);
    from->Wait(staged);
    to->Upload(destination, staging.data(), bytes);
  }
  return 0;
}

}  // namespace tfvk::plugin
