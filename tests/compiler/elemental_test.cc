// Elementwise and data-movement nodes against the reference evaluator.
#include <gtest/gtest.h>

#include "compiler/describe.h"
#include "compiler/program_runner.h"
#include "device_fixture.h"

namespace tfvk::compiler {
namespace {

using testing::ExpectMatchesReference;
using testing::Parse;

TEST(Elemental, ChainsAreOneLaunch) {
  const auto graph = Parse(R"(graph "chain" symbols=0 {
  %0 = parameter() dims=[0] : f32[33,17]
  %1 = parameter() dims=[1] : f32[17]
  %2 = broadcast_in_dim(%1) dims=[1] : f32[33,17]
  %3 = add(%0, %2) : f32[33,17]
  %4 = tanh(%3) : f32[33,17]
  %5 = constant() splat<2> : f32[33,17]
  %6 = multiply(%4, %5) : f32[33,17]
  %7 = reshape(%6) : f32[561]
  %8 = negate(%7) : f32[561]
  return %8
}
)");
  EXPECT_EQ(LaunchCount(Compile(*graph, testing::Limits())), 1);
  ExpectMatchesReference(*graph, testing::RandomArguments(*graph));
}

TEST(Elemental, Movements) {
  ExpectMatchesReference(R"(graph "movement" symbols=0 {
  %0 = parameter() dims=[0] : f32[4,6,5]
  %1 = parameter() dims=[1] : f32[]
  %2 = transpose(%0) dims=[2,0,1] : f32[5,4,6]
  %3 = reverse(%2) dims=[0,2] : f32[5,4,6]
  %4 = slice(%3) start=[1,0,1] limit=[5,4,6] stride=[2,1,3] : f32[2,4,2]
  %5 = pad(%4, %1) low=[1,-1,0] high=[0,2,3] interior=[2,0,1] : f32[5,5,6]
  %6 = concatenate(%5, %2, %5) dims=[1] : f32[5,14,6]
  %7 = reshape(%6) : f32[7,60]
  return %7, %4, %3
}
)");
}

TEST(Elemental, DynamicSlicesClampTheirStarts) {
  for (const int64_t start : {-3, 0, 2, 7}) {
    const auto graph = Parse(R"(graph "dynamic" symbols=0 {
  %0 = parameter() dims=[0] : f32[6,5]
  %1 = parameter() dims=[1] : s32[]
  %2 = parameter() dims=[2] : s64[]
  %3 = parameter() dims=[3] : f32[2,2]
  %4 = dynamic_slice(%0, %1, %1) dims=[3,4] : f32[3,4]
  %5 = dynamic_update_slice(%0, %3, %1, %1) : f32[6,5]
  %6 = parameter() dims=[4] : f32[5,5]
  %7 = dynamic_update_slice(%0, %6, %2, %2) : f32[6,5]
  return %4, %5, %7
}
)");
    auto arguments = testing::RandomArguments(*graph);
    arguments[1].elements[0].i = arguments[2].elements[0].i = start;
    ExpectMatchesReference(*graph, arguments);
  }
}

TEST(Elemental, Gather) {
  ExpectMatchesReference(R"(graph "gather" symbols=0 {
  %0 = parameter() dims=[0] : f32[7,5]
  %1 = parameter() dims=[1] : s32[4,3]
  %2 = gather(%0, %1) offset_dims=[2] collapsed_slice_dims=[0] start_index_map=[0] slice_sizes=[1,5] index_vector_dim=2 indices_sorted=false : f32[4,3,5]
  %3 = parameter() dims=[2] : s32[2,6]
  %4 = gather(%0, %3) offset_dims=[0,2] collapsed_slice_dims=[] start_index_map=[1,0] slice_sizes=[2,3] index_vector_dim=0 indices_sorted=false : f32[2,6,3]
  return %2, %4
}
)");
}

// Starts and elements of tensors that 32 bits do not count; what comes out is tested where there is the memory (test_large_tensors.py).
TEST(Elemental, MovementsInDimensionsBeyond32BitsCompile) {
  const auto graph = Parse(R"(graph "wide" symbols=0 {
  %0 = parameter() dims=[0] : f32[5000000000]
  %1 = parameter() dims=[1] : s64[3,1]
  %2 = parameter() dims=[2] : s32[]
  %3 = gather(%0, %1) offset_dims=[] collapsed_slice_dims=[0] start_index_map=[0] slice_sizes=[1] index_vector_dim=1 indices_sorted=false : f32[3]
  %4 = dynamic_slice(%0, %2) dims=[16] : f32[16]
  return %3, %4
}
)");
  const program::Program program = Compile(*graph, testing::Limits());
  for (const kernels::Kernel& kernel : program.kernels) EXPECT_EQ(tfvk::testing::Validate(kernel.module), "") << kernel.module.name;
}

TEST(Elemental, EveryDTypeGoesThrough) {
  for (const char* dtype : {"s8", "s16", "s32", "s64", "u8", "u16", "u32", "u64", "f16", "bf16", "f32", "f64"}) {
    std::string text = R"(graph "dtypes" symbols=0 {
  %0 = parameter() dims=[0] : T[37]
  %1 = parameter() dims=[1] : T[37]
  %2 = add(%0, %1) : T[37]
  %3 = multiply(%2, %0) : T[37]
  %4 = maximum(%3, %1) : T[37]
  %5 = compare(%4, %0) direction=GT total_order=false : pred[37]
  %6 = select(%5, %4, %0) : T[37]
  %7 = convert(%6) : f32[37]
  %8 = convert(%5) : T[37]
  return %6, %5, %7, %8, %2, %3
}
)";
    for (size_t at; (at = text.find("T[")) != std::string::npos;) text.replace(at, 1, dtype);
    SCOPED_TRACE(dtype);
    ExpectMatchesReference(text);
  }
}

TEST(Elemental, BitcastsBetweenWidths) {
  ExpectMatchesReference(R"(graph "bitcast" symbols=0 {
  %0 = parameter() dims=[0] : u32[5]
  %1 = bitcast_convert(%0) : u8[5,4]
  %2 = bitcast_convert(%1) : u32[5]
  %3 = bitcast_convert(%0) : s32[5]
  %4 = parameter() dims=[1] : s32[3,2]
  %5 = bitcast_convert(%4) : s64[3]
  %6 = bitcast_convert(%5) : u16[3,4]
  return %1, %2, %3, %5, %6
}
)");
}

TEST(Elemental, NarrowFloatsAreRoundedWhereverTheyAreComputed) {
  // The maximum is found in the launch that computes the product; the comparison computes it again and must meet the same number.
  ExpectMatchesReference(R"(graph "rounding" symbols=0 {
  %0 = parameter() dims=[0] : bf16[64]
  %1 = parameter() dims=[1] : bf16[64]
  %2 = multiply(%0, %1) : bf16[64]
  %3 = constant() splat<-inf> : bf16[]
  %4 = reduce(%2, %3) dims=[0] : bf16[] with 1
    graph "max" symbols=0 {
      %0 = parameter() dims=[0] : bf16[]
      %1 = parameter() dims=[1] : bf16[]
      %2 = maximum(%0, %1) : bf16[]
      return %2
    }
  %5 = broadcast_in_dim(%4) dims=[] : bf16[64]
  %6 = compare(%2, %5) direction=EQ total_order=false : pred[64]
  return %6
}
)");
}

TEST(Elemental, EmptyAndSingleElements) {
  ExpectMatchesReference(R"(graph "sizes" symbols=0 {
  %0 = parameter() dims=[0] : f32[0,4]
  %1 = parameter() dims=[1] : f32[1,1]
  %2 = abs(%0) : f32[0,4]
  %3 = reshape(%1) : f32[]
  %4 = negate(%3) : f32[]
  %5 = constant() splat<1> : f32[]
  %6 = pad(%0, %5) low=[1,0] high=[2,0] interior=[0,0] : f32[3,4]
  %7 = concatenate(%0, %6) dims=[0] : f32[3,4]
  return %2, %4, %6, %7
}
)");
}

}  // namespace
}  // namespace tfvk::compiler
