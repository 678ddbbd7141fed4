// The one form that matrix multiplication and every convolution take before code is generated:
//
//   result[batch, m, n] = epilogue(sum over k of lhs(batch, m, k) * rhs(batch, k, n))
//
// Each side is an index map whose dependence on its outer index (m or n) and on k is kept apart, so that a block kernel computes the first once, the second
// once a step of k, and adds them for every element.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "kernels/gemm.h"
#include "types/error.h"

namespace tfvk::kernels {

// What an index map has computed in advance: values whose meaning only the map knows.
using IndexState = std::vector<spirv::Value>;

enum class Axis : uint8_t { kOuter, kK };

// One side of a contraction.
struct ContractionSide {
  DType dtype = DType::kF32;
  Axis contiguous = Axis::kK;  // the axis along which neighbours lie together in memory
  // 1, 2, 4 or 8: so many elements along `contiguous`, from an index that it divides, lie side by side and aligned, and are all inside or all outside.
  int vector = 1;
  std::function<IndexState(Emitter&, spirv::Value batch, spirv::Value outer)> outer_state;  // the indices are inside
  std::function<IndexState(Emitter&, spirv::Value batch, spirv::Value k)> k_state;          // k may be outside where `inside` of load is false
  // `count` (1, 2 or 4, at most `vector`) elements in their compute type; zeros where `inside` (invalid: always inside) is false.
  using Load = std::function<std::vector<spirv::Value>(Emitter&, const IndexState& outer, const IndexState& k, spirv::Value inside, int count)>;
  Load load;
  // The tensor that holds the side's elements and no others; none where that is not known.
  std::optional<Tensor> whole;
  // `count` (2, 4 or 8, at most `vector`) elements of 16 bits as count / 2 words; null where the elements are not 16 bits wide in memory.
  Load load_words;
};

struct ContractionOutput {
  Shape shape;  // of every result, in its own dimension order
  std::vector<DType> results;
  Epilogue epilogue;         // null: the sum itself
  bool consecutive = false;  // four values of n from a multiple of four lie side by side in the results, and all exist
  bool row_major = false;    // the results lie as [batch][m][n], without gaps
  std::function<IndexState(Emitter&, spirv::Value batch, spirv::Value m)> row;
  std::function<Index(Emitter&, const IndexState& row, spirv::Value batch, spirv::Value n)> index;
  std::function<spirv::Value(Emitter&, const Index&)> exists;  // null: every index does
};

struct Contraction {
  std::string name;
  // Each a product of sizes; k is the largest number of terms of any batch.
  Shape batch, m, n, k;
  int64_t k_multiple = 1;                                                // the number of terms is a multiple of this for every batch
  std::function<spirv::Value(Emitter&, spirv::Value batch)> k_of_batch;  // the number of terms (u32); null: k
  ContractionSide lhs, rhs;
  DType accumulator = DType::kF32;
  GemmPrecision precision = GemmPrecision::kFull;
  size_t plan_rank = 0;  // as GemmSpec's
  ContractionOutput output;
};

// A matrix multiplication as a contraction. Throws Error(kUnimplemented) where one of the four sizes needs more than 32 bits; tensors may.
Contraction ContractionOf(const GemmSpec& spec);

// Chooses the kernels (gemm_tiles.h) and generates them.
KernelSequence MakeContraction(const Contraction& c, const DeviceLimits& limits);

// ---- Pieces that index maps and generators share ----

// The product, when it is known.
std::optional<int64_t> StaticCount(const Shape& sizes);
// Whether the product is known to be a multiple of `by`.
bool Divides(int64_t by, const Shape& sizes);
// `inside` values may be invalid, which stands for true.
spirv::Value Both(spirv::Value a, spirv::Value b);
void IfInside(Emitter& e, spirv::Value inside, const std::function<void()>& then);
// Elements of `tensor` from a linear index; zeros where `inside` is false.
std::vector<spirv::Value> LoadInside(Emitter& e, const Tensor& tensor, spirv::Value linear, spirv::Value inside, int count);
std::vector<spirv::Value> LoadWordsInside(Emitter& e, const Tensor& tensor, spirv::Value linear, spirv::Value inside, int count);
// Whether elements of this dtype can be loaded as 32-bit words by LoadWordsInside.
bool IsHalfWidth(DType t);

// A row of results; gives `state` only when the index itself is needed.
struct ResultRow {
  spirv::Value batch, m;
  IndexState state;
};
ResultRow RowOf(Emitter& e, const Contraction& c, spirv::Value batch, spirv::Value m);
// Applies the epilogue to `sums` (1, or 4 from a multiple of four along n where the output is consecutive) and writes the results.
void WriteSums(Emitter& e, const Contraction& c, const ResultRow& row, spirv::Value n, const std::vector<spirv::Value>& sums);
// The same for sums at several places, whose epilogues all read before the first result is written: memory answers them together. Only for outputs of which
// every index exists.
struct SumsAt {
  ResultRow row;
  spirv::Value n;
  std::vector<spirv::Value> sums;
};
void WriteSumsTogether(Emitter& e, const Contraction& c, const std::vector<SumsAt>& places);

// Where a sum lies in row-major results [batch][m][n]: in IndexTypeOf the results.
spirv::Value RowMajorIndex(Emitter& e, const Contraction& c, spirv::Value batch, spirv::Value m, spirv::Value n);

// Where partial sums of a contraction split along k lie in scratch memory: [split][batch][m][n] of the accumulator's compute type.
spirv::Value PartialIndex(Emitter& e, const Contraction& c, spirv::Value split, spirv::Value batch, spirv::Value m, spirv::Value n);
int64_t PartialBytes(const Contraction& c, int64_t splits);

// What counts the elements of a tensor: u64 where there are 2^32 or more.
DType IndexTypeOf(const Shape& shape);

// Throws Error(kUnimplemented) for a static count that 32-bit indices cannot hold.
void RequireIndexable(const std::string& name, const Shape& shape);

// The workgroup's place in a grid of splits x batches x tiles of bm x bn, ordered so that workgroups running together share operands in the caches.
struct TilePlace {
  spirv::Value split, batch, m, n;  // m and n: the tile's first row and column
};
// Runs `body` at this workgroup's place, if it has one.
void AtTile(Emitter& e, const Contraction& c, int bm, int bn, int64_t splits, const std::function<void(const TilePlace&)>& body);
WorkgroupCount TileCount(const Contraction& c, int bm, int bn, int64_t splits);

// The terms [begin, end) that one split sums, and whether every step of `bk` terms from begin is whole.
struct KRange {
  spirv::Value begin, end;
  bool whole_steps = false;
};
KRange RangeOfSplit(Emitter& e, const Contraction& c, const TilePlace& place, int bk, int64_t splits);

}  // namespace tfvk::kernels
