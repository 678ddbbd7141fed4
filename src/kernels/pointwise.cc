#include "kernels/pointwise.h"

#include <memory>
#include <utility>

namespace tfvk::kernels {
namespace {

using spirv::Value;

bool IsLast(int64_t dimension, const Shape& shape) { return dimension == static_cast<int64_t>(shape.size()) - 1; }

bool IsPointwise(const ConvolutionSpec& s) {
  for (const ConvolutionWindow& w : s.window) {
    if (w.size != 1 || w.stride != 1 || w.pad_low != 0 || w.pad_high != 0 || w.base_dilation != 1) return false;
  }
  return IsLast(s.input_feature, s.input.shape) && IsLast(s.output_feature, s.output) && s.input_batch == s.output_batch && s.input_spatial == s.output_spatial;
}

bool CoversInput(const ConvolutionSpec& s) {
  for (size_t i = 0; i < s.window.size(); ++i) {
    const ConvolutionWindow& w = s.window[i];
    const auto dimension = static_cast<int64_t>(i) + 1;  // behind the features that are summed over
    if (s.input.shape[s.input_spatial[i]] != Size(w.size) || s.output[s.output_spatial[i]] != Size(1) || s.input_spatial[i] != dimension ||
        s.kernel_spatial[i] != dimension || w.pad_low != 0 || w.pad_high != 0 || w.base_dilation != 1 || w.window_dilation != 1 || w.reversal) {
      return false;
    }
  }
  return s.input_feature == 0 && s.kernel_input_feature == 0 && IsLast(s.input_batch, s.input.shape) && IsLast(s.kernel_output_feature, s.kernel.shape);
}

// From an index of the flat output to one of the output as it was; made once for a row, so that the elements of the row are known to be neighbours.
using Unflatten = std::function<Index(Emitter&, const Index&)>;

Epilogue AtOriginalIndex(Epilogue epilogue, Unflatten unflatten) {
  if (!epilogue) return nullptr;
  return [epilogue = std::move(epilogue), unflatten = std::move(unflatten)](Emitter& e, const Index& index, const std::vector<Value>& sums) {
    return epilogue(e, unflatten(e, index), sums);
  };
}

struct KnownRow {
  spirv::Id position = 0, block = 0;
  Index index;
};

ConvolutionSpec FlatPositions(const ConvolutionSpec& s) {
  ConvolutionSpec flat = s;
  const Size outputs = s.output.back();
  Shape positions = s.output;
  positions.pop_back();
  const Size count = ElementCount(positions);
  flat.window.clear();
  flat.input_spatial = flat.kernel_spatial = flat.output_spatial = {};
  flat.input.shape = {count, s.input.shape.back()};
  flat.output = {count, outputs};
  flat.input_batch = flat.output_batch = 0;
  flat.input_feature = flat.output_feature = 1;
  const bool inputs_first = s.kernel_input_feature < s.kernel_output_feature;
  flat.kernel_input_feature = inputs_first ? 0 : 1;
  flat.kernel_output_feature = inputs_first ? 1 : 0;
  flat.kernel.shape = inputs_first ? Shape{s.input.shape.back(), outputs} : Shape{outputs, s.input.shape.back()};
  const auto known = std::make_shared<KnownRow>();
  flat.epilogue = AtOriginalIndex(s.epilogue, [positions, known](Emitter& e, const Index& at) {
    if (known->position != at[0].id() || known->block != e.b().CurrentBlock()) {
      known->index = e.Delinearize(positions, at[0]);
      known->position = at[0].id();
      known->block = e.b().CurrentBlock();
    }
    Index index = known->index;
    index.push_back(at[1]);
    return index;
  });
  return flat;
}

ConvolutionSpec FlatWindow(const ConvolutionSpec& s) {
  ConvolutionSpec flat = s;
  const Size inputs = s.input.shape.back(), outputs = s.kernel.shape.back();
  const Size terms = ElementCount(s.input.shape) / inputs.value;
  flat.window.clear();
  flat.input_spatial = flat.kernel_spatial = flat.output_spatial = {};
  flat.input.shape = {terms, inputs};
  flat.kernel.shape = {terms, outputs};
  flat.input_feature = flat.kernel_input_feature = 0;
  flat.input_batch = flat.kernel_output_feature = 1;
  const bool inputs_first = s.output_batch < s.output_feature;
  flat.output_batch = inputs_first ? 0 : 1;
  flat.output_feature = inputs_first ? 1 : 0;
  flat.output = inputs_first ? Shape{inputs, outputs} : Shape{outputs, inputs};
  const size_t rank = s.output.size();
  const int64_t dimension[2] = {inputs_first ? s.output_batch : s.output_feature, inputs_first ? s.output_feature : s.output_batch};
  flat.epilogue = AtOriginalIndex(s.epilogue, [rank, first = dimension[0], second = dimension[1]](Emitter& e, const Index& at) {
    Index index(rank, e.b().U32(0));
    index[first] = at[0];
    index[second] = at[1];
    return index;
  });
  return flat;
}

}  // namespace

std::optional<ConvolutionSpec> WithoutSpace(const ConvolutionSpec& s) {
  if (s.window.empty() || s.feature_groups != 1 || s.batch_groups != 1 || s.input_body || s.kernel_body) return std::nullopt;
  for (const Shape* shape : {&s.input.shape, &s.kernel.shape, &s.output}) {
    if (!IsStatic(*shape) || ElementCount(*shape) == 0) return std::nullopt;
  }
  if (IsPointwise(s)) return FlatPositions(s);
  if (CoversInput(s)) return FlatWindow(s);
  return std::nullopt;
}

}  // namespace tfvk::kernels
