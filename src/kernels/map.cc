#include "kernels/map.h"

#include <algorithm>

#include "types/error.h"

namespace tfvk::kernels {

using spirv::Value;

namespace {

// How the iteration space is cut into invocations.
struct Plan {
  int per_invocation = 1;
  uint32_t workgroup = 64;
  bool wide = false;   // linear indices need 64 bits
  bool ragged = true;  // the last invocation may have fewer elements
};

Plan MakePlan(const MapSpec& spec, const DeviceLimits& limits) {
  Plan plan;
  bool is_static = IsStatic(spec.shape);
  int64_t count = is_static ? ElementCount(spec.shape) : int64_t{1} << 24;
  // Unrolling pays when the device stays full with fewer invocations.
  if (spec.contiguous && count >= int64_t{4096} * limits.compute_units) plan.per_invocation = 4;
  plan.workgroup = std::min<uint32_t>(count >= 65536 ? 256 : 64, limits.max_invocations);
  // The folded grid's surplus workgroups must not wrap around.
  plan.wide = is_static && count > int64_t{0xffffffff} - int64_t{65536} * plan.workgroup * plan.per_invocation;
  plan.ragged = !is_static || count % plan.per_invocation != 0;
  return plan;
}

void CheckResults(const MapSpec& spec, const std::vector<Value>& values) {
  Require(values.size() == spec.results.size(), "[Map] the body of {} gives {} values for {} results.", spec.name, values.size(), spec.results.size());
}

class MapWriter {
 public:
  MapWriter(Emitter& e, const MapSpec& spec) : e_(e), spec_(spec) {}

  // One element.
  void Single(Value linear) {
    auto values = spec_.body(e_, e_.BeginConsecutive(spec_.shape, linear, 1)[0]);
    CheckResults(spec_, values);
    for (size_t r = 0; r < values.size(); ++r) e_.WriteLinear(Result(r), linear, values[r]);
  }

  // `count` consecutive elements: all are computed before any is written, so that their loads share vectors.
  void Vector(Value linear, int count) {
    std::vector<std::vector<Value>> of_result(spec_.results.size());
    for (const Index& index : e_.BeginConsecutive(spec_.shape, linear, count)) {
      auto values = spec_.body(e_, index);
      CheckResults(spec_, values);
      for (size_t r = 0; r < values.size(); ++r) of_result[r].push_back(values[r]);
    }
    for (size_t r = 0; r < of_result.size(); ++r) e_.WriteConsecutive(Result(r), linear, of_result[r]);
  }

 private:
  Tensor Result(size_t r) const { return {Tensor::Role::kResult, static_cast<int>(r), spec_.results[r], spec_.shape}; }

  Emitter& e_;
  const MapSpec& spec_;
};

}  // namespace

KernelSequence MakeMap(const MapSpec& spec, const DeviceLimits& limits) {
  if (IsStatic(spec.shape) && ElementCount(spec.shape) == 0) return {};
  Plan plan = MakePlan(spec, limits);
  Emitter e({spec.name, {plan.workgroup, 1, 1}}, limits);
  spirv::Builder& b = e.b();
  MapWriter writer(e, spec);
  Value invocation =
      plan.wide ? b.Convert(b.LinearWorkgroupId(), DType::kU64) * plan.workgroup + b.Convert(b.LocalLinearId(), DType::kU64) : b.GlobalLinearId();
  Value count = b.Convert(e.CountOf(spec.shape), invocation.dtype());
  Value first = invocation * plan.per_invocation;
  if (plan.per_invocation == 1) {
    b.If(first < count, [&] { writer.Single(first); });
  } else {
    b.If(first < count, [&] {
      Value left = count - first;
      Value full = plan.ragged ? left >= plan.per_invocation : b.Bool(true);
      b.If(
          full, [&] { writer.Vector(first, plan.per_invocation); },
          [&] { b.For(first, count, b.Constant(first.dtype(), int64_t{1}), [&](Value linear) { writer.Single(linear); }); });
    });
  }
  WorkgroupCount groups;
  groups.sizes = spec.shape;
  groups.divisor = static_cast<int64_t>(plan.workgroup) * plan.per_invocation;
  Kernel kernel = e.Finish(std::move(groups));
  if (IsStatic(spec.shape)) {
    for (DType result : spec.results) kernel.bytes += static_cast<double>(ElementCount(spec.shape)) * static_cast<double>(ByteSize(result));
  }
  KernelSequence sequence;
  sequence.kernels.push_back(std::move(kernel));
  return sequence;
}

}  // namespace tfvk::kernels
