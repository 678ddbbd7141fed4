// Fourier transforms in terms of matrix products, elementwise operations and movement.
#pragma once

#include "xla/hlo/transforms/expanders/op_expander_pass.h"

namespace tfvk::hlo {

// Every fft, ifft, rfft and irfft, of any length and up to three dimensions. A length is split into factors of at most 64 (Cooley and Tukey 1965), each
// transformed by a product with the matrix of its roots of unity; a prime factor beyond 128 becomes a convolution of a power of two (Bluestein 1970). Roots are
// computed in double precision, and the products never lose bits (TF32).
class FftExpander : public xla::OpExpanderPass {
 public:
  absl::string_view name() const override { return "fft-expander"; }

 protected:
  bool InstructionMatchesPattern(xla::HloInstruction* instruction) override;
  absl::StatusOr<xla::HloInstruction*> ExpandInstruction(xla::HloInstruction* instruction) override;
};

}  // namespace tfvk::hlo
