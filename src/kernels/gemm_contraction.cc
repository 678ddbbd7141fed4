#include "kernels/gemm_contraction.h"

#include <algorithm>

#include "kernels/gemm_blocks.h"
#include "kernels/gemm_scale.h"

namespace tfvk::kernels {

using spirv::Builder;
using spirv::Value;

namespace {

// Tiles of n that run side by side before the next tile of m: about the square that a device's caches hold at once.
constexpr int kTileColumnsTogether = 8;

Value TilesOf(Emitter& e, const Shape& sizes, int tile) { return (e.CountOf(sizes) + (tile - 1)) / tile; }

bool WritesSumsAsTheyAre(const Contraction& c) { return c.output.row_major && !c.output.epilogue; }

// The index of each sum; none where only the linear one is needed.
std::vector<Index> IndicesOf(Emitter& e, const Contraction& c, const SumsAt& at) {
  std::vector<Index> indices;
  if (WritesSumsAsTheyAre(c)) return indices;
  for (size_t i = 0; i < at.sums.size(); ++i) indices.push_back(c.output.index(e, at.row.state, at.row.batch, at.n + static_cast<int>(i)));
  return indices;
}

struct ResultsAt {
  Value linear;
  std::vector<std::vector<Value>> elements;  // of each result
};

ResultsAt EpilogueAt(Emitter& e, const Contraction& c, const SumsAt& at, std::vector<Index> indices) {
  const ContractionOutput& out = c.output;
  ResultsAt results;
  results.elements.resize(out.results.size());
  if (WritesSumsAsTheyAre(c)) {
    for (const Value& sum : at.sums) results.elements[0].push_back(e.b().Convert(sum, ComputeType(out.results[0])));
    results.linear = RowMajorIndex(e, c, at.row.batch, at.row.m, at.n);
    return results;
  }
  // What the epilogue reads beside the results comes in vectors too.
  const bool in_rows = at.sums.size() > 1 && out.shape.back().is_static() && out.shape.back().value % static_cast<int64_t>(at.sums.size()) == 0;
  if (out.epilogue && in_rows) indices = e.BeginConsecutive(out.shape, indices[0], static_cast<int>(at.sums.size()));
  for (size_t i = 0; i < at.sums.size(); ++i) {
    const std::vector<Value> values =
        out.epilogue ? out.epilogue(e, indices[i], {at.sums[i]}) : std::vector<Value>{e.b().Convert(at.sums[i], ComputeType(out.results[0]))};
    Require(values.size() == out.results.size(), "[Gemm] the epilogue of {} gives {} values for {} results", c.name, values.size(), out.results.size());
    for (size_t r = 0; r < values.size(); ++r) results.elements[r].push_back(values[r]);
  }
  results.linear = e.Linearize(out.shape, indices[0]);
  return results;
}

void Write(Emitter& e, const Contraction& c, const ResultsAt& at) {
  for (size_t r = 0; r < at.elements.size(); ++r) {
    const Tensor tensor{Tensor::Role::kResult, static_cast<int>(r), c.output.results[r], c.output.shape};
    if (at.elements[r].size() == 1) {
      e.WriteLinear(tensor, at.linear, at.elements[r][0]);
    } else {
      e.WriteConsecutive(tensor, at.linear, at.elements[r]);
    }
  }
}

}  // namespace

std::optional<int64_t> StaticCount(const Shape& sizes) {
  if (!IsStatic(sizes)) return std::nullopt;
  return ElementCount(sizes);
}

bool Divides(int64_t by, const Shape& sizes) {
  for (const Size& s : sizes) {
    if (s.value % by == 0 && (s.is_static() || s.value > 0)) return true;
  }
  const std::optional<int64_t> count = StaticCount(sizes);
  return count && *count % by == 0;
}

Value Both(Value a, Value b) {
  if (!a.valid()) return b;
  return b.valid() ? a && b : a;
}

void IfInside(Emitter& e, Value inside, const std::function<void()>& then) {
  if (inside.valid()) {
    e.b().If(inside, then);
  } else {
    then();
  }
}

DType IndexTypeOf(const Shape& shape) { return IsStatic(shape) && ElementCount(shape) > int64_t{0xffffffff} ? DType::kU64 : DType::kU32; }

bool IsHalfWidth(DType t) { return t == DType::kF16 || t == DType::kBF16; }

std::vector<Value> LoadInside(Emitter& e, const Tensor& tensor, Value linear, Value inside, int count) {
  Builder& b = e.b();
  const Value at = inside.valid() ? b.Select(inside, linear, b.Constant(linear.dtype(), int64_t{0})) : linear;
  std::vector<Value> elements = count == 1 ? std::vector<Value>{e.ReadLinear(tensor, at)} : e.ReadConsecutive(tensor, at, count);
  if (inside.valid()) {
    for (Value& v : elements) v = b.Select(inside, v, b.Constant(v.dtype(), int64_t{0}));
  }
  return elements;
}

std::vector<Value> LoadWordsInside(Emitter& e, const Tensor& tensor, Value linear, Value inside, int count) {
  Builder& b = e.b();
  const Value at = inside.valid() ? b.Select(inside, linear, b.Constant(linear.dtype(), int64_t{0})) : linear;
  const int words = count / 2;
  const Value loaded = b.Load(b.Global(e.Address(tensor).address, DType::kU32), at >> 1, words, words * 4);
  std::vector<Value> result;
  for (int i = 0; i < words; ++i) {
    const Value word = words == 1 ? loaded : b.Extract(loaded, i);
    result.push_back(inside.valid() ? b.Select(inside, word, b.U32(0)) : word);
  }
  return result;
}

ResultRow RowOf(Emitter& e, const Contraction& c, Value batch, Value m) {
  if (WritesSumsAsTheyAre(c)) return {batch, m, {}};
  return {batch, m, c.output.row(e, batch, m)};
}

void WriteSums(Emitter& e, const Contraction& c, const ResultRow& row, Value n, const std::vector<Value>& sums) {
  const std::vector<Index> indices = IndicesOf(e, c, {row, n, sums});
  const bool guarded = !indices.empty() && c.output.exists;
  IfInside(e, guarded ? c.output.exists(e, indices[0]) : Value(), [&] { Write(e, c, EpilogueAt(e, c, {row, n, sums}, indices)); });
}

void WriteSumsTogether(Emitter& e, const Contraction& c, const std::vector<SumsAt>& places) {
  std::vector<ResultsAt> results;
  for (const SumsAt& at : places) results.push_back(EpilogueAt(e, c, at, IndicesOf(e, c, at)));
  for (const ResultsAt& at : results) Write(e, c, at);
}

Value RowMajorIndex(Emitter& e, const Contraction& c, Value batch, Value m, Value n) {
  const DType index = IndexTypeOf(c.output.shape);
  const auto wide = [&](Value v) { return e.b().Convert(v, index); };
  return (wide(batch) * wide(e.CountOf(c.m)) + wide(m)) * wide(e.CountOf(c.n)) + wide(n);
}

Value PartialIndex(Emitter& e, const Contraction& c, Value split, Value batch, Value m, Value n) {
  return ((split * e.CountOf(c.batch) + batch) * e.CountOf(c.m) + m) * e.CountOf(c.n) + n;
}

int64_t PartialBytes(const Contraction& c, int64_t splits) {
  return ElementCount(c.batch) * ElementCount(c.m) * ElementCount(c.n) * splits * static_cast<int64_t>(ByteSize(ComputeType(c.accumulator)));
}

void RequireIndexable(const std::string& name, const Shape& shape) {
  if (IsStatic(shape) && ElementCount(shape) >= int64_t{1} << 32) {
    Fail(ErrorCode::kUnimplemented, "[{}] a tensor of {} elements: this kernel indexes fewer than 2^32", name, ElementCount(shape));
  }
}

WorkgroupCount TileCount(const Contraction& c, int bm, int bn, int64_t splits) { return {c.batch, 1, splits, {{c.m, bm}, {c.n, bn}}}; }

void AtTile(Emitter& e, const Contraction& c, int bm, int bn, int64_t splits, const std::function<void(const TilePlace&)>& body) {
  Builder& b = e.b();
  const Value id = b.LinearWorkgroupId();
  const Value tiles_m = TilesOf(e, c.m, bm), tiles_n = TilesOf(e, c.n, bn), tiles = tiles_m * tiles_n;
  const Value group = id / tiles, tile = id % tiles;
  const WorkgroupCount count = TileCount(c, bm, bn, splits);
  // Only a grid folded over x and y has workgroups in excess.
  const bool folded = !IsStatic(c.batch) || !IsStatic(c.m) || !IsStatic(c.n) || count.Evaluate({}) > 65535;
  const Value exists = folded ? group < e.CountOf(c.batch) * splits : Value();
  IfInside(e, exists, [&] {
    TilePlace place;
    place.split = splits == 1 ? b.U32(0) : group % static_cast<uint32_t>(splits);
    place.batch = splits == 1 ? group : group / static_cast<uint32_t>(splits);
    if (StaticCount(c.batch) == 1) place.batch = b.U32(0);
    const Value band_tiles = tiles_m * kTileColumnsTogether;
    const Value band = tile / band_tiles, first = band * kTileColumnsTogether;
    const Value width = b.Min(tiles_n - first, b.U32(kTileColumnsTogether));
    const Value in_band = tile % band_tiles;
    place.n = (first + in_band % width) * bn;
    place.m = (in_band / width) * bm;
    body(place);
  });
}

KRange RangeOfSplit(Emitter& e, const Contraction& c, const TilePlace& place, int bk, int64_t splits) {
  Builder& b = e.b();
  KRange range{b.U32(0), c.k_of_batch ? c.k_of_batch(e, place.batch) : e.CountOf(c.k), c.k_multiple % bk == 0};
  if (splits == 1) return range;
  const int64_t steps = (ElementCount(c.k) + bk - 1) / bk, steps_each = (steps + splits - 1) / splits;
  range.begin = b.Min(place.split * static_cast<uint32_t>(steps_each * bk), range.end);
  range.end = b.Min(range.begin + static_cast<uint32_t>(steps_each * bk), range.end);
  return range;
}

KernelSequence MakeContraction(const Contraction& c, const GemmPlan& plan, const DeviceLimits& limits) {
  KernelSequence sequence;
  for (const Shape* sizes : {&c.batch, &c.m, &c.n}) {
    if (StaticCount(*sizes) == 0) return sequence;  // no results
  }
  if (plan.family == GemmPlan::Family::kDirect) {
    sequence.kernels.push_back(MakeDirectProducts(c, plan.splits, limits));
  } else if (plan.family == GemmPlan::Family::kSimt) {
    sequence.kernels.push_back(MakeSimtBlocks(c, plan.simt, plan.splits, limits));
  } else {
    if (plan.matrix.scaled()) sequence.kernels.push_back(MakeOperandMaxima(c, ScratchOfScales(c, plan.splits), limits));
    sequence.kernels.push_back(MakeMatrixBlocks(c, plan.matrix, plan.splits, limits));
  }
  const auto known = [](const Shape& sizes) { return static_cast<double>(StaticCount(sizes).value_or(0)); };
  sequence.kernels.back().plan = plan.Name();
  sequence.kernels.back().resident_workgroups = ResidentWorkgroups(plan, c, limits);
  sequence.kernels.back().flops = 2 * known(c.batch) * known(c.m) * known(c.n) * known(c.k);
  if (plan.family == GemmPlan::Family::kMatrix && plan.matrix.scaled()) sequence.scratch_bytes = ScratchOfScales(c, plan.splits) + kScaleBytes;
  if (plan.splits > 1) {
    sequence.scratch_bytes = std::max(sequence.scratch_bytes, PartialBytes(c, plan.splits));
    sequence.kernels.push_back(MakeSplitSum(c, plan.splits, limits));
  }
  return sequence;
}

KernelSequence MakeContraction(const Contraction& c, const DeviceLimits& limits) {
  const std::vector<GemmPlan> plans = GemmPlans(c, limits);
  return MakeContraction(c, plans[std::min(c.plan_rank, plans.size() - 1)], limits);
}

}  // namespace tfvk::kernels
