// What the plugin needs of a device implementation, without TensorFlow in it. Two exist: vulkan_backend.cc, the product, and reference_backend.cc, on which
// the tests prove the plugin alone: XLA's HloEvaluator over memory that faults when the CPU touches it through a device address.
//
// All functions may be called from several threads. They throw tfvk::Error.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "hlo/module.h"
#include "ir/graph.h"
#include "types/dtype.h"

namespace tfvk::plugin {

struct DeviceInfo {
  std::string name;    // "NVIDIA H100 80GB HBM3", as the driver says it
  std::string vendor;  // "NVIDIA"
  std::string driver;  // "NVIDIA 550.54", for people
  std::string pci_bus_id;
};

struct MemoryUse {
  uint64_t total = 0;      // bytes that this process may allocate in all
  uint64_t free = 0;       // of these, still to be had
  uint64_t allocated = 0;  // by Allocate, not yet freed
  uint64_t peak = 0;       // the most that `allocated` has been
  uint64_t blocks = 0;     // number of Allocate's live results
};

struct CompileOptions {
  bool allow_tf32 = true;  // TensorFlow's tensor_float_32_execution_enabled()
  bool keep_text = false;  // for Executable::Describe: keep what was compiled
};

// A compiled computation of one device. Its parameters and outputs are those of the module's flattened signature (hlo/module.h) or of the graph.
class Executable {
 public:
  virtual ~Executable() = default;
  // Output i may be given parameter aliases()[i]'s address; -1: it must overlap no parameter. Empty: no aliases.
  virtual const std::vector<int>& aliases() const = 0;
  // Bytes of device memory that Run needs besides parameters and outputs, for these run-time sizes.
  virtual uint64_t TemporaryBytes(const std::vector<int64_t>& sizes) const = 0;
  // Device programs that one Run starts, for statistics.
  virtual int launch_count() const = 0;
  // A readable description, for dumps.
  virtual std::string Describe() const { return {}; }

  // There is one more parameter, the last: 16 bytes that must be others at each run (hlo/random_state.h).
  bool takes_random_state = false;
};

struct DeviceBytes {
  void* address = nullptr;  // any value where there are no bytes
  uint64_t bytes = 0;
};

struct RunArguments {
  std::vector<DeviceBytes> parameters, outputs;
  void* temporary = nullptr;
  std::vector<int64_t> sizes;  // values of the graph's symbols
};

// A point in the queue's order.
using Ticket = uint64_t;

// One device with one queue: copies, fills and runs take effect in the order of the calls, after the call returns. Memory may therefore be given back and
// used for something else as soon as the last call that names it has returned.
class Device {
 public:
  virtual ~Device() = default;
  virtual const DeviceInfo& info() const = 0;

  // ---- Memory ----
  // At least 256-byte aligned; nullptr when there is not that much.
  virtual void* Allocate(uint64_t bytes) = 0;
  virtual void Free(void* address) = 0;
  // Is this address, interior ones included, memory of this device?
  virtual bool Owns(const void* address) const = 0;
  // Host memory that copies are fast with (pinned where the device can); nullptr when there is none left.
  virtual void* AllocateHost(uint64_t bytes) = 0;
  virtual void FreeHost(void* address) = 0;
  virtual MemoryUse memory_use() const = 0;

  // ---- Queue ----
  // Host to device. The source may be changed or freed once the call has returned.
  virtual void Upload(void* destination, const void* source, uint64_t bytes) = 0;
  // Device to host. The bytes are there when the ticket that it gives is done.
  virtual Ticket Download(void* destination, const void* source, uint64_t bytes) = 0;
  // Within the device; source and destination do not overlap.
  virtual void Copy(void* destination, const void* source, uint64_t bytes) = 0;
  // Repeats the pattern's four bytes, lowest first; `bytes` need not be a multiple of four.
  virtual void Fill(void* destination, uint32_t pattern, uint64_t bytes) = 0;
  // The ticket of everything called so far.
  virtual Ticket Record() = 0;
  // The same, but of a program that only transfers followed up to the results that the host can have before its end.
  virtual Ticket RecordResults() { return Record(); }
  // Polled every few microseconds: cheap. True also when the device was lost; the next call that gives it work throws kUnavailable.
  virtual bool Done(Ticket ticket) = 0;
  virtual void Wait(Ticket ticket) = 0;

  // ---- Programs ----
  // Any module that tf2xla makes; the passes are run here. Throws Error(kUnimplemented) naming what cannot be lowered.
  virtual std::shared_ptr<Executable> Compile(hlo::ModulePtr module, const CompileOptions& options) = 0;
  // A graph that may have run-time sizes. Only where Backend::runs_graphs().
  virtual std::shared_ptr<Executable> Compile(const ir::Graph& graph, const CompileOptions& options) = 0;
  virtual void Run(Executable& executable, const RunArguments& arguments) = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual const std::vector<std::unique_ptr<Device>>& devices() const = 0;
  // What the user should be told about the devices found or not found; empty: nothing.
  virtual const std::string& problem() const = 0;
  // Can every device hold and compute with this type?
  virtual bool Supports(DType dtype) const = 0;
  // Compile(ir::Graph) works, so hot ops may be registered.
  virtual bool runs_graphs() const = 0;
};

// The back end that this shared library was linked with. Throws Error when it cannot be opened; no devices is not an error.
std::unique_ptr<Backend> OpenBackend();

}  // namespace tfvk::plugin
