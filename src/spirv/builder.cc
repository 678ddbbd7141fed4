#include "spirv/builder.h"

#include <algorithm>
#include <cstring>

#include "spirv/builder_state.h"

namespace tfvk::spirv {

void Put(Words& section, spv::Op op, const Words& operands) {
  section.push_back(static_cast<uint32_t>(operands.size() + 1) << 16 | static_cast<uint32_t>(op));
  section.insert(section.end(), operands.begin(), operands.end());
}

void AppendString(Words& words, const std::string& text) {
  size_t start = words.size();
  words.resize(start + text.size() / 4 + 1, 0);
  std::memcpy(words.data() + start, text.data(), text.size());
}

Builder::State::State(Builder* owner, BuilderOptions build_options) : builder(owner), options(std::move(build_options)) {
  globals.reserve(512);
  body.reserve(2048);
  prologue.reserve(256);
  decorations.reserve(128);
  Require(spv::Capability::Shader);
  Require(spv::Capability::PhysicalStorageBufferAddresses);
  void_type = NewId();
  Put(globals, spv::Op::OpTypeVoid, {void_type});
  function = NewId();
  entry = block = NewId();
}

Id Builder::State::EmitTo(Words& section, spv::Op op, Id type, std::initializer_list<uint32_t> operands) {
  Id id = NewId();
  section.push_back(static_cast<uint32_t>(operands.size() + 3) << 16 | static_cast<uint32_t>(op));
  section.push_back(type);
  section.push_back(id);
  section.insert(section.end(), operands);
  return id;
}

Id Builder::State::Emit(spv::Op op, Id type, std::initializer_list<uint32_t> operands) { return EmitTo(body, op, type, operands); }

Id Builder::State::EmitExtended(GLSLstd450 extended, Id type, std::initializer_list<uint32_t> operands) {
  Id set = Glsl(), id = NewId();
  body.push_back(static_cast<uint32_t>(operands.size() + 5) << 16 | static_cast<uint32_t>(spv::Op::OpExtInst));
  body.insert(body.end(), {type, id, set, static_cast<uint32_t>(extended)});
  body.insert(body.end(), operands);
  return id;
}

Value Builder::State::Make(Id id, DType dtype, int lanes) const {
  Value v;
  v.builder_ = builder;
  v.id_ = id;
  v.dtype_ = dtype;
  v.lanes_ = static_cast<uint8_t>(lanes);
  return v;
}

Value Builder::State::MakeConstant(Id id, DType dtype, int64_t bits) const {
  Value v = Make(id, dtype, 1);
  v.constant_ = bits;
  return v;
}

Value Builder::State::Retag(Value v, DType dtype) const {
  if (v.constant_) v.constant_ = ExtendBits(dtype, static_cast<uint64_t>(*v.constant_));
  v.dtype_ = dtype;
  return v;
}

void Builder::State::Require(spv::Capability capability) {
  if (std::find(capabilities.begin(), capabilities.end(), capability) == capabilities.end()) capabilities.push_back(capability);
}

void Builder::State::Extension(const char* name) {
  for (const char* known : extensions) {
    if (std::strcmp(known, name) == 0) return;
  }
  extensions.push_back(name);
}

void Builder::State::UseArithmetic(DType dtype) {
  if (dtype == DType::kF16) Require(spv::Capability::Float16);
  if (dtype == DType::kS8 || dtype == DType::kU8) Require(spv::Capability::Int8);
  if (dtype == DType::kS16 || dtype == DType::kU16) Require(spv::Capability::Int16);
}

void Builder::State::UseStorage(DType dtype) {
  if (BitSize(dtype) == 8) Require(spv::Capability::StorageBuffer8BitAccess);
  if (BitSize(dtype) == 16) Require(spv::Capability::StorageBuffer16BitAccess);
}

Id Builder::State::TypeOf(DType dtype, int lanes) {
  if (dtype == DType::kBF16) dtype = DType::kU16;
  if (IsSigned(dtype)) dtype = static_cast<DType>(static_cast<int>(dtype) + 4);
  auto key = KeyOf(Entity::kScalarType, static_cast<uint64_t>(dtype));
  Id scalar = ids.Find(key);
  if (!scalar) {
    scalar = ids.Insert(key, NewId());
    uint32_t bits = static_cast<uint32_t>(BitSize(dtype));
    if (dtype == DType::kBool) {
      Put(globals, spv::Op::OpTypeBool, {scalar});
    } else if (IsFloat(dtype)) {
      Put(globals, spv::Op::OpTypeFloat, {scalar, bits});
    } else {
      Put(globals, spv::Op::OpTypeInt, {scalar, bits, 0});
    }
    if (dtype == DType::kU64) Require(spv::Capability::Int64);
    if (dtype == DType::kF64) Require(spv::Capability::Float64);
    if (dtype != DType::kBool) UseStorage(dtype);
  }
  if (lanes == 1) return scalar;
  key = KeyOf(Entity::kVectorType, scalar, static_cast<uint64_t>(lanes));
  if (Id id = ids.Find(key)) return id;
  Id id = ids.Insert(key, NewId());
  Put(globals, spv::Op::OpTypeVector, {id, scalar, static_cast<uint32_t>(lanes)});
  return id;
}

Id Builder::State::PointerTo(spv::StorageClass storage, Id pointee) {
  auto key = KeyOf(Entity::kPointerType, pointee, static_cast<uint64_t>(storage));
  if (Id id = ids.Find(key)) return id;
  Id id = ids.Insert(key, NewId());
  Put(globals, spv::Op::OpTypePointer, {id, static_cast<uint32_t>(storage), pointee});
  return id;
}

Id Builder::State::PairType(Id member) {
  auto key = KeyOf(Entity::kPairType, member);
  if (Id id = ids.Find(key)) return id;
  Id id = ids.Insert(key, NewId());
  Put(globals, spv::Op::OpTypeStruct, {id, member, member});
  return id;
}

Id Builder::State::Glsl() {
  if (!glsl) glsl = NewId();
  return glsl;
}

Id Builder::State::BuiltinValue(spv::BuiltIn builtin, int component, int components) {
  auto variable_key = KeyOf(Entity::kBuiltin, static_cast<uint64_t>(builtin));
  Id loaded = ids.Find(variable_key);
  Id type = TypeOf(DType::kU32, components);
  if (!loaded) {
    Id variable = NewId(), pointer = PointerTo(spv::StorageClass::Input, type);
    Put(globals, spv::Op::OpVariable, {pointer, variable, static_cast<uint32_t>(spv::StorageClass::Input)});
    Put(decorations, spv::Op::OpDecorate, {variable, static_cast<uint32_t>(spv::Decoration::BuiltIn), static_cast<uint32_t>(builtin)});
    interface.push_back(variable);
    loaded = ids.Insert(variable_key, EmitTo(prologue, spv::Op::OpLoad, type, {variable}));
  }
  if (components == 1) return loaded;
  auto key = KeyOf(Entity::kBuiltinValue, loaded, static_cast<uint64_t>(component));
  if (Id id = ids.Find(key)) return id;
  return ids.Insert(key, EmitTo(prologue, spv::Op::OpCompositeExtract, TypeOf(DType::kU32), {loaded, static_cast<uint32_t>(component)}));
}

Id Builder::State::DeclareVariable(Id type, Id initializer) {
  Id id = NewId();
  Words operands = {PointerTo(spv::StorageClass::Function, type), id, static_cast<uint32_t>(spv::StorageClass::Function)};
  if (initializer) operands.push_back(initializer);
  Put(variables, spv::Op::OpVariable, operands);
  return id;
}

void Builder::State::Label(Id label) {
  Put(body, spv::Op::OpLabel, {label});
  block = label;
}

Builder::Builder(BuilderOptions options) : s_(std::make_unique<State>(this, std::move(options))) {}
Builder::~Builder() = default;
uint32_t Builder::shared_bytes() const { return s_->shared_bytes; }
std::array<uint32_t, 3> Builder::workgroup() const { return s_->options.workgroup; }

// ---- Where this invocation is ----

Value Builder::LocalId(int dimension) {
  tfvk::Require(dimension >= 0 && dimension < 3, "[SPIR-V] LocalId takes a dimension from 0 to 2, not {}.", dimension);
  const auto& size = s_->options.workgroup;
  if (size[dimension] == 1) return U32(0);
  if (size[0] * size[1] * size[2] == size[dimension]) return LocalLinearId();
  return s_->Make(s_->BuiltinValue(spv::BuiltIn::LocalInvocationId, dimension, 3), DType::kU32, 1);
}

Value Builder::LocalLinearId() {
  const auto& size = s_->options.workgroup;
  if (size[0] * size[1] * size[2] == 1) return U32(0);
  return s_->Make(s_->BuiltinValue(spv::BuiltIn::LocalInvocationIndex, 0, 1), DType::kU32, 1);
}

Value Builder::LinearWorkgroupId() {
  State& s = *s_;
  auto key = State::KeyOf(Entity::kComputed, static_cast<uint64_t>(Computed::kLinearWorkgroupId));
  Id id = s.ids.Find(key);
  if (!id) {
    Id u32 = s.TypeOf(DType::kU32);
    Id row = s.BuiltinValue(spv::BuiltIn::WorkgroupId, 1, 3), width = s.BuiltinValue(spv::BuiltIn::NumWorkgroups, 0, 3);
    Id start = s.EmitTo(s.prologue, spv::Op::OpIMul, u32, {row, width});
    id = s.ids.Insert(key, s.EmitTo(s.prologue, spv::Op::OpIAdd, u32, {start, s.BuiltinValue(spv::BuiltIn::WorkgroupId, 0, 3)}));
  }
  return s.Make(id, DType::kU32, 1);
}

Value Builder::GlobalLinearId() {
  State& s = *s_;
  auto key = State::KeyOf(Entity::kComputed, static_cast<uint64_t>(Computed::kGlobalLinearId));
  Id id = s.ids.Find(key);
  if (!id) {
    const auto& size = s.options.workgroup;
    Id u32 = s.TypeOf(DType::kU32), group = LinearWorkgroupId().id(), local = LocalLinearId().id();
    Id start = s.EmitTo(s.prologue, spv::Op::OpIMul, u32, {group, s.U32Id(size[0] * size[1] * size[2])});
    id = s.ids.Insert(key, s.EmitTo(s.prologue, spv::Op::OpIAdd, u32, {start, local}));
  }
  return s.Make(id, DType::kU32, 1);
}

Value Builder::SubgroupId() {
  s_->Require(spv::Capability::GroupNonUniform);
  return s_->Make(s_->BuiltinValue(spv::BuiltIn::SubgroupId, 0, 1), DType::kU32, 1);
}

Value Builder::SubgroupLocalId() {
  s_->Require(spv::Capability::GroupNonUniform);
  return s_->Make(s_->BuiltinValue(spv::BuiltIn::SubgroupLocalInvocationId, 0, 1), DType::kU32, 1);
}

Value Builder::SubgroupSize() {
  s_->Require(spv::Capability::GroupNonUniform);
  return s_->Make(s_->BuiltinValue(spv::BuiltIn::SubgroupSize, 0, 1), DType::kU32, 1);
}

// ---- The finished module ----

Module Builder::Finish() {
  State& s = *s_;
  tfvk::Require(!s.finished, "[SPIR-V] kernel {} was finished twice.", s.options.name);
  s.finished = true;
  Id function_type = s.NewId();
  Put(s.globals, spv::Op::OpTypeFunction, {function_type, s.void_type});

  Words w;
  w.reserve(64 + s.decorations.size() + s.globals.size() + s.variables.size() + s.prologue.size() + s.body.size());
  w = {0x07230203, s.options.spirv_version, 0, 0, 0};
  Words modes;
  s.PutExecutionModes(modes);
  for (spv::Capability capability : s.capabilities) Put(w, spv::Op::OpCapability, {static_cast<uint32_t>(capability)});
  for (const char* extension : s.extensions) {
    Words name;
    AppendString(name, extension);
    Put(w, spv::Op::OpExtension, name);
  }
  if (s.glsl) {
    Words import = {s.glsl};
    AppendString(import, "GLSL.std.450");
    Put(w, spv::Op::OpExtInstImport, import);
  }
  auto memory_model = s.options.vulkan_memory_model ? spv::MemoryModel::Vulkan : spv::MemoryModel::GLSL450;
  Put(w, spv::Op::OpMemoryModel, {static_cast<uint32_t>(spv::AddressingModel::PhysicalStorageBuffer64), static_cast<uint32_t>(memory_model)});
  Words entry = {static_cast<uint32_t>(spv::ExecutionModel::GLCompute), s.function};
  AppendString(entry, "main");
  entry.insert(entry.end(), s.interface.begin(), s.interface.end());
  Put(w, spv::Op::OpEntryPoint, entry);
  w.insert(w.end(), modes.begin(), modes.end());
  Words name = {s.function};
  AppendString(name, s.options.name);
  Put(w, spv::Op::OpName, name);

  w.insert(w.end(), s.decorations.begin(), s.decorations.end());
  w.insert(w.end(), s.globals.begin(), s.globals.end());
  Put(w, spv::Op::OpFunction, {s.void_type, s.function, 0, function_type});
  Put(w, spv::Op::OpLabel, {s.entry});
  w.insert(w.end(), s.variables.begin(), s.variables.end());
  w.insert(w.end(), s.prologue.begin(), s.prologue.end());
  w.insert(w.end(), s.body.begin(), s.body.end());
  Put(w, spv::Op::OpReturn, {});
  Put(w, spv::Op::OpFunctionEnd, {});
  w[3] = s.next_id;
  return {s.options.name, std::move(w), s.options.workgroup, s.shared_bytes, s.argument_count};
}

void Builder::State::PutExecutionModes(Words& words) {
  auto mode = [&](spv::ExecutionMode m, std::initializer_list<uint32_t> literals) {
    Words operands = {function, static_cast<uint32_t>(m)};
    operands.insert(operands.end(), literals);
    Put(words, spv::Op::OpExecutionMode, operands);
  };
  mode(spv::ExecutionMode::LocalSize, {options.workgroup[0], options.workgroup[1], options.workgroup[2]});
  bool has_f16 = ids.Find(KeyOf(Entity::kScalarType, static_cast<uint64_t>(DType::kF16))) != 0;
  if (options.preserve_nan_inf_f32) {
    Require(spv::Capability::SignedZeroInfNanPreserve);
    mode(spv::ExecutionMode::SignedZeroInfNanPreserve, {32});
  }
  if (options.exact_f16_conversion && has_f16) {
    Require(spv::Capability::SignedZeroInfNanPreserve);
    mode(spv::ExecutionMode::SignedZeroInfNanPreserve, {16});
  }
  if (options.preserve_denormals_f16 && has_f16) {
    Require(spv::Capability::DenormPreserve);
    mode(spv::ExecutionMode::DenormPreserve, {16});
  }
  if (options.round_to_even_f16 && has_f16) {
    Require(spv::Capability::RoundingModeRTE);
    mode(spv::ExecutionMode::RoundingModeRTE, {16});
  }
  if (options.vulkan_memory_model) Require(spv::Capability::VulkanMemoryModel);
}

}  // namespace tfvk::spirv
