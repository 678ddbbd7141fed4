// The block kernel on cooperative matrices of subgroup scope: 16-bit operands (or f32 ones as sums of two bf16 values or as scaled f16 ones), f32 sums.
#include <vector>

#include "kernels/gemm_blocks.h"
#include "kernels/gemm_scale.h"
#include "kernels/gemm_staging.h"

namespace tfvk::kernels {
namespace {

using spirv::Builder;
using spirv::Matrix;
using spirv::MatrixType;
using spirv::MatrixUse;
using spirv::Value;

constexpr int kItemsTogether = 2;

class MatrixBlocks {
 public:
  MatrixBlocks(const Contraction& c, const MatrixTile& tile, int64_t splits, const DeviceLimits& limits)
      : c_(c), t_(tile), splits_(splits), e_(Options(c, tile), limits) {
    const DType operand = tile.shape.a;
    left_type_ = {operand, tile.shape.m, tile.shape.k, MatrixUse::kA};
    right_type_ = {operand, tile.shape.k, tile.shape.n, MatrixUse::kB};
    sum_type_ = {DType::kF32, tile.shape.m, tile.shape.n, MatrixUse::kAccumulator};
    rows_ = tile.wm / static_cast<int>(tile.shape.m);
    columns_ = tile.wn / static_cast<int>(tile.shape.n);
  }

  Kernel Make() {
    StagedBlock::Layout left{t_.bm, t_.bk, t_.threads(), 0, t_.stages, t_.split() ? Staging::kSplitBf16 : Staging::kHalves, DType::kF32}, right = left;
    right.outer = t_.bn;
    if (t_.scaled()) {
      scales_ = ReadScales(e_, ScratchOfScales(c_, splits_), t_.subgroup);
      left.scale = scales_.lhs;
      right.scale = scales_.rhs;
    }
    StagedBlock lhs(e_, c_.lhs, c_.m, left), rhs(e_, c_.rhs, c_.n, right);
    const Value subgroup = b().SubgroupId();
    first_row_ = subgroup / (t_.bn / t_.wn) * t_.wm;
    first_column_ = subgroup % (t_.bn / t_.wn) * t_.wn;
    AtTile(e_, c_, t_.bm, t_.bn, splits_, [&](const TilePlace& place) {
      DeclareSums();
      lhs.Place(place.batch, place.m);
      rhs.Place(place.batch, place.n);
      const KRange range = RangeOfSplit(e_, c_, place, t_.bk, splits_);
      ForSteps(e_, range, t_.bk, t_.stages, &lhs, &rhs, [&](Value stage) { MultiplyStep(stage, lhs, rhs); });
      Write(place);
    });
    Kernel kernel = e_.Finish(TileCount(c_, t_.bm, t_.bn, splits_));
    kernel.required_subgroup_size = t_.subgroup;
    return kernel;
  }

 private:
  static spirv::BuilderOptions Options(const Contraction& c, const MatrixTile& tile) {
    spirv::BuilderOptions options;
    options.name = c.name;
    options.workgroup = {static_cast<uint32_t>(tile.threads()), 1, 1};
    options.vulkan_memory_model = true;
    options.spirv_version = 0x00010600;
    return options;
  }
  Builder& b() { return e_.b(); }
  int parts() const { return t_.split() ? 2 : 1; }

  // With split operands the products that hold a low part have sums of their own: an infinity times a low part of zero is NaN, which must not reach the
  // products of the high parts.
  void DeclareSums() {
    for (int i = 0; i < rows_ * columns_ * parts(); ++i) {
      sums_.push_back(b().DeclareMatrix(sum_type_));
      b().SetMatrix(sums_.back(), b().MatrixConstant(sum_type_, 0));
    }
  }

  Matrix LoadFragment(const StagedBlock& block, int part, MatrixType type, Value stage, Value outer, int k) {
    // Packed along k a row of the left operand is contiguous, and a column of the right one.
    const bool along_k = block.pack_axis() == Axis::kK;
    const bool column_major = along_k == (type.use == MatrixUse::kB);
    return b().MatrixLoad(type, block.shared(part), block.PackIndex(stage, outer, b().U32(k)), b().U32(block.row_packs()), column_major);
  }

  void MultiplyStep(Value stage, const StagedBlock& lhs, const StagedBlock& rhs) {
    std::vector<Matrix> sums;
    for (spirv::Id id : sums_) sums.push_back(b().GetMatrix(id, sum_type_));
    for (int k = 0; k < t_.bk; k += static_cast<int>(t_.shape.k)) {
      std::vector<Matrix> left[2], right[2];
      for (int part = 0; part < parts(); ++part) {
        for (int j = 0; j < columns_; ++j)
          right[part].push_back(LoadFragment(rhs, part, right_type_, stage, first_column_ + j * static_cast<int>(t_.shape.n), k));
        for (int i = 0; i < rows_; ++i) left[part].push_back(LoadFragment(lhs, part, left_type_, stage, first_row_ + i * static_cast<int>(t_.shape.m), k));
      }
      for (int i = 0; i < rows_; ++i) {
        for (int j = 0; j < columns_; ++j) {
          Matrix& sum = sums[i * columns_ + j];
          sum = b().MatrixMultiplyAdd(left[0][i], right[0][j], sum);
          if (!t_.split()) continue;
          Matrix& small = sums[rows_ * columns_ + i * columns_ + j];
          small = b().MatrixMultiplyAdd(left[0][i], right[1][j], small);
          small = b().MatrixMultiplyAdd(left[1][i], right[0][j], small);
        }
      }
    }
    for (size_t i = 0; i < sums.size(); ++i) b().SetMatrix(sums_[i], sums[i]);
  }

  bool WholeTiles() const { return Divides(t_.bm, c_.m) && Divides(t_.bn, c_.n); }

  // One row of fragments at a time goes through shared memory, a part of it for each subgroup.
  void Write(const TilePlace& place) {
    const bool plain = c_.output.row_major && !c_.output.epilogue && c_.output.results[0] == DType::kF32;
    if (t_.operands == MatrixOperands::kHalves && WholeTiles() && (splits_ > 1 || plain)) return WriteDirectly(place);
    const int height = static_cast<int>(t_.shape.m), strip = height * t_.wn;
    const int subgroups = t_.threads() / static_cast<int>(t_.subgroup);
    const spirv::Shared shared = b().SharedArray(DType::kF32, subgroups * strip * parts());
    const Value base = b().SubgroupId() * (strip * parts());
    for (int i = 0; i < rows_; ++i) {
      if (i > 0) b().Barrier();
      for (int part = 0; part < parts(); ++part) {
        for (int j = 0; j < columns_; ++j) {
          const Matrix sum = b().GetMatrix(sums_[(part * rows_ + i) * columns_ + j], sum_type_);
          b().MatrixStore(sum, shared, base + (part * strip + j * static_cast<int>(t_.shape.n)), b().U32(t_.wn), false);
        }
      }
      b().Barrier();
      WriteStrip(place, shared, base, i * height, height);
    }
  }

  void WriteStrip(const TilePlace& place, spirv::Shared shared, Value base, int from_row, int height) {
    const bool fours = splits_ > 1 ? Divides(4, c_.n) : c_.output.consecutive;
    const int step = fours ? 4 : 1, items = height * t_.wn / step, together = ItemsTogether(items);
    const Strip strip{place, shared, base, from_row, height, step};
    b().For(b().SubgroupLocalId(), b().U32(items), b().U32(together * t_.subgroup), [&](Value item) {
      if (together == 1) return WriteItem(strip, item);
      std::vector<SumsAt> places;
      for (int i = 0; i < together; ++i) places.push_back(ItemAt(strip, item + i * static_cast<int>(t_.subgroup)));
      WriteSumsTogether(e_, c_, places);
    });
  }

  // Few subgroups are resident beside this many sums, so each has several reads of the epilogue's operands under way.
  int ItemsTogether(int items) const {
    const bool alone = splits_ > 1 || !c_.output.epilogue || c_.output.exists || !WholeTiles();
    return alone || items % (kItemsTogether * static_cast<int>(t_.subgroup)) != 0 ? 1 : kItemsTogether;
  }

  struct Strip {
    const TilePlace& place;
    spirv::Shared shared;
    Value base;
    int from_row, height, step;
  };

  SumsAt ItemAt(const Strip& s, Value item) {
    const int width = t_.wn / s.step;
    const Value row = item / width, column = item % width * s.step;
    SumsAt at;
    for (int i = 0; i < s.step; ++i) at.sums.push_back(SumAt(s.shared, s.base + row * t_.wn + column + i, s.height * t_.wn));
    at.row = RowOf(e_, c_, s.place.batch, s.place.m + first_row_ + s.from_row + row);
    at.n = s.place.n + first_column_ + column;
    return at;
  }

  void WriteItem(const Strip& s, Value item) {
    const int width = t_.wn / s.step;
    const Value row = item / width, column = item % width * s.step;
    const Value m = s.place.m + first_row_ + s.from_row + row, n = s.place.n + first_column_ + column;
    Value inside = Divides(t_.bm, c_.m) ? Value() : m < e_.CountOf(c_.m);
    if (!Divides(t_.bn, c_.n)) inside = Both(inside, n < e_.CountOf(c_.n));
    IfInside(e_, inside, [&] {
      const SumsAt at = ItemAt(s, item);
      if (splits_ > 1) {
        const Value to = PartialIndex(e_, c_, s.place.split, s.place.batch, m, n);
        b().Store(e_.Scratch(DType::kF32, 0), to, s.step == 1 ? at.sums[0] : b().Composite(at.sums), s.step * 4);
      } else {
        WriteSums(e_, c_, at.row, at.n, at.sums);
      }
    });
  }

  Value SumAt(spirv::Shared shared, Value at, int strip) {
    const Value sum = b().Load(shared, at);
    if (t_.scaled()) return sum * scales_.half_inverse * scales_.half_inverse;
    if (!t_.split()) return sum;
    const Value small = b().Load(shared, at + strip);
    const Value finite = (b().Bitcast(small, DType::kU32) & 0x7F800000) != 0x7F800000;
    return sum + b().Select(finite, small, b().F32(0));
  }

  // Fragments to memory as they are: results or partial sums in rows of n.
  void WriteDirectly(const TilePlace& place) {
    const Tensor result{Tensor::Role::kResult, 0, DType::kF32, c_.output.shape};
    const spirv::Pointer to = splits_ > 1 ? e_.Scratch(DType::kF32, 0) : e_.Address(result);
    for (int i = 0; i < rows_; ++i) {
      for (int j = 0; j < columns_; ++j) {
        const Value m = place.m + first_row_ + i * static_cast<int>(t_.shape.m), n = place.n + first_column_ + j * static_cast<int>(t_.shape.n);
        const Value at = splits_ > 1 ? PartialIndex(e_, c_, place.split, place.batch, m, n) : RowMajorIndex(e_, c_, place.batch, m, n);
        b().MatrixStore(b().GetMatrix(sums_[i * columns_ + j], sum_type_), to, at, e_.CountOf(c_.n), false, 16);
      }
    }
  }

  const Contraction& c_;
  MatrixTile t_;
  int64_t splits_;
  Emitter e_;
  MatrixType left_type_, right_type_, sum_type_;
  int rows_, columns_;              // fragments of a subgroup
  Value first_row_, first_column_;  // of this subgroup in the block
  std::vector<spirv::Id> sums_;
  OperandScales scales_;
};

}  // namespace

Kernel MakeMatrixBlocks(const Contraction& c, const MatrixTile& tile, int64_t splits, const DeviceLimits& limits) {
  return MatrixBlocks(c, tile, splits, limits).Make();
}

}  // namespace tfvk::kernels
