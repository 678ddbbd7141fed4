// The block kernel without matrix units: tm x tn sums an invocation, operands through shared memory, the next step's loads in flight meanwhile.
#include <vector>

#include "kernels/gemm_blocks.h"
#include "kernels/gemm_staging.h"

namespace tfvk::kernels {
namespace {

using spirv::Builder;
using spirv::Value;

// How one side's rows (or columns) of a block are dealt to the invocations: packs of four, an invocation's packs far apart, so that reads of shared memory
// are wide and without bank conflicts.
struct Share {
  const StagedBlock& block;
  int size;        // of the block along this side
  int lines;       // invocations along this side
  Value position;  // of this invocation among them

  Value Pack(int i) const { return position + i / 4 * lines; }
  // Row i of this invocation in the block.
  Value Row(int i) const { return block.interleaved() ? Pack(i) + i % 4 * (size / 4) : Pack(i) * 4 + i % 4; }
};

class SimtBlocks {
 public:
  SimtBlocks(const Contraction& c, const SimtTile& tile, int64_t splits, const DeviceLimits& limits)
      : c_(c), tile_(tile), splits_(splits), compute_(ComputeType(c.accumulator)), e_(Options(c, tile), limits) {}

  Kernel Make() {
    const StagedBlock::Layout common{0, tile_.bk, tile_.threads(), 0, tile_.stages, Staging::kCompute, compute_};
    StagedBlock::Layout left = common, right = common;
    left.outer = tile_.bm;
    right.outer = tile_.bn;
    right.first_thread = tile_.threads() / 2;
    StagedBlock lhs(e_, c_.lhs, c_.m, left), rhs(e_, c_.rhs, c_.n, right);
    Arrange(lhs, rhs);
    AtTile(e_, c_, tile_.bm, tile_.bn, splits_, [&](const TilePlace& place) {
      for (int i = 0; i < tile_.tm * tile_.tn; ++i) sums_.push_back(b().Declare(b().Constant(compute_, int64_t{0})));
      lhs.Place(place.batch, place.m);
      rhs.Place(place.batch, place.n);
      ForSteps(e_, RangeOfSplit(e_, c_, place, tile_.bk, splits_), tile_.bk, tile_.stages, &lhs, &rhs, [&](Value stage) { MultiplyStep(stage); });
      Value writes;
      if (tile_.slices > 1) {
        AddSlices();
        writes = slice_ == 0;
      }
      IfInside(e_, writes, [&] { Write(place); });
    });
    return e_.Finish(TileCount(c_, tile_.bm, tile_.bn, splits_));
  }

 private:
  static spirv::BuilderOptions Options(const Contraction& c, const SimtTile& tile) {
    spirv::BuilderOptions options;
    options.name = c.name;
    options.workgroup = {static_cast<uint32_t>(tile.threads()), 1, 1};
    return options;
  }
  Builder& b() { return e_.b(); }

  // Invocations of a warp cover a patch of 4 x 8, so that one wide read of shared memory serves many of them.
  void Arrange(const StagedBlock& lhs, const StagedBlock& rhs) {
    const int lines_m = tile_.bm / tile_.tm, lines_n = tile_.bn / tile_.tn;
    const int patch_n = std::min(8, lines_n), patch_m = std::min(4, lines_m), patches_n = lines_n / patch_n;
    const Value id = b().LocalLinearId();
    slice_ = tile_.slices == 1 ? b().U32(0) : id / static_cast<uint32_t>(lines_m * lines_n);
    member_ = tile_.slices == 1 ? id : id % static_cast<uint32_t>(lines_m * lines_n);
    const Value patch = member_ / (patch_n * patch_m), inside = member_ % (patch_n * patch_m);
    const Value x = patch % patches_n * patch_n + inside % patch_n, y = patch / patches_n * patch_m + inside / patch_n;
    rows_.reset(new Share{lhs, tile_.bm, lines_m, y});
    columns_.reset(new Share{rhs, tile_.bn, lines_n, x});
  }

  // The terms of one step that lie in shared memory, four at a time.
  void MultiplyStep(Value stage) {
    const int each = tile_.bk / tile_.slices;
    const auto four = [&](Value k) {
      const Value from = slice_ * each + k;
      std::vector<Value> sums;
      for (const spirv::Variable& v : sums_) sums.push_back(v.Get());
      for (int q = 0; q < 4; ++q) {
        const std::vector<Value> left = Fragment(*rows_, tile_.tm, stage, from + q), right = Fragment(*columns_, tile_.tn, stage, from + q);
        for (int i = 0; i < tile_.tm; ++i) {
          for (int j = 0; j < tile_.tn; ++j) {
            Value& sum = sums[i * tile_.tn + j];
            sum = IsFloat(compute_) ? b().Fma(left[i], right[j], sum) : sum + left[i] * right[j];
          }
        }
      }
      for (size_t i = 0; i < sums.size(); ++i) sums_[i].Set(sums[i]);
    };
    if (each == 4) {
      four(b().U32(0));
    } else {
      b().For(b().U32(0), b().U32(each), b().U32(4), four);
    }
  }

  // This invocation's rows of one term.
  std::vector<Value> Fragment(const Share& share, int count, Value stage, Value k) {
    std::vector<Value> values;
    for (int i = 0; i < count; i += 4) {
      const Value pack = b().Load(share.block.shared(), share.block.PackAt(stage, k, share.Pack(i)));
      for (int r = 0; r < 4; ++r) values.push_back(b().Extract(pack, r));
    }
    return values;
  }

  // Adds the sums of the other slices to those of slice 0, in the order of the slices.
  void AddSlices() {
    const int members = tile_.threads() / tile_.slices, count = tile_.tm * tile_.tn;
    const spirv::Shared partial = b().SharedArray(compute_, (tile_.slices - 1) * members * count);
    const auto at = [&](Value slice, int i) { return (slice * count + i) * members + member_; };
    b().If(slice_ != 0, [&] {
      for (int i = 0; i < count; ++i) b().Store(partial, at(slice_ - 1, i), sums_[i].Get());
    });
    b().Barrier();
    b().If(slice_ == 0, [&] {
      b().For(tile_.slices - 1, [&](Value other) {
        for (int i = 0; i < count; ++i) sums_[i].Set(sums_[i].Get() + b().Load(partial, at(other, i)));
      });
    });
  }

  void Write(const TilePlace& place) {
    const bool whole_m = Divides(tile_.bm, c_.m), whole_n = Divides(tile_.bn, c_.n);
    for (int i = 0; i < tile_.tm; ++i) {
      const Value m = place.m + rows_->Row(i);
      IfInside(e_, whole_m ? Value() : m < e_.CountOf(c_.m), [&] {
        WriteRow(place, splits_ == 1 ? RowOf(e_, c_, place.batch, m) : ResultRow{place.batch, m, {}}, i, whole_n);
      });
    }
  }

  void WriteRow(const TilePlace& place, const ResultRow& row, int i, bool whole_n) {
    const bool fours = !columns_->block.interleaved() && (splits_ == 1 ? c_.output.consecutive : Divides(4, c_.n));
    const int step = fours ? 4 : 1;
    for (int j = 0; j < tile_.tn; j += step) {
      const Value n = place.n + columns_->Row(j);
      IfInside(e_, whole_n ? Value() : n < e_.CountOf(c_.n), [&] {
        std::vector<Value> sums;
        for (int r = 0; r < step; ++r) sums.push_back(sums_[i * tile_.tn + j + r].Get());
        if (splits_ == 1) {
          WriteSums(e_, c_, row, n, sums);
        } else {
          const Value at = PartialIndex(e_, c_, place.split, row.batch, row.m, n);
          b().Store(e_.Scratch(compute_, 0), at, step == 1 ? sums[0] : b().Composite(sums), step * static_cast<uint32_t>(ByteSize(compute_)));
        }
      });
    }
  }

  const Contraction& c_;
  SimtTile tile_;
  int64_t splits_;
  DType compute_;
  Emitter e_;
  Value slice_, member_;  // which slice, which invocation of it
  std::unique_ptr<Share> rows_, columns_;
  std::vector<spirv::Variable> sums_;
};

}  // namespace

Kernel MakeSimtBlocks(const Contraction& c, const SimtTile& tile, int64_t splits, const DeviceLimits& limits) {
  return SimtBlocks(c, tile, splits, limits).Make();
}

}  // namespace tfvk::kernels
