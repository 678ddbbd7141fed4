// What a tile takes of a compute unit: the registers of an invocation, where a compiler is known to spill them, and how many workgroups fit. Plain arithmetic
// for gemm_tiles; `make bench-drivers` compares it with what the drivers say.
#pragma once

#include "kernels/gemm_tiles.h"

namespace tfvk::kernels {

// Whether the driver's compiler is expected to keep the tile's kernel in registers. There are estimates for Mesa's drivers of
// Intel, AMD and NVIDIA GPUs; for others: true.
bool FitsRegisters(const SimtTile& tile, const Contraction& c, const DeviceLimits& limits);
bool FitsRegisters(const MatrixTile& tile, const Contraction& c, const DeviceLimits& limits);

// How many workgroups a compute unit holds at a time, at least one.
double ResidentWorkgroups(const SimtTile& tile, const Contraction& c, const DeviceLimits& limits);
double ResidentWorkgroups(const MatrixTile& tile, const Contraction& c, const DeviceLimits& limits);

}  // namespace tfvk::kernels
