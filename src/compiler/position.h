// Where an element is, and values that are emitted once.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "kernels/emitter.h"

namespace tfvk::compiler {

// The place of an element in row-major order, expressed in a shape without unit dimensions. The same place can be expressed in any shape of as many elements,
// so a reshape changes nothing.
struct Position {
  Shape shape;
  kernels::Index index;
};

// Values by key, in the scopes of structured control flow: what a branch computed is forgotten when it ends, since it does not dominate the code after it.
class ScopedValues {
 public:
  using Key = std::vector<uint64_t>;
  const std::vector<spirv::Value>* Find(const Key& key) const;
  void Insert(Key key, std::vector<spirv::Value> values) { scopes_.back().emplace(std::move(key), std::move(values)); }
  void Push() { scopes_.emplace_back(); }
  void Pop() { scopes_.pop_back(); }

 private:
  std::vector<std::map<Key, std::vector<spirv::Value>>> scopes_ = std::vector<std::map<Key, std::vector<spirv::Value>>>(1);
};

// Converts positions between shapes, computing each index once.
class Positions {
 public:
  Positions(kernels::Emitter& emitter, ScopedValues& values) : e_(emitter), values_(values) {}

  static Position Of(const Shape& shape, const kernels::Index& index);
  // The index in `shape`, which has as many elements.
  kernels::Index In(const Shape& shape, const Position& at);
  // Appends what tells positions apart.
  static void AppendTo(ScopedValues::Key& key, const Position& at);

 private:
  kernels::Index Regroup(const Shape& shape, const Position& at);

  kernels::Emitter& e_;
  ScopedValues& values_;
};

}  // namespace tfvk::compiler
