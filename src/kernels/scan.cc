#include "kernels/scan.h"

#include <algorithm>

#include "kernels/tuple.h"
#include "types/error.h"

namespace tfvk::kernels {
namespace {

using spirv::Value;

constexpr int64_t kPerInvocation = 4;  // consecutive elements of a row in one invocation
constexpr int64_t kShortRow = 64;      // rows up to here are scanned by one invocation each
constexpr int64_t kManyColumns = 32;   // neighbouring columns that make one invocation a row read memory in whole lines
constexpr int64_t kLongestColumn = 4096;
constexpr int64_t kLongRow = 16384;  // from here on several workgroups share a row when there are few rows

class Scan {
 public:
  Scan(const ScanSpec& spec, const DeviceLimits& limits) : spec_(spec), limits_(limits), n_(spec.shape[spec.dimension].value) {
    Require(spec.shape[spec.dimension].is_static(), "[{}] a scan needs a static size along dimension {}", spec.name, spec.dimension);
    Require(spec.output_size <= n_ + (spec.exclusive ? 1 : 0), "[{}] {} results of a scan over {} elements", spec.name, spec.output_size, n_);
    rows_ = spec.shape;
    rows_.erase(rows_.begin() + spec.dimension);
    result_shape_ = spec.shape;
    result_shape_[spec.dimension] = spec.output_size;
  }

  KernelSequence Make() {
    KernelSequence sequence;
    if (RowAnInvocation()) {
      sequence.kernels.push_back(Sequential());
    } else if (IsStatic(rows_) && n_ >= kLongRow && ElementCount(rows_) < limits_.compute_units) {
      AppendByChunks(sequence);
    } else {
      sequence.kernels.push_back(Parallel());
    }
    return sequence;
  }

 private:
  bool RowAnInvocation() const {
    if (n_ <= kShortRow) return true;
    const Shape inner(rows_.begin() + spec_.dimension, rows_.end());
    return n_ <= kLongestColumn && IsStatic(inner) && ElementCount(inner) >= kManyColumns;
  }

  Index At(const Index& row, Value position) const {
    Index index = row;
    index.insert(index.begin() + spec_.dimension, position);
    return index;
  }
  // The element that step `j` of the scan takes in.
  Values Element(Emitter& e, const Index& row, Value j) const { return spec_.body(e, At(row, spec_.reverse ? e.b().U32(n_ - 1) - j : j)); }

  // Writes the combination of the first `count` elements where the result has a place for it.
  void Write(Emitter& e, const Index& row, Value count, const Values& values) const {
    const Value step = spec_.exclusive ? count : count - 1;  // which result, in the scan's direction
    const int64_t last = spec_.exclusive ? n_ : n_ - 1;
    const Value position = spec_.reverse ? e.b().U32(static_cast<uint32_t>(last)) - step : step;
    e.b().If(position < spec_.output_size, [&] {
      const Index index = At(row, position);
      const Values results = spec_.epilogue ? spec_.epilogue(e, index, values) : values;
      for (size_t i = 0; i < results.size(); ++i) e.Write({Tensor::Role::kResult, static_cast<int>(i), spec_.results[i], result_shape_}, index, results[i]);
    });
  }

  Kernel Sequential() const {
    Emitter e({spec_.name, {64, 1, 1}}, limits_);
    auto& b = e.b();
    const Value linear = b.GlobalLinearId();
    b.If(linear < e.CountOf(rows_), [&] {
      const Index row = e.Delinearize(rows_, linear);
      TupleVariable total(e, spec_.accumulators);
      total.Set(spec_.initial(e));
      if (spec_.exclusive) Write(e, row, b.U32(0), total.Get());
      b.For(static_cast<uint32_t>(n_), [&](Value j) {
        total.Set(spec_.combiner(e, total.Get(), Element(e, row, j)));
        Write(e, row, j + 1, total.Get());
      });
    });
    return e.Finish({rows_, 64, 1, {}});
  }

  uint32_t Threads() const {
    uint32_t threads = std::min({limits_.max_invocations, limits_.max_workgroup[0], 256u});
    while (threads > 32 && threads / 2 * kPerInvocation >= n_) threads /= 2;
    while (threads > 32 && StoredBytes(spec_.accumulators) * threads > limits_.shared_bytes) threads /= 2;
    return threads;
  }

  // One workgroup a row, chunk after chunk, each starting from the total before it.
  Kernel Parallel() const {
    const uint32_t threads = Threads();
    Emitter e({spec_.name, {threads, 1, 1}}, limits_);
    auto& b = e.b();
    const TupleShared shared(e, spec_.accumulators, threads);
    b.If(b.LinearWorkgroupId() < e.CountOf(rows_), [&] {
      const Index row = e.Delinearize(rows_, b.LinearWorkgroupId());
      TupleVariable carry(e, spec_.accumulators);
      carry.Set(spec_.initial(e));
      if (spec_.exclusive) b.If(b.LocalLinearId() == 0, [&] { Write(e, row, b.U32(0), carry.Get()); });
      b.For(b.U32(0), b.U32(static_cast<uint32_t>(n_)), b.U32(threads * kPerInvocation), [&](Value first) {
        const auto prefixes = ScanChunk(e, row, first, threads, shared);
        WriteChunk(e, row, first, prefixes, shared, carry.Get());
        carry.Set(spec_.combiner(e, carry.Get(), shared.Load(b.U32(threads - 1))));
        b.Barrier();
      });
    });
    return e.Finish({rows_, 1, 1, {}});
  }

  // Few long rows: a workgroup a chunk finds the chunks' totals, another scan turns them into what stands before each chunk, and a workgroup a chunk writes.
  void AppendByChunks(KernelSequence& sequence) const {
    const uint32_t threads = Threads();
    const int64_t chunk = threads * kPerInvocation, chunks = (n_ + chunk - 1) / chunk;
    const TupleScratch totals(spec_.accumulators, ElementCount(rows_) * chunks, 0), before(spec_.accumulators, ElementCount(rows_) * chunks, totals.end());
    sequence.scratch_bytes = before.end();
    sequence.kernels.push_back(ChunkKernel(".totals", threads, chunks, [&](Emitter& e, const Index& row, Value first, const TupleShared& shared) {
      ScanChunk(e, row, first, threads, shared);
      e.b().If(e.b().LocalLinearId() == 0, [&] { totals.Store(e, e.b().LinearWorkgroupId(), shared.Load(e.b().U32(threads - 1))); });
    }));
    sequence.kernels.push_back(BeforeKernel(chunks, totals, before));
    sequence.kernels.push_back(ChunkKernel("", threads, chunks, [&](Emitter& e, const Index& row, Value first, const TupleShared& shared) {
      const auto prefixes = ScanChunk(e, row, first, threads, shared);
      const Values carry = before.Load(e, e.b().LinearWorkgroupId());
      if (spec_.exclusive) e.b().If(first + e.b().LocalLinearId() == 0, [&] { Write(e, row, e.b().U32(0), carry); });
      WriteChunk(e, row, first, prefixes, shared, carry);
    }));
  }

  using ChunkBody = std::function<void(Emitter&, const Index& row, Value first, const TupleShared&)>;
  Kernel ChunkKernel(const char* suffix, uint32_t threads, int64_t chunks, const ChunkBody& body) const {
    Emitter e({spec_.name + suffix, {threads, 1, 1}}, limits_);
    auto& b = e.b();
    const TupleShared shared(e, spec_.accumulators, threads);
    const Value group = b.LinearWorkgroupId();
    b.If(group < e.CountOf(rows_) * chunks, [&] { body(e, e.Delinearize(rows_, group / chunks), group % chunks * (threads * kPerInvocation), shared); });
    return e.Finish({rows_, 1, chunks, {}});
  }

  Kernel BeforeKernel(int64_t chunks, const TupleScratch& totals, const TupleScratch& before) const {
    ScanSpec spec = spec_;
    spec.name += ".before";
    spec.shape = rows_;
    spec.shape.push_back(chunks);
    spec.dimension = static_cast<int64_t>(rows_.size());
    spec.reverse = false;  // chunks are numbered in the scan's direction
    spec.exclusive = true;
    spec.output_size = chunks;
    spec.results.clear();
    spec.body = [&](Emitter& e, const Index& index) { return totals.Load(e, e.Linearize(spec.shape, index)); };
    spec.epilogue = [&](Emitter& e, const Index& index, const Values& values) {
      before.Store(e, e.Linearize(spec.shape, index), values);
      return Values();
    };
    return Scan(spec, limits_).Parallel();
  }

  // Combines the chunk's elements from `first` on: each invocation its own (returned), and all invocations' last ones in shared memory.
  std::vector<Values> ScanChunk(Emitter& e, const Index& row, Value first, uint32_t threads, const TupleShared& shared) const {
    auto& b = e.b();
    const Value me = b.LocalLinearId(), begin = first + me * kPerInvocation;
    std::vector<Values> prefixes;
    for (int64_t k = 0; k < kPerInvocation; ++k) {
      // Past the row's end any element will do: its combinations reach only places that are not written.
      const Values element = Element(e, row, b.Min(begin + k, b.U32(static_cast<uint32_t>(n_ - 1))));
      prefixes.push_back(k == 0 ? element : spec_.combiner(e, prefixes.back(), element));
    }
    shared.Store(me, prefixes.back());
    b.Barrier();
    for (uint32_t distance = 1; distance < threads; distance *= 2) {
      TupleVariable sum(e, spec_.accumulators);
      sum.Set(shared.Load(me));
      b.If(me >= distance, [&] { sum.Set(spec_.combiner(e, shared.Load(me - distance), sum.Get())); });
      b.Barrier();
      shared.Store(me, sum.Get());
      b.Barrier();
    }
    return prefixes;
  }

  void WriteChunk(Emitter& e, const Index& row, Value first, const std::vector<Values>& prefixes, const TupleShared& shared, const Values& carry) const {
    auto& b = e.b();
    const Value me = b.LocalLinearId(), begin = first + me * kPerInvocation;
    TupleVariable before(e, spec_.accumulators);
    before.Set(carry);
    b.If(me > 0, [&] { before.Set(spec_.combiner(e, carry, shared.Load(me - 1))); });
    for (int64_t k = 0; k < kPerInvocation; ++k) {
      b.If(begin + k < n_, [&] { Write(e, row, begin + (k + 1), spec_.combiner(e, before.Get(), prefixes[k])); });
    }
  }

  const ScanSpec& spec_;
  const DeviceLimits& limits_;
  int64_t n_;
  Shape rows_, result_shape_;
};

}  // namespace

KernelSequence MakeScan(const ScanSpec& spec, const DeviceLimits& limits) { return Scan(spec, limits).Make(); }

}  // namespace tfvk::kernels
