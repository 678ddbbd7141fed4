#include "kernels/gemm_tiles.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "kernels/gemm_occupancy.h"
#include "kernels/gemm_scale.h"
#include "kernels/gemm_staging.h"

namespace tfvk::kernels {
namespace {

constexpr int64_t kRunTimeSize = 2048;  // what a size known only at launch counts as
constexpr int64_t kMaxPartialBytes = int64_t{256} << 20;

// The device as the model sees it, in clock cycles and for one compute unit. Not exact for any device: only the order of the plans matters.
constexpr double kFmaPerCycle = 128;        // fp32 multiply-adds of a compute unit
constexpr double kMatrixSpeedup = 8;        // of 16-bit cooperative matrices over kFmaPerCycle
constexpr double kCacheBytesPerCycle = 48;  // from the shared cache, a compute unit
constexpr double kMemoryBytesPerCycle = 7;  // from memory, a compute unit
constexpr double kBlockOverhead = 2000;     // start, first loads, writes
constexpr double kStagedResult = 60;        // one more result that an invocation of a cooperative-matrix kernel writes through shared memory
constexpr double kStepLatency = 500;        // of one step of a block that runs alone
constexpr double kLaunchCycles = 6000;      // of one more kernel

struct Problem {
  double batch, m, n, k;
  double operand_bytes;  // of a term's element
  int compute_units;
};

double SizeForModel(const Shape& sizes) {
  double product = 1;
  for (const Size& s : sizes) product *= static_cast<double>(s.is_static() ? s.value : kRunTimeSize);
  return product;
}

double CeilDiv(double a, double b) { return std::ceil(a / b); }

// Cycles for `blocks` equal blocks of which a compute unit runs `resident` at a time, each keeping its units busy for `work` and taking `latency` alone.
double Cycles(double blocks, double units, double resident, double work, double latency) {
  const double each = CeilDiv(blocks, units);
  return std::max(each * work, CeilDiv(each, resident) * latency);
}

// What a block of a tile costs beside its arithmetic.
struct BlockCost {
  double overhead;  // cycles
  double resident;  // blocks of a compute unit at a time
};

BlockCost CostOf(const SimtTile& t, const Contraction& c, const DeviceLimits& limits) { return {kBlockOverhead, ResidentWorkgroups(t, c, limits)}; }

BlockCost CostOf(const MatrixTile& t, const Contraction& c, const DeviceLimits& limits) {
  const double results = static_cast<double>(t.bm) * t.bn / t.threads();
  return {kBlockOverhead / 2 + kStagedResult * results, ResidentWorkgroups(t, c, limits)};
}

double BlockCycles(const Problem& p, int bm, int bn, int bk, BlockCost cost, double fma_per_cycle, int64_t splits) {
  const double blocks = p.batch * CeilDiv(p.m, bm) * CeilDiv(p.n, bn) * static_cast<double>(splits);
  const double steps = CeilDiv(CeilDiv(p.k, bk), static_cast<double>(splits));
  const double terms = steps * bk;
  const double arithmetic = bm * bn * terms / fma_per_cycle, traffic = (bm + bn) * terms * p.operand_bytes / kCacheBytesPerCycle;
  const double work = std::max(arithmetic, traffic) + cost.overhead / 4;
  double cycles = Cycles(blocks, p.compute_units, cost.resident, work, cost.overhead + steps * kStepLatency + arithmetic);
  if (splits > 1) {
    const double partial_bytes = p.batch * p.m * p.n * 4 * static_cast<double>(splits);
    cycles += kLaunchCycles + 2 * partial_bytes / (kCacheBytesPerCycle / 2 * p.compute_units);
  }
  return cycles;
}

// The share of the arithmetic peak that a tile's inner loop can reach: the more sums a load from shared memory serves, the more.
double Efficiency(const SimtTile& t) {
  const double sums = t.tm * t.tn;
  return sums >= 64 ? 0.75 : sums >= 32 ? 0.6 : 0.4;
}

std::vector<SimtTile> SimtTiles() {
  return {
      {128, 128, 16, 8, 8, 1, 2}, {128, 64, 16, 8, 8, 1, 2}, {64, 128, 16, 8, 8, 1, 2}, {128, 64, 16, 8, 4, 1, 2}, {64, 128, 16, 4, 8, 1, 2},
      {64, 64, 16, 8, 4, 1, 2},   {64, 64, 16, 4, 4, 1, 2},  {128, 32, 16, 8, 4, 1, 2}, {32, 128, 16, 4, 8, 1, 2}, {64, 32, 16, 4, 4, 1, 2},
      {32, 64, 16, 4, 4, 1, 2},   {32, 32, 32, 4, 4, 4, 2},  {64, 16, 32, 4, 4, 4, 2},  {16, 64, 32, 4, 4, 4, 2},  {128, 8, 32, 4, 4, 4, 2},
      {8, 128, 32, 4, 4, 4, 2},   {16, 16, 32, 4, 4, 4, 2},
  };
}

bool Fits(SimtTile* t, const Contraction& c, const DeviceLimits& limits) {
  if (t->threads() > static_cast<int>(std::min(limits.max_invocations, limits.max_workgroup[0]))) return false;
  const bool few_registers = limits.vendor == DeviceLimits::Vendor::kIntel || ByteSize(ComputeType(c.accumulator)) == 8;
  if ((few_registers && t->tm * t->tn > 32) || !FitsRegisters(*t, c, limits)) return false;
  for (t->stages = 2; t->stages >= 1; --t->stages) {
    if (SharedBytes(*t, c.accumulator) <= limits.shared_bytes) return true;
  }
  return false;
}

uint32_t MatrixSubgroup(const MatrixShape& shape, const DeviceLimits& limits) {
  // Intel's matrix instructions run in subgroups as wide as their result.
  const bool wide_as_result = limits.vendor == DeviceLimits::Vendor::kIntel && shape.n >= limits.min_subgroup_size && shape.n <= limits.max_subgroup_size;
  return wide_as_result ? shape.n : limits.subgroup_size;
}

// A subgroup's part of the block is wm x wn.
struct Block {
  int bm, bn, bk, wm, wn;
};

// Intel's compiler spills where an invocation has more than 16 sums, so many subgroups share a block, each with two fragments one below the other.
std::vector<Block> IntelBlocks(const MatrixShape& shape) {
  std::vector<Block> blocks;
  for (int bk : {32, 16}) {
    for (auto [bm, bn] : {std::pair{64, 64}, {128, 64}, {64, 128}, {32, 64}, {64, 32}, {32, 32}, {16, 64}, {64, 16}}) {
      blocks.push_back({bm, bn, bk, 2 * static_cast<int>(shape.m), static_cast<int>(shape.n)});
    }
  }
  return blocks;
}

std::vector<Block> BlocksFor(const MatrixShape& shape, const DeviceLimits& limits) {
  if (limits.vendor == DeviceLimits::Vendor::kIntel) return IntelBlocks(shape);
  return {{128, 128, 32, 64, 64}, {64, 128, 32, 64, 64}, {128, 64, 32, 64, 64}, {64, 128, 64, 64, 32}, {128, 64, 64, 64, 32}, {64, 64, 64, 64, 32},
          {64, 64, 64, 32, 32},   {128, 64, 32, 64, 32}, {64, 128, 32, 32, 64}, {64, 64, 32, 32, 32},  {64, 64, 32, 32, 16},  {32, 64, 32, 16, 32},
          {64, 32, 32, 32, 16},   {32, 32, 32, 16, 16},  {16, 64, 32, 16, 16},  {64, 16, 32, 16, 16}};
}

// The tiles for operands of one kind.
std::vector<MatrixTile> MatrixTiles(DType operand, MatrixOperands kind, const Contraction& c, const DeviceLimits& limits) {
  std::vector<MatrixTile> tiles;
  const bool split = kind == MatrixOperands::kSplitBf16;
  // AMD's compiler spills with more (gfx1201, Mesa 26.1.6).
  const double most_sums = split && limits.vendor == DeviceLimits::Vendor::kAmd ? 64 : 128;
  for (const MatrixShape& shape : limits.matrices) {
    if (shape.a != operand || shape.b != operand || shape.c != DType::kF32 || shape.result != DType::kF32) continue;
    for (const Block& block : BlocksFor(shape, limits)) {
      if (split && block.bk == 64) continue;  // twice the sums and the staged terms: registers spill
      const MatrixTile t{shape, MatrixSubgroup(shape, limits), block.bm, block.bn, block.bk, block.wm, block.wn, 1, kind};
      const bool divides = t.bm % t.wm == 0 && t.bn % t.wn == 0 && t.wm % shape.m == 0 && t.wn % shape.n == 0 && t.bk % shape.k == 0;
      const double sums = t.wm * t.wn / static_cast<double>(t.subgroup) * (split ? 2 : 1);
      if (divides && sums <= most_sums && t.threads() <= static_cast<int>(std::min(limits.max_invocations, limits.max_workgroup[0])) &&
          SharedBytes(t) <= limits.shared_bytes && FitsRegisters(t, c, limits)) {
        tiles.push_back(t);
      }
    }
  }
  return tiles;
}

std::vector<MatrixTile> MatrixTiles(const Contraction& c, const DeviceLimits& limits) {
  if (!limits.vulkan_memory_model || !limits.subgroup_size_control || c.accumulator != DType::kF32 || c.lhs.dtype != c.rhs.dtype) return {};
  if (IsHalfWidth(c.lhs.dtype)) {
    return c.lhs.dtype == DType::kBF16 && !limits.bfloat16_matrix ? std::vector<MatrixTile>() : MatrixTiles(c.lhs.dtype, MatrixOperands::kHalves, c, limits);
  }
  std::vector<MatrixTile> tiles;
  if (c.lhs.dtype != DType::kF32 || c.precision != GemmPrecision::kTensorFloat) return tiles;
  if (limits.bfloat16_matrix) tiles = MatrixTiles(DType::kBF16, MatrixOperands::kSplitBf16, c, limits);
  if (CanScale(c, limits)) {
    for (const MatrixTile& tile : MatrixTiles(DType::kF16, MatrixOperands::kScaledF16, c, limits)) tiles.push_back(tile);
  }
  return tiles;
}

// Fewer, larger fragments need fewer instructions and loads; a longer step hides more of the loads of the next.
double Efficiency(const MatrixTile& t, const DeviceLimits& limits) {
  // Intel's instruction is a pipeline, so small fragments cost no more there; its parts are small and bound by the 128 bytes a cycle of shared memory, of which
  // this expects half. Not measured: no such device was there.
  if (limits.vendor == DeviceLimits::Vendor::kIntel) return 0.016 * 2 * t.wm * t.wn / (t.wm + t.wn) * (t.split() ? 1 / 3.0 : 1);
  const double fragment = t.shape.m * t.shape.n * t.shape.k / 4096.0;
  const double reuse = 2.0 * t.wm * t.wn / (t.wm + t.wn) * (t.bk >= 64 ? 1.45 : 1);
  return 0.008 * std::min(64.0, reuse) * std::min(1.0, 0.5 + fragment / 2) * (t.split() ? 1 / 3.0 : 1);
}

std::vector<int64_t> SplitCounts(const Contraction& c, int bk) {
  std::vector<int64_t> counts = {1};
  if (!IsStatic(c.batch) || !IsStatic(c.m) || !IsStatic(c.n) || !IsStatic(c.k)) return counts;  // scratch memory has a fixed size
  for (int64_t splits : {2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512}) {
    if (ElementCount(c.k) / splits >= 4 * bk && PartialBytes(c, splits) <= kMaxPartialBytes) counts.push_back(splits);
  }
  return counts;
}

// The kernel that looks for the largest elements, which reads the operands from memory.
double ScalingCycles(const Contraction& c, int compute_units) {
  const double bytes = 4.0 * static_cast<double>(ElementCount(c.lhs.whole->shape) + ElementCount(c.rhs.whole->shape));
  return kLaunchCycles + bytes / (kMemoryBytesPerCycle * compute_units);
}

struct Scored {
  GemmPlan plan;
  double cycles;
};

void AddDirect(const Contraction& c, const Problem& p, std::vector<Scored>* scored) {
  for (int64_t splits : SplitCounts(c, 16)) {
    const double invocations = p.batch * p.m * p.n * static_cast<double>(splits);
    if (invocations >= 0x1p32) return;  // counted in 32 bits
    const double terms = CeilDiv(p.k, static_cast<double>(splits));
    // A term costs about ten instructions and a latency that only other invocations hide.
    double cycles = kBlockOverhead / 2 + std::max(invocations * terms * 10 / (kFmaPerCycle * p.compute_units), terms * 60);
    if (splits > 1) cycles += kLaunchCycles + invocations * 4 * 2 / (kCacheBytesPerCycle / 2 * p.compute_units);
    scored->push_back({{GemmPlan::Family::kDirect, {}, {}, splits}, cycles});
  }
}

}  // namespace

std::string GemmPlan::Name() const {
  std::string name;
  if (family == Family::kDirect) {
    name = "direct";
  } else if (family == Family::kSimt) {
    name = fmt::format("simt_{}x{}x{}_{}x{}", simt.bm, simt.bn, simt.bk, simt.tm, simt.tn);
    if (simt.slices > 1) name += fmt::format("_slices{}", simt.slices);
  } else {
    name = fmt::format("matrix_{}x{}x{}_{}x{}x{}", matrix.bm, matrix.bn, matrix.bk, matrix.shape.m, matrix.shape.n, matrix.shape.k);
    if (matrix.split()) name += "_bf16x3";
    if (matrix.scaled()) name += "_scaled";
  }
  return splits > 1 ? name + fmt::format("_split{}", splits) : name;
}

int64_t SharedBytes(const SimtTile& t, DType accumulator) {
  const DType compute = ComputeType(accumulator);
  StagedBlock::Layout left{t.bm, t.bk, t.threads(), 0, t.stages, Staging::kCompute, compute}, right = left;
  right.outer = t.bn;
  const int64_t slices = static_cast<int64_t>(t.slices - 1) * t.bm * t.bn * static_cast<int64_t>(ByteSize(compute));
  return StagedBlock::Bytes(left) + StagedBlock::Bytes(right) + slices;
}

int64_t SharedBytes(const MatrixTile& t) {
  StagedBlock::Layout left{t.bm, t.bk, t.threads(), 0, t.stages, t.split() ? Staging::kSplitBf16 : Staging::kHalves, DType::kF32}, right = left;
  right.outer = t.bn;
  const int64_t subgroups = static_cast<int64_t>(t.bm / t.wm) * (t.bn / t.wn);
  return StagedBlock::Bytes(left) + StagedBlock::Bytes(right) + subgroups * t.shape.m * t.wn * 4 * (t.split() ? 2 : 1);
}

double ResidentWorkgroups(const GemmPlan& plan, const Contraction& c, const DeviceLimits& limits) {
  if (plan.family == GemmPlan::Family::kDirect) return 0;
  return plan.family == GemmPlan::Family::kSimt ? ResidentWorkgroups(plan.simt, c, limits) : ResidentWorkgroups(plan.matrix, c, limits);
}

std::vector<GemmPlan> GemmPlans(const Contraction& c, const DeviceLimits& limits) {
  const Problem p{SizeForModel(c.batch),
                  SizeForModel(c.m),
                  SizeForModel(c.n),
                  SizeForModel(c.k),
                  static_cast<double>(ByteSize(c.lhs.dtype)),
                  static_cast<int>(std::max(1u, limits.compute_units))};
  std::vector<Scored> scored;
  AddDirect(c, p, &scored);
  for (SimtTile tile : SimtTiles()) {
    if (!Fits(&tile, c, limits)) continue;
    const BlockCost cost = CostOf(tile, c, limits);
    for (int64_t splits : SplitCounts(c, tile.bk)) {
      scored.push_back({{GemmPlan::Family::kSimt, tile, {}, splits}, BlockCycles(p, tile.bm, tile.bn, tile.bk, cost, kFmaPerCycle * Efficiency(tile), splits)});
    }
  }
  for (const MatrixTile& tile : MatrixTiles(c, limits)) {
    for (int64_t splits : SplitCounts(c, tile.bk)) {
      const double rate = kFmaPerCycle * kMatrixSpeedup * Efficiency(tile, limits);
      const double scaling = tile.scaled() ? ScalingCycles(c, p.compute_units) : 0;
      scored.push_back(
          {{GemmPlan::Family::kMatrix, {}, tile, splits}, scaling + BlockCycles(p, tile.bm, tile.bn, tile.bk, CostOf(tile, c, limits), rate, splits)});
    }
  }
  std::stable_sort(scored.begin(), scored.end(), [](const Scored& a, const Scored& b) { return a.cycles < b.cycles; });
  std::vector<GemmPlan> plans;
  for (const Scored& s : scored) plans.push_back(s.plan);
  return plans;
}

}  // namespace tfvk::kernels
