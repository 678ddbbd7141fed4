#include "plugin/unsupported_ops.h"

#include <map>
#include <vector>

namespace tfvk::plugin {
namespace {

// An empty list of types: none of the op's types can be lowered. Each family names the HLO that is missing.
const std::map<std::string, TypeSet>& Table() {
  static const auto* const table = [] {
    auto* made = new std::map<std::string, TypeSet>;
    const auto whole = [&](std::initializer_list<const char*> ops) {
      for (const char* op : ops) (*made)[op] = {};
    };
    // fft, and complex numbers around it.
    whole({"FFT", "FFT2D", "FFT3D", "IFFT", "IFFT2D", "IFFT3D", "RFFT", "RFFT2D", "RFFT3D", "IRFFT", "IRFFT2D", "IRFFT3D", "Complex", "ComplexAbs", "Real",
           "Imag", "Conj", "Angle"});
    // Results whose sizes depend on the data.
    whole({"Where", "Unique", "UniqueV2", "UniqueWithCounts", "NonMaxSuppressionV3", "NonMaxSuppressionV4", "Bincount", "DenseBincount"});
    return made;
  }();
  return *table;
}

}  // namespace

TypeSet UnsupportedTypes(const std::string& op, bool* whole_op) {
  const auto entry = Table().find(op);
  *whole_op = entry != Table().end() && entry->second.empty();
  return entry == Table().end() ? TypeSet{} : entry->second;
}

}  // namespace tfvk::plugin
