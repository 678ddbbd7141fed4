// A block of one side of a contraction on its way from device memory through registers to shared memory.
#pragma once

#include "kernels/gemm_contraction.h"

namespace tfvk::kernels {

// What a block is in shared memory.
enum class Staging : uint8_t {
  kCompute,    // packs of 4 elements along the outer axis, in a compute type
  kHalves,     // packs of 8 16-bit elements along the axis of wide loads, as 4 words; f32 elements as f16 ones after they were scaled
  kSplitBf16,  // f32 elements along that axis as a pack of 8 high parts and one of 8 low parts: x = high + low, both bf16
};

class StagedBlock {
 public:
  struct Layout {
    int outer = 64, k = 16;  // the block
    int threads = 256;
    int first_thread = 0;  // the invocation that loads first: where not all do, two blocks are loaded by different ones
    int stages = 1;
    Staging staging = Staging::kCompute;
    DType compute = DType::kF32;  // of kCompute
    spirv::Value scale = {};      // what f32 elements are multiplied by for kHalves
  };
  // `outer_size`: the whole side's.
  StagedBlock(Emitter& e, const ContractionSide& side, const Shape& outer_size, const Layout& layout);

  // Computes what the loads of this invocation need for the block that starts at `first_outer`. Rows beyond the side repeat its last ones.
  void Place(spirv::Value batch, spirv::Value first_outer);
  // Device memory to registers: terms k .. k + layout.k, zeros from `end` on (`whole`: all are below end).
  void Fetch(spirv::Value k, spirv::Value end, bool whole);
  // Registers to shared memory.
  void Commit(spirv::Value stage);

  Axis pack_axis() const { return pack_axis_; }
  int pack() const { return pack_; }
  int row_packs() const { return row_packs_; }  // packs from one index of the other axis to the next
  spirv::Shared shared(int part = 0) const { return shared_[part]; }
  // The pack that holds elements from (slot, k) of the block. Slots are outer indices, but where neighbours in memory cannot be loaded together: then a pack
  // holds elements a quarter of the block apart, so that neighbouring invocations still load neighbours (interleaved).
  spirv::Value PackIndex(spirv::Value stage, spirv::Value slot, spirv::Value k) const;
  // Pack `pack` of row `row`, an index of the other axis.
  spirv::Value PackAt(spirv::Value stage, spirv::Value row, spirv::Value pack) const { return (stage * rows_ + row) * row_packs_ + pack; }
  bool interleaved() const { return interleaved_; }

  // Bytes of shared memory of a layout.
  static int64_t Bytes(const Layout& layout);

 private:
  struct Unit;  // what this invocation loads at once: a pack, or four of them where a wide load runs along k and packs do not
  struct Terms;
  void MakeUnits(DType stored);
  int UnitTerms() const { return transposed_ ? pack_ : 1; }
  // The elements of a unit, or words of 16-bit elements: [outer][k].
  std::vector<std::vector<spirv::Value>> LoadUnit(const Unit& unit, const Terms& terms);
  // Elements or words of one pack to registers.
  void Keep(const Unit& unit, size_t first_register, const std::vector<spirv::Value>& elements);

  Emitter& e_;
  const ContractionSide& side_;
  Shape outer_size_;
  Layout layout_;
  Axis pack_axis_;
  bool transposed_ = false, interleaved_ = false;
  int pack_, width_, parts_, row_packs_, rows_;
  std::vector<spirv::Shared> shared_;
  std::vector<std::shared_ptr<Unit>> units_;
  spirv::Value batch_;
};

// The loop over the terms of `range` in steps of bk: `multiply` is called where one step lies in the given stage of shared memory (while the next step's
// loads are under way) and adds its products to the sums. The blocks have been placed.
void ForSteps(Emitter& e, const KRange& range, int bk, int stages, StagedBlock* lhs, StagedBlock* rhs, const std::function<void(spirv::Value stage)>& multiply);

}  // namespace tfvk::kernels
