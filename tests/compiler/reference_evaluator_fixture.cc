#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <utility>

#include "compiler/reference_evaluator.h"
#include "types/error.h"

namespace tfvk::reference {
namespace {

using ir::Node;
using ir::Op;
using Dims = std::vector<int64_t>;

Dims ShapeOf(const ir::TensorType& type) {
  Dims dims;
  for (const Size& s : type.shape) {
    Require(s.is_static(), "the reference evaluator takes static shapes only");
    dims.push_back(s.value);
  }
  return dims;
}

int64_t Product(const Dims& shape) { return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<int64_t>()); }

int64_t Linear(const Dims& shape, const Dims& index) {
  int64_t linear = 0;
  for (size_t d = 0; d < shape.size(); ++d) linear = linear * shape[d] + index[d];
  return linear;
}

// Calls body(index) for every index of the shape, row-major.
void ForEach(const Dims& shape, const std::function<void(const Dims&)>& body) {
  if (Product(shape) == 0) return;
  Dims index(shape.size(), 0);
  for (;;) {
    body(index);
    size_t d = shape.size();
    while (d > 0 && ++index[d - 1] == shape[d - 1]) index[--d] = 0;
    if (d == 0) return;
  }
}

bool Contains(const Dims& dims, int64_t d) { return std::find(dims.begin(), dims.end(), d) != dims.end(); }

Tensor Make(const ir::TensorType& type) {
  Tensor t{type.dtype, ShapeOf(type), {}};
  t.elements.resize(static_cast<size_t>(Product(t.shape)));
  return t;
}

Tensor Generate(const ir::TensorType& type, const std::function<Number(const Dims&)>& element) {
  Tensor t = Make(type);
  size_t next = 0;
  ForEach(t.shape, [&](const Dims& index) { t.elements[next++] = element(index); });
  return t;
}

const Number& At(const Tensor& t, const Dims& index) { return t.elements[static_cast<size_t>(Linear(t.shape, index))]; }

Tensor ScalarTensor(DType dtype, Number n) { return {dtype, {}, {n}}; }

std::vector<Number> Apply(const ir::Graph& region, const std::vector<Number>& arguments) {
  std::vector<Tensor> tensors;
  for (size_t i = 0; i < arguments.size(); ++i) tensors.push_back(ScalarTensor(region.parameters()[i]->type().dtype, arguments[i]));
  std::vector<Number> results;
  for (const Tensor& t : Evaluate(region, tensors)) results.push_back(t.elements[0]);
  return results;
}

int64_t Clamped(int64_t start, int64_t size, int64_t slice) { return std::max<int64_t>(0, std::min(start, size - slice)); }

using Operands = std::vector<const Tensor*>;

Tensor Movement(const Node& node, const Operands& in) {
  const Tensor& x = *in[0];
  return Generate(node.type(), [&](const Dims& index) -> Number {
    Dims from(x.shape.size());
    switch (node.op) {
      case Op::kBroadcast:
        for (size_t d = 0; d < from.size(); ++d) from[d] = x.shape[d] == 1 ? 0 : index[node.attr<ir::DimsAttr>().dims[d]];
        return At(x, from);
      case Op::kTranspose:
        for (size_t d = 0; d < from.size(); ++d) from[node.attr<ir::DimsAttr>().dims[d]] = index[d];
        return At(x, from);
      case Op::kReverse:
        for (size_t d = 0; d < from.size(); ++d) from[d] = Contains(node.attr<ir::DimsAttr>().dims, d) ? x.shape[d] - 1 - index[d] : index[d];
        return At(x, from);
      case Op::kSlice:
        for (size_t d = 0; d < from.size(); ++d) from[d] = node.attr<ir::SliceAttr>().start[d] + index[d] * node.attr<ir::SliceAttr>().stride[d];
        return At(x, from);
      case Op::kDynamicSlice:
        for (size_t d = 0; d < from.size(); ++d) {
          from[d] = index[d] + Clamped(in[1 + d]->elements[0].i, x.shape[d], node.type().shape[d].value);
        }
        return At(x, from);
      case Op::kDynamicUpdateSlice:
        for (size_t d = 0; d < from.size(); ++d) {
          from[d] = index[d] - Clamped(in[2 + d]->elements[0].i, x.shape[d], in[1]->shape[d]);
          if (from[d] < 0 || from[d] >= in[1]->shape[d]) return At(x, index);
        }
        return At(*in[1], from);
      case Op::kPad:
        for (size_t d = 0; d < from.size(); ++d) {
          const auto& pad = node.attr<ir::PadAttr>();
          const int64_t i = index[d] - pad.low[d], step = pad.interior[d] + 1;
          from[d] = i / step;
          if (i < 0 || i % step != 0 || from[d] >= x.shape[d]) return in[1]->elements[0];
        }
        return At(x, from);
      default:
        Fail(ErrorCode::kInternal, "no movement {}", ir::Name(node.op));
    }
  });
}

Tensor Concatenated(const Node& node, const Operands& in) {
  const size_t dim = static_cast<size_t>(node.attr<ir::DimsAttr>().dims[0]);
  return Generate(node.type(), [&](const Dims& index) {
    Dims from = index;
    size_t k = 0;
    while (from[dim] >= in[k]->shape[dim]) from[dim] -= in[k++]->shape[dim];
    return At(*in[k], from);
  });
}

Tensor Gathered(const Node& node, const Operands& in) {
  const auto& g = node.attr<ir::GatherAttr>();
  return Generate(node.type(), [&](const Dims& index) {
    Dims batch, from(in[0]->shape.size(), 0);
    for (size_t d = 0; d < index.size(); ++d) {
      if (!Contains(g.offset_dims, d)) batch.push_back(index[d]);
    }
    for (size_t d = 0, o = 0; d < from.size(); ++d) {
      if (!Contains(g.collapsed_slice_dims, d)) from[d] = index[g.offset_dims[o++]];
    }
    for (size_t k = 0; k < g.start_index_map.size(); ++k) {
      Dims at = batch;
      if (g.index_vector_dim < static_cast<int64_t>(in[1]->shape.size())) at.insert(at.begin() + g.index_vector_dim, k);
      const int64_t d = g.start_index_map[k];
      from[d] += Clamped(At(*in[1], at).i, in[0]->shape[d], g.slice_sizes[d]);
    }
    return At(*in[0], from);
  });
}

std::vector<Tensor> Scattered(const Node& node, const Operands& in) {
  const auto& s = node.attr<ir::ScatterAttr>();
  const size_t n = in.size() / 2;
  std::vector<Tensor> results;
  for (size_t i = 0; i < n; ++i) results.push_back(*in[i]);
  const Tensor& indices = *in[n];
  ForEach(in[n + 1]->shape, [&](const Dims& update) {
    Dims batch, target(results[0].shape.size(), 0);
    for (size_t d = 0; d < update.size(); ++d) {
      if (!Contains(s.update_window_dims, d)) batch.push_back(update[d]);
    }
    for (size_t d = 0, w = 0; d < target.size(); ++d) {
      if (!Contains(s.inserted_window_dims, d)) target[d] = update[s.update_window_dims[w++]];
    }
    std::map<int64_t, int64_t> starts;
    for (size_t k = 0; k < s.scatter_dims_to_operand_dims.size(); ++k) {
      Dims at = batch;
      if (s.index_vector_dim < static_cast<int64_t>(indices.shape.size())) at.insert(at.begin() + s.index_vector_dim, k);
      target[s.scatter_dims_to_operand_dims[k]] += At(indices, at).i;
    }
    for (size_t d = 0; d < target.size(); ++d) {
      if (target[d] < 0 || target[d] >= results[0].shape[d]) return;
    }
    const size_t place = static_cast<size_t>(Linear(results[0].shape, target));
    std::vector<Number> arguments;
    for (const Tensor& r : results) arguments.push_back(r.elements[place]);
    for (size_t i = 0; i < n; ++i) arguments.push_back(At(*in[n + 1 + i], update));
    const auto combined = Apply(*node.regions[0], arguments);
    for (size_t i = 0; i < n; ++i) results[i].elements[place] = combined[i];
  });
  return results;
}

void Accumulate(const Node& node, std::vector<Tensor>& results, size_t place, const std::vector<Number>& values) {
  std::vector<Number> arguments;
  for (const Tensor& r : results) arguments.push_back(r.elements[place]);
  arguments.insert(arguments.end(), values.begin(), values.end());
  const auto combined = Apply(*node.regions[0], arguments);
  for (size_t i = 0; i < results.size(); ++i) results[i].elements[place] = combined[i];
}

std::vector<Tensor> Initials(const Node& node, const Operands& in) {
  std::vector<Tensor> results;
  for (size_t i = 0; i < node.results.size(); ++i) {
    results.push_back(Generate(node.results[i], [&](const Dims&) { return in[node.results.size() + i]->elements[0]; }));
  }
  return results;
}

std::vector<Tensor> Reduced(const Node& node, const Operands& in) {
  std::vector<Tensor> results = Initials(node, in);
  ForEach(in[0]->shape, [&](const Dims& index) {
    Dims kept;
    for (size_t d = 0; d < index.size(); ++d) {
      if (!Contains(node.attr<ir::DimsAttr>().dims, d)) kept.push_back(index[d]);
    }
    std::vector<Number> values;
    for (size_t i = 0; i < results.size(); ++i) values.push_back(At(*in[i], index));
    Accumulate(node, results, static_cast<size_t>(Linear(results[0].shape, kept)), values);
  });
  return results;
}

// The operand's index that window element `w` of window `o` meets; false in padding and holes.
bool WindowElement(const std::vector<ir::WindowDim>& window, const Dims& shape, const Dims& o, const Dims& w, Dims& at) {
  at.resize(o.size());
  for (size_t d = 0; d < o.size(); ++d) {
    const int64_t i = o[d] * window[d].stride + w[d] * window[d].window_dilation - window[d].pad_low;
    if (i < 0 || i % window[d].base_dilation != 0 || i / window[d].base_dilation >= shape[d]) return false;
    at[d] = i / window[d].base_dilation;
  }
  return true;
}

Dims WindowSizes(const std::vector<ir::WindowDim>& window) {
  Dims sizes;
  for (const ir::WindowDim& d : window) sizes.push_back(d.size);
  return sizes;
}

std::vector<Tensor> WindowReduced(const Node& node, const Operands& in) {
  const auto& window = node.attr<ir::WindowAttr>().window;
  std::vector<Tensor> results = Initials(node, in);
  size_t place = 0;
  ForEach(results[0].shape, [&](const Dims& o) {
    ForEach(WindowSizes(window), [&](const Dims& w) {
      Dims at;
      if (!WindowElement(window, in[0]->shape, o, w, at)) return;
      std::vector<Number> values;
      for (size_t i = 0; i < results.size(); ++i) values.push_back(At(*in[i], at));
      Accumulate(node, results, place, values);
    });
    ++place;
  });
  return results;
}

Tensor SelectedAndScattered(const Node& node, const Operands& in) {
  const auto& window = node.attr<ir::WindowAttr>().window;
  Tensor result = Generate(node.type(), [&](const Dims&) { return in[2]->elements[0]; });
  ForEach(in[1]->shape, [&](const Dims& o) {
    int64_t chosen = -1;
    ForEach(WindowSizes(window), [&](const Dims& w) {
      Dims at;
      if (!WindowElement(window, in[0]->shape, o, w, at)) return;
      const int64_t candidate = Linear(in[0]->shape, at);
      if (chosen < 0 || !Apply(*node.regions[0], {in[0]->elements[chosen], in[0]->elements[candidate]})[0].i) chosen = candidate;
    });
    if (chosen >= 0) result.elements[chosen] = Apply(*node.regions[1], {result.elements[chosen], At(*in[1], o)})[0];
  });
  return result;
}

Number MultiplyAdd(DType dtype, Number sum, Number a, Number b) {
  if (IsFloat(dtype)) return {sum.f + a.f * b.f, 0};
  return {0, static_cast<int64_t>(static_cast<uint64_t>(sum.i) + static_cast<uint64_t>(a.i) * static_cast<uint64_t>(b.i))};
}

Tensor DotProduct(const Node& node, const Operands& in) {
  const auto& dot = node.attr<ir::DotAttr>();
  Dims contracted;
  for (int64_t d : dot.lhs_contract) contracted.push_back(in[0]->shape[d]);
  return Generate(node.type(), [&](const Dims& at) {
    Dims index = at;
    for (size_t i = 0; i < dot.result_order.size(); ++i) index[dot.result_order[i]] = at[i];
    Dims lhs(in[0]->shape.size()), rhs(in[1]->shape.size());
    size_t next = 0;
    for (size_t i = 0; i < dot.lhs_batch.size(); ++i) lhs[dot.lhs_batch[i]] = rhs[dot.rhs_batch[i]] = index[next++];
    for (size_t d = 0; d < lhs.size(); ++d) {
      if (!Contains(dot.lhs_batch, d) && !Contains(dot.lhs_contract, d)) lhs[d] = index[next++];
    }
    for (size_t d = 0; d < rhs.size(); ++d) {
      if (!Contains(dot.rhs_batch, d) && !Contains(dot.rhs_contract, d)) rhs[d] = index[next++];
    }
    Number sum;
    ForEach(contracted, [&](const Dims& k) {
      for (size_t i = 0; i < k.size(); ++i) lhs[dot.lhs_contract[i]] = rhs[dot.rhs_contract[i]] = k[i];
      sum = MultiplyAdd(node.type().dtype, sum, At(*in[0], lhs), At(*in[1], rhs));
    });
    return Rounded(node.type().dtype, sum);
  });
}

Tensor Convolved(const Node& node, const Operands& in) {
  const auto& c = node.attr<ir::ConvolutionAttr>();
  const Dims sizes = WindowSizes(c.window);
  const int64_t features = in[1]->shape[c.kernel_input_feature];
  const int64_t out_features = node.type().shape[c.output_feature].value, batches = node.type().shape[c.output_batch].value;
  return Generate(node.type(), [&](const Dims& index) {
    Dims o;
    for (int64_t d : c.output_spatial) o.push_back(index[d]);
    const int64_t out_feature = index[c.output_feature];
    const int64_t group = out_feature / (out_features / c.feature_groups), batch_group = out_feature / (out_features / c.batch_groups);
    Number sum;
    ForEach(sizes, [&](const Dims& w) {
      Dims flipped = w, at, spatial;
      for (size_t d = 0; d < w.size(); ++d) {
        if (c.window[d].reversal) flipped[d] = sizes[d] - 1 - w[d];
        spatial.push_back(in[0]->shape[c.input_spatial[d]]);
      }
      if (!WindowElement(c.window, spatial, o, w, at)) return;
      Dims x(in[0]->shape.size()), k(in[1]->shape.size());
      for (size_t d = 0; d < w.size(); ++d) {
        x[c.input_spatial[d]] = at[d];
        k[c.kernel_spatial[d]] = flipped[d];
      }
      x[c.input_batch] = index[c.output_batch] + (c.batch_groups > 1 ? batch_group * batches : 0);
      k[c.kernel_output_feature] = out_feature;
      for (int64_t f = 0; f < features; ++f) {
        x[c.input_feature] = group * features + f;
        k[c.kernel_input_feature] = f;
        sum = MultiplyAdd(node.type().dtype, sum, At(*in[0], x), At(*in[1], k));
      }
    });
    return Rounded(node.type().dtype, sum);
  });
}

std::vector<Tensor> Sorted(const Node& node, const Operands& in) {
  const size_t dim = static_cast<size_t>(node.attr<ir::SortAttr>().dimension);
  std::vector<Tensor> results;
  for (const Tensor* t : in) results.push_back(*t);
  Dims rows = in[0]->shape;
  const int64_t length = std::exchange(rows[dim], 1);
  if (length == 0) return results;
  ForEach(rows, [&](const Dims& row) {
    std::vector<size_t> places;
    for (int64_t i = 0; i < length; ++i) {
      Dims at = row;
      at[dim] = i;
      places.push_back(static_cast<size_t>(Linear(in[0]->shape, at)));
    }
    std::vector<size_t> order = places;
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      std::vector<Number> arguments;
      for (const Tensor* t : in) {
        arguments.push_back(t->elements[a]);
        arguments.push_back(t->elements[b]);
      }
      return Apply(*node.regions[0], arguments)[0].i != 0;
    });
    for (size_t t = 0; t < in.size(); ++t) {
      for (size_t i = 0; i < order.size(); ++i) results[t].elements[places[i]] = in[t]->elements[order[i]];
    }
  });
  return results;
}

Tensor Bitcast(const Node& node, const Tensor& x) {
  const std::vector<uint8_t> bytes = ToBytes(x);
  return FromBytes(node.type(), bytes);
}

Tensor Elementwise(const Node& node, const Operands& in) {
  if (node.op == Op::kBitcastConvert) return Bitcast(node, *in[0]);
  Tensor t = Make(node.type());
  for (size_t i = 0; i < t.elements.size(); ++i) {
    std::vector<Number> numbers;
    for (const Tensor* operand : in) numbers.push_back(operand->elements[operand->shape.empty() ? 0 : i]);
    t.elements[i] = EvaluateElementwise(node, numbers);
  }
  return t;
}

Tensor ConstantTensor(const Node& node) {
  const auto& c = node.attr<ir::ConstantAttr>();
  Tensor t = Make(node.type());
  for (size_t i = 0; i < t.elements.size(); ++i) t.elements[i] = FromBytes(t.dtype, c.bytes->data() + (c.splat ? 0 : i * ByteSize(t.dtype)));
  return t;
}

std::vector<Tensor> Looped(const Node& node, const Operands& in) {
  std::vector<Tensor> state;
  for (const Tensor* t : in) state.push_back(*t);
  while (Evaluate(*node.regions[0], state)[0].elements[0].i) state = Evaluate(*node.regions[1], state);
  return state;
}

std::vector<Tensor> Branched(const Node& node, const Operands& in) {
  std::vector<Tensor> arguments;
  for (size_t i = 1; i < in.size(); ++i) arguments.push_back(*in[i]);
  int64_t branch = in[0]->elements[0].i;
  const int64_t last = static_cast<int64_t>(node.regions.size()) - 1;
  branch = in[0]->dtype == DType::kBool ? !branch : branch < 0 || branch > last ? last : branch;
  return Evaluate(*node.regions[branch], arguments);
}

Tensor LargestExponent(const Tensor& x) {
  int64_t largest = 0;
  for (const Number& n : x.elements) {
    if (std::isfinite(n.f) && std::abs(n.f) >= 0x1p-126) largest = std::max<int64_t>(largest, std::ilogb(n.f) + 127);
  }
  return {DType::kS32, {}, {{static_cast<double>(largest), largest}}};
}

std::vector<Tensor> EvaluateNode(const Node& node, const Operands& in) {
  if (node.op >= Op::kAbs && node.op <= Op::kClamp) return {Elementwise(node, in)};
  switch (node.op) {
    case Op::kConstant:
      return {ConstantTensor(node)};
    case Op::kIota: {
      const DType dtype = node.type().dtype;
      return {Generate(node.type(), [&](const Dims& index) {
        const int64_t i = index[node.attr<ir::DimsAttr>().dims[0]];
        return Rounded(dtype, {static_cast<double>(i), i});
      })};
    }
    case Op::kDimensionSize: {
      const int64_t size = ShapeOf(node.operand_type(0))[node.attr<ir::DimsAttr>().dims[0]];
      return {Tensor{DType::kS32, {}, {{static_cast<double>(size), size}}}};
    }
    case Op::kReshape:
      return {Tensor{node.type().dtype, ShapeOf(node.type()), in[0]->elements}};
    case Op::kConcatenate:
      return {Concatenated(node, in)};
    case Op::kGather:
      return {Gathered(node, in)};
    case Op::kScatter:
      return Scattered(node, in);
    case Op::kReduce:
      return Reduced(node, in);
    case Op::kReduceWindow:
      return WindowReduced(node, in);
    case Op::kSelectAndScatter:
      return {SelectedAndScattered(node, in)};
    case Op::kDot:
      return {DotProduct(node, in)};
    case Op::kConvolution:
      return {Convolved(node, in)};
    case Op::kSort:
      return Sorted(node, in);
    case Op::kLargestExponent:
      return {LargestExponent(*in[0])};
    case Op::kWhile:
      return Looped(node, in);
    case Op::kConditional:
      return Branched(node, in);
    case Op::kRngBitGenerator:
      Fail(ErrorCode::kUnimplemented, "the reference evaluator has no random numbers");
    default:
      return {Movement(node, in)};
  }
}

}  // namespace

Tensor FromBytes(const ir::TensorType& type, const std::vector<uint8_t>& bytes) {
  Tensor t = Make(type);
  for (size_t i = 0; i < t.elements.size(); ++i) t.elements[i] = FromBytes(t.dtype, bytes.data() + i * ByteSize(t.dtype));
  return t;
}

std::vector<uint8_t> ToBytes(const Tensor& tensor) {
  std::vector<uint8_t> bytes(tensor.elements.size() * ByteSize(tensor.dtype));
  for (size_t i = 0; i < tensor.elements.size(); ++i) ToBytes(tensor.dtype, tensor.elements[i], bytes.data() + i * ByteSize(tensor.dtype));
  return bytes;
}

std::vector<Tensor> Evaluate(const ir::Graph& graph, const std::vector<Tensor>& arguments) {
  std::map<const Node*, std::vector<Tensor>> values;
  for (size_t i = 0; i < arguments.size(); ++i) values[graph.parameters()[i]] = {arguments[i]};
  for (const auto& node : graph.nodes()) {
    if (node->op == Op::kParameter) continue;
    Operands in;
    for (ir::Value v : node->operands) in.push_back(&values.at(v.node)[v.result]);
    values[node.get()] = EvaluateNode(*node, in);
  }
  std::vector<Tensor> results;
  for (ir::Value v : graph.outputs) results.push_back(values.at(v.node)[v.result]);
  return results;
}

}  // namespace tfvk::reference
