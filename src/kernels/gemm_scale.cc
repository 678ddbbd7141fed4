#include "kernels/gemm_scale.h"

#include <algorithm>

namespace tfvk::kernels {
namespace {

using spirv::Builder;
using spirv::Value;

constexpr uint32_t kThreads = 256;
constexpr uint32_t kParts = 128;  // of an operand, a workgroup each
constexpr int kUnroll = 4;

// The bits of a finite number's magnitude, which are in the order of the numbers; 0 for others.
Value FiniteBits(Builder& b, Value x) {
  const Value bits = b.Bitcast(x, DType::kU32) & 0x7FFFFFFF;
  return b.Select(bits < 0x7F800000, bits, b.U32(0));
}

// The largest of this invocation's elements of a part.
Value MaximumOf(Emitter& e, const Tensor& tensor, Value part) {
  Builder& b = e.b();
  const int64_t count = ElementCount(tensor.shape);
  const int width = count % 4 == 0 ? 4 : 1;
  const auto units = static_cast<uint32_t>(count / width);
  const spirv::Variable largest = b.Declare(b.U32(0));
  const auto take = [&](Value unit) {
    const Value loaded = b.Load(e.Address(tensor), unit * width, width, width * 4);
    for (int i = 0; i < width; ++i) largest.Set(b.Max(largest.Get(), FiniteBits(b, width == 1 ? loaded : b.Extract(loaded, i))));
  };
  constexpr uint32_t kStep = kParts * kThreads;
  const Value first = part * kThreads + b.LocalLinearId();
  const uint32_t rounds = units / (kStep * kUnroll);
  b.For(rounds, [&](Value round) {
    for (int i = 0; i < kUnroll; ++i) take(first + (round * kUnroll + i) * kStep);
  });
  b.For(first + rounds * kUnroll * kStep, b.U32(units), b.U32(kStep), take);
  return largest.Get();
}

// The exponent by which the largest element is taken to [2^14, 2^15), kept where 2^exponent is a normal number.
Value ScaleExponent(Builder& b, Value maximum) {
  const Value exponent = b.Convert(maximum >> 23, DType::kS32) - 127;
  const Value scale = b.Min(b.S32(14) - exponent, b.S32(126));
  return b.Select(maximum == 0, b.S32(0), scale);
}

Value PowerOfTwo(Builder& b, Value exponent) {
  const Value biased = b.Convert(b.Max(b.Min(exponent, b.S32(127)), b.S32(-126)) + 127, DType::kU32);
  return b.Bitcast(biased << 23, DType::kF32);
}

}  // namespace

bool CanScale(const Contraction& c, const DeviceLimits& limits) {
  const auto known = [](const ContractionSide& side) { return side.whole && side.dtype == DType::kF32 && ElementCount(side.whole->shape) < int64_t{1} << 31; };
  return known(c.lhs) && known(c.rhs) && limits.float16 && limits.int16 && limits.subgroup_arithmetic && limits.max_invocations >= kThreads &&
         IsStatic(c.batch) && IsStatic(c.m) && IsStatic(c.n);
}

int64_t ScratchOfScales(const Contraction& c, int64_t splits) { return splits > 1 ? (PartialBytes(c, splits) + 15) / 16 * 16 : 0; }

Kernel MakeOperandMaxima(const Contraction& c, int64_t scratch, const DeviceLimits& limits) {
  spirv::BuilderOptions options;
  options.name = c.name + ".scale";
  options.workgroup = {kThreads, 1, 1};
  Emitter e(options, limits);
  Builder& b = e.b();
  const spirv::Shared shared = b.SharedArray(DType::kU32, kThreads);
  const Value group = b.LinearWorkgroupId(), me = b.LocalLinearId();
  const spirv::Variable largest = b.Declare(b.U32(0));
  b.If(
      group < kParts, [&] { largest.Set(MaximumOf(e, *c.lhs.whole, group)); }, [&] { largest.Set(MaximumOf(e, *c.rhs.whole, group - kParts)); });
  const Value of_part = MaximumOfWorkgroup(b, shared, largest.Get());
  b.If(me == 0, [&] { b.Store(e.Scratch(DType::kU32, scratch), group, of_part); });
  return e.Finish({{}, 1, int64_t{2} * kParts, {}});
}

OperandScales ReadScales(Emitter& e, int64_t scratch, uint32_t subgroup) {
  Builder& b = e.b();
  const spirv::Pointer maxima = e.Scratch(DType::kU32, scratch);
  const auto exponent = [&](uint32_t side) {
    Value largest = b.U32(0);
    for (uint32_t part = 0; part < kParts; part += subgroup) {
      // A subgroup wider than the table reads its entries twice.
      largest = b.Max(largest, b.Load(maxima, side * kParts + (b.SubgroupLocalId() + part) % kParts));
    }
    return ScaleExponent(b, b.SubgroupReduce(spirv::SubgroupOp::kMax, largest));
  };
  const Value lhs = exponent(0), rhs = exponent(1);
  const Value both = -(lhs + rhs);
  // The halves of an odd sum differ; one scale takes the difference.
  const Value odd = both & 1;
  return {PowerOfTwo(b, lhs - odd), PowerOfTwo(b, rhs), PowerOfTwo(b, (both + odd) >> 1)};
}

}  // namespace tfvk::kernels
