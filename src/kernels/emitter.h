// What element functions write code with: a builder, the device's limits, and the tensors of the description.
//
// Elements in registers have the *compute type* of their dtype: f16 and bf16 become f32, s8/s16 become s32, u8/u16 become u32 (values always wrapped to the
// narrow range), a bool is SPIR-V's bool, all others are themselves. Write rounds and narrows.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/kernel.h"

namespace tfvk::kernels {

// The dtype of an element of dtype `t` in a register.
DType ComputeType(DType t);

// A row-major tensor in device memory: operand `index` (read) or result `index` (written) of the description.
struct Tensor {
  enum class Role : uint8_t { kOperand, kResult } role = Role::kOperand;
  int index = 0;
  DType dtype = DType::kF32;
  Shape shape;
};

class Emitter {
 public:
  // Throws Error(kUnimplemented) from the member functions where the device lacks what a dtype needs ("[Kernel] f64 arithmetic is missing on this device").
  Emitter(spirv::BuilderOptions options, const DeviceLimits& limits);

  spirv::Builder& b() { return b_; }
  const DeviceLimits& limits() const { return limits_; }

  // A size as u32: a constant, or an argument for a symbol.
  spirv::Value SizeOf(const Size& size);
  spirv::Value CountOf(const Shape& shape);  // the product
  // Row-major linear index <-> index. Unit dimensions cost nothing; divisions by constants are strength-reduced by the drivers.
  spirv::Value Linearize(const Shape& shape, const Index& index);
  Index Delinearize(const Shape& shape, spirv::Value linear);

  // One element, in its compute type. The index must be inside the shape.
  spirv::Value Read(const Tensor& tensor, const Index& index);
  spirv::Value ReadLinear(const Tensor& tensor, spirv::Value linear);
  // `count` (2 or 4) consecutive elements from `linear`, a multiple of count; the tensor's base is 16-byte aligned at least.
  std::vector<spirv::Value> ReadConsecutive(const Tensor& tensor, spirv::Value linear, int count);
  void Write(const Tensor& tensor, const Index& index, spirv::Value element);
  void WriteLinear(const Tensor& tensor, spirv::Value linear, spirv::Value element);
  void WriteConsecutive(const Tensor& tensor, spirv::Value linear, const std::vector<spirv::Value>& elements);
  // Announces that the code to come computes the elements `linear + 0 .. linear + count - 1` of `shape` (count 1, 2 or 4; `linear` a multiple of it), and
  // gives their indices. Until the next call, Read and ReadLinear at these indices, and at their last dimension's in other tensors, share vector loads.
  std::vector<Index> BeginConsecutive(const Shape& shape, spirv::Value linear, int count);
  // As above for the elements from index `first` on, which are of one row: the last dimension is static, its size and its index multiples of `count`.
  std::vector<Index> BeginConsecutive(const Shape& shape, const Index& first, int count);
  // What the last BeginConsecutive announced, with the loads that were shared since, to go on with it after others were announced. The block of the first
  // announcement must lead to the one where it goes on, and so must those of all reads in between.
  struct Consecutive;
  std::shared_ptr<const Consecutive> Announced() const;
  void GoOnWith(const Consecutive& consecutive);
  // The typed address of a tensor (kBool as kU8), for kernels that do their own loads.
  spirv::Pointer Address(const Tensor& tensor);
  // Scratch memory from byte `offset` (a multiple of 16) as elements of `dtype`.
  spirv::Pointer Scratch(DType dtype, int64_t offset);

  // Lets the launch leave in the scalar `result` the largest u32 of all that it calls this with, and of what was there before. Its other results and their
  // order do not matter; the calls may lie in branches and loops.
  void TakeMaximum(const Tensor& result, spirv::Value v);

  // Finishes the module; arguments are those that were used.
  Kernel Finish(WorkgroupCount workgroups);

 private:
  spirv::Value ArgumentFor(KernelArgument::Kind kind, int index);
  // Throws when the device cannot hold `dtype` in memory or compute with it.
  void CheckDType(DType dtype) const;
  void ForgetConsecutive();
  // The lanes of the row that `first` (at `linear`) begins.
  std::vector<Index> RowLanes(const Shape& shape, const Index& first, spirv::Value linear, int count);
  spirv::Value LoadElement(const Tensor& tensor, spirv::Value linear);
  std::optional<spirv::Value> ReadFromRow(const Tensor& tensor, const Index& index);
  // The largest number so far of one invocation.
  struct Maximum {
    Tensor result;
    spirv::Variable largest;
  };
  void WriteMaxima();
  // Which of the consecutive elements an id belongs to; -1: none.
  static int LaneOf(const std::vector<spirv::Id>& ids, spirv::Value v);

  spirv::Builder b_;
  DeviceLimits limits_;
  std::vector<KernelArgument> arguments_;
  std::shared_ptr<Consecutive> at_;  // never null
  std::vector<Maximum> maxima_;
};

// The largest of the workgroup's u32 values, for invocation 0 to use; all of them call it. `shared` has a u32 for each invocation.
spirv::Value MaximumOfWorkgroup(spirv::Builder& b, spirv::Shared shared, spirv::Value v);

// The values of one element (one for each result of the description) at an index of its iteration space, in compute types.
using Body = std::function<std::vector<spirv::Value>(Emitter&, const Index&)>;
// From the accumulated values at an index of the result to the results' values.
using Epilogue = std::function<std::vector<spirv::Value>(Emitter&, const Index&, const std::vector<spirv::Value>& accumulated)>;
// Combines two tuples of values (associative; commutative where a family says so).
using Combiner = std::function<std::vector<spirv::Value>(Emitter&, const std::vector<spirv::Value>& a, const std::vector<spirv::Value>& b)>;
// The values that start an accumulation.
using Initial = std::function<std::vector<spirv::Value>(Emitter&)>;

}  // namespace tfvk::kernels
