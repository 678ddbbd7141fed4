// What scatter's dimension numbers mean, brought to one form: `updates` updates, each a window of elements, each falling into one of `slots` slots; element w
// of a window and slot s together name one element of the input, and two different pairs never name the same.
//
// When every dimension that an index addresses has a window of one element (embeddings, segment sums, most of scatter_nd), a slot is an index and the window
// is what lies behind it. Otherwise windows may overlap, and each update element becomes an update of its own with a window of one; its slot is the element.
#pragma once

#include "kernels/scatter.h"

namespace tfvk::kernels {

// The slot of an update that lies outside of the input.
inline constexpr uint32_t kNoSlot = 0xffffffff;

class ScatterLayout {
 public:
  explicit ScatterLayout(const ScatterSpec& spec);

  const Shape& updates() const { return updates_; }
  const Shape& window() const { return window_; }
  const Shape& slots() const { return slots_; }
  // Whether there is but one scatter index, whose window cannot meet another.
  bool one_index() const { return one_index_; }

  // The slot of an update (by its linear number), or kNoSlot.
  spirv::Value Slot(Emitter& e, spirv::Value update) const;
  // The input's element.
  Index Target(Emitter& e, spirv::Value slot, spirv::Value element) const;
  // The index of the update's element in the updates tensor.
  Index UpdateIndex(Emitter& e, spirv::Value update, spirv::Value element) const;

 private:
  bool InWindow(size_t update_dim) const;
  spirv::Value Component(Emitter& e, const Index& update_index, size_t component) const;

  const ScatterSpec& spec_;
  bool whole_slots_ = true;  // see above
  bool one_index_ = false;
  Shape updates_, window_, slots_;
  std::vector<int> window_of_input_;     // for each input dimension the update dimension of its window, or -1 when inserted
  std::vector<int> component_of_input_;  // for each input dimension the index component that addresses it, or -1
};

}  // namespace tfvk::kernels
