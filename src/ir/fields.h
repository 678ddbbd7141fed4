// The fields of every attribute struct by name, listed once for the printer and the parser. `visit(name, field)` is called with a reference to each field.
#pragma once

#include <string_view>

#include "ir/graph.h"

namespace tfvk::ir {

template <class Attr, class Visitor>
void VisitFields(Attr& a, Visitor&& visit) {
  using A = std::remove_const_t<Attr>;
  if constexpr (std::is_same_v<A, DimsAttr>) {
    visit("dims", a.dims);
  } else if constexpr (std::is_same_v<A, SliceAttr>) {
    visit("start", a.start), visit("limit", a.limit), visit("stride", a.stride);
  } else if constexpr (std::is_same_v<A, PadAttr>) {
    visit("low", a.low), visit("high", a.high), visit("interior", a.interior);
  } else if constexpr (std::is_same_v<A, CompareAttr>) {
    visit("direction", a.direction), visit("total_order", a.total_order);
  } else if constexpr (std::is_same_v<A, DotAttr>) {
    visit("lhs_batch", a.lhs_batch), visit("rhs_batch", a.rhs_batch), visit("lhs_contract", a.lhs_contract), visit("rhs_contract", a.rhs_contract);
    visit("precision", a.precision), visit("result_order", a.result_order);
  } else if constexpr (std::is_same_v<A, WindowDim>) {
    visit("size", a.size), visit("stride", a.stride), visit("pad_low", a.pad_low), visit("pad_high", a.pad_high);
    visit("base_dilation", a.base_dilation), visit("window_dilation", a.window_dilation), visit("reversal", a.reversal);
  } else if constexpr (std::is_same_v<A, WindowAttr>) {
    visit("window", a.window);
  } else if constexpr (std::is_same_v<A, ConvolutionAttr>) {
    visit("window", a.window), visit("input_batch", a.input_batch), visit("input_feature", a.input_feature), visit("input_spatial", a.input_spatial);
    visit("kernel_input_feature", a.kernel_input_feature), visit("kernel_output_feature", a.kernel_output_feature), visit("kernel_spatial", a.kernel_spatial);
    visit("output_batch", a.output_batch), visit("output_feature", a.output_feature), visit("output_spatial", a.output_spatial);
    visit("feature_groups", a.feature_groups), visit("batch_groups", a.batch_groups), visit("precision", a.precision);
  } else if constexpr (std::is_same_v<A, GatherAttr>) {
    visit("offset_dims", a.offset_dims), visit("collapsed_slice_dims", a.collapsed_slice_dims), visit("start_index_map", a.start_index_map);
    visit("slice_sizes", a.slice_sizes), visit("index_vector_dim", a.index_vector_dim), visit("indices_sorted", a.indices_sorted);
  } else if constexpr (std::is_same_v<A, ScatterAttr>) {
    visit("update_window_dims", a.update_window_dims), visit("inserted_window_dims", a.inserted_window_dims);
    visit("scatter_dims_to_operand_dims", a.scatter_dims_to_operand_dims), visit("index_vector_dim", a.index_vector_dim);
    visit("indices_sorted", a.indices_sorted), visit("unique_indices", a.unique_indices);
  } else if constexpr (std::is_same_v<A, SortAttr>) {
    visit("dimension", a.dimension), visit("stable", a.stable);
  } else if constexpr (std::is_same_v<A, RngAttr>) {
    visit("algorithm", a.algorithm);
  }
}

// Whether a field is left out of the text where it has its default value.
inline bool IsOptional(std::string_view field) { return field == "result_order"; }

// The spellings of an enumeration's values, in order.
template <class E>
struct Spellings;
template <>
struct Spellings<Comparison> {
  static constexpr const char* kNames[] = {"EQ", "NE", "LT", "LE", "GT", "GE"};
};
template <>
struct Spellings<Precision> {
  static constexpr const char* kNames[] = {"default", "high", "highest"};
};
template <>
struct Spellings<RngAlgorithm> {
  static constexpr const char* kNames[] = {"philox", "three_fry"};
};

}  // namespace tfvk::ir
