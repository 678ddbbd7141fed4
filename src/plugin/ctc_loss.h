// Connectionist temporal classification (Graves et al., "Connectionist Temporal Classification: Labelling Unsegmented Sequence Data with Recurrent Neural
// Networks", 2006), with the blank as class 0.
#pragma once

#include "absl/status/statusor.h"
#include "xla/hlo/builder/xla_builder.h"

namespace tfvk::plugin {

struct CtcLoss {
  xla::XlaOp loss;      // f32 [batch]; infinite where the labels do not fit into the time
  xla::XlaOp gradient;  // f32 [time, batch, classes], by the logits; zero after an example's time and where its loss is infinite
};

// Of logits f32 [time, batch, classes] and s32 labels [batch, n], of which `label_lengths` [batch] count, over the first `lengths` [batch] steps of time. n,
// time, batch and classes are not zero.
absl::StatusOr<CtcLoss> BuildCtcLoss(xla::XlaOp logits, xla::XlaOp labels, xla::XlaOp label_lengths, xla::XlaOp lengths);

// CTCLossV2 for tf2xla, where labels cannot be checked, and for the device.
void RegisterCtcLossOps();

}  // namespace tfvk::plugin
