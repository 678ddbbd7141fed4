// What a tile needs of a compute unit: registers of an invocation where a compiler is known to spill them, and shared memory. Plain arithmetic for gemm_tiles.
#pragma once

#include "kernels/gemm_tiles.h"

namespace tfvk::kernels {

// Whether the vendor's compiler is expected to keep the tile's kernel in registers. Estimates exist for Intel alone; others: true.
bool FitsRegisters(const SimtTile& tile, const Contraction& c, const DeviceLimits& limits);
bool FitsRegisters(const MatrixTile& tile, const Contraction& c, const DeviceLimits& limits);

// Invocations that a compute unit holds, at the register counts of kernels without cooperative matrices.
double ResidentInvocations(const DeviceLimits& limits);
// How many workgroups with so much shared memory a compute unit holds; infinity where that is not known.
double ResidentByShared(int64_t shared_bytes, const DeviceLimits& limits);

}  // namespace tfvk::kernels
