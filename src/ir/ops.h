// What is the same for every node of an operation: its name, its attribute struct, how many operands and regions it has.
#pragma once

#include <cstddef>

#include "ir/graph.h"

namespace tfvk::ir {

// Which alternative of Attributes a node carries; the values are the alternatives' indices.
enum class AttributeKind : uint8_t { kNone, kDims, kConstant, kSlice, kPad, kCompare, kDot, kWindow, kConvolution, kGather, kScatter, kSort, kRng };
inline constexpr int kVariadic = -1;

struct OpInfo {
  const char* name;
  AttributeKind attribute;
  int operands;  // or kVariadic
  int regions;   // or kVariadic
};
const OpInfo& Info(Op op);

// An attribute struct of the given kind with its default values.
Attributes MakeAttributes(AttributeKind kind);

}  // namespace tfvk::ir
