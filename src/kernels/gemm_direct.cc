// One invocation a result, without shared memory.
#include "kernels/gemm_blocks.h"

namespace tfvk::kernels {

using spirv::Builder;
using spirv::Value;

Kernel MakeDirectProducts(const Contraction& c, int64_t splits, const DeviceLimits& limits) {
  constexpr uint32_t kThreads = 128;
  spirv::BuilderOptions options;
  options.name = c.name;
  options.workgroup = {kThreads, 1, 1};
  Emitter e(options, limits);
  Builder& b = e.b();
  const DType compute = ComputeType(c.accumulator);
  const Value n = e.CountOf(c.n), m = e.CountOf(c.m), batch = e.CountOf(c.batch), id = b.GlobalLinearId();
  const Value row = id / n, matrix = row / m;
  const TilePlace place{matrix / batch, matrix % batch, row % m, id % n};
  b.If(id < n * m * batch * splits, [&] {
    const spirv::Variable sum = b.Declare(b.Constant(compute, int64_t{0}));
    const KRange range = RangeOfSplit(e, c, place, 1, splits);
    const IndexState left = c.lhs.outer_state(e, place.batch, place.m), right = c.rhs.outer_state(e, place.batch, place.n);
    const auto term = [&](Value k) {
      const Value x = c.lhs.load(e, left, c.lhs.k_state(e, place.batch, k), Value(), 1)[0];
      const Value y = c.rhs.load(e, right, c.rhs.k_state(e, place.batch, k), Value(), 1)[0];
      const Value p = b.Convert(x, compute), q = b.Convert(y, compute);
      sum.Set(IsFloat(compute) ? b.Fma(p, q, sum.Get()) : sum.Get() + p * q);
    };
    b.For(range.begin, range.end, b.U32(1), term, range.end.constant() && *range.end.constant() <= 4 ? Builder::Unroll::kFull : Builder::Unroll::kNo);
    if (splits > 1) {
      b.Store(e.Scratch(compute, 0), PartialIndex(e, c, place.split, place.batch, place.m, place.n), sum.Get());
      return;
    }
    WriteSums(e, c, RowOf(e, c, place.batch, place.m), place.n, {sum.Get()});
  });
  Shape invocations = {splits};
  for (const Shape* sizes : {&c.batch, &c.m, &c.n}) invocations.insert(invocations.end(), sizes->begin(), sizes->end());
  return e.Finish({invocations, kThreads, 1, {}});
}

}  // namespace tfvk::kernels
