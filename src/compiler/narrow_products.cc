#include "compiler/narrow_products.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <vector>

#include "compiler/access.h"
#include "compiler/fusion.h"
#include "compiler/lower.h"
#include "ir/copy.h"
#include "ir/expression.h"

namespace tfvk::compiler {
namespace {

using ir::Expression;
using ir::Node;
using ir::Op;
using ir::Value;

// The device as the choice sees it, in clock cycles and for one compute unit; as in kernels/gemm_tiles.cc.
constexpr double kFlopsPerCycle = 700;         // of the products of scaled fp32 operands
constexpr double kNarrowFlopsPerCycle = 1250;  // of the same ones when the operands are fp16
constexpr double kMemoryBytesPerCycle = 14;
constexpr double kLaunchCycles = 5000;
// What a product saves for an element of an operand: the reading for the maximum, and half of its own.
constexpr double kSavedBytes = 4 + 2;

double Operations(const Node& product) {
  double count = 2 * EstimatedCount(product.type().shape);
  if (product.op == Op::kDot) {
    for (int64_t d : product.attr<ir::DotAttr>().lhs_contract) count *= static_cast<double>(product.operand_type(0).shape[d].value);
    return count;
  }
  const auto& attribute = product.attr<ir::ConvolutionAttr>();
  const Shape& kernel = product.operand_type(1).shape;
  return count * EstimatedCount(kernel) / static_cast<double>(kernel[attribute.kernel_output_feature].value);
}

ir::Precision PrecisionOf(const Node& product) {
  return product.op == Op::kDot ? product.attr<ir::DotAttr>().precision : product.attr<ir::ConvolutionAttr>().precision;
}

bool IsCandidate(const Node& node) {
  if (node.op != Op::kDot && node.op != Op::kConvolution) return false;
  if (node.op == Op::kConvolution && (node.attr<ir::ConvolutionAttr>().feature_groups != 1 || node.attr<ir::ConvolutionAttr>().batch_groups != 1)) return false;
  constexpr int64_t kMostElements = int64_t{1} << 31;  // as in kernels/gemm_scale.cc
  for (const Value& operand : node.operands) {
    if (operand.type().dtype != DType::kF32 || !IsStatic(operand.type().shape)) return false;
    if (ElementCount(operand.type().shape) == 0 || ElementCount(operand.type().shape) >= kMostElements) return false;
  }
  return node.type().dtype == DType::kF32 && PrecisionOf(node) == ir::Precision::kDefault;
}

// The tensor of which an operand is a rearrangement.
Value SourceOf(Value operand) {
  while (operand.node->op == Op::kReshape || operand.node->op == Op::kTranspose) operand = operand.node->operands[0];
  return operand;
}

// Whether the value is the reduction with each element at all the places that it was reduced from.
bool SpreadsBack(Value value, const Node& reduce) {
  if (value.node->op != Op::kBroadcast) return false;
  const Node* source = value.node->operands[0].node;
  const std::vector<int64_t>& reduced = reduce.attr<ir::DimsAttr>().dims;
  const Shape& whole = reduce.operand_type(0).shape;
  std::vector<int64_t> kept, all(whole.size());
  std::iota(all.begin(), all.end(), 0);
  Shape with_ones = whole;
  for (const int64_t d : all) {
    const bool is_reduced = std::find(reduced.begin(), reduced.end(), d) != reduced.end();
    if (is_reduced) with_ones[d] = 1;
    if (!is_reduced) kept.push_back(d);
  }
  const std::vector<int64_t>& dims = value.node->attr<ir::DimsAttr>().dims;
  if (source == &reduce) return dims == kept;
  return source->op == Op::kReshape && source->operands[0].node == &reduce && source->type().shape == with_ones && dims == all;
}

// Exponentials divided by their sums over rows: between 0 and 1, and in every row one is at least 1 / kMostInRow.
bool IsSoftmax(Value value) {
  constexpr double kMostInRow = 4096;
  if (value.node->op != Op::kDivide || value.node->operands[0].node->op != Op::kExp) return false;
  const Value exponentials = value.node->operands[0];
  const Node* sum = value.node->operands[1].node;
  while (sum->op == Op::kBroadcast || sum->op == Op::kReshape) sum = sum->operands[0].node;
  return IsSum(*sum) && sum->operands[0] == exponentials && SpreadsBack(value.node->operands[1], *sum) &&
         EstimatedCount(exponentials.type().shape) <= kMostInRow * EstimatedCount(sum->type().shape);
}

bool HasNarrowMatrices(const kernels::DeviceLimits& limits) {
  const auto takes_halves = [](const kernels::MatrixShape& m) {
    return m.a == DType::kF16 && m.b == DType::kF16 && m.c == DType::kF32 && m.result == DType::kF32;
  };
  return limits.vulkan_memory_model && limits.subgroup_size_control && limits.float16 && limits.storage_16bit &&
         std::any_of(limits.matrices.begin(), limits.matrices.end(), takes_halves);
}

struct Narrowing {
  double launches, bytes;  // bytes moved for an element
};

// A softmax is written as fp16 by the launch that computes it. Others are read and written once more when their largest exponent is known, which the launch
// that computes them finds by the way; only what no launch computes is read for it too.
Narrowing CostOf(Value source) {
  if (IsSoftmax(source)) return {0, 2};
  return IsElemental(*source.node) || HasEpilogue(*source.node) ? Narrowing{1, 4 + 2} : Narrowing{2, 4 + 4 + 2};
}

// The products that are worth it, given how often their operands' tensors are used by such products.
std::set<const Node*> Choose(const ir::Graph& graph, const kernels::DeviceLimits& limits) {
  std::set<const Node*> chosen;
  for (const auto& node : graph.nodes()) {
    if (IsCandidate(*node)) chosen.insert(node.get());
  }
  const double units = std::max(1u, limits.compute_units);
  for (size_t before = chosen.size() + 1; chosen.size() < before;) {
    before = chosen.size();
    std::map<Value, int> uses;
    for (const Node* product : chosen) {
      for (const Value& operand : product->operands) ++uses[SourceOf(operand)];
    }
    for (auto it = chosen.begin(); it != chosen.end();) {
      const double operations = Operations(**it);
      double saved = operations / (kFlopsPerCycle * units) - operations / (kNarrowFlopsPerCycle * units);
      for (const Value& operand : (*it)->operands) {
        const Value source = SourceOf(operand);
        const Narrowing cost = CostOf(source);
        const double bytes = EstimatedCount(operand.type().shape) * (kSavedBytes - cost.bytes / uses[source]);
        saved += bytes / (kMemoryBytesPerCycle * units) - cost.launches * kLaunchCycles / uses[source];
      }
      it = saved > 0 ? std::next(it) : chosen.erase(it);
    }
  }
  return chosen;
}

class Narrower {
 public:
  Narrower(const ir::Graph& from, ir::Graph& to) : to_(to), copy_(from, to) {}

  void Run(const ir::Graph& from, const std::set<const Node*>& chosen) {
    for (const auto& node : from.nodes()) {
      if (chosen.count(node.get()) == 0) {
        copy_.Copy(*node);
      } else {
        copy_.Replace({node.get(), 0}, Product(*node));
      }
    }
    copy_.CopyOutputs();
    to_.RemoveDeadNodes();
  }

 private:
  struct Narrowed {
    Value tensor;    // fp16: the source times 2^exponent
    Value exponent;  // an even s32
  };

  static Expression BitsToFloat(const Expression& bits) {
    return {bits.graph(), bits.graph().Add(Op::kBitcastConvert, {bits.value()}, {{DType::kF32, bits.shape()}})};
  }
  // 2^exponent, which is a normal number.
  static Expression PowerOfTwo(const Expression& exponent) { return BitsToFloat(Apply(Op::kShiftLeft, exponent + 127.0, exponent.Number(23))); }

  // Takes 1 to 2^14: no need to look for the largest element.
  static constexpr int32_t kSoftmaxExponent = 14;
  Expression Scalar(int32_t number) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&number);
    auto content = std::make_shared<std::vector<uint8_t>>(bytes, bytes + sizeof number);
    return {to_, to_.Add(Op::kConstant, {}, {{DType::kS32, {}}}, ir::ConstantAttr{std::move(content), true})};
  }

  // The even exponent that takes the largest finite element to [2^13, 2^15), as far as 2^exponent is a normal number.
  static Expression ExponentOf(const Expression& x) {
    const Expression biased(x.graph(), x.graph().Add(Op::kLargestExponent, {x.value()}, {{DType::kS32, {}}}));
    return And(Min(14.0 + 127.0 - biased, 126.0), biased.Number(-2));
  }

  const Narrowed& Narrow(Value source) {
    const auto found = narrowed_.find(source);
    if (found != narrowed_.end()) return found->second;
    const Expression x(to_, copy_.Of(source));
    const Expression exponent = IsSoftmax(source) ? Scalar(kSoftmaxExponent) : ExponentOf(x);
    const Expression scaled = x * PowerOfTwo(exponent).BroadcastTo(x.shape(), {});
    return narrowed_.emplace(source, Narrowed{Convert(scaled, DType::kF16).value(), exponent.value()}).first->second;
  }

  // The operand, rearranged as it was.
  Value Operand(Value operand) {
    if (operand.node->op != Op::kReshape && operand.node->op != Op::kTranspose) return Narrow(operand).tensor;
    const auto found = rearranged_.find(operand);
    if (found != rearranged_.end()) return found->second;
    const Node& node = *operand.node;
    const Value from = Operand(node.operands[0]);
    return rearranged_[operand] = to_.Add(node.op, {from}, {{DType::kF16, node.type().shape}}, node.attributes, node.origin);
  }

  Value Product(const Node& node) {
    std::vector<Value> operands;
    for (const Value& operand : node.operands) operands.push_back(Operand(operand));
    const Expression product(to_, to_.Add(node.op, operands, node.results, node.attributes, node.origin));
    const Expression left(to_, Narrow(SourceOf(node.operands[0])).exponent), right(to_, Narrow(SourceOf(node.operands[1])).exponent);
    // Twice the half: the inverse itself may not be a normal number.
    const Expression both = left + right, half = -Apply(Op::kShiftRightArithmetic, both, both.Number(1));
    const Expression inverse = PowerOfTwo(half).BroadcastTo(product.shape(), {});
    return (product * inverse * inverse).value();
  }

  ir::Graph& to_;
  ir::GraphCopy copy_;
  // By the value of the graph that is copied.
  std::map<Value, Narrowed> narrowed_;
  std::map<Value, Value> rearranged_;
};

}  // namespace

std::unique_ptr<ir::Graph> NarrowProducts(const ir::Graph& graph, const kernels::DeviceLimits& limits) {
  if (!HasNarrowMatrices(limits)) return nullptr;
  const std::set<const Node*> chosen = Choose(graph, limits);
  if (chosen.empty()) return nullptr;
  auto narrowed = std::make_unique<ir::Graph>();
  Narrower(graph, *narrowed).Run(graph, chosen);
  return narrowed;
}

}  // namespace tfvk::compiler
