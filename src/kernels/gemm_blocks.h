// The kernels that compute a contraction; gemm_tiles.h says which one runs when. With splits > 1 they leave partial sums in scratch memory
// (PartialIndex), which the kernel of MakeSplitSum turns into the results.
#pragma once

#include "kernels/gemm_tiles.h"

namespace tfvk::kernels {

Kernel MakeSimtBlocks(const Contraction& c, const SimtTile& tile, int64_t splits, const DeviceLimits& limits);
Kernel MakeMatrixBlocks(const Contraction& c, const MatrixTile& tile, int64_t splits, const DeviceLimits& limits);
// One invocation a result: for tiny matrices in large batches, and for very few terms.
Kernel MakeDirectProducts(const Contraction& c, int64_t splits, const DeviceLimits& limits);
Kernel MakeSplitSum(const Contraction& c, int64_t splits, const DeviceLimits& limits);

}  // namespace tfvk::kernels
