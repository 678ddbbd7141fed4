#include "plugin/rnn_weights.h"

namespace tfvk::plugin {

using xla::XlaOp;

namespace {

XlaOp Vector(XlaOp params, const RnnRegion& region) { return xla::SliceInDim(params, region.offset, region.offset + region.size(), 1, 0); }

XlaOp Matrix(XlaOp params, const RnnRegion& region) {
  return region.size() == 0 ? XlaOp() : xla::Reshape(Vector(params, region), {region.rows, region.columns});
}

}  // namespace

RnnLayerWeights RnnWeightsOf(XlaOp params, const RnnWeightRegions& regions) {
  return {Matrix(params, regions.input), Matrix(params, regions.recurrent), Matrix(params, regions.projection), Vector(params, regions.input_bias),
          Vector(params, regions.recurrent_bias)};
}

XlaOp RnnParamsOf(xla::XlaBuilder* builder, const std::vector<RnnLayerWeights>& weights, xla::PrimitiveType type) {
  std::vector<XlaOp> pieces;
  const auto add = [&](XlaOp piece) {
    if (piece.valid()) pieces.push_back(xla::Collapse(xla::ConvertElementType(piece, type), {0, 1}));
  };
  const auto add_bias = [&](XlaOp piece) { pieces.push_back(xla::ConvertElementType(piece, type)); };
  for (const RnnLayerWeights& layer : weights) {
    add(layer.input);
    add(layer.recurrent);
    add(layer.projection);
  }
  for (const RnnLayerWeights& layer : weights) {
    add_bias(layer.input_bias);
    add_bias(layer.recurrent_bias);
  }
  return xla::ConcatInDim(builder, pieces, 0);
}

}  // namespace tfvk::plugin
