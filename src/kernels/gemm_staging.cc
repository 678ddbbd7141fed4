#include "kernels/gemm_staging.h"

#include <algorithm>
#include <map>

namespace tfvk::kernels {
namespace {

using spirv::Builder;
using spirv::Value;

// The 16 bits of a value in its compute type, in the low half of a word.
Value HalfBits(Builder& b, Value v, DType dtype) { return b.Convert(b.Bitcast(b.Convert(v, dtype), DType::kU16), DType::kU32); }

struct SplitValue {
  Value high, low;  // bf16 bits in the upper half of a word each
};

// x = high + low to 16 bits of mantissa. Truncation keeps the signs of both equal and never overflows; an infinity or NaN is all in `high`.
SplitValue SplitToBf16(Builder& b, Value x) {
  const Value bits = b.Bitcast(x, DType::kU32);
  const Value finite = (bits & 0x7F800000) != 0x7F800000;
  const Value high = b.Select(b.IsNan(x), bits | 0x400000, bits) & static_cast<int64_t>(0xFFFF0000);
  const Value rest = b.Select(finite, x - b.Bitcast(high, DType::kF32), b.F32(0));
  return {high, b.Bitcast(rest, DType::kU32) + 0x8000};
}

Value PackWord(Value low_half, Value high_half) { return (low_half >> 16) | (high_half & static_cast<int64_t>(0xFFFF0000)); }

}  // namespace

struct StagedBlock::Unit {
  Value slot, k;  // where the unit starts in the block
  Value exists;   // invalid: always
  std::vector<IndexState> outer_states;
  std::vector<spirv::Variable> registers;  // [pack][part]
};

// The terms that a unit loads: one state a load.
struct StagedBlock::Terms {
  std::vector<IndexState> states;
  std::vector<Value> inside;
};

StagedBlock::StagedBlock(Emitter& e, const ContractionSide& side, const Shape& outer_size, const Layout& layout)
    : e_(e), side_(side), outer_size_(outer_size), layout_(layout) {
  const Axis other = side.contiguous == Axis::kK ? Axis::kOuter : Axis::kK;
  const bool wide = side.vector > 1, halves = layout.staging == Staging::kHalves && side.load_words;
  if (layout.staging == Staging::kCompute) {
    pack_axis_ = Axis::kOuter;
    transposed_ = wide && side.contiguous == Axis::kK;
    interleaved_ = !wide && side.contiguous == Axis::kOuter;
  } else {
    pack_axis_ = wide ? side.contiguous : other;
  }
  pack_ = layout.staging == Staging::kCompute ? 4 : 8;
  parts_ = layout.staging == Staging::kSplitBf16 ? 2 : 1;
  width_ = std::min(side.vector, halves ? 8 : 4);
  const int pack_extent = pack_axis_ == Axis::kK ? layout.k : layout.outer;
  rows_ = pack_axis_ == Axis::kK ? layout.outer : layout.k;
  Require(pack_extent % pack_ == 0 && layout.k % UnitTerms() == 0, "[Gemm] a block of {} x {} does not hold whole packs of {}", layout.outer, layout.k, pack_);
  row_packs_ = pack_extent / pack_ + 1;  // one pack of padding a row against bank conflicts
  const DType stored = layout.staging == Staging::kCompute ? layout.compute : DType::kU32;
  for (int part = 0; part < parts_; ++part) shared_.push_back(e.b().SharedArray(stored, layout.stages * rows_ * row_packs_, 4));
  MakeUnits(stored);
}

// Neighbouring invocations take neighbouring memory: the contiguous axis runs fastest.
void StagedBlock::MakeUnits(DType stored) {
  Builder& b = e_.b();
  const int outer_step = pack_axis_ == Axis::kOuter ? pack_ : 1, k_step = pack_axis_ == Axis::kK ? pack_ : UnitTerms();
  const int outer_units = layout_.outer / outer_step, k_units = layout_.k / k_step, total = outer_units * k_units;
  const bool k_fast = side_.contiguous == Axis::kK;
  const int fast = k_fast ? k_units : outer_units;
  Value id = b.LocalLinearId();
  if (layout_.first_thread > 0) id = (id + (layout_.threads - layout_.first_thread)) % static_cast<uint32_t>(layout_.threads);
  for (int first = 0; first < total; first += layout_.threads) {
    auto unit = std::make_shared<Unit>();
    const Value u = id + first, slow = u / fast;
    const bool same_fast = layout_.threads % fast == 0 && !units_.empty();
    if (k_fast) {
      unit->k = same_fast ? units_[0]->k : (u % fast) * k_step;
      unit->slot = slow * outer_step;
    } else {
      unit->slot = same_fast ? units_[0]->slot : (u % fast) * outer_step;
      unit->k = slow * k_step;
    }
    if (first + layout_.threads > total) unit->exists = u < total;
    for (int i = 0; i < parts_ * UnitTerms(); ++i) unit->registers.push_back(b.Declare(stored, 4));
    units_.push_back(std::move(unit));
  }
}

int64_t StagedBlock::Bytes(const Layout& layout) {
  // Whichever axis is packed: the larger of the two paddings.
  const int pack = layout.staging == Staging::kCompute ? 4 : 8;
  const int64_t pack_bytes = layout.staging == Staging::kCompute ? 4 * static_cast<int64_t>(ByteSize(layout.compute)) : 16;
  int64_t packs = layout.k * (layout.outer / pack + 1);
  if (layout.staging != Staging::kCompute) packs = std::max<int64_t>(packs, layout.outer * (layout.k / pack + 1));
  return packs * pack_bytes * layout.stages * (layout.staging == Staging::kSplitBf16 ? 2 : 1);
}

void StagedBlock::Place(Value batch, Value first_outer) {
  Builder& b = e_.b();
  batch_ = batch;
  const int along = side_.contiguous == Axis::kOuter ? width_ : 1;  // outer indices of one load
  const int loads = pack_axis_ == Axis::kOuter ? pack_ / along : 1;
  const bool whole = Divides(layout_.outer, outer_size_);
  for (const auto& unit : units_) {
    if (unit != units_[0] && unit->slot.id() == units_[0]->slot.id()) {
      unit->outer_states = units_[0]->outer_states;
      continue;
    }
    for (int load = 0; load < loads; ++load) {
      Value outer = first_outer + (interleaved_ ? unit->slot / pack_ + load * (layout_.outer / pack_) : unit->slot + load * along);
      if (!whole || unit->exists.valid()) outer = b.Min(outer, e_.CountOf(outer_size_) - along);
      unit->outer_states.push_back(side_.outer_state(e_, batch, outer));
    }
  }
}

std::vector<std::vector<Value>> StagedBlock::LoadUnit(const Unit& unit, const Terms& terms) {
  const bool words = layout_.staging == Staging::kHalves && side_.load_words && width_ > 1;
  std::vector<std::vector<Value>> rows;
  for (const IndexState& outer : unit.outer_states) {
    rows.emplace_back();
    for (size_t i = 0; i < terms.states.size(); ++i) {
      for (const Value& v : (words ? side_.load_words : side_.load)(e_, outer, terms.states[i], terms.inside[i], width_)) {
        rows.back().push_back(layout_.staging == Staging::kCompute ? e_.b().Convert(v, layout_.compute) : v);
      }
    }
  }
  return rows;
}

void StagedBlock::Keep(const Unit& unit, size_t first, const std::vector<Value>& elements) {
  Builder& b = e_.b();
  if (layout_.staging == Staging::kSplitBf16) {
    std::vector<Value> high, low;
    for (int i = 0; i < 8; i += 2) {
      const SplitValue x = SplitToBf16(b, elements[i]), y = SplitToBf16(b, elements[i + 1]);
      high.push_back(PackWord(x.high, y.high));
      low.push_back(PackWord(x.low, y.low));
    }
    unit.registers[first].Set(b.Composite(high));
    unit.registers[first + 1].Set(b.Composite(low));
    return;
  }
  std::vector<Value> lanes = elements;
  if (layout_.staging == Staging::kHalves && elements.size() == 8) {
    const DType half = layout_.scale.valid() ? DType::kF16 : side_.dtype;
    const auto bits = [&](Value v) { return HalfBits(b, layout_.scale.valid() ? v * layout_.scale : v, half); };
    lanes.clear();
    for (int i = 0; i < 8; i += 2) lanes.push_back(bits(elements[i]) | (bits(elements[i + 1]) << 16));
  }
  unit.registers[first].Set(b.Composite(lanes));
}

void StagedBlock::Fetch(Value k, Value end, bool whole) {
  const int along = side_.contiguous == Axis::kK ? width_ : 1;  // terms of one load
  const int loads = pack_axis_ == Axis::kK ? pack_ / along : UnitTerms() / along;
  std::map<spirv::Id, Terms> terms;  // of each distinct unit->k, computed outside the guards
  for (const auto& unit : units_) {
    if (terms.count(unit->k.id())) continue;
    Terms& t = terms[unit->k.id()];
    for (int load = 0; load < loads; ++load) {
      const Value at = k + unit->k + load * along;
      t.states.push_back(side_.k_state(e_, batch_, at));
      t.inside.push_back(whole ? Value() : at < end);
    }
  }
  for (const auto& unit : units_) {
    IfInside(e_, unit->exists, [&] {
      const std::vector<std::vector<Value>> rows = LoadUnit(*unit, terms[unit->k.id()]);
      if (transposed_) {
        for (int q = 0; q < pack_; ++q) Keep(*unit, q, {rows[0][q], rows[1][q], rows[2][q], rows[3][q]});
        return;
      }
      std::vector<Value> elements;
      for (const std::vector<Value>& row : rows) elements.insert(elements.end(), row.begin(), row.end());
      Keep(*unit, 0, elements);
    });
  }
}

void StagedBlock::Commit(Value stage) {
  for (const auto& unit : units_) {
    IfInside(e_, unit->exists, [&] {
      for (int q = 0; q < UnitTerms(); ++q) {
        const Value at = PackIndex(stage, unit->slot, unit->k + q);
        for (int part = 0; part < parts_; ++part) e_.b().Store(shared_[part], at, unit->registers[q * parts_ + part].Get());
      }
    });
  }
}

Value StagedBlock::PackIndex(Value stage, Value slot, Value k) const {
  const bool along_k = pack_axis_ == Axis::kK;
  return PackAt(stage, along_k ? slot : k, (along_k ? k : slot) / pack_);
}

void ForSteps(Emitter& e, const KRange& range, int bk, int stages, StagedBlock* lhs, StagedBlock* rhs, const std::function<void(Value stage)>& multiply) {
  Builder& b = e.b();
  const auto fetch = [&](Value k) {
    lhs->Fetch(k, range.end, range.whole_steps);
    rhs->Fetch(k, range.end, range.whole_steps);
  };
  const auto commit = [&](Value stage) {
    lhs->Commit(stage);
    rhs->Commit(stage);
  };
  b.If(range.begin < range.end, [&] {
    fetch(range.begin);
    commit(b.U32(0));
    b.Barrier();
    b.For(range.begin, range.end, b.U32(bk), [&](Value k) {
      const Value next = k + bk, more = next < range.end;
      const Value stage = stages == 1 ? b.U32(0) : (k - range.begin) / bk % 2;
      b.If(more, [&] { fetch(next); });
      multiply(stage);
      if (stages == 1) b.Barrier();
      b.If(more, [&] { commit(stages == 1 ? stage : 1 - stage); });
      b.Barrier();
    });
  });
}

}  // namespace tfvk::kernels
