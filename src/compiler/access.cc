#include "compiler/access.h"

#include <algorithm>
#include <tuple>

#include "compiler/strided_view.h"

namespace tfvk::compiler {
namespace {

using ir::Node;
using ir::Op;
using ir::Value;

constexpr double kRunTimeSizeEstimate = 1024;
constexpr double kEmissionLimit = 4000;  // of the walk itself; fusion's own limit is lower

class Walk {
 public:
  Walk(const std::vector<const Node*>& heroes, const Members& members, double space) : heroes_(heroes), members_(members) {
    access_.evaluations.push_back(space);
  }

  void Output(Value v) { Visit(v, kIdentity); }
  void Hero(const Node& hero) {
    for (size_t i = 0; i < hero.operands.size(); ++i) {
      const int k = static_cast<int>(i);
      if (SlotOf(hero, k) == Slot::kMemory) {
        access_.reads[MemorySource(hero, k)].insert(kWhole);
      } else {
        Visit(hero.operands[i], NewContext(&hero, k, kWhole, Evaluations(hero, k)));
      }
    }
  }
  Access Finish() { return std::move(access_); }

 private:
  void Visit(Value v, int context) {
    if (access_.too_large) return;
    v = Base(v);
    if (v.type().shape.empty() && context != kIdentity) context = ScalarContext(context);
    const Node& node = *v.node;
    if (IsInlineConstant(node)) return;
    if (!members_.count(&node)) {
      access_.reads[v].insert(context);
      return;
    }
    if (!access_.emitted[v].insert(context).second || std::find(heroes_.begin(), heroes_.end(), &node) != heroes_.end()) return;
    access_.emissions += 1;
    access_.too_large = access_.emissions > kEmissionLimit;
    if (!ReadsOperands(node)) return;
    if (IsByTheWay(node)) return Visit(node.operands[0], context);
    for (size_t i = 0; i < node.operands.size(); ++i) {
      Visit(node.operands[i], IsElementwise(node.op) ? OperandContext(node, i, context) : NewContext(&node, static_cast<int>(i), context));
    }
  }
  // select's predicate and clamp's bounds may be scalars among tensors.
  int OperandContext(const Node& node, size_t i, int context) {
    return node.operands[i].type().shape.size() == node.type().shape.size() ? context : NewContext(&node, static_cast<int>(i), context);
  }
  int NewContext(const Node* node, int operand, int parent, double evaluations = -1) {
    auto [it, added] = contexts_.try_emplace({node, operand, parent}, static_cast<int>(access_.evaluations.size()));
    if (added) access_.evaluations.push_back(evaluations >= 0 ? evaluations : access_.evaluations[parent]);
    return it->second;
  }
  // A scalar has one index, so all ways to it are one, as often walked as the most walked of them.
  int ScalarContext(int from) {
    const double evaluations = access_.evaluations[from];
    const int context = NewContext(nullptr, 0, kWhole, 0);
    access_.evaluations[context] = std::max(access_.evaluations[context], evaluations);
    return context;
  }

  const std::vector<const Node*>& heroes_;
  const Members& members_;
  Access access_;
  std::map<std::tuple<const Node*, int, int>, int> contexts_;
};

bool IsExpensive(Op op) {
  switch (op) {
    case Op::kExp:
    case Op::kExpm1:
    case Op::kLog:
    case Op::kLog1p:
    case Op::kLogistic:
    case Op::kCbrt:
    case Op::kSin:
    case Op::kCos:
    case Op::kTan:
    case Op::kTanh:
    case Op::kErf:
    case Op::kErfc:
    case Op::kPower:
    case Op::kAtan2:
    case Op::kRemainder:
      return true;
    default:
      return false;
  }
}

bool IsMovement(Op op) { return op >= Op::kBroadcast && op <= Op::kGather; }

}  // namespace

Value Base(Value value) {
  while (value.node->op == Op::kReshape) value = value.node->operands[0];
  return value;
}

bool IsByTheWay(const Node& node) { return node.op == Op::kLargestExponent; }

const ir::TensorType& WalkedType(Value output) { return IsByTheWay(*output.node) ? output.node->operand_type(0) : output.type(); }

bool ReadsOperands(const Node& node) { return node.op != Op::kDimensionSize; }

bool IsElementwise(Op op) { return op >= Op::kAbs && op <= Op::kClamp; }

bool IsInlineConstant(const Node& node) {
  return node.op == Op::kConstant && (node.attr<ir::ConstantAttr>().splat || (IsStatic(node.type().shape) && ElementCount(node.type().shape) == 1));
}

bool IsElemental(const Node& node) {
  return IsElementwise(node.op) || IsMovement(node.op) || node.op == Op::kIota || node.op == Op::kDimensionSize || IsInlineConstant(node);
}

bool IsTrivial(const Node& node) {
  if (node.op == Op::kIota || node.op == Op::kDimensionSize || IsInlineConstant(node)) return true;
  return (node.op == Op::kBroadcast || node.op == Op::kReshape) && IsTrivial(*node.operands[0].node);
}

double Cost(const Node& node) {
  if (IsExpensive(node.op)) return 20;
  switch (node.op) {
    case Op::kDivide:
    case Op::kSqrt:
    case Op::kRsqrt:
      return 6;
    case Op::kConstant:
    case Op::kReshape:
    case Op::kBroadcast:
    case Op::kIota:
    case Op::kDimensionSize:
      return 0;
    case Op::kGather:
    case Op::kPad:
    case Op::kConcatenate:
    case Op::kDynamicSlice:
    case Op::kDynamicUpdateSlice:
      return 4;
    default:
      return 1;
  }
}

double EstimatedCount(const Shape& shape) {
  double n = 1;
  for (const Size& s : shape) n *= s.is_static() ? static_cast<double>(s.value) : kRunTimeSizeEstimate;
  return n;
}

double EstimatedBytes(const ir::TensorType& type) { return EstimatedCount(type.shape) * static_cast<double>(ByteSize(type.dtype)); }

Slot SlotOf(const Node& hero, int operand) {
  const int count = static_cast<int>(hero.operands.size());
  switch (hero.op) {
    case Op::kSort:
      return Slot::kFused;
    case Op::kReduce:
    case Op::kReduceWindow:
      return operand < count / 2 ? Slot::kFused : Slot::kScalar;
    case Op::kSelectAndScatter:
      return operand == 2 ? Slot::kScalar : Slot::kMemory;
    case Op::kScatter:  // inputs..., indices, updates...
      return operand > count / 2 ? Slot::kFused : Slot::kMemory;
    case Op::kDynamicUpdateSlice:
      return operand == 0 ? Slot::kMemory : operand == 1 ? Slot::kFused : Slot::kScalar;
    default:
      return Slot::kMemory;
  }
}

double Evaluations(const Node& hero, int operand) {
  if (SlotOf(hero, operand) == Slot::kScalar) return 1;
  const double elements = EstimatedCount(hero.operands[operand].type().shape);
  if (hero.op != Op::kReduceWindow) return elements;
  double window = 1;
  for (const ir::WindowDim& d : hero.attr<ir::WindowAttr>().window) window *= static_cast<double>(d.size);
  return EstimatedCount(hero.type().shape) * window;
}

Value MemorySource(const Node& hero, int operand) {
  if (hero.op == Op::kDot) return DotOperandOf(hero, operand).view.base;
  return Base(hero.operands[operand]);
}

bool Access::ReadsOnlyAtIdentity(Value v) const {
  auto it = reads.find(v);
  return it == reads.end() || (it->second.size() == 1 && *it->second.begin() == kIdentity);
}

double Access::EvaluationsOf(Value v) const {
  auto it = emitted.find(v);
  if (it == emitted.end()) return 0;
  double sum = 0;
  for (int context : it->second) sum += evaluations[context];
  return sum;
}

Access Analyze(const std::vector<Value>& outputs, const std::vector<const Node*>& heroes, const Members& members, double space) {
  Walk walk(heroes, members, space);
  for (Value v : outputs) walk.Output(v);
  for (const Node* hero : heroes) walk.Hero(*hero);
  return walk.Finish();
}

}  // namespace tfvk::compiler
