// The flat buffer of a recurrent network's weights, cut and put together in XLA's operations.
#pragma once

#include <vector>

#include "plugin/rnn_layer.h"

namespace tfvk::plugin {

RnnLayerWeights RnnWeightsOf(xla::XlaOp params, const RnnWeightRegions& regions);

// The buffer [size] of `type` that has these weights, given in the layout's order of layers and directions.
xla::XlaOp RnnParamsOf(xla::XlaBuilder* builder, const std::vector<RnnLayerWeights>& weights, xla::PrimitiveType type);

}  // namespace tfvk::plugin
