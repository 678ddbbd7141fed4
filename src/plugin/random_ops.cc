#include "plugin/random_ops.h"

#include "plugin/host_ops.h"
#include "plugin/platform.h"
#include "tensorflow/core/framework/op.h"

namespace tfvk::plugin {

const std::set<std::string>& RandomOps() {
  static const auto* const ops = [] {
    auto* made = new std::set<std::string>{
        "Multinomial",
        "ParameterizedTruncatedNormal",
        "RandomGamma",
        "RandomPoisson",
        "RandomPoissonV2",
        "RandomShuffle",
        "RandomStandardNormal",
        "RandomUniform",
        "RandomUniformInt",
        "StatelessMultinomial",
        "StatelessParameterizedTruncatedNormal",
        "StatelessRandomBinomial",
        "StatelessRandomGetAlg",
        "StatelessRandomGetKeyCounter",
        "StatelessRandomGetKeyCounterAlg",
        "StatelessRandomNormal",
        "StatelessRandomNormalV2",
        "StatelessRandomUniform",
        "StatelessRandomUniformFullInt",
        "StatelessRandomUniformFullIntV2",
        "StatelessRandomUniformInt",
        "StatelessRandomUniformIntV2",
        "StatelessRandomUniformV2",
        "StatelessTruncatedNormal",
        "StatelessTruncatedNormalV2",
        "TruncatedNormal",
    };
    made->insert(GeneratorOps().begin(), GeneratorOps().end());
    if (!ActiveBackend()->Supports(DType::kF64)) made->insert({"StatelessRandomGammaV2", "StatelessRandomGammaV3"});
    return made;
  }();
  return *ops;
}

void RegisterRandomOps(const KnownKernels& known) {
  for (const std::string& op : RandomOps()) {
    if (known.device.count(op) != 0 || known.cpu.count(op) == 0) continue;
    for (tensorflow::KernelDef kernel : known.cpu.at(op)) {
      kernel.set_device_type(DeviceType());
      kernel.set_priority(0);
      if (GeneratorOps().count(op) != 0) {
        RegisterGeneratorOp(std::move(kernel));
      } else {
        RegisterHostOp(std::move(kernel), /*counted=*/true);
      }
    }
  }
}

}  // namespace tfvk::plugin
