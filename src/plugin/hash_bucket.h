// Hashes of numbers as strings of digits have them.
#pragma once

namespace tfvk::plugin {

// _TensorToHashBucketFast for tf2xla, before anything asks it for its kernels.
void RegisterHashBucketOps();

}  // namespace tfvk::plugin
