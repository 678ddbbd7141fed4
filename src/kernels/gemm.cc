#include "kernels/gemm.h"

#include <algorithm>

#include "kernels/gemm_blocks.h"

namespace tfvk::kernels {
namespace {

using spirv::Value;

// The widest load along the contiguous axis of a matrix that never straddles a row's end nor loses alignment.
int VectorOf(const StridedMatrix& matrix, const Size& other_stride, const Size& extent) {
  const int widest = ByteSize(matrix.tensor.dtype) == 2 ? 8 : 4;
  for (int vector = widest; vector > 1; vector /= 2) {
    const auto keeps_alignment = [&](const BatchDimension& d) { return d.size == Size(1) || Divides(vector, {d.stride}); };
    if (!Divides(vector, {extent}) || !Divides(vector, {other_stride})) continue;
    if (std::all_of(matrix.batch.begin(), matrix.batch.end(), keeps_alignment)) return vector;
  }
  return 1;
}

// The elements that the matrices have in memory.
Shape ElementsOf(const StridedMatrix& matrix, const Size& outer, const Size& k) {
  Shape elements;
  for (const BatchDimension& d : matrix.batch) {
    if (d.stride != Size(0)) elements.push_back(d.size);
  }
  elements.insert(elements.end(), {outer, k});
  return elements;
}

Value OffsetOf(Emitter& e, const StridedMatrix& matrix, Value batch) {
  const DType index = IndexTypeOf(matrix.tensor.shape);
  Shape sizes;
  for (const BatchDimension& d : matrix.batch) sizes.push_back(d.size);
  const Index at = sizes.size() == 1 ? Index{batch} : e.Delinearize(sizes, batch);
  Value offset = e.b().Constant(index, int64_t{0});
  for (size_t d = 0; d < sizes.size(); ++d) offset = offset + e.b().Convert(at[d], index) * e.b().Convert(e.SizeOf(matrix.batch[d].stride), index);
  return offset;
}

ContractionSide FromMemory(const StridedMatrix& matrix, const Size& outer, const Size& k) {
  ContractionSide side;
  side.dtype = matrix.tensor.dtype;
  side.contiguous = matrix.outer_stride == Size(1) && matrix.k_stride != Size(1) ? Axis::kOuter : Axis::kK;
  const bool along_k = side.contiguous == Axis::kK;
  if ((along_k ? matrix.k_stride : matrix.outer_stride) == Size(1)) {
    side.vector = along_k ? VectorOf(matrix, outer == Size(1) ? Size(0) : matrix.outer_stride, k) : VectorOf(matrix, matrix.k_stride, outer);
  }
  const Shape elements = ElementsOf(matrix, outer, k);
  if (IsStatic(elements) && IsStatic(matrix.tensor.shape) && ElementCount(elements) == ElementCount(matrix.tensor.shape)) side.whole = matrix.tensor;
  const DType index = IndexTypeOf(matrix.tensor.shape);
  const auto offset = [index](Emitter& e, Value at, const Size& stride) { return e.b().Convert(at, index) * e.b().Convert(e.SizeOf(stride), index); };
  side.outer_state = [matrix, offset](Emitter& e, Value batch, Value outer) -> IndexState {
    return {OffsetOf(e, matrix, batch) + offset(e, outer, matrix.outer_stride)};
  };
  side.k_state = [matrix, offset](Emitter& e, Value, Value k) -> IndexState { return {offset(e, k, matrix.k_stride)}; };
  side.load = [matrix](Emitter& e, const IndexState& outer, const IndexState& k, Value inside, int count) {
    return LoadInside(e, matrix.tensor, outer[0] + k[0], inside, count);
  };
  if (IsHalfWidth(side.dtype)) {
    side.load_words = [matrix](Emitter& e, const IndexState& outer, const IndexState& k, Value inside, int count) {
      return LoadWordsInside(e, matrix.tensor, outer[0] + k[0], inside, count);
    };
  }
  return side;
}

ContractionSide FromBody(const GemmOperand& operand) {
  ContractionSide side;
  side.dtype = operand.dtype;
  side.contiguous = Axis::kK;
  side.outer_state = [](Emitter&, Value batch, Value outer) -> IndexState { return {batch, outer}; };
  side.k_state = [](Emitter&, Value, Value k) -> IndexState { return {k}; };
  side.load = [body = operand.body](Emitter& e, const IndexState& outer, const IndexState& k, Value inside, int count) -> std::vector<Value> {
    spirv::Builder& b = e.b();
    Require(count == 1, "[Gemm] a fused producer gives one element at a time, not {}", count);
    const Value term = inside.valid() ? b.Select(inside, k[0], b.U32(0)) : k[0];
    const std::vector<Value> values = body(e, {outer[0], outer[1], term});
    Require(values.size() == 1, "[Gemm] a fused producer gave {} values for one element", values.size());
    return {inside.valid() ? b.Select(inside, values[0], b.Constant(values[0].dtype(), int64_t{0})) : values[0]};
  };
  return side;
}

ContractionSide SideOf(const GemmSpec& spec, const GemmOperand& operand, const Size& outer) {
  if (!operand.memory) {
    Require(static_cast<bool>(operand.body), "[Gemm] {} has an operand with neither memory nor a body", spec.name);
    return FromBody(operand);
  }
  return FromMemory(*operand.memory, outer, spec.k);
}

// batch, m and n taken apart into dimensions in the order of the results.
void SetOrder(const ResultOrder& order, ContractionOutput& out) {
  Shape all = order.batch;
  all.insert(all.end(), order.m.begin(), order.m.end());
  const size_t before_n = all.size();
  all.insert(all.end(), order.n.begin(), order.n.end());
  Require(order.dims.size() == all.size(), "[Gemm] an order of {} dimensions for {}", order.dims.size(), all.size());
  for (const int64_t d : order.dims) out.shape.push_back(all[d]);
  const bool n_runs_fastest = !order.n.empty() && order.dims.back() == static_cast<int64_t>(all.size()) - 1;
  out.consecutive = n_runs_fastest && Divides(4, {order.n.back()});
  out.row = [order](Emitter& e, Value batch, Value m) {
    IndexState state = e.Delinearize(order.batch, batch);
    const Index rows = e.Delinearize(order.m, m);
    state.insert(state.end(), rows.begin(), rows.end());
    return state;
  };
  out.index = [order, before_n](Emitter& e, const IndexState& row, Value, Value n) {
    const Index columns = e.Delinearize(order.n, n);
    Index index;
    for (const int64_t d : order.dims) {
      const auto at = static_cast<size_t>(d);
      index.push_back(at < before_n ? row[at] : columns[at - before_n]);
    }
    return index;
  };
}

ContractionOutput OutputOf(const GemmSpec& spec) {
  ContractionOutput out;
  out.results = spec.results;
  out.epilogue = spec.epilogue;
  if (spec.order) {
    SetOrder(*spec.order, out);
    return out;
  }
  out.shape = {spec.batch, spec.m, spec.n};
  out.row_major = true;
  out.consecutive = Divides(4, {spec.n});
  out.row = [](Emitter&, Value, Value m) -> IndexState { return {m}; };
  out.index = [](Emitter&, const IndexState& row, Value batch, Value n) -> Index { return {batch, row[0], n}; };
  return out;
}

}  // namespace

Contraction ContractionOf(const GemmSpec& spec) {
  for (const Size& size : {spec.batch, spec.m, spec.n, spec.k}) RequireIndexable(spec.name, {size});
  Contraction c;
  c.name = spec.name;
  c.batch = {spec.batch};
  c.m = {spec.m};
  c.n = {spec.n};
  c.k = {spec.k};
  c.k_multiple = spec.k.is_static() ? spec.k.value : 1;
  c.lhs = SideOf(spec, spec.lhs, spec.m);
  c.rhs = SideOf(spec, spec.rhs, spec.n);
  c.accumulator = spec.accumulator;
  c.precision = spec.precision;
  c.plan_rank = spec.plan_rank;
  c.output = OutputOf(spec);
  return c;
}

KernelSequence MakeGemm(const GemmSpec& spec, const DeviceLimits& limits) { return MakeContraction(ContractionOf(spec), limits); }

}  // namespace tfvk::kernels
