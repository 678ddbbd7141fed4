// Tuples of values that live across control flow (in variables), between invocations (in shared memory) or between kernels (in scratch memory). All three
// hold compute types; a bool is stored as u32, since shared memory has no bool.
#pragma once

#include <vector>

#include "kernels/emitter.h"

namespace tfvk::kernels {

using Values = std::vector<spirv::Value>;

inline DType StoredType(DType t) { return t == DType::kBool ? DType::kU32 : ComputeType(t); }
inline spirv::Value ToStored(Emitter& e, spirv::Value v) { return v.dtype() == DType::kBool ? e.b().Select(v, e.b().U32(1), e.b().U32(0)) : v; }
inline spirv::Value FromStored(spirv::Value v, DType t) { return t == DType::kBool ? v != 0 : v; }

class TupleVariable {
 public:
  TupleVariable(Emitter& e, const std::vector<DType>& dtypes) {
    for (DType t : dtypes) variables_.push_back(e.b().Declare(ComputeType(t)));
  }
  void Set(const Values& values) {
    for (size_t i = 0; i < variables_.size(); ++i) variables_[i].Set(values[i]);
  }
  Values Get() const {
    Values values;
    for (const auto& v : variables_) values.push_back(v.Get());
    return values;
  }

 private:
  std::vector<spirv::Variable> variables_;
};

class TupleShared {
 public:
  TupleShared(Emitter& e, const std::vector<DType>& dtypes, uint32_t count) : e_(e), dtypes_(dtypes) {
    for (DType t : dtypes) arrays_.push_back(e.b().SharedArray(StoredType(t), count));
  }
  Values Load(spirv::Value index) const {
    Values values;
    for (size_t i = 0; i < arrays_.size(); ++i) values.push_back(FromStored(e_.b().Load(arrays_[i], index), dtypes_[i]));
    return values;
  }
  void Store(spirv::Value index, const Values& values) const {
    for (size_t i = 0; i < arrays_.size(); ++i) e_.b().Store(arrays_[i], index, ToStored(e_, values[i]));
  }

 private:
  Emitter& e_;
  std::vector<DType> dtypes_;
  std::vector<spirv::Shared> arrays_;
};

// Bytes of one tuple in shared or scratch memory.
inline int64_t StoredBytes(const std::vector<DType>& dtypes) {
  int64_t bytes = 0;
  for (DType t : dtypes) bytes += static_cast<int64_t>(ByteSize(StoredType(t)));
  return bytes;
}

// `count` tuples in scratch memory, an array a component.
class TupleScratch {
 public:
  TupleScratch(std::vector<DType> dtypes, int64_t count, int64_t offset) : dtypes_(std::move(dtypes)) {
    for (DType t : dtypes_) {
      offsets_.push_back(offset);
      offset += (count * static_cast<int64_t>(ByteSize(StoredType(t))) + 255) / 256 * 256;
    }
    end_ = offset;
  }
  int64_t end() const { return end_; }  // the first byte behind, a multiple of 256 when the offset was one
  Values Load(Emitter& e, spirv::Value index) const {
    Values values;
    for (size_t i = 0; i < dtypes_.size(); ++i) values.push_back(FromStored(e.b().Load(e.Scratch(StoredType(dtypes_[i]), offsets_[i]), index), dtypes_[i]));
    return values;
  }
  void Store(Emitter& e, spirv::Value index, const Values& values) const {
    for (size_t i = 0; i < dtypes_.size(); ++i) e.b().Store(e.Scratch(StoredType(dtypes_[i]), offsets_[i]), index, ToStored(e, values[i]));
  }

 private:
  std::vector<DType> dtypes_;
  std::vector<int64_t> offsets_;
  int64_t end_ = 0;
};

}  // namespace tfvk::kernels
