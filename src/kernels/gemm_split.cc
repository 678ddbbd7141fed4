// The second kernel of a contraction that was split along k.
#include "kernels/gemm_blocks.h"

namespace tfvk::kernels {

using spirv::Builder;
using spirv::Value;

Kernel MakeSplitSum(const Contraction& c, int64_t splits, const DeviceLimits& limits) {
  // 32 neighbouring results a workgroup; `helpers` invocations share the splits of one.
  constexpr uint32_t kResults = 32;
  const uint32_t helpers = splits >= 64 ? 8 : splits >= 16 ? 4 : 2;
  spirv::BuilderOptions options;
  options.name = c.name + ".sum";
  options.workgroup = {kResults * helpers, 1, 1};
  Emitter e(options, limits);
  Builder& b = e.b();
  const DType compute = ComputeType(c.accumulator);
  const Value n = e.CountOf(c.n), m = e.CountOf(c.m), count = e.CountOf(c.batch) * m * n, lane = b.LocalLinearId() % kResults,
              helper = b.LocalLinearId() / kResults;
  const Value linear = b.LinearWorkgroupId() * kResults + lane;
  const spirv::Shared shared = b.SharedArray(compute, kResults * helpers);
  const spirv::Variable sum = b.Declare(b.Constant(compute, int64_t{0}));
  b.If(linear < count, [&] {
    const spirv::Pointer partial = e.Scratch(compute, 0);
    b.For(helper, b.U32(static_cast<uint32_t>(splits)), b.U32(helpers), [&](Value split) { sum.Set(sum.Get() + b.Load(partial, split * count + linear)); });
  });
  b.Store(shared, b.LocalLinearId(), sum.Get());
  b.Barrier();
  b.If(linear < count && helper == 0, [&] {
    Value total = b.Load(shared, lane);
    for (uint32_t other = 1; other < helpers; ++other) total = total + b.Load(shared, lane + other * kResults);
    const Value batch = linear / n / m;
    WriteSums(e, c, RowOf(e, c, batch, linear / n % m), linear % n, {total});
  });
  Shape results;
  for (const Shape* sizes : {&c.batch, &c.m, &c.n}) results.insert(results.end(), sizes->begin(), sizes->end());
  return e.Finish({results, kResults, 1, {}});
}

}  // namespace tfvk::kernels
