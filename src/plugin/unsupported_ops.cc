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
    // tf2xla's gradients of these lack a conjugate.
    for (const char* op : {"SqrtGrad", "RsqrtGrad", "ReciprocalGrad", "InvGrad"}) (*made)[op] = {tensorflow::DT_COMPLEX64, tensorflow::DT_COMPLEX128};
    // Results whose sizes depend on the data.
    whole({"NonMaxSuppressionV3"});
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
