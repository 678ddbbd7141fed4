// What the builder leaves out of a module: known branches, loops and operations.
#include <cmath>
#include <limits>
#include <spirv/unified1/spirv.hpp11>

#include "spirv/kernel_runner.h"
#include "types/error.h"

namespace tfvk::spirv::testing {
namespace {

int CountOf(const Module& module, spv::Op op) { return testing::CountOf(module, static_cast<uint32_t>(op)); }

TEST(Folding, IfOnAConstantEmitsOneBranch) {
  Builder b({"known_if"});
  const Pointer out = b.Global(b.Argument(0), DType::kU32);
  const Id before = b.CurrentBlock();
  int runs = 0;
  b.If(
      b.U32(3) < 4, [&] { b.Store(out, b.U32(0), b.U32(1)); }, [&] { ++runs; });
  b.If(
      b.Bool(false), [&] { ++runs; }, [&] { b.Store(out, b.U32(1), b.U32(2)); });
  b.If(b.Bool(false), [&] { ++runs; });
  EXPECT_EQ(runs, 0);
  EXPECT_EQ(b.CurrentBlock(), before);
  b.If(b.LocalLinearId() < 4, [&] { EXPECT_NE(b.CurrentBlock(), before); });
  EXPECT_NE(b.CurrentBlock(), before);
  const Module module = b.Finish();
  EXPECT_EQ(Validate(module), "");
  EXPECT_EQ(CountOf(module, spv::Op::OpSelectionMerge), 1);
  EXPECT_EQ(CountOf(module, spv::Op::OpStore), 2);
}

TEST(Folding, LoopsOfKnownTrips) {
  Builder b({"known_loops"});
  const Id before = b.CurrentBlock();
  std::vector<int64_t> visited;
  const auto visit = [&](Value i) {
    ASSERT_TRUE(i.constant());
    visited.push_back(*i.constant());
  };
  const auto never = [](Value) { FAIL() << "a loop of no trips has a body"; };
  b.For(0, never);
  b.For(b.S32(3), b.S32(3), b.S32(1), never);
  b.For(b.S32(3), b.S32(-3), b.S32(1), never, Builder::Unroll::kFull);
  b.For(b.U32(7), b.U32(0), b.U32(1), never);
  b.For(1, visit);  // one trip is no loop
  b.For(b.S32(-2), b.S32(3), b.S32(5), visit);
  EXPECT_EQ(visited, (std::vector<int64_t>{0, -2}));
  visited.clear();
  b.For(b.S32(-5), b.S32(6), b.S32(4), visit, Builder::Unroll::kFull);
  EXPECT_EQ(visited, (std::vector<int64_t>{-5, -1, 3}));
  EXPECT_EQ(b.CurrentBlock(), before);
  b.For(5, [&](Value i) { EXPECT_FALSE(i.constant()); });
  b.For(
      b.U32(0), b.U32(5), b.U32(2), [&](Value i) { EXPECT_FALSE(i.constant()); }, Builder::Unroll::kHint);
  b.For(b.LocalLinearId(), b.U32(0), b.U32(1), [&](Value) {});  // a comparison that is folded
  EXPECT_THROW(b.For(b.U32(0), b.U32(5), b.U32(0), visit), Error);
  EXPECT_THROW(b.For(b.LocalLinearId(), b.S32(5), b.U32(1), visit), Error);
  const Module module = b.Finish();
  EXPECT_EQ(Validate(module), "");
  EXPECT_EQ(CountOf(module, spv::Op::OpLoopMerge), 3);
}

TEST(Folding, OperationsThatChangeNothing) {
  for (const DType t : {DType::kS32, DType::kU32, DType::kS64, DType::kU64}) {
    Builder b({"identities"});
    const Value x = b.Convert(b.SizeArgument(0), t), zero = b.Constant(t, int64_t{0}), one = b.Constant(t, int64_t{1}), ones = b.Constant(t, int64_t{-1});
    for (const Value same : {x + 0, 0 + x, x - 0, x * 1, 1 * x, x / 1, x << 0, x >> 0, x | 0, 0 | x, x ^ 0, x & ones, ones & x}) EXPECT_EQ(same.id(), x.id());
    for (const Value none : {x * 0, 0 * x, x & zero, x % one, zero << x, zero >> x}) EXPECT_EQ(none.constant(), 0);
    EXPECT_EQ((x | ones).constant(), ones.constant());
    if (IsUnsigned(t)) {
      EXPECT_EQ((x < 0).constant(), 0);
      EXPECT_EQ((x >= 0).constant(), 1);
    } else {
      EXPECT_FALSE((x < 0).constant());
    }
    EXPECT_FALSE((0 - x).constant());
    EXPECT_NE((0 - x).id(), x.id());
    EXPECT_NE((1 / x).id(), x.id());
    EXPECT_EQ(Validate(b.Finish()), "");
  }
}

TEST(Folding, Bools) {
  Builder b({"bools"});
  const Value x = b.SizeArgument(0) > 3, yes = b.Bool(true), no = b.Bool(false);
  for (const Value same : {x && yes, yes && x, x || no, no || x, x == yes, x != no, x ^ no}) EXPECT_EQ(same.id(), x.id());
  EXPECT_EQ((x && no).constant(), 0);
  EXPECT_EQ((no && x).constant(), 0);
  EXPECT_EQ((x || yes).constant(), 1);
  EXPECT_EQ((!no).constant(), 1);
  EXPECT_EQ((!yes).constant(), 0);
  EXPECT_EQ((yes && no).constant(), 0);
  EXPECT_EQ((yes ^ yes).constant(), 0);
  EXPECT_EQ((yes == no).constant(), 0);
  for (const Value v : {!x, x == no, x ^ yes, x != yes}) EXPECT_FALSE(v.constant());
  EXPECT_EQ(b.Select(yes, b.U32(1), b.U32(2)).constant(), 1);
  EXPECT_EQ(b.Select(no, b.U32(1), b.U32(2)).constant(), 2);
  EXPECT_EQ(b.Select(x, b.U32(5), b.U32(5)).constant(), 5);
  EXPECT_EQ(Validate(b.Finish()), "");
}

TEST(Folding, ConstantsAreSharedAndKeepTheirBits) {
  Builder b({"constants"});
  EXPECT_EQ(b.U32(7).id(), b.Constant(DType::kS32, int64_t{7}).id());  // one SPIR-V type
  EXPECT_NE(b.U32(7).id(), b.U64(7).id());
  EXPECT_EQ(b.Constant(DType::kS8, int64_t{-1}).constant(), -1);
  EXPECT_EQ(b.Constant(DType::kU8, int64_t{-1}).constant(), 255);
  EXPECT_EQ(b.ConstantBits(DType::kS16, 0x8000).constant(), -32768);
  EXPECT_EQ(b.Constant(DType::kS32, -7.9).constant(), -7);
  EXPECT_EQ(b.Constant(DType::kU64, 18446744073709549568.0).constant(), -2048);
  EXPECT_EQ(b.Constant(DType::kBool, 0.5).constant(), 1);
  EXPECT_EQ(b.Constant(DType::kBool, int64_t{2}).constant(), 1);
  EXPECT_EQ(b.F32(1.5f).constant(), 0x3fc00000);
  EXPECT_EQ((-b.F32(0)).constant(), int64_t{0x80000000});
  EXPECT_EQ(b.Constant(DType::kF64, -2.0).constant(), static_cast<int64_t>(0xc000000000000000));
  for (const auto& [number, half] : std::vector<std::pair<double, int64_t>>{{1, 0x3c00},
                                                                            {-2, 0xc000},
                                                                            {65504, 0x7bff},
                                                                            {65519.99, 0x7bff},
                                                                            {65520, 0x7c00},
                                                                            {-1e30, 0xfc00},
                                                                            {std::ldexp(1, -24), 1},
                                                                            {std::ldexp(1, -25), 0},
                                                                            {std::ldexp(1.0001, -25), 1},
                                                                            {std::ldexp(1, -14), 0x400},
                                                                            {1 + std::ldexp(1, -11), 0x3c00},
                                                                            {1 + std::ldexp(3, -11), 0x3c02},
                                                                            {2047.9999, 0x6800},
                                                                            {std::numeric_limits<double>::quiet_NaN(), 0x7e00},
                                                                            {0, 0},
                                                                            {-0.0, 0x8000}}) {
    EXPECT_EQ(b.Constant(DType::kF16, number).constant(), half) << number;
  }
  EXPECT_EQ(b.Constant(DType::kBF16, int64_t{1}).constant(), 0x3f80);
  EXPECT_THROW(b.Constant(DType::kBF16, 1.5), Error);
  EXPECT_EQ(Validate(b.Finish()), "");
}

TEST(Folding, ConversionsOfConstants) {
  Builder b({"conversions"});
  EXPECT_EQ(b.Convert(b.S32(-1), DType::kU64).constant(), -1);
  EXPECT_EQ(b.Convert(b.U32(0xffffffff), DType::kS64).constant(), 0xffffffff);
  EXPECT_EQ(b.Convert(b.U32(300), DType::kU8).constant(), 44);
  EXPECT_EQ(b.Convert(b.U32(200), DType::kS8).constant(), -56);
  EXPECT_EQ(b.Convert(b.U32(3), DType::kBool).constant(), 1);
  EXPECT_EQ(b.Convert(b.Constant(DType::kU8, int64_t{0}), DType::kBool).constant(), 0);
  EXPECT_EQ(b.Convert(b.Bool(true), DType::kS16).constant(), 1);
  EXPECT_EQ(b.Convert(b.Bool(true), DType::kF32).constant(), 0x3f800000);
  EXPECT_EQ(b.Convert(b.U32(16777217), DType::kF32).constant(), 0x4b800000);  // ties to even
  EXPECT_EQ(b.Convert(b.S32(-3), DType::kF64).constant(), static_cast<int64_t>(0xc008000000000000));
  EXPECT_EQ(b.Bitcast(b.F32(-2), DType::kU32).constant(), 0xc0000000);
  EXPECT_EQ(b.Bitcast(b.U32(0xffffffff), DType::kS32).constant(), -1);
  EXPECT_EQ(Validate(b.Finish()), "");
}

TEST(Folding, DimensionsOfOneInvocation) {
  Builder b({"local_ids", {1, 8, 1}});
  EXPECT_EQ(b.LocalId(0).constant(), 0);
  EXPECT_EQ(b.LocalId(1).id(), b.LocalLinearId().id());
  EXPECT_EQ(b.GlobalLinearId().id(), b.GlobalLinearId().id());
  EXPECT_EQ(Validate(b.Finish()), "");
  Builder one({"one_invocation", {1, 1, 1}});
  EXPECT_EQ(one.LocalLinearId().constant(), 0);
  EXPECT_EQ(Validate(one.Finish()), "");
}

// NVIDIA's compiler gets GLSL's signed minima of negated numbers wrong.
TEST(Folding, SignedMinimaAreComparisons) {
  for (const DType dtype : {DType::kS32, DType::kU32}) {
    Builder b({"minima"});
    const Value x = b.Convert(b.LocalLinearId(), dtype);
    b.Store(b.Global(b.Argument(0), dtype), b.LocalLinearId(), b.Min(b.Max(-x, x + 3), -x));
    const Module module = b.Finish();
    EXPECT_EQ(Validate(module), "");
    EXPECT_EQ(CountOf(module, spv::Op::OpExtInst), dtype == DType::kS32 ? 0 : 2);
    EXPECT_EQ(CountOf(module, spv::Op::OpSelect), dtype == DType::kS32 ? 2 : 0);
  }
}

TEST(Folding, WhatDoesNotFitThrows) {
  Builder b({"errors"});
  const Value x = b.SizeArgument(0), y = b.Argument(0), half = b.ConstantBits(DType::kBF16, 0x3f80);
  EXPECT_THROW(x + y, Error);
  EXPECT_THROW(x + Value(), Error);
  EXPECT_THROW(half + half, Error);
  EXPECT_THROW(x + b.Splat(x, 2), Error);
  EXPECT_THROW(b.Bitcast(x, DType::kF64), Error);
  EXPECT_THROW(b.Bitcast(b.Bool(true), DType::kU8), Error);
  EXPECT_THROW(b.Select(x, x, x), Error);
  EXPECT_THROW(b.Load(b.Global(y, DType::kF32), b.S32(1)), Error);
  EXPECT_THROW(b.Store(b.Global(y, DType::kF32), x, x), Error);
  EXPECT_THROW(b.SharedArray(DType::kBool, 4), Error);
  EXPECT_THROW(b.Declare(DType::kU32).Set(y), Error);
  EXPECT_THROW(b.Composite({x}), Error);
  EXPECT_THROW(b.Extract(b.Splat(x, 2), 2), Error);
  EXPECT_THROW(b.LocalId(3), Error);
  EXPECT_THROW(b.FindMsb(y), Error);
  EXPECT_THROW(b.Specialization(0, DType::kF64, 0), Error);
  EXPECT_THROW(b.Apply(Math::kExp, b.Constant(DType::kF64, 1.0)), Error);
  EXPECT_THROW(b.Apply(Math::kExp, x), Error);
  EXPECT_THROW(b.MatrixConstant({}, 0), Error);  // without the Vulkan memory model
  EXPECT_THROW(~b.F32(1), Error);
  b.Finish();
  EXPECT_THROW(b.Finish(), Error);
}

TEST(Folding, SixteenBitFloatsThatWereWidenedAreNotRoundedAgain) {
  Builder b({"narrow_again"});
  const Pointer brain = b.Global(b.Argument(0), DType::kBF16), single = b.Global(b.Argument(1), DType::kF32);
  const Value i = b.LocalLinearId(), widened = b.Convert(b.Load(brain, i), DType::kF32);
  b.Store(brain, i, b.Convert(widened, DType::kBF16));
  const Value half = b.FromHalfBits(b.HalfBits(b.Load(single, i)));
  b.Store(single, i, b.Bitcast(b.HalfBits(half), DType::kF32));
  const Module module = b.Finish();
  EXPECT_EQ(Validate(module), "");
  EXPECT_EQ(CountOf(module, spv::Op::OpSelect), 3);  // of the one rounding to f16
}

}  // namespace
}  // namespace tfvk::spirv::testing
