#include "compiler/lower.h"

#include <algorithm>
#include <utility>

#include "kernels/arith.h"
#include "types/error.h"

namespace tfvk::compiler {

using ir::Op;
using ir::Value;
using kernels::Emitter;
using kernels::Index;
using kernels::KernelSequence;

kernels::Tensor LoweringInput::Operand(Value value) const {
  return {kernels::Tensor::Role::kOperand, operands.at(Base(value)), value.type().dtype, value.type().shape};
}

KernelSequence Lower(const LoweringInput& input) {
  const ir::Node* hero = input.fusion.hero();
  if (!hero) return LowerMap(input);
  if (input.fusion.rows) return LowerRows(input);
  switch (hero->op) {
    case Op::kReduce:
      return LowerReduce(input);
    case Op::kReduceWindow:
      return LowerReduceWindow(input);
    case Op::kSelectAndScatter:
      return LowerSelectAndScatter(input);
    case Op::kDot:
      return LowerDot(input);
    case Op::kConvolution:
      return LowerConvolution(input);
    case Op::kScatter:
      return LowerScatter(input);
    case Op::kDynamicUpdateSlice:
      return LowerInPlaceUpdate(input);
    case Op::kSort:
      return LowerSort(input);
    case Op::kRngBitGenerator:
      return LowerRandom(input);
    default:
      Fail(ErrorCode::kInternal, "{} has no kernels", ir::Name(hero->op));
  }
}

std::string KernelName(const Fusion& fusion) {
  constexpr size_t kNamed = 4;
  std::vector<const ir::Node*> nodes(fusion.members.begin(), fusion.members.end());
  std::sort(nodes.begin(), nodes.end(), [](const ir::Node* a, const ir::Node* b) { return a->id < b->id; });
  std::string name = fusion.is_map() ? "map" : ir::Name(fusion.hero()->op);
  size_t named = 0;
  for (size_t i = nodes.size(); i-- > 0 && named < kNamed;) {
    const Op op = nodes[i]->op;
    if (op == Op::kConstant || op == Op::kReshape || op == Op::kBroadcast || nodes[i] == fusion.hero()) continue;
    name += std::string("_") + ir::Name(op);
    ++named;
  }
  return name;
}

std::vector<DType> ResultDTypes(const Fusion& fusion) {
  std::vector<DType> dtypes;
  for (Value v : fusion.outputs) {
    if (!IsByTheWay(*v.node)) dtypes.push_back(v.type().dtype);
  }
  return dtypes;
}

std::vector<spirv::Value> OutputsAt(Emitter& e, ElementEmitter& elements, const std::vector<Value>& outputs, const std::vector<Value>& some,
                                    const Position& at) {
  std::vector<spirv::Value> results;
  for (Value output : some) {
    const ir::Node& node = *output.node;
    if (!IsByTheWay(node)) {
      results.push_back(elements.Element(output, at));
      continue;
    }
    const auto number = static_cast<int>(std::find(outputs.begin(), outputs.end(), output) - outputs.begin());
    const spirv::Value bits = e.b().Bitcast(elements.Element(node.operands[0], at), DType::kU32);
    constexpr int64_t kNotFinite = 255;
    const spirv::Value exponent = (bits >> 23) & 255;
    e.TakeMaximum({kernels::Tensor::Role::kResult, number, DType::kU32, {}}, e.b().Select(exponent == kNotFinite, e.b().U32(0), exponent));
  }
  return results;
}

// Products are summed in 32 bits, beyond the range of narrow integers.
void BindAccumulated(Emitter& e, ElementEmitter& elements, Value value, spirv::Value accumulated) {
  const DType dtype = value.type().dtype;
  if (IsInteger(dtype)) {
    elements.Bind(value, kernels::ConvertElement(e, kernels::ComputeType(dtype), dtype, accumulated));
  } else {
    elements.BindResult(value, accumulated);
  }
}

kernels::Epilogue EpilogueOf(const LoweringInput& input, const Shape& shape) {
  std::vector<Value> accumulated;
  for (const ir::Node* hero : input.fusion.heroes) {
    for (size_t r = 0; r < hero->results.size(); ++r) accumulated.push_back({const_cast<ir::Node*>(hero), static_cast<int>(r)});
  }
  if (accumulated == input.fusion.outputs) return nullptr;
  const Fusion& fusion = input.fusion;
  const OperandNumbers& operands = input.operands;
  return [&fusion, &operands, accumulated, shape](Emitter& e, const Index& index, const std::vector<spirv::Value>& values) {
    ElementEmitter elements(e, fusion, operands);
    for (size_t i = 0; i < accumulated.size(); ++i) BindAccumulated(e, elements, accumulated[i], values[i]);
    return OutputsAt(e, elements, fusion.outputs, fusion.outputs, Positions::Of(shape, index));
  };
}

kernels::Body MapBodyOf(const LoweringInput& input, const Shape& shape) {
  const Fusion& fusion = input.fusion;
  const OperandNumbers& operands = input.operands;
  return [&fusion, &operands, shape](Emitter& e, const Index& index) {
    ElementEmitter elements(e, fusion, operands);
    return OutputsAt(e, elements, fusion.outputs, fusion.outputs, Positions::Of(shape, index));
  };
}

kernels::Body BodyOf(const LoweringInput& input, std::vector<Value> values, const Shape& shape) {
  const Fusion& fusion = input.fusion;
  const OperandNumbers& operands = input.operands;
  return [&fusion, &operands, values = std::move(values), shape](Emitter& e, const Index& index) {
    ElementEmitter elements(e, fusion, operands);
    const Position at = Positions::Of(shape, index);
    std::vector<spirv::Value> results;
    for (Value v : values) results.push_back(elements.Element(v, at));
    return results;
  };
}

kernels::Initial InitialOf(const LoweringInput& input, std::vector<Value> values) {
  const Fusion& fusion = input.fusion;
  const OperandNumbers& operands = input.operands;
  return [&fusion, &operands, values = std::move(values)](Emitter& e) {
    ElementEmitter elements(e, fusion, operands);
    std::vector<spirv::Value> results;
    for (Value v : values) results.push_back(elements.Scalar(v));
    return results;
  };
}

kernels::Combiner CombinerOf(const ir::Graph& region) {
  return [&region](Emitter& e, const std::vector<spirv::Value>& a, const std::vector<spirv::Value>& b) {
    std::vector<spirv::Value> arguments = a;
    arguments.insert(arguments.end(), b.begin(), b.end());
    return EmitRegion(e, region, arguments, true);
  };
}

Size ProductOf(const Shape& shape, const std::vector<int64_t>& dims, const ir::Node& node) {
  Size product = 1;
  for (int64_t d : dims) {
    if (product == Size(1)) {
      product = shape[d];
    } else if (product.is_static() && shape[d].is_static()) {
      product.value *= shape[d].value;
    } else if (shape[d] != Size(1)) {
      Fail(ErrorCode::kUnimplemented, "[Compiler] {} whose dimensions of one role multiply run-time sizes is not supported ({})", ir::Name(node.op),
           node.origin);
    }
  }
  return product;
}

}  // namespace tfvk::compiler
