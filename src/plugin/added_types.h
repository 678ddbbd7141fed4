// Types that this plugin adds to ops that tf2xla has. tf2xla takes one registration of an op, its own; but what it registers are kernels of TensorFlow, for a
// device on which graphs are lowered, and there another one of other types can stand beside it. Both doors find it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "plugin/element_types.h"
#include "tensorflow/core/framework/kernel_def.pb.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace tfvk::plugin {

using MakeKernel = tensorflow::OpKernel* (*)(tensorflow::OpKernelConstruction*);

// Registers a kernel of `op`, derived from XlaOpKernel, for these types of its attributes. Where tf2xla has them too, this one comes before its own.
void AddTypes(const std::string& op, const std::map<std::string, TypeSet>& types, MakeKernel make);

template <class Kernel>
void AddTypes(const std::string& op, const std::map<std::string, TypeSet>& types) {
  AddTypes(op, types, [](tensorflow::OpKernelConstruction* c) -> tensorflow::OpKernel* { return new Kernel(c); });
}

// Floats of 8 bits: tf2xla has them in every op that takes any type, but the device can only move and cast them.
const TypeSet& NarrowTypes();
bool TakesNarrowType(const std::string& op, tensorflow::DataType type);

// tf2xla's kernels for this plugin's backend, the added types among theirs.
std::vector<tensorflow::KernelDef> XlaKernels();

// The families that add types. Each is called once, before XlaKernels.
void AddRetypedOps();
void AddMatrixTypes();
void AddTridiagonalTypes();
void AddMaxPoolGradGradTypes();
void AddImagePatchTypes();
void AddFusedConvolutionTypes();
void AddNarrowCasts();
void AddStridedAssigns();
void AddErfc();

}  // namespace tfvk::plugin
