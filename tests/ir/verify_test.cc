// One good and some bad nodes of every operation, written as text.
#include <gtest/gtest.h>

#include "ir/graph.h"
#include "types/error.h"

namespace tfvk::ir {
namespace {

std::unique_ptr<Graph> Parse(const std::string& nodes) { return FromText("graph \"g\" symbols=2 {\n" + nodes + "\n  return\n}\n"); }

// Parameters that the cases below refer to by number.
const char kParameters[] =
    "%0 = parameter() dims=[0] : f32[4,6]\n"
    "%1 = parameter() dims=[1] : f32[?0,6]\n"
    "%2 = parameter() dims=[2] : f32[?1,6]\n"
    "%3 = parameter() dims=[3] : s32[4,6]\n"
    "%4 = parameter() dims=[4] : pred[4,6]\n"
    "%5 = parameter() dims=[5] : f32[]\n"
    "%6 = parameter() dims=[6] : s32[]\n"
    "%7 = parameter() dims=[7] : s32[5,1]\n"
    "%8 = parameter() dims=[8] : f32[5,6]\n"
    "%9 = parameter() dims=[9] : u64[2]\n"
    "%10 = parameter() dims=[10] : f32[2,8,8,4]\n"
    "%11 = parameter() dims=[11] : f32[3,3,4,16]\n"
    "%12 = parameter() dims=[12] : pred[]\n"
    "%13 = parameter() dims=[13] : f32[2,4,4,4]\n"
    "%14 = parameter() dims=[14] : f16[4,6]\n"
    "%15 = parameter() dims=[15] : u8[4,6]\n"
    "%16 = parameter() dims=[16] : s32[?0,1]\n";

void Accept(const std::string& node) { EXPECT_NO_THROW(Verify(*Parse(kParameters + node))) << node; }
void Reject(const std::string& node, const std::string& why) {
  try {
    Verify(*Parse(kParameters + node));
    ADD_FAILURE() << "accepted: " << node;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInternal);
    EXPECT_NE(std::string(error.what()).find(why), std::string::npos) << node << "\n" << error.what();
  }
}

std::string Region(const std::string& op, const std::string& in, const std::string& out) {
  return "\ngraph \"r\" symbols=0 {\n%0 = parameter() dims=[0] : " + in + "\n%1 = parameter() dims=[1] : " + in + "\n%2 = " + op + " : " + out +
         "\nreturn %2\n}";
}
const std::string kSum = Region("add(%0, %1)", "f32[]", "f32[]");
const std::string kGreater = Region("compare(%0, %1) direction=GE total_order=false", "f32[]", "pred[]");

TEST(Verify, Elementwise) {
  Accept("%20 = abs(%0) : f32[4,6]");
  Accept("%20 = abs(%1) : f32[?0,6]");
  Accept("%20 = is_finite(%0) : pred[4,6]");
  Accept("%20 = not(%4) : pred[4,6]");
  Accept("%20 = convert(%4) : bf16[4,6]");
  Accept("%20 = add(%4, %4) : pred[4,6]");
  Accept("%20 = add(%1, %1) : f32[?0,6]");
  Accept("%20 = shift_left(%3, %3) : s32[4,6]");
  Accept("%20 = compare(%0, %0) direction=LT total_order=true : pred[4,6]");
  Accept("%20 = reduce_precision(%0) dims=[8,7] : f32[4,6]");
  Reject("%20 = abs(%0) : f32[4,7]", "dimension 1 of the result is [7], not [6]");
  Reject("%20 = abs(%0) : f16[4,6]", "must have dtype f32");
  Reject("%20 = abs(%1) : f32[?1,6]", "[?1], not [?0]");
  Reject("%20 = abs(%1) : f32[4,6]", "[4], not [?0]");
  Reject("%20 = abs(%1) : f32[?2,6]", "a symbol beyond the graph's 2");
  Reject("%20 = exponential(%3) : s32[4,6]", "exponential is not defined for s32");
  Reject("%20 = abs(%15) : u8[4,6]", "abs is not defined for u8");
  Reject("%20 = not(%0) : f32[4,6]", "not defined");
  Reject("%20 = subtract(%4, %4) : pred[4,6]", "not defined");
  Reject("%20 = add(%0, %1) : f32[4,6]", "the operands' types differ");
  Reject("%20 = add(%1, %2) : f32[?0,6]", "the operands' types differ");
  Reject("%20 = add(%0, %14) : f32[4,6]", "the operands' types differ");
  Reject("%20 = add(%0) : f32[4,6]", "there are 1 operands, not 2");
  Reject("%20 = compare(%3, %3) direction=LT total_order=true : pred[4,6]", "only floats");
  Reject("%20 = compare(%3, %3) direction=LT total_order=false : s32[4,6]", "must have dtype pred");
  Reject("%20 = reduce_precision(%0) dims=[8] : f32[4,6]", "exponent bits");
}

TEST(Verify, BitcastConvert) {
  Accept("%20 = bitcast_convert(%0) : s32[4,6]");
  Accept("%20 = bitcast_convert(%0) : u8[4,6,4]");
  Accept("%20 = bitcast_convert(%9) : u64[2]");
  Accept("%20 = bitcast_convert(%9) : u32[2,2]\n%21 = bitcast_convert(%20) : u64[2]");
  Reject("%20 = bitcast_convert(%0) : u8[4,6]", "has not rank 3");
  Reject("%20 = bitcast_convert(%15) : f32[4,6]", "the last dimension must be 4");
  Reject("%20 = bitcast_convert(%4) : u8[4,6]", "a bool has no bits");
}

TEST(Verify, SelectAndClamp) {
  Accept("%20 = select(%4, %0, %0) : f32[4,6]");
  Accept("%20 = select(%12, %1, %1) : f32[?0,6]");
  Accept("%20 = clamp(%5, %0, %5) : f32[4,6]");
  Accept("%20 = clamp(%0, %0, %0) : f32[4,6]");
  Reject("%20 = select(%0, %0, %0) : f32[4,6]", "the predicate is f32[4,6]");
  Reject("%20 = select(%4, %1, %1) : f32[?0,6]", "neither a scalar");
  Reject("%20 = select(%4, %0, %3) : f32[4,6]", "two choices' types differ");
  Reject("%20 = clamp(%8, %0, %5) : f32[4,6]", "the lower bound");
  Reject("%20 = clamp(%6, %0, %5) : f32[4,6]", "dtypes differ");
}

TEST(Verify, Sources) {
  Accept("%20 = constant() dense<1, 2> : f32[2]");
  Accept("%20 = constant() splat<1> : f32[?1,4]");
  Accept("%20 = constant() dense<> : f32[0,3]");
  Accept("%20 = iota() dims=[1] : s32[2,?0]");
  Accept("%20 = rng_bit_generator(%9) algorithm=philox : (u64[2], u32[7])");
  Reject("%20 = constant() dense<1, 2> : f32[3]", "8 bytes, not 12");
  Reject("%20 = constant() dense<1> : f32[?0]", "must be a splat");
  Reject("%20 = iota() dims=[2] : s32[2,2]", "dimension 2 of a tensor of rank 2");
  Reject("%20 = iota() dims=[0] : pred[2]", "gives numbers");
  Reject("%20 = rng_bit_generator(%9) algorithm=philox : (u64[2], s32[7])", "unsigned");
  Reject("%20 = rng_bit_generator(%3) algorithm=three_fry : (s32[4,6], u32[7])", "must be u64[2]");
}

TEST(Verify, Movement) {
  Accept("%20 = broadcast_in_dim(%0) dims=[0,2] : f32[4,?0,6]");
  Accept("%20 = broadcast_in_dim(%7) dims=[0,1] : s32[5,?1]");
  Accept("%20 = broadcast_in_dim(%5) dims=[] : f32[0]");
  Accept("%20 = reshape(%0) : f32[24]");
  Accept("%20 = reshape(%1) : f32[6,?0]");
  Accept("%20 = reshape(%1) : f32[3,?0,2]");
  Accept("%20 = reshape(%1) : f32[?1]");
  Accept("%20 = transpose(%1) dims=[1,0] : f32[6,?0]");
  Accept("%20 = reverse(%1) dims=[0] : f32[?0,6]");
  Reject("%20 = broadcast_in_dim(%0) dims=[0,2] : f32[4,6,7]", "cannot become");
  Reject("%20 = broadcast_in_dim(%1) dims=[0,1] : f32[4,6]", "cannot become");
  Reject("%20 = broadcast_in_dim(%0) dims=[0,0] : f32[4,6]", "twice");
  Reject("%20 = reshape(%0) : f32[25]", "numbers of elements differ");
  Reject("%20 = reshape(%0) : s32[24]", "dtype");
  Reject("%20 = reshape(%1) : f32[7,?0]", "numbers of elements differ");
  Reject("%20 = reshape(%1) : f32[24]", "numbers of elements differ");
  Reject("%20 = transpose(%0) dims=[0,1] : f32[6,4]", "dimension 0 of the result");
  Reject("%20 = transpose(%0) dims=[1] : f32[6,4]", "1 entries for rank 2");
  Reject("%20 = reverse(%0) dims=[1,1] : f32[4,6]", "twice");
}

TEST(Verify, SlicePadConcatenate) {
  Accept("%20 = slice(%0) start=[1,0] limit=[4,6] stride=[2,1] : f32[2,6]");
  Accept("%20 = slice(%1) start=[0,2] limit=[-1,6] stride=[1,3] : f32[?0,2]");
  Accept("%20 = slice(%1) start=[1,0] limit=[-1,6] stride=[1,1] : f32[?1,6]");
  Accept("%20 = slice(%0) start=[4,0] limit=[4,6] stride=[1,1] : f32[0,6]");
  Accept("%20 = pad(%0, %5) low=[1,-2] high=[0,0] interior=[0,1] : f32[5,9]");
  Accept("%20 = pad(%1, %5) low=[0,0] high=[0,1] interior=[0,0] : f32[?0,7]");
  Accept("%20 = pad(%1, %5) low=[1,0] high=[0,0] interior=[0,0] : f32[?1,6]");
  Accept("%20 = concatenate(%0, %8) dims=[0] : f32[9,6]");
  Accept("%20 = concatenate(%1, %8) dims=[0] : f32[?1,6]");
  Accept("%20 = concatenate(%1) dims=[0] : f32[?0,6]");
  Reject("%20 = slice(%0) start=[1,0] limit=[5,6] stride=[1,1] : f32[4,6]", "sliced from 1 to 5");
  Reject("%20 = slice(%0) start=[1,0] limit=[4,6] stride=[0,1] : f32[4,6]", "stride 0");
  Reject("%20 = slice(%0) start=[0,0] limit=[-1,6] stride=[1,1] : f32[4,6]", "sliced from 0 to -1");
  Reject("%20 = slice(%1) start=[1,0] limit=[-1,6] stride=[1,1] : f32[3,6]", "depends on a run-time size");
  Reject("%20 = pad(%0, %6) low=[0,0] high=[0,0] interior=[0,0] : f32[4,6]", "the padding value is of dtype s32");
  Reject("%20 = pad(%0, %5) low=[0,-7] high=[0,0] interior=[0,0] : f32[4,0]", "-1 elements");
  Reject("%20 = pad(%1, %5) low=[1,0] high=[0,0] interior=[0,0] : f32[5,6]", "depends on a run-time size");
  Reject("%20 = concatenate(%0, %3) dims=[0] : f32[8,6]", "operand 1 is s32[4,6]");
  Reject("%20 = concatenate(%0, %8) dims=[1] : f32[4,12]", "dimension 0 of an operand is [5], not [4]");
  Reject("%20 = concatenate(%1, %8) dims=[0] : f32[9,6]", "depends on a run-time size");
  Reject("%20 = concatenate(%1, %2) dims=[1] : f32[?0,12]", "dimension 0 of an operand is [?1], not [?0]");
}

TEST(Verify, DynamicSlices) {
  Accept("%20 = dynamic_slice(%0, %6, %6) dims=[1,6] : f32[1,6]");
  Accept("%20 = dynamic_slice(%1, %6, %6) dims=[-1,6] : f32[?1,6]");
  Accept("%20 = dynamic_update_slice(%8, %0, %6, %6) : f32[5,6]");
  Reject("%20 = dynamic_slice(%0, %6) dims=[1,6] : f32[1,6]", "there are 2 operands, not 3");
  Reject("%20 = dynamic_slice(%0, %6, %5) dims=[1,6] : f32[1,6]", "a start index is f32[]");
  Reject("%20 = dynamic_slice(%0, %6, %6) dims=[5,6] : f32[5,6]", "5 of 4 elements");
  Reject("%20 = dynamic_update_slice(%0, %8, %6, %6) : f32[4,6]", "5 of 4 elements");
}

TEST(Verify, GatherAndScatter) {
  const std::string gather = "offset_dims=[1] collapsed_slice_dims=[0] start_index_map=[0] slice_sizes=[1,6] index_vector_dim=1 indices_sorted=false";
  Accept("%20 = gather(%0, %7) " + gather + " : f32[5,6]");
  Accept("%20 = gather(%1, %16) " + gather + " : f32[?0,6]");
  Reject("%20 = gather(%0, %7) " + gather + " : f32[4,6]", "[4], not [5]");
  Reject("%20 = gather(%0, %8) " + gather + " : f32[5,6]", "the indices are f32[5,6]");
  Reject("%20 = gather(%0, %3) " + gather + " : f32[4,6]", "an index has [6] components, but 1 are mapped");
  Reject(
      "%20 = gather(%0, %7) offset_dims=[1] collapsed_slice_dims=[0] start_index_map=[0] slice_sizes=[2,6] index_vector_dim=1 indices_sorted=false : f32[5,6]",
      "has slice size 2");
  const std::string scatter =
      "update_window_dims=[1] inserted_window_dims=[0] scatter_dims_to_operand_dims=[0] index_vector_dim=1 indices_sorted=false unique_indices=false";
  Accept("%20 = scatter(%0, %7, %8) " + scatter + " : f32[4,6] with 1" + kSum);
  Accept("%20 = scatter(%1, %7, %8) " + scatter + " : f32[?0,6] with 1" + kSum);
  Accept("%20 = scatter(%0, %0, %7, %8, %8) " + scatter +
         " : (f32[4,6], f32[4,6]) with 1\ngraph \"r\" symbols=0 {\n%0 = parameter() dims=[0] : f32[]\n%1 = parameter() dims=[1] : f32[]\n"
         "%2 = parameter() dims=[2] : f32[]\n%3 = parameter() dims=[3] : f32[]\nreturn %2, %3\n}");
  Reject("%20 = scatter(%0, %7, %0) " + scatter + " : f32[4,6] with 1" + kSum, "dimension 0 of the updates is [4], not [5]");
  Reject("%20 = scatter(%0, %7, %8) " + scatter + " : f32[5,6] with 1" + kSum, "dimension 0 of the result");
  Reject("%20 = scatter(%0, %7, %8) " + scatter + " : f32[4,6]", "there are 0 regions, not 1");
  Reject("%20 = scatter(%0, %7, %8) " + scatter + " : f32[4,6] with 1" + kGreater, "output 0 is pred[], not f32[]");
}

TEST(Verify, Reductions) {
  Accept("%20 = reduce(%1, %5) dims=[1] : f32[?0] with 1" + kSum);
  Accept("%20 = reduce(%0, %5) dims=[0,1] : f32[] with 1" + kSum);
  Accept("%20 = reduce(%0, %5) dims=[] : f32[4,6] with 1" + kSum);
  Reject("%20 = reduce(%0, %5) dims=[2] : f32[4] with 1" + kSum, "dimension 2");
  Reject("%20 = reduce(%0, %5) dims=[0] : f32[4] with 1" + kSum, "[4], not [6]");
  Reject("%20 = reduce(%0, %6) dims=[0] : f32[6] with 1" + kSum, "differ in dtype");
  Reject("%20 = reduce(%0, %0) dims=[0] : f32[6] with 1" + kSum, "not a scalar");
  Reject("%20 = reduce(%0, %5) dims=[0] : f32[6] with 1" + Region("add(%0, %1)", "s32[]", "s32[]"), "region 0's parameter 0 is s32[], not f32[]");
  Reject("%20 = reduce(%0, %5) dims=[0] : f32[6] with 1" + Region("add(%0, %1)", "f32[]", "f32[1]"), "%2 = add");
  Accept("%20 = reduce_window(%10, %5) window=[{},{size=3 stride=2 pad_high=1},{size=2 stride=2},{}] : f32[2,4,4,4] with 1" + kSum);
  Accept("%20 = reduce_window(%1, %5) window=[{},{size=6 pad_low=5}] : f32[?0,6] with 1" + kSum);
  Accept("%20 = reduce_window(%1, %5) window=[{size=2},{}] : f32[?1,6] with 1" + kSum);
  Reject("%20 = reduce_window(%0, %5) window=[{},{size=3}] : f32[4,6] with 1" + kSum, "[6], not [4]");
  Reject("%20 = reduce_window(%0, %5) window=[{}] : f32[4,6] with 1" + kSum, "1 window dimensions");
  Reject("%20 = reduce_window(%0, %5) window=[{},{stride=0}] : f32[4,6] with 1" + kSum, "stride 0");
  const std::string window = " window=[{},{size=2 stride=2},{size=2 stride=2},{}] : ";
  Accept("%20 = select_and_scatter(%10, %13, %5)" + window + "f32[2,8,8,4] with 2" + kGreater + kSum);
  Reject("%20 = select_and_scatter(%10, %10, %5)" + window + "f32[2,8,8,4] with 2" + kGreater + kSum, "dimension 1 of the source is [8], not [4]");
  Reject("%20 = select_and_scatter(%10, %13, %5)" + window + "f32[2,8,8,4] with 2" + kSum + kSum, "region 0's output 0 is f32[], not pred[]");
}

TEST(Verify, Sort) {
  Accept("%20 = sort(%1) dimension=0 stable=true : f32[?0,6] with 1" + kGreater);
  Reject("%20 = sort(%0) dimension=2 stable=true : f32[4,6] with 1" + kGreater, "dimension 2");
  Reject("%20 = sort(%0, %3) dimension=0 stable=true : (f32[4,6], s32[4,6]) with 1" + kGreater, "region 0 takes 2 parameters, not 4");
  Reject("%20 = sort(%0, %8) dimension=0 stable=true : (f32[4,6], f32[5,6]) with 1" + kGreater, "another shape");
}

TEST(Verify, Dot) {
  const std::string matmul = " lhs_batch=[] rhs_batch=[] lhs_contract=[1] rhs_contract=[1] precision=default : ";
  Accept("%20 = dot_general(%0, %8)" + matmul + "f32[4,5]");
  Accept("%20 = dot_general(%1, %2)" + matmul + "f32[?0,?1]");
  Accept("%20 = dot_general(%14, %14)" + matmul + "f32[4,4]");
  Accept("%20 = dot_general(%10, %10) lhs_batch=[0] rhs_batch=[0] lhs_contract=[2,3] rhs_contract=[1,3] precision=high : f32[2,8,8]");
  Accept("%20 = dot_general(%10, %10) lhs_batch=[0] rhs_batch=[0] lhs_contract=[2,3] rhs_contract=[1,3] precision=high result_order=[1,0,2] : f32[8,2,8]");
  Reject("%20 = dot_general(%10, %10) lhs_batch=[0] rhs_batch=[0] lhs_contract=[2,3] rhs_contract=[1,3] precision=high result_order=[1,0,2] : f32[2,8,8]",
         "f32");
  Reject("%20 = dot_general(%10, %10) lhs_batch=[0] rhs_batch=[0] lhs_contract=[2,3] rhs_contract=[1,3] precision=high result_order=[1,0] : f32[8,2]", "order");
  Reject("%20 = dot_general(%10, %10) lhs_batch=[0] rhs_batch=[0] lhs_contract=[2,3] rhs_contract=[1,3] precision=high result_order=[1,1,2] : f32[8,8,8]",
         "twice");
  Reject("%20 = dot_general(%0, %8)" + matmul + "f32[5,4]", "[5], not [4]");
  Reject("%20 = dot_general(%0, %3)" + matmul + "f32[4,4]", "floats and integers");
  Reject("%20 = dot_general(%1, %2) lhs_batch=[] rhs_batch=[] lhs_contract=[0] rhs_contract=[0] precision=default : f32[6,6]", "differ");
  Reject("%20 = dot_general(%0, %1) lhs_batch=[] rhs_batch=[] lhs_contract=[0] rhs_contract=[0] precision=default : f32[6,6]", "differ");
  Reject("%20 = dot_general(%0, %0) lhs_batch=[1] rhs_batch=[1] lhs_contract=[1] rhs_contract=[1] precision=default : f32[6]", "twice");
}

TEST(Verify, Convolution) {
  const std::string numbers =
      " input_batch=0 input_feature=3 input_spatial=[1,2] kernel_input_feature=2 kernel_output_feature=3 kernel_spatial=[0,1] output_batch=0 output_feature=3 "
      "output_spatial=[1,2] ";
  const std::string one = numbers + "feature_groups=1 batch_groups=1 precision=default : ";
  const std::string window = " window=[{size=3 pad_low=1 pad_high=1},{size=3 stride=2 pad_high=1}]";
  Accept("%20 = convolution(%10, %11)" + window + one + "f32[2,8,4,16]");
  Accept("%20 = convolution(%10, %11) window=[{size=3 base_dilation=2},{size=3 window_dilation=3}]" + one + "f32[2,13,2,16]");
  Reject("%20 = convolution(%10, %11)" + window + one + "f32[2,8,8,16]", "[8], not [4]");
  Reject("%20 = convolution(%10, %11) window=[{size=2},{size=3}]" + one + "f32[2,7,6,16]", "dimension 0 of the kernel is [3], not [2]");
  Reject("%20 = convolution(%10, %11)" + window + numbers + "feature_groups=2 batch_groups=1 precision=default : f32[2,8,4,16]", "2 feature groups do not fit");
  Reject("%20 = convolution(%10, %11)" + window + numbers + "feature_groups=1 batch_groups=3 precision=default : f32[2,8,4,16]", "3 batch groups do not fit");
  Reject("%20 = convolution(%10, %13)" + window + one + "f32[2,8,4,4]", "dimension 0 of the kernel");
}

TEST(Verify, ControlFlow) {
  const std::string next = "\ngraph \"b\" symbols=0 {\n%0 = parameter() dims=[0] : f32[?0,6]\n%1 = tanh(%0) : f32[?0,6]\nreturn %1\n}";
  const std::string never = "\ngraph \"c\" symbols=0 {\n%0 = parameter() dims=[0] : f32[?0,6]\n%1 = constant() dense<false> : pred[]\nreturn %1\n}";
  Accept("%20 = while(%1) : f32[?0,6] with 2" + never + next);
  Accept("%20 = case(%12, %1) : f32[?0,6] with 2" + next + next);
  Accept("%20 = case(%6, %1) : f32[?0,6] with 3" + next + next + next);
  Reject("%20 = while(%1) : f32[?0,6] with 2" + next + next, "region 0's output 0 is f32[?0,6], not pred[]");
  Reject("%20 = while(%2) : f32[?1,6] with 2" + never + next, "region 0's parameter 0 is f32[?0,6], not f32[?1,6]");
  Reject("%20 = case(%12, %1) : f32[?0,6] with 3" + next + next + next, "3 branches for an index of dtype pred");
  Reject("%20 = case(%6, %1) : f32[?0,7] with 1" + next, "output 0 is f32[?0,6], not f32[?0,7]");
}

TEST(Verify, GraphsThemselves) {
  Graph graph;
  const Value x = graph.AddParameter({DType::kF32, {4}}), y = graph.AddParameter({DType::kF32, {5}});
  const Value a = graph.Add(Op::kAbs, {x}, {{DType::kF32, {4}}}), b = graph.Add(Op::kExp, {a}, {{DType::kF32, {4}}});
  graph.outputs = {b};
  Verify(graph);
  graph.aliases = {0};
  Verify(graph);
  graph.aliases = {1};
  EXPECT_THROW(Verify(graph), Error);  // y has another shape
  graph.aliases = {2};
  EXPECT_THROW(Verify(graph), Error);
  graph.outputs = {b, a};
  graph.aliases = {0, 0};
  EXPECT_THROW(Verify(graph), Error);
  graph.aliases = {0, -1};
  Verify(graph);
  graph.outputs = {{b.node, 1}, y};
  EXPECT_THROW(Verify(graph), Error);
  graph.outputs = {b, y};
  graph.ReplaceUses(a, b);  // b now uses itself
  EXPECT_THROW(Verify(graph), Error);
}

TEST(Verify, MessageNamesNodeShapesAndOrigin) {
  Reject("%20 = add(%0, %8) : f32[4,6]  // model/dense/add", "%17 = add(f32[4,6], f32[5,6]) -> f32[4,6] from model/dense/add");
}

TEST(Verify, WrongAttributeStruct) {
  Graph graph;
  const Value x = graph.AddParameter({DType::kF32, {4}});
  graph.Add(Op::kTranspose, {x}, {{DType::kF32, {4}}}, SortAttr{});
  EXPECT_THROW(Verify(graph), Error);
}

}  // namespace
}  // namespace tfvk::ir
