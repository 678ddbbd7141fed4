// Random ops. TensorFlow's streams of random numbers are its own Philox generators', which tf2xla does not reproduce, so outside of compiled functions they
// are drawn by TensorFlow's CPU kernels: the numbers are the CPU's, bit for bit.
#pragma once

#include <set>
#include <string>

#include "plugin/op_rules.h"

namespace tfvk::plugin {

// The ops that RegisterRandomOps takes, so that door 2 leaves them.
const std::set<std::string>& RandomOps();
void RegisterRandomOps(const KnownKernels& known);

// The random ops that draw from a tf.random.Generator's state and move it on, which are in RandomOps too.
const std::set<std::string>& GeneratorOps();
// Registers one for the device; `definition` is the CPU kernel's with the device's type.
void RegisterGeneratorOp(tensorflow::KernelDef definition);

// StatelessRandomGammaV2 and V3, which are TensorFlow's generator in HLO: the numbers are the CPU's but for the last bits. They compute in fp64; without that
// they are among RandomOps.
void RegisterRandomGammaOps();

}  // namespace tfvk::plugin
