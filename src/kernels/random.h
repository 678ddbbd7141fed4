// Counter-based random bits: Philox4x32-10 and Threefry2x32-20 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011), and the
// streams that XLA's RngBitGenerator defines with them.
#pragma once

#include <array>

#include "kernels/emitter.h"

namespace tfvk::kernels {

// All values are u32; words of a counter or key come lowest first. TensorFlow's PhiloxRandom is the same function.
std::array<spirv::Value, 4> Philox4x32(Emitter& e, std::array<spirv::Value, 4> counter, std::array<spirv::Value, 2> key);
std::array<spirv::Value, 2> Threefry2x32(Emitter& e, std::array<spirv::Value, 2> counter, std::array<spirv::Value, 2> key);

// RngBitGenerator: from a state of u64 words to the new state (result 0) and the bits (result 1).
struct RandomBitsSpec {
  enum class Algorithm : uint8_t { kPhilox, kThreefry };
  std::string name;
  Algorithm algorithm = Algorithm::kPhilox;
  Tensor state;               // u64[2] {key, counter}, or for Philox u64[3] {key, counter's low half, its high half}
  DType dtype = DType::kU32;  // of the bits: u8, u16, u32 or u64
  Shape shape;                // static
};
KernelSequence MakeRandomBits(const RandomBitsSpec& spec, const DeviceLimits& limits);

}  // namespace tfvk::kernels
