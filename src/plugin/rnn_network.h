// What the ops of the CudnnRNN family compute, as their attributes and shapes tell, and where the network's weights lie in their flat buffer.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace tfvk::plugin {

enum class RnnMode { kRelu, kTanh, kLstm, kGru };

struct RnnAttributes {
  // Of any op of the family; attributes that the op does not have keep the values below.
  static absl::StatusOr<RnnAttributes> Read(tensorflow::OpKernelConstruction* construction);

  RnnMode mode = RnnMode::kLstm;
  bool may_skip_input = false;   // skip_input or auto_select
  bool must_skip_input = false;  // skip_input
  int directions = 1;
  int64_t num_proj = 0;
  float dropout = 0;
  bool is_training = true;
  bool time_major = true;
};

struct RnnNetwork {
  // `units` of a cell before its projection. InvalidArgument for sizes that describe no network, Unimplemented for those that cuDNN leaves open.
  static absl::StatusOr<RnnNetwork> Make(const RnnAttributes& attributes, int64_t layers, int64_t units, int64_t input_size);

  int gates() const { return mode == RnnMode::kLstm ? 4 : mode == RnnMode::kGru ? 3 : 1; }
  bool has_projection() const { return state_size < units; }
  // Of the input of a layer.
  int64_t width(int64_t layer) const { return layer == 0 ? input_size : state_size * directions; }

  RnnMode mode = RnnMode::kLstm;
  bool skips_input = false;  // the first layer's input is added to every gate as it is, without matrices
  int directions = 1;
  int64_t layers = 0, input_size = 0, units = 0;
  int64_t state_size = 0;  // of h: the units, or what they are projected to
};

// A matrix of the buffer, its rows one after the other.
struct RnnRegion {
  int64_t offset = 0, rows = 0, columns = 0;
  int64_t size() const { return rows * columns; }
};

// One layer's weights in one direction. Those of a cell's gates lie one below the other. Biases have one column.
struct RnnWeightRegions {
  RnnRegion input;       // [gates * units, width]; no columns where the input is skipped
  RnnRegion recurrent;   // [gates * units, state_size]
  RnnRegion projection;  // [state_size, units]; no rows without projection
  RnnRegion input_bias, recurrent_bias;
};

// cuDNN's order: the matrices of layer 0 forwards, layer 0 backwards, layer 1 forwards ..., each layer's input, recurrent and projecting ones; then all biases.
class RnnLayout {
 public:
  explicit RnnLayout(const RnnNetwork& network);
  const RnnWeightRegions& At(int64_t layer, int direction) const { return regions_[layer * directions_ + direction]; }
  const std::vector<RnnWeightRegions>& regions() const { return regions_; }
  int64_t size() const { return size_; }

 private:
  int directions_;
  int64_t size_ = 0;
  std::vector<RnnWeightRegions> regions_;
};

// Where the buffer has each of cuDNN's gates: LSTM i, f, c, o; GRU reset, update, new. It is the order in which Keras writes them for the TensorFlow at hand,
// since nothing in the ops tells who wrote the buffer: cuDNN's where TensorFlow is built for CUDA, and else, for GRU, the update gate first.
std::vector<int> RnnGatePlaces(RnnMode mode);

}  // namespace tfvk::plugin
