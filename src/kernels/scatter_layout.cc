#include "kernels/scatter_layout.h"

#include <algorithm>

#include "types/error.h"

namespace tfvk::kernels {

using spirv::Value;

ScatterLayout::ScatterLayout(const ScatterSpec& spec) : spec_(spec) {
  size_t next_window = 0;
  for (size_t d = 0; d < spec.input.size(); ++d) {
    const auto& inserted = spec.inserted_window_dims;
    const bool is_inserted = std::find(inserted.begin(), inserted.end(), static_cast<int64_t>(d)) != inserted.end();
    Require(is_inserted || next_window < spec.update_window_dims.size(), "[{}] input dimension {} has no window dimension", spec.name, d);
    window_of_input_.push_back(is_inserted ? -1 : static_cast<int>(spec.update_window_dims[next_window++]));
    const auto& addressed = spec.scatter_dims_to_operand_dims;
    const auto found = std::find(addressed.begin(), addressed.end(), static_cast<int64_t>(d));
    component_of_input_.push_back(found == addressed.end() ? -1 : static_cast<int>(found - addressed.begin()));
    if (component_of_input_[d] >= 0 && !is_inserted && spec.updates[window_of_input_[d]] != Size(1)) whole_slots_ = false;
  }
  Shape batch;
  for (size_t i = 0; i < spec.updates.size(); ++i) (InWindow(i) ? window_ : batch).push_back(spec.updates[i]);
  one_index_ = IsStatic(batch) && ElementCount(batch) == 1;
  if (!whole_slots_) {
    window_.clear();
    updates_ = spec.updates;
    slots_ = spec.input;
    return;
  }
  updates_ = batch;
  for (size_t d = 0; d < spec.input.size(); ++d) {
    if (component_of_input_[d] >= 0) slots_.push_back(spec.input[d]);
  }
}

bool ScatterLayout::InWindow(size_t update_dim) const {
  const auto& dims = spec_.update_window_dims;
  return std::find(dims.begin(), dims.end(), static_cast<int64_t>(update_dim)) != dims.end();
}

Index ScatterLayout::UpdateIndex(Emitter& e, Value update, Value element) const {
  if (!whole_slots_) return e.Delinearize(spec_.updates, update);
  const Index outer = e.Delinearize(updates_, update), inner = e.Delinearize(window_, element);
  Index index;
  size_t next_outer = 0, next_inner = 0;
  for (size_t i = 0; i < spec_.updates.size(); ++i) index.push_back(InWindow(i) ? inner[next_inner++] : outer[next_outer++]);
  return index;
}

// One component of an update's scatter index, as u32 or u64; negative ones wrap to huge numbers.
Value ScatterLayout::Component(Emitter& e, const Index& update_index, size_t component) const {
  Index batch;
  for (size_t i = 0; i < spec_.updates.size(); ++i) {
    if (!InWindow(i)) batch.push_back(update_index[i]);
  }
  if (spec_.index_vector_dim < static_cast<int64_t>(spec_.indices.size())) {
    batch.insert(batch.begin() + spec_.index_vector_dim, e.b().U32(static_cast<uint32_t>(component)));
  }
  const Value value = spec_.index_body(e, batch)[0];
  if (!IsSigned(value.dtype())) return value;
  return e.b().Bitcast(value, value.dtype() == DType::kS64 ? DType::kU64 : DType::kU32);
}

Value ScatterLayout::Slot(Emitter& e, Value update) const {
  auto& b = e.b();
  // The window's elements share the index, so any of them will do.
  const Index update_index = UpdateIndex(e, update, b.U32(0));
  Value inside = b.Bool(true);
  Index slot;
  for (size_t d = 0; d < spec_.input.size(); ++d) {
    const bool addressed = component_of_input_[d] >= 0;
    if (!addressed && whole_slots_) continue;
    Value position = addressed ? Component(e, update_index, component_of_input_[d]) : b.U32(0);
    if (addressed) {
      const Value size = b.Convert(e.SizeOf(spec_.input[d]), position.dtype());
      inside = inside && position < size;
      // As in XLA, a window that lies only partly inside is dropped whole.
      if (!whole_slots_ && window_of_input_[d] >= 0) {
        inside = inside && size - position >= b.Convert(e.SizeOf(spec_.updates[window_of_input_[d]]), position.dtype());
      }
    }
    if (!whole_slots_ && window_of_input_[d] >= 0) position = position + b.Convert(update_index[window_of_input_[d]], position.dtype());
    slot.push_back(b.Convert(position, DType::kU32));
  }
  return b.Select(inside, e.Linearize(slots_, slot), b.U32(kNoSlot));
}

Index ScatterLayout::Target(Emitter& e, Value slot, Value element) const {
  // Only read and written where there is a slot, but lavapipe 26.1 loads from an address that all invocations share whatever the conditions say.
  slot = e.b().Select(slot == kNoSlot, e.b().U32(0), slot);
  if (!whole_slots_) return e.Delinearize(spec_.input, slot);
  const Index addressed = e.Delinearize(slots_, slot), inner = e.Delinearize(window_, element);
  Index target;
  size_t next_slot = 0;
  for (size_t d = 0; d < spec_.input.size(); ++d) {
    if (component_of_input_[d] >= 0) {
      target.push_back(addressed[next_slot++]);
    } else if (window_of_input_[d] >= 0) {
      const auto& dims = spec_.update_window_dims;
      target.push_back(inner[std::find(dims.begin(), dims.end(), static_cast<int64_t>(window_of_input_[d])) - dims.begin()]);
    } else {
      target.push_back(e.b().U32(0));
    }
  }
  return target;
}

}  // namespace tfvk::kernels
