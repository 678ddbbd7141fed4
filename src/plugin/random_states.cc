#include "plugin/random_states.h"

#include <algorithm>
#include <string>
#include <vector>

namespace tfvk::plugin {
namespace {

uint64_t Entropy() {
  std::random_device device;
  return (static_cast<uint64_t>(device()) << 32) | device();
}

void MixSeeds(const tensorflow::NodeDef& node, uint64_t& seed) {
  for (const char* name : {"seed", "seed2"}) {
    const auto attribute = node.attr().find(name);
    if (attribute != node.attr().end() && attribute->second.i() != 0) seed = (seed ^ static_cast<uint64_t>(attribute->second.i())) * 0x9e3779b97f4a7c15 + 1;
  }
}

void MixSeeds(const tensorflow::FunctionDef& function, uint64_t& seed) {
  for (const tensorflow::NodeDef& node : function.node_def()) MixSeeds(node, seed);
}

}  // namespace

RandomStates::RandomStates(uint64_t seed) : generator_(seed == 0 ? Entropy() : seed) {}

std::array<uint64_t, 2> RandomStates::Next() {
  std::lock_guard<std::mutex> lock(mutex_);
  const uint64_t low = generator_();
  return {low, generator_()};
}

uint64_t SeedOf(const tensorflow::NodeDef& node) {
  uint64_t seed = 0;
  MixSeeds(node, seed);
  return seed;
}

uint64_t SeedOf(const std::string& function, const tensorflow::FunctionLibraryDefinition& library) {
  uint64_t seed = 0;
  const tensorflow::FunctionDef* definition = library.Find(function);
  if (definition == nullptr) return seed;
  MixSeeds(*definition, seed);
  const tensorflow::FunctionLibraryDefinition reachable = library.ReachableDefinitions(*definition);
  std::vector<std::string> names = reachable.ListFunctionNames();
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) MixSeeds(*reachable.Find(name), seed);
  return seed;
}

}  // namespace tfvk::plugin
