// Making, copying and printing XLA's HloModules, behind a header that costs nothing to include (XLA's own take half a minute to compile).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace xla {
class HloModule;
class HloModuleProto;
class XlaComputation;
}  // namespace xla

namespace tfvk::hlo {

struct ModuleDeleter {
  void operator()(xla::HloModule* module) const;
};
using ModulePtr = std::unique_ptr<xla::HloModule, ModuleDeleter>;

// The module of what tf2xla made (XlaCompiler::CompilationResult::computation), with default entry layouts. Throws Error(kInternal) with XLA's message.
ModulePtr ModuleFromComputation(const xla::XlaComputation& computation);
ModulePtr ModuleFromProto(const xla::HloModuleProto& proto);
// HLO's text form, "HloModule name ..." first. Throws Error(kInvalidArgument) with the parser's message.
ModulePtr ModuleFromText(const std::string& text);
std::string ToText(const xla::HloModule& module);
ModulePtr Clone(const xla::HloModule& module);
// With bytes in the place of floats of 8 and integers of 4 bits, as ModuleFromComputation gives it.
ModulePtr CloneWithoutNarrowTypes(const xla::HloModule& module);

// What a caller passes to the entry computation and gets from it, tuples flattened depth first. This is also the order of Import's parameters and outputs
// and of Evaluate's buffers.
struct Signature {
  std::vector<ir::TensorType> parameters, outputs;
  std::vector<int> aliases;  // output i may take parameter aliases[i]'s memory; -1: none
};
// A complex array is one of floats with a last dimension of 2, as SplitComplex (split_complex.h) leaves it.
// Throws Error(kUnimplemented) for element types that the device path does not have (8-bit floats, 4-bit integers) and for dynamic dimensions.
Signature SignatureOf(const xla::HloModule& module);

}  // namespace tfvk::hlo
