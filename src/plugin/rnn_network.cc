#include "plugin/rnn_network.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "tensorflow/core/util/port.h"

namespace tfvk::plugin {
namespace {

absl::StatusOr<RnnMode> ParseMode(const std::string& text) {
  if (text == "rnn_relu") return RnnMode::kRelu;
  if (text == "rnn_tanh") return RnnMode::kTanh;
  if (text == "lstm") return RnnMode::kLstm;
  if (text == "gru") return RnnMode::kGru;
  return absl::InvalidArgumentError(absl::StrCat("Invalid RNN mode: ", text));
}

}  // namespace

absl::StatusOr<RnnAttributes> RnnAttributes::Read(tensorflow::OpKernelConstruction* construction) {
  RnnAttributes read;
  std::string mode, input_mode, direction;
  TF_RETURN_IF_ERROR(construction->GetAttr("rnn_mode", &mode));
  TF_RETURN_IF_ERROR(construction->GetAttr("input_mode", &input_mode));
  TF_RETURN_IF_ERROR(construction->GetAttr("direction", &direction));
  TF_RETURN_IF_ERROR(construction->GetAttr("dropout", &read.dropout));
  if (construction->HasAttr("num_proj")) TF_RETURN_IF_ERROR(construction->GetAttr("num_proj", &read.num_proj));
  if (construction->HasAttr("is_training")) TF_RETURN_IF_ERROR(construction->GetAttr("is_training", &read.is_training));
  if (construction->HasAttr("time_major")) TF_RETURN_IF_ERROR(construction->GetAttr("time_major", &read.time_major));
  TF_ASSIGN_OR_RETURN(read.mode, ParseMode(mode));
  read.may_skip_input = input_mode != "linear_input";
  read.must_skip_input = input_mode == "skip_input";
  read.directions = direction == "bidirectional" ? 2 : 1;
  if (!(read.dropout >= 0 && read.dropout <= 1)) {
    return absl::InvalidArgumentError(absl::StrCat("dropout must be from 0 to 1, but is ", read.dropout));
  }
  return read;
}

absl::StatusOr<RnnNetwork> RnnNetwork::Make(const RnnAttributes& attributes, int64_t layers, int64_t units, int64_t input_size) {
  RnnNetwork network;
  network.mode = attributes.mode;
  network.directions = attributes.directions;
  network.layers = layers;
  network.units = network.state_size = units;
  network.input_size = input_size;
  if (layers <= 0 || units <= 0 || input_size <= 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("num_layers, num_units and input_size must be positive, but are ", layers, ", ", units, " and ", input_size));
  }
  if (attributes.num_proj < 0 || attributes.num_proj > units) {
    return absl::InvalidArgumentError(absl::StrCat("num_proj must be from 0 to num_units, ", units, ", but is ", attributes.num_proj));
  }
  if (attributes.num_proj != 0) network.state_size = attributes.num_proj;
  if (network.has_projection() && attributes.mode != RnnMode::kLstm) {
    return absl::UnimplementedError("num_proj is defined for rnn_mode lstm only");
  }
  if (network.has_projection() && (attributes.must_skip_input || (attributes.may_skip_input && (input_size == units || input_size == network.state_size)))) {
    return absl::UnimplementedError("An input that skips its matrices in a network with num_proj is not supported");
  }
  if (attributes.must_skip_input && input_size != units) {
    return absl::InvalidArgumentError(absl::StrCat("skip_input needs an input_size equal to num_units, but they are ", input_size, " and ", units));
  }
  network.skips_input = attributes.may_skip_input && input_size == units;
  const double most = 9.0 * network.directions * layers * units * (static_cast<double>(input_size) + 3.0 * units);
  if (most > 4e18)
    return absl::InvalidArgumentError(absl::StrCat("An RNN of ", layers, " layers of ", units, " units has more parameters than can be counted"));
  return network;
}

RnnLayout::RnnLayout(const RnnNetwork& network) : directions_(network.directions), regions_(network.layers * network.directions) {
  const auto place = [this](RnnRegion& region, int64_t rows, int64_t columns) {
    region = {size_, rows, columns};
    size_ += region.size();
  };
  const int64_t rows = network.gates() * network.units;
  for (size_t i = 0; i < regions_.size(); ++i) {
    const int64_t layer = static_cast<int64_t>(i) / directions_;
    place(regions_[i].input, rows, layer == 0 && network.skips_input ? 0 : network.width(layer));
    place(regions_[i].recurrent, rows, network.state_size);
    place(regions_[i].projection, network.has_projection() ? network.state_size : 0, network.units);
  }
  for (RnnWeightRegions& weights : regions_) {
    place(weights.input_bias, rows, 1);
    place(weights.recurrent_bias, rows, 1);
  }
}

std::vector<int> RnnGatePlaces(RnnMode mode) {
  switch (mode) {
    case RnnMode::kLstm:
      return tensorflow::IsBuiltWithROCm() ? std::vector<int>{0, 1, 3, 2} : std::vector<int>{0, 1, 2, 3};
    case RnnMode::kGru:
      return tensorflow::IsGoogleCudaEnabled() ? std::vector<int>{0, 1, 2} : std::vector<int>{1, 0, 2};
    default:
      return {0};
  }
}

}  // namespace tfvk::plugin
