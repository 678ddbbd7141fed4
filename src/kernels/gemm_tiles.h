// Which kernel a contraction becomes: a model of time from sizes and limits. Everything that a tuner may vary is a GemmPlan.
#pragma once

#include <string>

#include "kernels/gemm_contraction.h"

namespace tfvk::kernels {

// A block of bm x bn results is computed by (bm / tm) * (bn / tn) * slices invocations, each with tm x tn sums in registers, in steps of bk terms that pass
// through shared memory. The slices share the terms of a step.
struct SimtTile {
  int bm = 64, bn = 64, bk = 16;
  int tm = 4, tn = 4;  // multiples of 4
  int slices = 1;
  int stages = 2;  // buffers in shared memory: 2 saves a barrier a step
  int threads() const { return (bm / tm) * (bn / tn) * slices; }
};

// What the cooperative matrices of a block are made of.
enum class MatrixOperands : uint8_t {
  kHalves,     // 16-bit operands as they are
  kSplitBf16,  // f32 operands as sums of two bf16 values: three products, about 2^-16 of error
  kScaledF16,  // f32 operands as f16 ones, each side scaled by a power of two so that its largest element is large: one product and TF32's error
};

// A block of bm x bn results is computed by (bm / wm) * (bn / wn) subgroups, each with a wm x wn part in cooperative matrices of one shape.
struct MatrixTile {
  MatrixShape shape;
  uint32_t subgroup = 32;
  int bm = 128, bn = 128, bk = 32;
  int wm = 64, wn = 32;
  int stages = 1;
  MatrixOperands operands = MatrixOperands::kHalves;
  bool split() const { return operands == MatrixOperands::kSplitBf16; }
  bool scaled() const { return operands == MatrixOperands::kScaledF16; }
  int threads() const { return (bm / wm) * (bn / wn) * static_cast<int>(subgroup); }
};

struct GemmPlan {
  enum class Family : uint8_t { kDirect, kSimt, kMatrix } family = Family::kSimt;
  SimtTile simt;
  MatrixTile matrix;
  int64_t splits = 1;  // of k, summed by a second kernel
  // "simt_128x128x16_8x8", "matrix_128x128x32_16x16x16_split4", "direct", ...
  std::string Name() const;
};

// Shared memory in bytes that a tile takes.
int64_t SharedBytes(const SimtTile& tile, DType accumulator);
int64_t SharedBytes(const MatrixTile& tile);

// How many of a plan's workgroups the model counts on at a time on a compute unit; 0 for kDirect, which has no tiles.
double ResidentWorkgroups(const GemmPlan& plan, const Contraction& c, const DeviceLimits& limits);

// Every plan that the device can run for this contraction, the model's choice first.
std::vector<GemmPlan> GemmPlans(const Contraction& c, const DeviceLimits& limits);

// The kernels of a plan.
KernelSequence MakeContraction(const Contraction& c, const GemmPlan& plan, const DeviceLimits& limits);

}  // namespace tfvk::kernels
