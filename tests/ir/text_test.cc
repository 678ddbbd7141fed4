// Graphs here are written as text: what reads back and prints the same has gone through both directions.
#include <gtest/gtest.h>

#include <cstring>

#include "ir/graph.h"
#include "types/error.h"

namespace tfvk::ir {
namespace {

void ExpectRoundTrip(const std::string& text) {
  const auto graph = FromText(text);
  EXPECT_EQ(ToText(*graph), text);
}

TEST(Text, OneLineANode) {
  Graph graph;
  graph.name = "step";
  graph.symbol_count = 1;
  const TensorType type{DType::kF32, {8, Size::Symbol(0)}};
  const Value x = graph.AddParameter(type);
  graph.outputs = {graph.Add(Op::kAdd, {x, x}, {type}, {}, "model/add")};
  EXPECT_EQ(ToText(graph),
            "graph \"step\" symbols=1 {\n"
            "  %0 = parameter() dims=[0] : f32[8,?0]\n"
            "  %1 = add(%0, %0) : f32[8,?0]  // model/add\n"
            "  return %1\n"
            "}\n");
  ExpectRoundTrip(ToText(graph));
}

TEST(Text, RegionsAndSeveralResults) {
  ExpectRoundTrip(R"(graph "loop (a) \"b\"" symbols=0 {
  %0 = parameter() dims=[0] : s32[]
  %1 = parameter() dims=[1] : f32[4]
  %2 = while(%0, %1) : (s32[], f32[4]) with 2  // while/loop
    graph "condition" symbols=0 {
      %0 = parameter() dims=[0] : s32[]
      %1 = parameter() dims=[1] : f32[4]
      %2 = constant() dense<10> : s32[]
      %3 = compare(%0, %2) direction=LT total_order=false : pred[]
      return %3
    }
    graph "body" symbols=0 {
      %0 = parameter() dims=[0] : s32[]
      %1 = parameter() dims=[1] : f32[4]
      %2 = constant() dense<1> : s32[]
      %3 = add(%0, %2) : s32[]
      return %3, %1
    }
  return %2#1 alias 1, %2 alias -1
}
)");
}

TEST(Text, EveryAttribute) {
  ExpectRoundTrip(R"(graph "" symbols=3 {
  %0 = parameter() dims=[0] : f32[1,8,8,4]
  %1 = parameter() dims=[1] : f32[3,3,4,16]
  %2 = convolution(%0, %1) window=[{size=3 stride=2 pad_high=1},{size=3 stride=2 pad_low=-1 base_dilation=2 window_dilation=3 reversal=true}] input_batch=0 input_feature=3 input_spatial=[1,2] kernel_input_feature=2 kernel_output_feature=3 kernel_spatial=[0,1] output_batch=0 output_feature=3 output_spatial=[1,2] feature_groups=1 batch_groups=1 precision=highest : f32[1,4,4,16]
  %3 = slice(%0) start=[0,0,0,0] limit=[1,8,8,-1] stride=[1,1,1,2] : f32[1,8,8,?2]
  %4 = constant() splat<-0> : f32[]
  %5 = pad(%0, %4) low=[0,-1,0,0] high=[0,0,0,2] interior=[0,1,0,0] : f32[1,14,8,6]
  %6 = dot_general(%0, %1) lhs_batch=[] rhs_batch=[] lhs_contract=[3] rhs_contract=[2] precision=default : f32[1,8,8,3,3,16]
  %7 = iota() dims=[1] : s64[4,?0]
  %8 = gather(%0, %7) offset_dims=[1] collapsed_slice_dims=[0] start_index_map=[0] slice_sizes=[1,8] index_vector_dim=1 indices_sorted=true : f32[4,8]
  %9 = parameter() dims=[2] : u64[2]
  %10 = rng_bit_generator(%9) algorithm=three_fry : (u64[2], u32[5])
  %11 = reduce_precision(%0) dims=[5,10] : f32[1,8,8,4]
  %12 = dot_general(%0, %1) lhs_batch=[] rhs_batch=[] lhs_contract=[3] rhs_contract=[2] precision=default result_order=[5,0,1,2,3,4] : f32[16,1,8,8,3,3]
  return
}
)");
}

TEST(Text, ConstantsKeepTheirBits) {
  ExpectRoundTrip(R"(graph "constants" symbols=0 {
  %0 = constant() dense<true, false> : pred[2]
  %1 = constant() dense<-128, 127> : s8[2]
  %2 = constant() dense<-9223372036854775808, 9223372036854775807> : s64[2]
  %3 = constant() dense<18446744073709551615> : u64[1]
  %4 = constant() dense<0.1, -0, inf, -inf, 1e-45, 3.4028235e+38, nan(0x7fc00001), nan(0xffc00000)> : f32[8]
  %5 = constant() dense<0.1, 5e-324> : f64[2]
  %6 = constant() dense<65504, -5.9604645e-08, nan(0x7e01)> : f16[3]
  %7 = constant() dense<> : f32[0]
  return %0
}
)");
}

TEST(Text, HalfConstantsReadBackToTheSameBits) {
  for (const DType dtype : {DType::kF16, DType::kBF16}) {
    for (uint32_t bits = 0; bits < 65536; bits += 16) {
      auto bytes = std::make_shared<std::vector<uint8_t>>(32);
      for (uint32_t i = 0; i < 16; ++i) {
        const uint16_t value = static_cast<uint16_t>(bits + i);
        std::memcpy(bytes->data() + 2 * i, &value, 2);
      }
      Graph graph;
      graph.Add(Op::kConstant, {}, {{dtype, {16}}}, ConstantAttr{bytes, false});
      const auto back = FromText(ToText(graph));
      ASSERT_EQ(*back->nodes()[0]->attr<ConstantAttr>().bytes, *bytes) << ToText(graph);
    }
  }
}

TEST(Text, LongConstantsAreLeftOutAndRefused) {
  Graph graph;
  graph.Add(Op::kConstant, {}, {{DType::kF32, {17}}}, ConstantAttr{std::make_shared<std::vector<uint8_t>>(68), false});
  const std::string text = ToText(graph);
  EXPECT_NE(text.find("dense<...68 bytes, "), std::string::npos) << text;
  EXPECT_THROW(FromText(text), Error);
}

void ExpectRefused(const std::string& body, const std::string& message) {
  try {
    FromText("graph \"g\" symbols=0 {\n  %0 = parameter() dims=[0] : f32[4]\n" + body);
    FAIL() << "accepted: " << body;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
  }
}

TEST(Text, ErrorsNameTheLine) {
  ExpectRefused("  %1 = add(%0, %7) : f32[4]\n  return %1\n}\n", "line 3: %7 is not defined");
  ExpectRefused("  %1 = frobnicate(%0) : f32[4]\n  return %1\n}\n", "line 3: unknown operation 'frobnicate'");
  ExpectRefused("  %1 = abs(%0) : f31[4]\n  return %1\n}\n", "line 3: unknown dtype 'f31'");
  ExpectRefused("  %1 = abs(%0) : f32[4] x\n  return %1\n}\n", "line 3: expected the end");
  ExpectRefused("  %0 = abs(%0) : f32[4]\n  return %0\n}\n", "line 3: %0 is defined twice");
  ExpectRefused("  %1 = parameter() dims=[2] : f32[4]\n  return %1\n}\n", "line 3: expected parameter 1");
  ExpectRefused("  %1 = constant() dense<300> : s8[1]\n  return %1\n}\n", "line 3: [FromText] '300' is not a s8");
  ExpectRefused("  %1 = constant() dense<-1> : u8[1]\n  return %1\n}\n", "line 3");
  ExpectRefused("  %1 = constant() dense<1.5x> : f32[1]\n  return %1\n}\n", "line 3");
  ExpectRefused("  return %0#1\n}\n", "line 3: %0 has no result 1");
  ExpectRefused("  return %0\n", "the text ends");
  ExpectRefused("  return %0\n}\nmore\n", "line 5: there is text after");
  ExpectRefused("  %1 = compare(%0, %0) direction=XX total_order=false : pred[4]\n  return %1\n}\n", "line 3: unknown value 'XX'");
}

}  // namespace
}  // namespace tfvk::ir
