// Proposals of boxes from a network's scores of anchors.
#pragma once

namespace tfvk::plugin {

// GenerateBoundingBoxProposals for tf2xla, before anything asks it for its kernels.
void RegisterBoxProposalsOps();

}  // namespace tfvk::plugin
