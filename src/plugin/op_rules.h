// Rules by which ops are registered: which of an op's types, which of its arguments live in host memory, and what TensorFlow's own kernels already cover.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "plugin/element_types.h"
#include "tensorflow/core/framework/kernel_def.pb.h"
#include "tensorflow/core/framework/op_def.pb.h"

namespace tfvk::plugin {

// The kernels that TensorFlow has: for this plugin's device type (DEFAULT ones included) and for the CPU, by op.
struct KnownKernels {
  std::map<std::string, std::vector<tensorflow::KernelDef>> device, cpu;
  static KnownKernels Query();
};

// Reads or writes resource variables, as opposed to tables, stacks and other resources.
bool IsVariableOp(const std::string& op);

// Has variants, references, resources that are no variables, or resources as results: ops that no kernel of this plugin takes.
bool HasForeignArguments(const tensorflow::OpDef& op);

// The type attribute that decides where an op runs: that of the first input that is not compiled in as a constant, else of the first output; of variables
// the element type. Empty when no argument's type is an attribute.
std::string PrimaryTypeAttribute(const tensorflow::OpDef& op);

// The types that `kernels` allow for an attribute; `*any` is set when one of them allows every type.
TypeSet CoveredTypes(const std::vector<tensorflow::KernelDef>& kernels, const std::string& attribute, bool* any);

// The types that a kernel's constraint on the attribute allows; empty without such a constraint.
TypeSet ConstraintTypes(const tensorflow::KernelDef& kernel, const std::string& attribute);
void SetConstraintTypes(tensorflow::KernelDef& kernel, const std::string& attribute, const TypeSet& types);

// Is the op, for int32, computation on shapes: in host memory and on the CPU, as TensorFlow does for CUDA? `attribute` is the primary type attribute.
bool IsHostOpForInt32(const tensorflow::OpDef& op, const std::string& attribute);

// Puts compiled-in constants, resources and strings in host memory.
void SetHostMemory(tensorflow::KernelDef& kernel, const tensorflow::OpDef& op);

}  // namespace tfvk::plugin
