#include "kernels/gemm_occupancy.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tfvk::kernels {
namespace {

using Vendor = DeviceLimits::Vendor;

constexpr double kRegisters = 65536;  // words of a compute unit

// Estimates of the words that an invocation keeps in registers. They are fitted to what the drivers say of the hot kernels (Mesa 26.1.6, `make bench-drivers`).

// A thread of Intel's has 128 registers as wide as its narrowest subgroup, so an invocation of such a subgroup has 128 words. Kernels of skl, tgl, dg2 and bmg
// begin to spill where "Max live registers" says 130 words.
constexpr double kMostIntelSimtWords = 131, kMostIntelMatrixWords = 128;
// NVK (chip 172, Ampere) has 255, RADV 256; their compilers cope with estimates a little above them.
constexpr double kMostMatrixWords = 290;

// Loaded along k in more than one element at once, to be stored along the outer axis.
bool IsTurned(const ContractionSide& side) { return side.vector > 1 && side.contiguous == Axis::kK; }

bool IsConvolution(const Contraction& c) { return c.k.size() > 1 || c.m.size() > 1; }

// Elements that an invocation has on their way to shared memory.
double Staged(double outer, double k, int threads) { return outer * k / threads; }

// Elements that are loaded one by one have addresses of their own.
template <typename Tile>
double AddressWords(const Tile& t, const Contraction& c) {
  double words = 0;
  if (c.lhs.vector == 1) words += 14 + 3 * Staged(t.bm, t.bk, t.threads());
  if (c.rhs.vector == 1) words += 14 + 3 * Staged(t.bn, t.bk, t.threads());
  return words;
}

double Sums(const MatrixTile& t) { return static_cast<double>(t.wm) * t.wn / t.subgroup * (t.split() ? 2 : 1); }

double IntelWords(const SimtTile& t, const Contraction& c) {
  double words = 32 + 2.2 * t.tm * t.tn + 0.75 * Staged(t.bm + t.bn, t.bk, t.threads());
  for (const ContractionSide* side : {&c.lhs, &c.rhs}) words += IsTurned(*side) ? 12 : side->vector == 1 ? 16 : 0;
  if (t.tn > t.tm) words += 8;
  if (t.slices > 1) words += 20;
  return words + (IsConvolution(c) ? 8 : 0);
}

double IntelWords(const MatrixTile& t, const Contraction& c) {
  const double parts = t.split() ? 2 : 1, subgroup = t.subgroup;
  const double fragments = parts * (t.wm + t.wn) * t.bk / 2.0 / subgroup;  // two elements a word
  double words = 46 + 1.83 * Sums(t) + 0.5 * parts * Staged(t.bm + t.bn, t.bk, t.threads()) + 0.83 * fragments + AddressWords(t, c);
  if (t.scaled()) words += 2;
  if (c.output.epilogue) words += 8;  // its operands, and what it makes of scalars
  return words + (c.lhs.contiguous == Axis::kOuter ? 8 : 0);
}

double NvkWords(const SimtTile& t, const Contraction& c) { return 40 + 1.5 * t.tm * t.tn + (IsConvolution(c) ? AddressWords(t, c) : 0); }

double MatrixWords(const MatrixTile& t, const Contraction& c) {
  return 40 + 1.5 * Sums(t) + 0.75 * (t.split() ? 2 : 1) * Staged(t.bm + t.bn, t.bk, t.threads()) + AddressWords(t, c);
}

// How many workgroups the shared memory of a compute unit is enough for.
double ResidentByShared(int64_t bytes, const DeviceLimits& limits) {
  switch (limits.vendor) {
    case Vendor::kAmd:
      return std::floor(65536.0 / static_cast<double>(bytes));  // a compute unit's own half of a work group processor's 128 KiB
    case Vendor::kNvk:
      return std::floor(102400.0 / static_cast<double>(bytes + 1024));  // Ampere, which keeps 1 KiB a workgroup
    case Vendor::kIntel: {
      int64_t taken = 1024;  // powers of two; Xe2 has a few sizes more
      while (taken < bytes) taken *= 2;
      return static_cast<double>((limits.matrices.empty() ? 65536 : 131072) / taken);  // of a subslice: Gen9, Xe-HPG
    }
    default:
      return std::numeric_limits<double>::infinity();
  }
}

// Invocations that a compute unit holds at the register counts of SIMT kernels.
double ResidentInvocations(const SimtTile& t, const Contraction& c, const DeviceLimits& limits) {
  if (limits.vendor == Vendor::kNvk) return std::min(1536.0, kRegisters / NvkWords(t, c));  // Ampere
  // Intel's subslices without matrix units: 56 threads of 8 lanes on Gen9. (Gen12 has twice as many, but nothing here tells them apart.)
  return limits.vendor == Vendor::kIntel && limits.matrices.empty() ? 448 : 1024;
}

}  // namespace

bool FitsRegisters(const SimtTile& tile, const Contraction& c, const DeviceLimits& limits) {
  return limits.vendor != Vendor::kIntel || IntelWords(tile, c) <= kMostIntelSimtWords;
}

bool FitsRegisters(const MatrixTile& tile, const Contraction& c, const DeviceLimits& limits) {
  if (limits.vendor == Vendor::kIntel) return IntelWords(tile, c) <= kMostIntelMatrixWords * limits.min_subgroup_size / tile.subgroup;
  const bool known = limits.vendor == Vendor::kNvk || limits.vendor == Vendor::kAmd;
  return !known || MatrixWords(tile, c) <= kMostMatrixWords;
}

double ResidentWorkgroups(const SimtTile& tile, const Contraction& c, const DeviceLimits& limits) {
  const double by_registers = std::floor(ResidentInvocations(tile, c, limits) / tile.threads());
  return std::max(1.0, std::min(by_registers, ResidentByShared(SharedBytes(tile, c.accumulator), limits)));
}

double ResidentWorkgroups(const MatrixTile& tile, const Contraction& c, const DeviceLimits& limits) {
  const double words = limits.vendor == Vendor::kNvk ? std::min(255.0, MatrixWords(tile, c)) : 40 + 1.5 * Sums(tile);
  return std::max(1.0, std::min(std::floor(kRegisters / (words * tile.threads())), ResidentByShared(SharedBytes(tile), limits)));
}

}  // namespace tfvk::kernels
