// The kernel of a hot op: describes the call, finds the program of its pattern, and queues a run.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "plugin/backend.h"
#include "plugin/hot_ops.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace tfvk::plugin {

class GenericOp;

class HotKernel : public tensorflow::OpKernel {
 public:
  // `op` null: every call goes to the generic kernel.
  HotKernel(tensorflow::OpKernelConstruction* construction, std::unique_ptr<HotOp> op);
  ~HotKernel() override;

  void Compute(tensorflow::OpKernelContext* context) override;

 private:
  friend class HotRun;
  struct Program {
    uint64_t pattern;
    bool tf32;
    std::shared_ptr<Executable> executable;
    Program* next;  // in the order of their making, newest first
  };

  // Found without a lock where this kernel has run the pattern before, else in the process's cache of compilations.
  absl::Status ProgramOf(Device& device, uint64_t pattern, Executable** executable);
  // Throws Error.
  std::shared_ptr<Executable> Compile(Device& device, uint64_t pattern, bool tf32) const;
  Device& DeviceOfKernel(tensorflow::OpKernelContext* context);
  absl::Status RunGenericOp(tensorflow::OpKernelContext* context);

  const std::unique_ptr<HotOp> op_;
  std::vector<int> parameters_;  // inputs that the programs take, in order
  std::vector<int> variables_;   // inputs that are handles of variables
  std::vector<int> updated_;     // of these, those that get a new value
  std::string identity_;         // of the op and its attributes
  std::atomic<Device*> device_{nullptr};
  std::atomic<Program*> programs_{nullptr};
  std::mutex mutex_;                    // of the additions to programs_, and of generic_
  std::unique_ptr<GenericOp> generic_;  // made when first needed
};

}  // namespace tfvk::plugin
