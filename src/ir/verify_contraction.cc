// Reductions, windows, dot, convolution, sort and control flow.
#include <algorithm>

#include "ir/verify.h"

namespace tfvk::ir {
namespace {

std::vector<TensorType> Twice(std::vector<TensorType> types) {
  const size_t n = types.size();
  for (size_t i = 0; i < n; ++i) types.push_back(types[i]);
  return types;
}

// Inputs and as many scalar initial values, with a combiner of their dtypes. Returns the scalars' types.
std::vector<TensorType> VerifyReducer(const Checker& c) {
  const int inputs = c.operand_count() / 2;
  c.Expect(inputs >= 1 && c.operand_count() == 2 * inputs, "{} operands are not inputs and as many initial values", c.operand_count());
  c.ExpectResults(inputs);
  std::vector<TensorType> scalars;
  for (int i = 0; i < inputs; ++i) {
    c.Expect(c.in(i).shape == c.in(0).shape, "input {} has another shape than input 0", i);
    c.ExpectScalar(c.in(inputs + i), "an initial value");
    c.Expect(c.in(i).dtype == c.in(inputs + i).dtype, "input {} and its initial value differ in dtype", i);
    scalars.push_back(c.in(inputs + i));
  }
  c.ExpectRegion(0, Twice(scalars), scalars);
  return scalars;
}

void VerifyReduce(const Checker& c) {
  const auto scalars = VerifyReducer(c);
  const auto& dims = c.node.attr<DimsAttr>().dims;
  c.ExpectDimensions(dims, Rank(c.in(0)), "the list of reduced dimensions");
  Shape kept;
  for (size_t i = 0; i < Rank(c.in(0)); ++i) {
    if (std::find(dims.begin(), dims.end(), static_cast<int64_t>(i)) == dims.end()) kept.push_back(c.in(0).shape[i]);
  }
  for (size_t i = 0; i < scalars.size(); ++i) c.ExpectResult({scalars[i].dtype, kept}, static_cast<int>(i));
}

Shape WindowedShape(const Checker& c, const Shape& input) {
  const auto& window = c.node.attr<WindowAttr>().window;
  c.Expect(window.size() == input.size(), "there are {} window dimensions for rank {}", window.size(), input.size());
  Shape result;
  for (size_t i = 0; i < input.size(); ++i) {
    c.Expect(!window[i].reversal, "only convolutions reverse their windows");
    result.push_back(WindowedSize(c, input[i], window[i]));
  }
  return result;
}

void VerifyReduceWindow(const Checker& c) {
  const auto scalars = VerifyReducer(c);
  const Shape shape = WindowedShape(c, c.in(0).shape);
  for (size_t i = 0; i < scalars.size(); ++i) c.ExpectResult({scalars[i].dtype, shape}, static_cast<int>(i));
}

void VerifySelectAndScatter(const Checker& c) {
  c.ExpectResults(1);
  const TensorType scalar{c.in(0).dtype, {}};
  c.Expect(c.in(1).dtype == c.in(0).dtype && c.in(2) == scalar, "the operand's, the source's and the initial value's dtypes differ");
  for (const WindowDim& w : c.node.attr<WindowAttr>().window) c.Expect(w.base_dilation == 1 && w.window_dilation == 1, "the window is dilated");
  ExpectShape(c, c.in(1).shape, WindowedShape(c, c.in(0).shape), "the source");
  c.ExpectRegion(0, {scalar, scalar}, {{DType::kBool, {}}});
  c.ExpectRegion(1, {scalar, scalar}, {scalar});
  c.ExpectResult(c.in(0));
}

void VerifySort(const Checker& c) {
  c.Expect(c.operand_count() >= 1, "there is no operand");
  c.ExpectResults(c.operand_count());
  c.ExpectDimensions({c.node.attr<SortAttr>().dimension}, Rank(c.in(0)), "sort");
  std::vector<TensorType> parameters;
  for (int i = 0; i < c.operand_count(); ++i) {
    c.Expect(c.in(i).shape == c.in(0).shape, "operand {} has another shape than operand 0", i);
    c.ExpectResult(c.in(i), i);
    parameters.push_back({c.in(i).dtype, {}});
    parameters.push_back({c.in(i).dtype, {}});
  }
  c.ExpectRegion(0, parameters, {{DType::kBool, {}}});
}

bool SameFamily(DType a, DType b) { return IsFloat(a) == IsFloat(b) && (a == DType::kBool) == (b == DType::kBool); }

void VerifyDot(const Checker& c) {
  c.ExpectResults(1);
  const auto& dot = c.node.attr<DotAttr>();
  c.Expect(SameFamily(c.in(0).dtype, c.in(1).dtype) && SameFamily(c.in(0).dtype, c.out().dtype), "floats and integers are mixed");
  const auto joined = [](std::vector<int64_t> a, const std::vector<int64_t>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  };
  const auto lhs_used = joined(dot.lhs_batch, dot.lhs_contract), rhs_used = joined(dot.rhs_batch, dot.rhs_contract);
  c.ExpectDimensions(lhs_used, Rank(c.in(0)), "the left side");
  c.ExpectDimensions(rhs_used, Rank(c.in(1)), "the right side");
  c.ExpectLength(dot.rhs_batch, dot.lhs_batch.size(), "the list of batch dimensions");
  c.ExpectLength(dot.rhs_contract, dot.lhs_contract.size(), "the list of contracting dimensions");
  for (size_t i = 0; i < lhs_used.size(); ++i) {
    const Size l = c.in(0).shape[lhs_used[i]], r = c.in(1).shape[rhs_used[i]];
    c.Expect(l == r, "dimension {} of the left side and {} of the right side differ", lhs_used[i], rhs_used[i]);
  }
  TensorType expected{c.out().dtype, {}};
  for (int64_t d : dot.lhs_batch) expected.shape.push_back(c.in(0).shape[d]);
  for (int side = 0; side < 2; ++side) {
    const auto& used = side == 0 ? lhs_used : rhs_used;
    for (size_t d = 0; d < Rank(c.in(side)); ++d) {
      if (std::find(used.begin(), used.end(), static_cast<int64_t>(d)) == used.end()) expected.shape.push_back(c.in(side).shape[d]);
    }
  }
  if (!dot.result_order.empty()) {
    c.ExpectLength(dot.result_order, expected.shape.size(), "the result's order");
    c.ExpectDimensions(dot.result_order, expected.shape.size(), "the result's order");
    Shape ordered;
    for (int64_t d : dot.result_order) ordered.push_back(expected.shape[d]);
    expected.shape = std::move(ordered);
  }
  c.ExpectResult(expected);
}

// Every dimension of a tensor has exactly one role.
void VerifyRoles(const Checker& c, int64_t a, int64_t b, const std::vector<int64_t>& spatial, size_t rank, const char* what) {
  std::vector<int64_t> all = {a, b};
  all.insert(all.end(), spatial.begin(), spatial.end());
  c.ExpectLength(all, rank, what);
  c.ExpectDimensions(all, rank, what);
}

void VerifyConvolutionFeatures(const Checker& c, const ConvolutionAttr& conv) {
  const Size input = c.in(0).shape[conv.input_feature], batch = c.in(0).shape[conv.input_batch];
  const Size kernel_in = c.in(1).shape[conv.kernel_input_feature], kernel_out = c.in(1).shape[conv.kernel_output_feature];
  c.Expect(conv.feature_groups >= 1 && conv.batch_groups >= 1 && (conv.feature_groups == 1 || conv.batch_groups == 1), "{} feature and {} batch groups",
           conv.feature_groups, conv.batch_groups);
  if (conv.feature_groups == 1) {
    c.Expect(input == kernel_in, "the input has {} features and the kernel {}", ToText(Shape{input}), ToText(Shape{kernel_in}));
  } else {
    c.Expect(input.is_static() && kernel_in.is_static() && kernel_out.is_static() && input.value == kernel_in.value * conv.feature_groups &&
                 kernel_out.value % conv.feature_groups == 0,
             "{} feature groups do not fit {} input features and a kernel of {} by {}", conv.feature_groups, ToText(Shape{input}), ToText(Shape{kernel_in}),
             ToText(Shape{kernel_out}));
  }
  c.Expect(conv.batch_groups == 1 ||
               (batch.is_static() && kernel_out.is_static() && batch.value % conv.batch_groups == 0 && kernel_out.value % conv.batch_groups == 0),
           "{} batch groups do not fit batch {} and {} output features", conv.batch_groups, ToText(Shape{batch}), ToText(Shape{kernel_out}));
}

void VerifyConvolution(const Checker& c) {
  c.ExpectResults(1);
  const auto& conv = c.node.attr<ConvolutionAttr>();
  const size_t rank = conv.window.size() + 2;
  c.Expect(SameFamily(c.in(0).dtype, c.in(1).dtype) && SameFamily(c.in(0).dtype, c.out().dtype), "floats and integers are mixed");
  c.Expect(Rank(c.in(0)) == rank && Rank(c.in(1)) == rank && Rank(c.out()) == rank, "the ranks are not {}, two more than the window's", rank);
  VerifyRoles(c, conv.input_batch, conv.input_feature, conv.input_spatial, rank, "the input's dimension numbers");
  VerifyRoles(c, conv.kernel_input_feature, conv.kernel_output_feature, conv.kernel_spatial, rank, "the kernel's dimension numbers");
  VerifyRoles(c, conv.output_batch, conv.output_feature, conv.output_spatial, rank, "the output's dimension numbers");
  VerifyConvolutionFeatures(c, conv);
  TensorType expected{c.out().dtype, Shape(rank)};
  const Size batch = c.in(0).shape[conv.input_batch];
  expected.shape[conv.output_batch] = conv.batch_groups == 1 ? batch : Size(batch.value / conv.batch_groups);
  expected.shape[conv.output_feature] = c.in(1).shape[conv.kernel_output_feature];
  for (size_t i = 0; i < conv.window.size(); ++i) {
    ExpectSize(c, c.in(1).shape[conv.kernel_spatial[i]], conv.window[i].size, "the kernel", conv.kernel_spatial[i]);
    expected.shape[conv.output_spatial[i]] = WindowedSize(c, c.in(0).shape[conv.input_spatial[i]], conv.window[i]);
  }
  c.ExpectResult(expected);
}

std::vector<TensorType> OperandTypes(const Checker& c, int first) {
  std::vector<TensorType> types;
  for (int i = first; i < c.operand_count(); ++i) types.push_back(c.in(i));
  return types;
}

}  // namespace

Size WindowedSize(const Checker& c, const Size& input, const WindowDim& w) {
  c.Expect(w.size >= 1 && w.stride >= 1 && w.base_dilation >= 1 && w.window_dilation >= 1, "a window of size {}, stride {}, dilations {} and {}", w.size,
           w.stride, w.base_dilation, w.window_dilation);
  const int64_t extent = (w.size - 1) * w.window_dilation + 1;
  if (!input.is_static()) return w.stride == 1 && w.base_dilation == 1 && w.pad_low + w.pad_high == extent - 1 ? input : Size(kComputed);
  const int64_t dilated = input.value == 0 ? 0 : (input.value - 1) * w.base_dilation + 1;
  const int64_t padded = dilated + w.pad_low + w.pad_high;
  return padded < extent ? Size(0) : Size((padded - extent) / w.stride + 1);
}

void VerifyReduction(const Checker& c) {
  switch (c.node.op) {
    case Op::kReduce:
      return VerifyReduce(c);
    case Op::kReduceWindow:
      return VerifyReduceWindow(c);
    case Op::kSelectAndScatter:
      return VerifySelectAndScatter(c);
    case Op::kLargestExponent:
      c.Expect(c.in(0).dtype == DType::kF32 && IsStatic(c.in(0).shape), "it looks through f32 tensors of known sizes");
      c.ExpectResults(1);
      return c.ExpectResult({DType::kS32, {}});
    default:
      VerifySort(c);
  }
}

void VerifyContraction(const Checker& c) { c.node.op == Op::kDot ? VerifyDot(c) : VerifyConvolution(c); }

void VerifyControl(const Checker& c) {
  const bool loops = c.node.op == Op::kWhile;
  c.Expect(loops || c.operand_count() >= 1, "there is no index");
  const auto passed = OperandTypes(c, loops ? 0 : 1);
  if (loops) {
    c.ExpectRegion(0, passed, {{DType::kBool, {}}});
    c.ExpectRegion(1, passed, passed);
    c.ExpectResults(c.operand_count());
    for (int i = 0; i < c.operand_count(); ++i) c.ExpectResult(c.in(i), i);
    return;
  }
  const DType index = c.in(0).dtype;
  c.ExpectScalar(c.in(0), "the index");
  c.Expect(index == DType::kBool ? c.node.regions.size() == 2 : index == DType::kS32 && !c.node.regions.empty(), "{} branches for an index of dtype {}",
           c.node.regions.size(), Name(index));
  for (size_t i = 0; i < c.node.regions.size(); ++i) c.ExpectRegion(static_cast<int>(i), passed, c.node.results);
}

}  // namespace tfvk::ir
