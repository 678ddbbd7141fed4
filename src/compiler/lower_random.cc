// Random bits.
#include "compiler/lower.h"
#include "kernels/random.h"

namespace tfvk::compiler {

kernels::KernelSequence LowerRandom(const LoweringInput& input) {
  const ir::Node& node = *input.fusion.hero();
  kernels::RandomBitsSpec spec;
  spec.name = KernelName(input.fusion);
  spec.algorithm = node.attr<ir::RngAttr>().algorithm == ir::RngAlgorithm::kPhilox ? kernels::RandomBitsSpec::Algorithm::kPhilox
                                                                                   : kernels::RandomBitsSpec::Algorithm::kThreefry;
  spec.state = input.Operand(node.operands[0]);
  spec.dtype = node.results[1].dtype;
  spec.shape = node.results[1].shape;
  return kernels::MakeRandomBits(spec, input.limits);
}

}  // namespace tfvk::compiler
