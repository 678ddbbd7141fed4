#include "kernels/gemm_registers.h"

#include <limits>

namespace tfvk::kernels {
namespace {

using Vendor = DeviceLimits::Vendor;

// A thread of Intel's has 128 registers as wide as its narrowest subgroup, so an invocation of such a subgroup has 128 words. The estimates below are fitted to
// "Max live registers" of the hot kernels on skl, tgl, dg2 and bmg (Mesa 26.1.6, `make bench-drivers`), where kernels begin to spill at 130 words.
constexpr double kMostSimtWords = 131, kMostMatrixWords = 128;

// Loaded along k in more than one element at once, to be stored along the outer axis.
bool IsTurned(const ContractionSide& side) { return side.vector > 1 && side.contiguous == Axis::kK; }

bool IsConvolution(const Contraction& c) { return c.k.size() > 1 || c.m.size() > 1; }

double Staged(double outer, double k, int threads) { return outer * k / threads; }

double IntelWords(const SimtTile& t, const Contraction& c) {
  double words = 32 + 2.2 * t.tm * t.tn + 0.75 * Staged(t.bm + t.bn, t.bk, t.threads());
  for (const ContractionSide* side : {&c.lhs, &c.rhs}) words += IsTurned(*side) ? 12 : side->vector == 1 ? 16 : 0;
  if (t.tn > t.tm) words += 8;
  return words + (IsConvolution(c) ? 8 : 0);
}

double IntelWords(const MatrixTile& t, const Contraction& c) {
  const double subgroup = t.subgroup, parts = t.split() ? 2 : 1;
  const double sums = parts * t.wm * t.wn / subgroup;
  const double fragments = parts * (t.wm + t.wn) * t.bk / 2.0 / subgroup;  // two elements a word
  double words = 46 + 1.83 * sums + 0.5 * parts * Staged(t.bm + t.bn, t.bk, t.threads()) + 0.83 * fragments;
  if (t.scaled()) words += 2;
  if (c.lhs.contiguous == Axis::kOuter) words += 8;
  // Elements that are loaded alone have addresses of their own.
  if (c.lhs.vector == 1) words += 14 + 3 * Staged(t.bm, t.bk, t.threads());
  if (c.rhs.vector == 1) words += 14 + 3 * Staged(t.bn, t.bk, t.threads());
  return words;
}

}  // namespace

bool FitsRegisters(const SimtTile& tile, const Contraction& c, const DeviceLimits& limits) {
  return limits.vendor != Vendor::kIntel || IntelWords(tile, c) <= kMostSimtWords;
}

bool FitsRegisters(const MatrixTile& tile, const Contraction& c, const DeviceLimits& limits) {
  return limits.vendor != Vendor::kIntel || IntelWords(tile, c) <= kMostMatrixWords * limits.min_subgroup_size / tile.subgroup;
}

double ResidentInvocations(const DeviceLimits& limits) {
  // Intel's subslices before matrix units: 56 threads of 8 lanes on Gen9 (Gen12 has twice as many, but nothing here tells them apart).
  return limits.vendor == Vendor::kIntel && limits.matrices.empty() ? 448 : 1024;
}

double ResidentByShared(int64_t shared_bytes, const DeviceLimits& limits) {
  if (shared_bytes == 0) return std::numeric_limits<double>::infinity();
  if (limits.vendor == Vendor::kAmd) return static_cast<double>(65536 / shared_bytes);  // a compute unit's own half of a work group processor's 128 KiB
  if (limits.vendor != Vendor::kIntel) return std::numeric_limits<double>::infinity();
  int64_t taken = 1024;  // Intel allots powers of two (Xe2 a few sizes more)
  while (taken < shared_bytes) taken *= 2;
  return static_cast<double>((limits.matrices.empty() ? 65536 : 131072) / taken);  // of a subslice: Gen9, Xe-HPG
}

}  // namespace tfvk::kernels
