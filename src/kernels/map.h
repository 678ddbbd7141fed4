// Elementwise kernels: one function of an index, for every index of a shape. Broadcasts, slices, pads, concatenations, gathers and transposes are element
// functions that compute another index, so a whole fusion of such operations is one Map.
#pragma once

#include "kernels/emitter.h"

namespace tfvk::kernels {

struct MapSpec {
  std::string name;
  Shape shape;                 // the iteration space; every result has this shape
  std::vector<DType> results;  // result i is Tensor{kResult, i}
  Body body;                   // gives one value a result
  bool contiguous = false;     // the body reads big operands at (nearly) consecutive addresses for consecutive indices: unroll over consecutive elements
};

// Throws Error(kUnimplemented) when the device cannot do what the body needs.
KernelSequence MakeMap(const MapSpec& spec, const DeviceLimits& limits);

}  // namespace tfvk::kernels
