// Complex numbers as pairs of real ones.
#pragma once

namespace xla {
class HloModule;
}

namespace tfvk::hlo {

// Rewrites the module in terms of real arrays. Inside, a complex array is two arrays, its real and its imaginary parts; where a computation's parameter or
// result is a tuple or a loop's state, a tuple of the two stands in the complex array's place. Entry parameters and results stay in memory as they were: c64[S]
// becomes f32[S,2], c128[S] f64[S,2]. Throws Error(kUnimplemented) naming an instruction that has no such form. Instructions that XLA's expanders remove
// (Expand in passes.h) and fft must be gone.
void SplitComplex(xla::HloModule& module);

}  // namespace tfvk::hlo
