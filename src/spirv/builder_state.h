// The module under construction: its sections as words, its deduplicated types and constants, its capabilities. Private to spirv/.
#pragma once

#include <spirv/unified1/GLSL.std.450.h>

#include <spirv/unified1/spirv.hpp11>
#include <unordered_map>

#include "spirv/builder.h"
#include "spirv/id_map.h"
#include "types/error.h"

namespace tfvk::spirv {

using Words = std::vector<uint32_t>;

inline void Put(Words& section, spv::Op op, std::initializer_list<uint32_t> operands) {
  section.push_back(static_cast<uint32_t>(operands.size() + 1) << 16 | static_cast<uint32_t>(op));
  section.insert(section.end(), operands);
}
void Put(Words& section, spv::Op op, const Words& operands);
// A literal string as SPIR-V stores it: zero-terminated, four characters a word.
void AppendString(Words& words, const std::string& text);

// What an IdMap key is about; the key's low word then holds that entity's properties.
enum class Entity : uint8_t {
  kScalarType = 1,
  kVectorType,
  kPointerType,
  kElementArrayType,
  kMatrixType,
  kPairType,
  kConstant,
  kSplat,
  kBuiltin,
  kBuiltinValue,
  kArgument,
  kComputed
};
// Values computed once in the prologue that are no builtins themselves.
enum class Computed : uint8_t { kLinearWorkgroupId, kGlobalLinearId, kOpaqueZero };

struct Builder::State {
  State(Builder* builder, BuilderOptions build_options);

  // ---- Ids and instructions ----
  Id NewId() { return next_id++; }
  // Appends an instruction with a result to the current block.
  Id Emit(spv::Op op, Id type, std::initializer_list<uint32_t> operands);
  Id EmitExtended(GLSLstd450 function, Id type, std::initializer_list<uint32_t> operands);
  Id EmitTo(Words& section, spv::Op op, Id type, std::initializer_list<uint32_t> operands);
  Value Make(Id id, DType dtype, int lanes) const;
  Value MakeConstant(Id id, DType dtype, int64_t bits) const;
  // The same register read as another dtype of the same SPIR-V type (s32 as u32, u16 as bf16).
  Value Retag(Value v, DType dtype) const;

  // Of f32 values that were widened from 16 bits: the bf16 value, or the u32 whose low half is an f16's bits. Narrowing them again costs nothing.
  std::unordered_map<Id, Value> narrow_of;

  // ---- Types ----
  Id TypeOf(DType dtype, int lanes = 1);
  Id TypeOf(Value v) { return TypeOf(v.dtype(), v.lanes()); }
  Id PointerTo(spv::StorageClass storage, Id pointee);
  // Pointer in PhysicalStorageBuffer to a struct of one runtime array of scalars.
  Id ElementArrayPointer(DType dtype);
  Id MatrixTypeOf(const MatrixType& type);
  Id PairType(Id member);
  Id ComponentType(DType dtype);

  // ---- Capabilities ----
  void Require(spv::Capability capability);
  void Extension(const char* name);
  // Declares what arithmetic (not only loads, stores and conversions) on a dtype needs.
  void UseArithmetic(DType dtype);
  void UseStorage(DType dtype);

  // ---- Globals ----
  // The address of the argument block: a u64.
  Id ArgumentBlock();
  // A u32 that is 0 in every launch, which no driver can know.
  Value OpaqueZero();
  Id BuiltinValue(spv::BuiltIn builtin, int component, int components);
  Id U32Id(uint32_t v) { return builder->U32(v).id(); }
  Id Glsl();
  Id DeclareVariable(Id type, Id initializer = 0);
  spv::Scope DeviceScope() const { return options.vulkan_memory_model ? spv::Scope::QueueFamily : spv::Scope::Device; }
  // Decorates a float operation when exactness is asked for; returns `id`.
  Id Exact(Id id) {
    if (exact) Put(decorations, spv::Op::OpDecorate, {id, static_cast<uint32_t>(spv::Decoration::NoContraction)});
    return id;
  }

  // ---- Blocks ----
  void Label(Id label);
  void Branch(Id target) { Put(body, spv::Op::OpBranch, {target}); }

  void PutExecutionModes(Words& words);

  // ---- Memory ----
  // A pointer to `lanes` elements at element `index` of device memory.
  Id ElementPointer(const Pointer& p, Value index, int lanes);
  Id SharedElement(const Shared& shared, Value index);
  // Memory operands of a load (availability false) or store; alignment 0: none.
  Words MemoryAccess(uint32_t alignment, bool shared, bool store);
  Id MatrixPointer(const Pointer& p, Value index);

  // ---- Conversions ----
  Value ConvertInteger(Value v, DType to);
  Value SignExtended(Value v, DType to);
  Value ConvertFloat(Value v, DType to);
  // The f32 nearest to `v` that f16 can hold.
  Value RoundToHalf(Value v);
  // v's f16 bits in a u32's low half, the high one zero; with exact_f16_conversion.
  Value ConvertedHalfBits(Value v);
  Value RoundToBrain(Value v);
  Value RoundToOdd(Value v);

  // ---- Subgroups ----
  Value SubgroupArithmetic(SubgroupOp op, spv::GroupOperation how, Value v);
  Value AcrossLanes(Value v, const std::function<Value(Value)>& move);

  Builder* builder;
  BuilderOptions options;
  Words decorations, globals, variables, prologue, body;
  IdMap ids;
  std::vector<spv::Capability> capabilities;
  std::vector<const char*> extensions;
  Words interface;
  Id next_id = 1;
  Id function = 0, entry = 0, block = 0, glsl = 0, void_type = 0, push_constant = 0;
  uint32_t shared_bytes = 0, argument_count = 0;
  bool exact = false, finished = false;

  static constexpr IdMap::Key KeyOf(Entity entity, uint64_t low, uint64_t extra = 0) { return {static_cast<uint64_t>(entity) | extra << 8, low}; }
};

// The free operators' way into the builder.
struct Operators {
  enum class Kind : uint8_t { kAdd, kSub, kMul, kDiv, kRem, kAnd, kOr, kXor, kShl, kShr, kLt, kLe, kGt, kGe, kEq, kNe };
  static Value Binary(Kind kind, Value a, Value b);
  static Value Negate(Value a);
  static Value Not(Value a);
  static Value Number(Value like, int64_t number);
  static Value Number(Value like, double number);

 private:
  static std::optional<int64_t> Fold(Kind kind, DType dtype, int64_t a, int64_t b);
  static Value Identity(Kind kind, Value a, Value b);
  static Value SignedRemainder(Builder::State& s, Value a, Value b);
};

// Sign- or zero-extends the low bits of `bits` to 64 as a constant of `dtype` is kept.
int64_t ExtendBits(DType dtype, uint64_t bits);

}  // namespace tfvk::spirv
