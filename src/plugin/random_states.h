// What stateful random ops of compiled functions, and those with a seed that run alone, start from: each run gets a state of its own.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <random>

#include "tensorflow/core/framework/function.h"

namespace tfvk::plugin {

class RandomStates {
 public:
  // Seed 0: from the machine's entropy. Otherwise the sequence is a function of the seed.
  explicit RandomStates(uint64_t seed);
  std::array<uint64_t, 2> Next();

 private:
  std::mutex mutex_;
  std::mt19937_64 generator_;
};

// A mixture of the op's own seeds; 0 where it has none.
uint64_t SeedOf(const tensorflow::NodeDef& node);

// Of the random ops that the function reaches: a mixture of their seeds, which TensorFlow sets where the user called tf.random.set_seed or gave a seed. 0 where
// none is set, or the function is unknown.
uint64_t SeedOf(const std::string& function, const tensorflow::FunctionLibraryDefinition& library);

}  // namespace tfvk::plugin
