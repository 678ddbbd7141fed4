// Operations that move elements by indices in memory: dynamic slices, gather and scatter.
#include <algorithm>

#include "ir/verify.h"

namespace tfvk::ir {
namespace {

bool Contains(const std::vector<int64_t>& list, int64_t d) { return std::find(list.begin(), list.end(), d) != list.end(); }

void VerifyStarts(const Checker& c, int first) {
  c.ExpectOperands(first + static_cast<int>(Rank(c.in(0))));
  for (int i = first; i < c.operand_count(); ++i) {
    c.ExpectScalar(c.in(i), "a start index");
    c.Expect(IsInteger(c.in(i).dtype) && c.in(i).dtype == c.in(first).dtype, "a start index is {}", ToText(c.in(i)));
  }
}

// A part's size against the whole's: what both sizes' constants allow to say.
void ExpectFits(const Checker& c, const Size& part, const Size& whole, size_t i) {
  c.Expect(!part.is_static() || !whole.is_static() || part.value <= whole.value, "the slice's dimension {} is {} of {} elements", i, part.value, whole.value);
}

// The result's size for a slice size in an attribute; kToEnd stands for a run-time size.
Size SliceSize(const Checker& c, int64_t size, const Size& whole, size_t i) {
  if (size == kToEnd && !whole.is_static()) return Size(kComputed);
  c.Expect(size >= 0, "the slice's dimension {} has {} elements", i, size);
  ExpectFits(c, size, whole, i);
  return size;
}

void VerifyDynamicSlice(const Checker& c) {
  const auto& sizes = c.node.attr<DimsAttr>().dims;
  c.Expect(c.operand_count() >= 1, "there is no operand");
  VerifyStarts(c, 1);
  c.ExpectLength(sizes, Rank(c.in(0)), "the list of sizes");
  TensorType expected{c.in(0).dtype, {}};
  for (size_t i = 0; i < sizes.size(); ++i) expected.shape.push_back(SliceSize(c, sizes[i], c.in(0).shape[i], i));
  c.ExpectResult(expected);
}

void VerifyDynamicUpdateSlice(const Checker& c) {
  c.Expect(c.operand_count() >= 2, "it needs an operand and an update");
  VerifyStarts(c, 2);
  c.Expect(c.in(1).dtype == c.in(0).dtype && Rank(c.in(1)) == Rank(c.in(0)), "the update is {}", ToText(c.in(1)));
  for (size_t i = 0; i < Rank(c.in(0)); ++i) ExpectFits(c, c.in(1).shape[i], c.in(0).shape[i], i);
  c.ExpectResult(c.in(0));
}

// Checks indices of gather and scatter; returns their shape without the dimension that holds an index.
Shape VerifyIndices(const Checker& c, const TensorType& indices, const std::vector<int64_t>& map, int64_t vector_dim, size_t operand_rank) {
  c.Expect(IsInteger(indices.dtype), "the indices are {}", ToText(indices));
  const int64_t rank = static_cast<int64_t>(Rank(indices));
  c.Expect(vector_dim >= 0 && vector_dim <= rank, "index_vector_dim {} is outside of the indices' rank {}", vector_dim, rank);
  c.ExpectDimensions(map, operand_rank, "the map from index to operand dimensions");
  const Size length = vector_dim < rank ? indices.shape[vector_dim] : Size(1);
  c.Expect(length == Size(static_cast<int64_t>(map.size())), "an index has {} components, but {} are mapped", ToText(Shape{length}), map.size());
  Shape batch = indices.shape;
  if (vector_dim < rank) batch.erase(batch.begin() + vector_dim);
  return batch;
}

void VerifyGather(const Checker& c) {
  const auto& g = c.node.attr<GatherAttr>();
  const Shape batch = VerifyIndices(c, c.in(1), g.start_index_map, g.index_vector_dim, Rank(c.in(0)));
  c.ExpectDimensions(g.collapsed_slice_dims, Rank(c.in(0)), "collapsed_slice_dims");
  c.ExpectDimensions(g.offset_dims, Rank(c.out()), "offset_dims");
  c.ExpectLength(g.slice_sizes, Rank(c.in(0)), "slice_sizes");
  Shape offsets;
  for (size_t i = 0; i < g.slice_sizes.size(); ++i) {
    const Size whole = c.in(0).shape[i];
    Size size = SliceSize(c, g.slice_sizes[i], whole, i);
    // Out of a run-time dimension, all that an attribute can say is "the whole of it".
    if (size == Size(kComputed)) size = whole;
    if (Contains(g.collapsed_slice_dims, static_cast<int64_t>(i))) {
      c.Expect(size == Size(1), "the collapsed dimension {} has slice size {}", i, g.slice_sizes[i]);
    } else {
      offsets.push_back(size);
    }
  }
  c.ExpectLength(g.offset_dims, offsets.size(), "offset_dims");
  c.Expect(std::is_sorted(g.offset_dims.begin(), g.offset_dims.end()), "offset_dims are not sorted");
  TensorType expected{c.in(0).dtype, {}};
  size_t next_offset = 0, next_batch = 0;
  const size_t rank = offsets.size() + batch.size();
  c.Expect(Rank(c.out()) == rank, "the result's rank is not {}", rank);
  for (size_t i = 0; i < rank; ++i) {
    expected.shape.push_back(Contains(g.offset_dims, static_cast<int64_t>(i)) ? offsets[next_offset++] : batch[next_batch++]);
  }
  c.ExpectResult(expected);
}

void VerifyUpdates(const Checker& c, const TensorType& updates, const Shape& batch) {
  const auto& s = c.node.attr<ScatterAttr>();
  const Shape& input = c.in(0).shape;
  c.ExpectDimensions(s.update_window_dims, Rank(updates), "update_window_dims");
  c.ExpectDimensions(s.inserted_window_dims, input.size(), "inserted_window_dims");
  c.Expect(std::is_sorted(s.update_window_dims.begin(), s.update_window_dims.end()), "update_window_dims are not sorted");
  c.Expect(s.update_window_dims.size() + s.inserted_window_dims.size() == input.size(), "{} window dimensions and {} inserted ones do not make rank {}",
           s.update_window_dims.size(), s.inserted_window_dims.size(), input.size());
  c.Expect(Rank(updates) == batch.size() + s.update_window_dims.size(), "the updates' rank is not {}", batch.size() + s.update_window_dims.size());
  size_t next_window = 0, next_batch = 0;
  for (size_t i = 0; i < Rank(updates); ++i) {
    if (!Contains(s.update_window_dims, static_cast<int64_t>(i))) {
      ExpectSize(c, updates.shape[i], batch[next_batch++], "the updates", i);
      continue;
    }
    while (Contains(s.inserted_window_dims, static_cast<int64_t>(next_window))) ++next_window;
    ExpectFits(c, updates.shape[i], input[next_window++], i);
  }
}

void VerifyScatter(const Checker& c) {
  const auto& s = c.node.attr<ScatterAttr>();
  const int inputs = (c.operand_count() - 1) / 2;
  c.Expect(inputs >= 1 && c.operand_count() == 2 * inputs + 1, "{} operands are not inputs, indices and as many updates", c.operand_count());
  c.ExpectResults(inputs);
  const Shape batch = VerifyIndices(c, c.in(inputs), s.scatter_dims_to_operand_dims, s.index_vector_dim, Rank(c.in(0)));
  std::vector<TensorType> scalars;
  for (int i = 0; i < inputs; ++i) {
    c.Expect(c.in(i).shape == c.in(0).shape, "input {} has another shape than input 0", i);
    const TensorType& updates = c.in(inputs + 1 + i);
    c.Expect(updates.shape == c.in(inputs + 1).shape && updates.dtype == c.in(i).dtype, "updates {} are {}", i, ToText(updates));
    c.ExpectResult(c.in(i), i);
    scalars.push_back({c.in(i).dtype, {}});
  }
  VerifyUpdates(c, c.in(inputs + 1), batch);
  std::vector<TensorType> pairs = scalars;
  pairs.insert(pairs.end(), scalars.begin(), scalars.end());
  c.ExpectRegion(0, pairs, scalars);
}

}  // namespace

void VerifyIndexed(const Checker& c) {
  if (c.node.op == Op::kScatter) return VerifyScatter(c);
  c.ExpectResults(1);
  if (c.node.op == Op::kDynamicSlice) return VerifyDynamicSlice(c);
  if (c.node.op == Op::kDynamicUpdateSlice) return VerifyDynamicUpdateSlice(c);
  VerifyGather(c);
}

}  // namespace tfvk::ir
