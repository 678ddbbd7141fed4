// Random graphs: whatever fusion, schedule, aliasing and memory plan make of them, the numbers must be the reference's.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "compiler/describe.h"
#include "compiler/program_runner.h"

namespace tfvk::compiler {
namespace {

using ir::Op;
using ir::TensorType;
using ir::Value;

// Grows a graph node by node from values chosen at random. Values stay small: products are squashed by tanh.
class Generator {
 public:
  explicit Generator(uint32_t seed) : random_(seed) {}

  void Fill(ir::Graph& graph) {
    graph_ = &graph;
    const int parameters = 2 + Below(4);
    for (int i = 0; i < parameters; ++i) values_.push_back(graph.AddParameter({DType::kF32, RandomShape()}));
    const int nodes = 8 + Below(40);
    for (int i = 0; i < nodes; ++i) AddNode();
    const int outputs = 1 + Below(5);
    for (int i = 0; i < outputs; ++i) graph.outputs.push_back(values_[values_.size() - 1 - static_cast<size_t>(Below(static_cast<int>(values_.size()) / 2))]);
    Alias(parameters);
  }

 private:
  int Below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }
  Value Any() {
    return values_[values_.size() - 1 - static_cast<size_t>(std::min(Below(static_cast<int>(values_.size())), Below(static_cast<int>(values_.size()))))];
  }

  Shape RandomShape() {
    static const std::vector<Shape> kShapes = {{6}, {4, 6}, {6, 4}, {2, 4, 6}, {24}, {1, 6}, {}, {5, 3, 2}};
    return kShapes[static_cast<size_t>(Below(static_cast<int>(kShapes.size())))];
  }

  // Outputs take the memory of parameters of their type.
  void Alias(int parameters) {
    std::vector<bool> taken(static_cast<size_t>(parameters), false);
    for (Value v : graph_->outputs) {
      int alias = -1;
      for (int p = 0; p < parameters && alias < 0; ++p) {
        if (!taken[p] && graph_->parameters()[p]->type() == v.type() && Below(3) > 0) alias = p;
      }
      if (alias >= 0) taken[alias] = true;
      graph_->aliases.push_back(alias);
    }
  }

  Value Add(Op op, std::vector<Value> operands, Shape shape, ir::Attributes attributes = {}) {
    values_.push_back(graph_->Add(op, std::move(operands), {{DType::kF32, std::move(shape)}}, std::move(attributes)));
    return values_.back();
  }

  void AddNode() {
    const Value x = Any();
    const Shape shape = x.type().shape;
    switch (Below(12)) {
      case 0:
      case 1: {
        static const Op kUnary[] = {Op::kTanh, Op::kNegate, Op::kAbs, Op::kSin, Op::kSign, Op::kLogistic};
        Add(kUnary[Below(6)], {x}, shape);
        return;
      }
      case 2:
      case 3:
      case 4:
        return AddBinary(x);
      case 5:
        return AddReshape(x);
      case 6:
        return AddTranspose(x);
      case 7:
        return AddBroadcast(x);
      case 8:
        return AddReduce(x);
      case 9:
        return AddPadOrSlice(x);
      case 10:
        return AddDot(x);
      default:
        return AddSelect(x);
    }
  }

  void AddBinary(Value x) {
    std::vector<Value> same;
    std::copy_if(values_.begin(), values_.end(), std::back_inserter(same), [&](Value v) { return v.type() == x.type(); });
    const Value y = same[static_cast<size_t>(Below(static_cast<int>(same.size())))];
    static const Op kBinary[] = {Op::kAdd, Op::kSubtract, Op::kMaximum, Op::kMinimum, Op::kMultiply};
    const Value result = Add(kBinary[Below(5)], {x, y}, x.type().shape);
    Add(Op::kTanh, {result}, x.type().shape);
  }

  void AddReshape(Value x) {
    const int64_t count = ElementCount(x.type().shape);
    Shape shape = {count};
    for (const Shape& candidate : std::vector<Shape>{{4, 6}, {2, 3, 4}, {6}, {1, 1}, {15, 2}, {8, 3}}) {
      if (ElementCount(candidate) == count && Below(2)) shape = candidate;
    }
    Add(Op::kReshape, {x}, shape);
  }

  void AddTranspose(Value x) {
    std::vector<int64_t> dims(x.type().shape.size());
    for (size_t d = 0; d < dims.size(); ++d) dims[d] = static_cast<int64_t>(d);
    std::shuffle(dims.begin(), dims.end(), random_);
    Shape shape;
    for (int64_t d : dims) shape.push_back(x.type().shape[d]);
    Add(Op::kTranspose, {x}, shape, ir::DimsAttr{dims});
  }

  void AddBroadcast(Value x) {
    const Shape& from = x.type().shape;
    if (from.size() > 2) return;
    Shape shape;
    std::vector<int64_t> dims;
    for (const Size& s : from) {
      if (Below(2)) shape.push_back(2 + Below(3));
      dims.push_back(static_cast<int64_t>(shape.size()));
      shape.push_back(s);
    }
    if (shape.size() == from.size()) shape.push_back(4);
    Add(Op::kBroadcast, {x}, shape, ir::DimsAttr{dims});
  }

  void AddReduce(Value x) {
    const Shape& from = x.type().shape;
    Shape shape;
    std::vector<int64_t> dims;
    for (size_t d = 0; d < from.size(); ++d) {
      if (Below(2)) {
        dims.push_back(static_cast<int64_t>(d));
      } else {
        shape.push_back(from[d]);
      }
    }
    const bool sum = Below(2) == 0;
    auto region = std::make_unique<ir::Graph>();
    const TensorType scalar{DType::kF32, {}};
    const Value a = region->AddParameter(scalar), b = region->AddParameter(scalar);
    region->outputs = {region->Add(sum ? Op::kAdd : Op::kMaximum, {a, b}, {scalar})};
    auto bytes = std::make_shared<std::vector<uint8_t>>(4);
    const Value zero = graph_->Add(Op::kConstant, {}, {scalar}, ir::ConstantAttr{bytes, true});
    std::vector<std::unique_ptr<ir::Graph>> regions;
    regions.push_back(std::move(region));
    ir::Node* node = graph_->AddNode(Op::kReduce, {x, zero}, {{DType::kF32, shape}}, ir::DimsAttr{dims}, std::move(regions));
    values_.push_back({node, 0});
    Add(Op::kTanh, {values_.back()}, shape);
  }

  void AddPadOrSlice(Value x) {
    const Shape& from = x.type().shape;
    Shape shape;
    if (Below(2)) {
      ir::SliceAttr slice;
      for (const Size& s : from) {
        slice.start.push_back(Below(2) && s.value > 2 ? 1 : 0);
        slice.stride.push_back(1 + Below(2));
        slice.limit.push_back(s.value);
        shape.push_back((slice.limit.back() - slice.start.back() + slice.stride.back() - 1) / slice.stride.back());
      }
      Add(Op::kSlice, {x}, shape, slice);
      return;
    }
    ir::PadAttr pad;
    for (const Size& s : from) {
      pad.low.push_back(Below(3) - 1);
      pad.high.push_back(1 + Below(2));
      pad.interior.push_back(Below(2));
      shape.push_back(std::max<int64_t>(0, s.value + (s.value - 1) * pad.interior.back() + pad.low.back() + pad.high.back()));
    }
    if (ElementCount(shape) > 500) return;
    const Value zero = graph_->Add(Op::kConstant, {}, {{DType::kF32, {}}}, ir::ConstantAttr{std::make_shared<std::vector<uint8_t>>(4), true});
    Add(Op::kPad, {x, zero}, shape, pad);
  }

  void AddDot(Value x) {
    if (x.type().shape.empty()) return;
    const Size k = x.type().shape.back();
    for (Value y : values_) {
      if (y.type().shape.empty() || y.type().shape[0] != k || !Below(2)) continue;
      ir::DotAttr dot;
      dot.lhs_contract = {static_cast<int64_t>(x.type().shape.size()) - 1};
      dot.rhs_contract = {0};
      dot.precision = ir::Precision::kHighest;
      Shape shape(x.type().shape.begin(), x.type().shape.end() - 1);
      shape.insert(shape.end(), y.type().shape.begin() + 1, y.type().shape.end());
      if (ElementCount(shape) > 500 || shape.size() > 4) continue;
      Add(Op::kDot, {x, y}, shape, dot);
      Add(Op::kTanh, {values_.back()}, shape);
      return;
    }
  }

  void AddSelect(Value x) {
    const Value y = Add(Op::kReverse, {x}, x.type().shape, ir::DimsAttr{x.type().shape.empty() ? std::vector<int64_t>{} : std::vector<int64_t>{0}});
    ir::CompareAttr compare;
    compare.direction = ir::Comparison::kLt;
    const Value less = graph_->Add(Op::kCompare, {x, y}, {{DType::kBool, x.type().shape}}, compare);
    Add(Op::kSelect, {less, y, x}, x.type().shape);
  }

  std::mt19937 random_;
  ir::Graph* graph_ = nullptr;
  std::vector<Value> values_;
};

class RandomGraph : public ::testing::TestWithParam<uint32_t> {};

TEST_P(RandomGraph, MatchesTheReference) {
  ir::Graph graph;
  graph.name = "random " + std::to_string(GetParam());
  Generator(GetParam()).Fill(graph);
  graph.RemoveDeadNodes();
  ir::Verify(graph);
  testing::ExpectMatchesReference(graph, testing::RandomArguments(graph, GetParam()), 2e-4);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomGraph, ::testing::Range(0u, 40u));

}  // namespace
}  // namespace tfvk::compiler
