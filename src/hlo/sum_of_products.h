// Sums of batched products as single products.
#pragma once

namespace xla {
class HloModule;
}

namespace tfvk::hlo {

// sum over b of (x[b, k, m] y[b, k, n]) is one product of [b k, m] and [b k, n]: a matrix for each b is neither written nor read. TensorFlow's gradients of
// layers on sequences are such sums. A rounding of the products to 16 bits before the sum goes with it. For batched products whose batch and summed
// dimensions follow each other in both operands, and sums over all batch dimensions that begin from zero.
void JoinSumsOfProducts(xla::HloModule& module);

}  // namespace tfvk::hlo
