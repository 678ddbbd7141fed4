#include "compiler/position.h"

#include <algorithm>
#include <utility>

#include "types/error.h"

namespace tfvk::compiler {
namespace {

using kernels::Index;
using spirv::Value;

constexpr uint64_t kIndexTag = 1;

bool IsUnit(const Size& size) { return size.is_static() && size.value == 1; }

void AppendShape(ScopedValues::Key& key, const Shape& shape) {
  key.push_back(shape.size());
  for (const Size& s : shape) key.push_back(s.is_static() ? static_cast<uint64_t>(s.value) : ~static_cast<uint64_t>(s.symbol));
}

Shape WithoutUnits(const Shape& shape) {
  Shape result;
  for (const Size& s : shape) {
    if (!IsUnit(s)) result.push_back(s);
  }
  return result;
}

bool IsEmpty(const Shape& shape) { return std::find(shape.begin(), shape.end(), Size(0)) != shape.end(); }

// Ranges [from_begin, from_end) and [to_begin, to_end) of dimensions of two shapes that have as many elements.
struct Group {
  size_t from_begin, from_end, to_begin, to_end;
};

std::vector<Group> MatchGroups(const Shape& from, const Shape& to) {
  std::vector<Group> groups;
  size_t f = 0, t = 0;
  while (f < from.size() && t < to.size()) {
    Group g{f, f + 1, t, t + 1};
    if (from[f] != to[t]) {
      int64_t a = from[f].value, b = to[t].value;
      bool known = from[f].is_static() && to[t].is_static();
      while (known && a != b) {
        const Shape& shape = a < b ? from : to;
        size_t& end = a < b ? g.from_end : g.to_end;
        known = end < shape.size() && shape[end].is_static();
        if (known) (a < b ? a : b) *= shape[end++].value;
      }
      if (!known) g = {f, from.size(), t, to.size()};
    }
    groups.push_back(g);
    f = g.from_end;
    t = g.to_end;
  }
  if (f < from.size() || t < to.size()) {  // run-time sizes of one element are left over
    if (groups.empty()) groups.push_back({0, 0, 0, 0});
    groups.back().from_end = from.size();
    groups.back().to_end = to.size();
  }
  return groups;
}

}  // namespace

const std::vector<Value>* ScopedValues::Find(const Key& key) const {
  for (size_t i = scopes_.size(); i-- > 0;) {
    auto it = scopes_[i].find(key);
    if (it != scopes_[i].end()) return &it->second;
  }
  return nullptr;
}

Position Positions::Of(const Shape& shape, const Index& index) {
  Require(shape.size() == index.size(), "an index of {} numbers for a tensor of {} dimensions", index.size(), shape.size());
  Position at;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (IsUnit(shape[d])) continue;
    at.shape.push_back(shape[d]);
    at.index.push_back(index[d]);
  }
  return at;
}

void Positions::AppendTo(ScopedValues::Key& key, const Position& at) {
  AppendShape(key, at.shape);
  for (const Value& v : at.index) key.push_back(v.id());
}

Index Positions::In(const Shape& shape, const Position& at) {
  const Shape wanted = WithoutUnits(shape);
  Index dense;
  if (IsEmpty(wanted) || IsEmpty(at.shape)) {
    dense.assign(wanted.size(), e_.b().U32(0));  // code that never runs
  } else if (wanted == at.shape) {
    dense = at.index;
  } else {
    ScopedValues::Key key = {kIndexTag};
    AppendTo(key, at);
    AppendShape(key, wanted);
    if (const auto* found = values_.Find(key)) {
      dense = *found;
    } else {
      dense = Regroup(wanted, at);
      values_.Insert(std::move(key), dense);
    }
  }
  Index index;
  size_t next = 0;
  for (const Size& s : shape) index.push_back(IsUnit(s) ? e_.b().U32(0) : dense[next++]);
  return index;
}

Index Positions::Regroup(const Shape& shape, const Position& at) {
  Index result;
  for (const Group& g : MatchGroups(at.shape, shape)) {
    const Shape from(at.shape.begin() + g.from_begin, at.shape.begin() + g.from_end), to(shape.begin() + g.to_begin, shape.begin() + g.to_end);
    const Index index(at.index.begin() + g.from_begin, at.index.begin() + g.from_end);
    const Value linear = index.empty() ? e_.b().U32(0) : index.size() == 1 ? index[0] : e_.Linearize(from, index);
    const Index part = to.size() == 1 ? Index{linear} : e_.Delinearize(to, linear);
    result.insert(result.end(), part.begin(), part.end());
  }
  return result;
}

}  // namespace tfvk::compiler
