// TensorFlow's StreamExecutor C API on the devices of the back end.
//
// TensorFlow aborts the process on an error of a stream or an event, and aborts `import tensorflow` on a non-OK status of SE_InitPlugin. So events of a lost
// device count as complete, the error is left to the next kernel, and a plugin that cannot work registers a platform of no devices.
#include "tensorflow/c/experimental/stream_executor/stream_executor.h"

#include <atomic>
#include <exception>

#include "plugin/platform.h"
#include "plugin/status.h"
#include "tensorflow/c/tf_status.h"
#include "xla/tsl/platform/logging.h"

struct SP_Event_st {
  tfvk::plugin::Device* device = nullptr;  // not owned; null until first recorded
  std::atomic<tfvk::plugin::Ticket> ticket{0};
};

namespace tfvk::plugin {
namespace {

Device& DeviceAt(const SP_Device* device) { return *static_cast<Device*>(device->device_handle); }

// Runs `body`; what it throws becomes the status.
template <class Body>
void Guard(TF_Status* status, Body body) {
  try {
    body();
    TF_SetStatus(status, TF_OK, "");
  } catch (const std::exception& error) {
    TF_SetStatus(status, static_cast<TF_Code>(StatusOf(error).code()), error.what());
  }
}

// Runs `body`, whose failure TensorFlow gives no way to report but the result.
template <class Result, class Body>
Result GuardResult(const char* what, Result failed, Body body) {
  try {
    return body();
  } catch (const std::exception& error) {
    LOG(ERROR) << "tensorflow-vulkan: " << what << ": " << error.what();
    return failed;
  }
}

// ---- Memory ----

void Allocate(const SP_Device* device, uint64_t bytes, int64_t, SP_DeviceMemoryBase* memory) {
  memory->struct_size = SP_DEVICE_MEMORY_BASE_STRUCT_SIZE;
  memory->opaque = GuardResult<void*>("allocating", nullptr, [&] { return DeviceAt(device).Allocate(bytes); });
  memory->size = memory->opaque != nullptr ? bytes : 0;
}
void Deallocate(const SP_Device* device, SP_DeviceMemoryBase* memory) {
  GuardResult("freeing", false, [&] {
    if (memory->opaque != nullptr) DeviceAt(device).Free(memory->opaque);
    return true;
  });
  memory->opaque = nullptr;
  memory->size = 0;
}
void* AllocateHost(const SP_Device* device, uint64_t bytes) {
  return GuardResult<void*>("allocating host memory", nullptr, [&] { return DeviceAt(device).AllocateHost(bytes); });
}
void FreeHost(const SP_Device* device, void* memory) {
  GuardResult("freeing host memory", false, [&] {
    DeviceAt(device).FreeHost(memory);
    return true;
  });
}
TF_Bool AllocatorStatistics(const SP_Device* device, SP_AllocatorStats* stats) {
  return GuardResult<TF_Bool>("memory statistics", 0, [&] {
    const MemoryUse use = DeviceAt(device).memory_use();
    *stats = {};
    stats->struct_size = SP_ALLOCATORSTATS_STRUCT_SIZE;
    stats->num_allocs = static_cast<int64_t>(use.blocks);
    stats->bytes_in_use = static_cast<int64_t>(use.allocated);
    stats->peak_bytes_in_use = static_cast<int64_t>(use.peak);
    stats->has_bytes_limit = 1;
    stats->bytes_limit = static_cast<int64_t>(use.total);
    return 1;
  });
}
TF_Bool MemoryUsage(const SP_Device* device, int64_t* free, int64_t* total) {
  return GuardResult<TF_Bool>("memory usage", 0, [&] {
    const MemoryUse use = DeviceAt(device).memory_use();
    *free = static_cast<int64_t>(use.free);
    *total = static_cast<int64_t>(use.total);
    return 1;
  });
}

// ---- Streams and events ----

void CreateStream(const SP_Device* device, SP_Stream* stream, TF_Status* status) {
  Guard(status, [&] { *stream = new SP_Stream_st(DeviceAt(device)); });
}
void DestroyStream(const SP_Device*, SP_Stream stream) { delete stream; }
void CreateStreamDependency(const SP_Device*, SP_Stream dependent, SP_Stream other, TF_Status* status) {
  Guard(status, [&] {
    other->computes = true;
    if (dependent->device != other->device) other->device->Wait(other->device->Record());
  });
}
void StreamStatus(const SP_Device*, SP_Stream, TF_Status* status) { TF_SetStatus(status, TF_OK, ""); }
void CreateEvent(const SP_Device*, SP_Event* event, TF_Status* status) {
  Guard(status, [&] { *event = new SP_Event_st; });
}
void DestroyEvent(const SP_Device*, SP_Event event) { delete event; }
SE_EventStatus EventStatus(const SP_Device*, SP_Event event) {
  return GuardResult("polling an event", SE_EVENT_COMPLETE, [&] {
    const bool done = event->device == nullptr || event->device->Done(event->ticket.load(std::memory_order_acquire));
    return done ? SE_EVENT_COMPLETE : SE_EVENT_PENDING;
  });
}
void RecordEvent(const SP_Device*, SP_Stream stream, SP_Event event, TF_Status* status) {
  Guard(status, [&] {
    event->device = stream->device;
    event->ticket.store(stream->Record(), std::memory_order_release);
  });
}
void WaitForEvent(const SP_Device* const, SP_Stream stream, SP_Event event, TF_Status* const status) {
  Guard(status, [&] {
    if (event->device != nullptr && event->device != stream->device) event->device->Wait(event->ticket.load(std::memory_order_acquire));
  });
}
void BlockHostForEvent(const SP_Device*, SP_Event event, TF_Status* status) {
  Guard(status, [&] {
    if (event->device != nullptr) event->device->Wait(event->ticket.load(std::memory_order_acquire));
  });
}
// TensorFlow calls this whenever the host reads a tensor, before the download that is waited for anyway, and at the end of a session's step. Waiting here for
// all work would keep the host from preparing the next training step while this one computes gradients. SyncDevice has a kernel that waits for everything.
void Synchronize(const SP_Device* device, TF_Status* status) {
  Guard(status, [&] { DeviceAt(device).Wait(DeviceAt(device).RecordResults()); });
}
void BlockHostUntilDone(const SP_Device*, SP_Stream stream, TF_Status* status) {
  Guard(status, [&] { stream->device->Wait(stream->Record()); });
}
TF_Bool HostCallback(const SP_Device*, SP_Stream stream, SE_StatusCallbackFn callback, void* argument) {
  return GuardResult<TF_Bool>("host callback", 0, [&] {
    std::unique_ptr<TF_Status, decltype(&TF_DeleteStatus)> status(TF_NewStatus(), TF_DeleteStatus);
    Guard(status.get(), [&] { stream->device->Wait(stream->device->Record()); });
    callback(argument, status.get());
    return 1;
  });
}

// ---- Copies and fills ----

void CopyBetween(const SP_Device* device, SP_Stream stream, void* to, const void* from, uint64_t bytes, TF_Status* status) {
  Guard(status, [&] { stream->NoteDownload(CopyAnywhere(DeviceAt(device), to, from, bytes)); });
}
void CopyToHost(const SP_Device* device, SP_Stream stream, void* to, const SP_DeviceMemoryBase* from, uint64_t bytes, TF_Status* status) {
  CopyBetween(device, stream, to, from->opaque, bytes, status);
}
void CopyToDevice(const SP_Device* device, SP_Stream stream, SP_DeviceMemoryBase* to, const void* from, uint64_t bytes, TF_Status* status) {
  CopyBetween(device, stream, to->opaque, from, bytes, status);
}
void CopyOnDevice(const SP_Device* device, SP_Stream stream, SP_DeviceMemoryBase* to, const SP_DeviceMemoryBase* from, uint64_t bytes, TF_Status* status) {
  stream->computes = true;
  CopyBetween(device, stream, to->opaque, from->opaque, bytes, status);
}
void CopyAndWait(const SP_Device* device, void* to, const void* from, uint64_t bytes, TF_Status* status) {
  Guard(status, [&] { DeviceAt(device).Wait(CopyAnywhere(DeviceAt(device), to, from, bytes)); });
}
void CopyToHostAndWait(const SP_Device* device, void* to, const SP_DeviceMemoryBase* from, uint64_t bytes, TF_Status* status) {
  CopyAndWait(device, to, from->opaque, bytes, status);
}
void CopyToDeviceAndWait(const SP_Device* device, SP_DeviceMemoryBase* to, const void* from, uint64_t bytes, TF_Status* status) {
  CopyAndWait(device, to->opaque, from, bytes, status);
}
void CopyOnDeviceAndWait(const SP_Device* device, SP_DeviceMemoryBase* to, const SP_DeviceMemoryBase* from, uint64_t bytes, TF_Status* status) {
  CopyAndWait(device, to->opaque, from->opaque, bytes, status);
}
void Fill32(const SP_Device* device, SP_Stream stream, SP_DeviceMemoryBase* to, uint32_t pattern, uint64_t bytes, TF_Status* status) {
  Guard(status, [&] {
    stream->computes = true;
    if (bytes != 0) DeviceAt(device).Fill(to->opaque, pattern, bytes);
  });
}
void Fill8(const SP_Device* device, SP_Stream stream, SP_DeviceMemoryBase* to, uint8_t pattern, uint64_t bytes, TF_Status* status) {
  Fill32(device, stream, to, pattern * 0x01010101u, bytes, status);
}
void Zero(const SP_Device* device, SP_Stream stream, SP_DeviceMemoryBase* to, uint64_t bytes, TF_Status* status) {
  Fill32(device, stream, to, 0, bytes, status);
}

// ---- The platform ----

void CreateStreamExecutor(const SP_Platform*, SE_CreateStreamExecutorParams* params, TF_Status* status) {
  SP_StreamExecutor* executor = params->stream_executor;
  executor->struct_size = SP_STREAMEXECUTOR_STRUCT_SIZE;
  executor->allocate = Allocate;
  executor->deallocate = Deallocate;
  executor->host_memory_allocate = AllocateHost;
  executor->host_memory_deallocate = FreeHost;
  executor->get_allocator_stats = AllocatorStatistics;
  executor->device_memory_usage = MemoryUsage;
  executor->create_stream = CreateStream;
  executor->destroy_stream = DestroyStream;
  executor->create_stream_dependency = CreateStreamDependency;
  executor->get_stream_status = StreamStatus;
  executor->create_event = CreateEvent;
  executor->destroy_event = DestroyEvent;
  executor->get_event_status = EventStatus;
  executor->record_event = RecordEvent;
  executor->wait_for_event = WaitForEvent;
  executor->memcpy_dtoh = CopyToHost;
  executor->memcpy_htod = CopyToDevice;
  executor->memcpy_dtod = CopyOnDevice;
  executor->sync_memcpy_dtoh = CopyToHostAndWait;
  executor->sync_memcpy_htod = CopyToDeviceAndWait;
  executor->sync_memcpy_dtod = CopyOnDeviceAndWait;
  executor->block_host_for_event = BlockHostForEvent;
  executor->block_host_until_done = BlockHostUntilDone;
  executor->synchronize_all_activity = Synchronize;
  executor->mem_zero = Zero;
  executor->memset = Fill8;
  executor->memset32 = Fill32;
  executor->host_callback = HostCallback;
  TF_SetStatus(status, TF_OK, "");
}

void DeviceCount(const SP_Platform*, int* count, TF_Status* status) {
  const Backend* backend = ActiveBackend();
  *count = backend == nullptr ? 0 : static_cast<int>(backend->devices().size());
  TF_SetStatus(status, TF_OK, "");
}

void CreateDevice(const SP_Platform*, SE_CreateDeviceParams* params, TF_Status* status) {
  Guard(status, [&] {
    Device& device = *ActiveBackend()->devices().at(params->ordinal);
    params->device->struct_size = SP_DEVICE_STRUCT_SIZE;
    params->device->ordinal = static_cast<int32_t>(params->ordinal);
    params->device->device_handle = &device;
    params->device->hardware_name = device.info().name.c_str();
    params->device->device_vendor = device.info().vendor.c_str();
    params->device->pci_bus_id = device.info().pci_bus_id.c_str();
  });
}

void CreateDeviceFns(const SP_Platform*, SE_CreateDeviceFnsParams* params, TF_Status* status) {
  params->device_fns->struct_size = SP_DEVICE_FNS_STRUCT_SIZE;
  TF_SetStatus(status, TF_OK, "");
}

void FillPlatform(SE_PlatformRegistrationParams* params) {
  SP_Platform* platform = params->platform;
  platform->struct_size = SP_PLATFORM_STRUCT_SIZE;
  platform->name = "VULKAN";
  platform->type = DeviceType();
  platform->use_bfc_allocator = 1;
  platform->force_memory_growth = 1;  // one block of all memory is more than many drivers give

  SP_PlatformFns* functions = params->platform_fns;
  functions->struct_size = SP_PLATFORM_FNS_STRUCT_SIZE;
  functions->get_device_count = DeviceCount;
  functions->create_device = CreateDevice;
  functions->destroy_device = [](const SP_Platform*, SP_Device*) {};
  functions->create_device_fns = CreateDeviceFns;
  functions->destroy_device_fns = [](const SP_Platform*, SP_DeviceFns*) {};
  functions->create_stream_executor = CreateStreamExecutor;
  functions->destroy_stream_executor = [](const SP_Platform*, SP_StreamExecutor*) {};
  functions->create_timer_fns = [](const SP_Platform*, SP_TimerFns*, TF_Status* status) { TF_SetStatus(status, TF_OK, ""); };
  functions->destroy_timer_fns = [](const SP_Platform*, SP_TimerFns*) {};
  params->destroy_platform = [](SP_Platform*) {};
  params->destroy_platform_fns = [](SP_PlatformFns*) {};
}

}  // namespace
}  // namespace tfvk::plugin

extern "C" void SE_InitPlugin(SE_PlatformRegistrationParams* params, TF_Status* status) {
  tfvk::plugin::FillPlatform(params);
  TF_SetStatus(status, TF_OK, "");
}
