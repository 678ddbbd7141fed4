// Device memory by address, shared memory, variables, barriers.
#include "spirv/builder_state.h"

namespace tfvk::spirv {

using spv::MemoryAccessMask;
using spv::MemorySemanticsMask;
using spv::StorageClass;

namespace {

// The dtype whose SPIR-V type an element has in memory.
DType MemoryType(DType dtype) { return dtype == DType::kBool ? DType::kU8 : dtype; }

}  // namespace

// ---- Arguments ----

Id Builder::State::ArgumentBlock() {
  if (push_constant) return push_constant;
  Id u64 = TypeOf(DType::kU64), structure = NewId(), variable = NewId();
  Put(globals, spv::Op::OpTypeStruct, {structure, u64});
  Put(decorations, spv::Op::OpDecorate, {structure, static_cast<uint32_t>(spv::Decoration::Block)});
  Put(decorations, spv::Op::OpMemberDecorate, {structure, 0, static_cast<uint32_t>(spv::Decoration::Offset), 0});
  Put(globals, spv::Op::OpVariable, {PointerTo(StorageClass::PushConstant, structure), variable, static_cast<uint32_t>(StorageClass::PushConstant)});
  interface.push_back(variable);
  Id member = EmitTo(prologue, spv::Op::OpAccessChain, PointerTo(StorageClass::PushConstant, u64), {variable, U32Id(0)});
  return push_constant = EmitTo(prologue, spv::Op::OpLoad, u64, {member});
}

Value Builder::Argument(uint32_t index) {
  State& s = *s_;
  auto key = State::KeyOf(Entity::kArgument, index);
  Id id = s.ids.Find(key);
  if (!id) {
    s.argument_count = std::max(s.argument_count, index + 1);
    Id u64 = s.TypeOf(DType::kU64), address = s.ArgumentBlock();
    if (index > 0) address = s.EmitTo(s.prologue, spv::Op::OpIAdd, u64, {address, U64(uint64_t{8} * index).id()});
    Id pointer = s.EmitTo(s.prologue, spv::Op::OpConvertUToPtr, s.PointerTo(StorageClass::PhysicalStorageBuffer, u64), {address});
    id = s.EmitTo(s.prologue, spv::Op::OpLoad, u64, {pointer, static_cast<uint32_t>(MemoryAccessMask::Aligned), 8});
    s.ids.Insert(key, id);
  }
  return s.Make(id, DType::kU64, 1);
}

// The lowest bit of the argument block's address, which is a multiple of 8.
Value Builder::State::OpaqueZero() {
  auto key = KeyOf(Entity::kComputed, static_cast<uint64_t>(Computed::kOpaqueZero));
  Id id = ids.Find(key);
  if (!id) {
    Id u32 = TypeOf(DType::kU32), low = EmitTo(prologue, spv::Op::OpUConvert, u32, {ArgumentBlock()});
    id = ids.Insert(key, EmitTo(prologue, spv::Op::OpBitwiseAnd, u32, {low, U32Id(1)}));
  }
  return Make(id, DType::kU32, 1);
}

Value Builder::SizeArgument(uint32_t index) {
  State& s = *s_;
  Value word = Argument(index);
  auto key = State::KeyOf(Entity::kArgument, index, 1);
  Id id = s.ids.Find(key);
  if (!id) id = s.ids.Insert(key, s.EmitTo(s.prologue, spv::Op::OpUConvert, s.TypeOf(DType::kU32), {word.id()}));
  return s.Make(id, DType::kU32, 1);
}

// ---- Device memory ----

Words Builder::State::MemoryAccess(uint32_t alignment, bool shared, bool store) {
  Words operands;
  auto mask = MemoryAccessMask::MaskNone;
  if (alignment) mask = mask | MemoryAccessMask::Aligned;
  // In the Vulkan memory model, accesses to shared memory are private to the invocation unless they say otherwise.
  bool non_private = shared && options.vulkan_memory_model;
  if (non_private) mask = mask | MemoryAccessMask::NonPrivatePointer;
  if (mask == MemoryAccessMask::MaskNone) return operands;
  operands.push_back(static_cast<uint32_t>(mask));
  if (alignment) operands.push_back(alignment);
  return operands;
}

Id Builder::State::ElementPointer(const Pointer& p, Value index, int lanes) {
  tfvk::Require(index.dtype() == DType::kU32 || index.dtype() == DType::kU64, "[SPIR-V] a memory index is u32 or u64, not {}.", Name(index.dtype()));
  DType dtype = MemoryType(p.dtype);
  // Computed in 64 bits without signs: indices of OpAccessChain are signed, and u32 indices may have their top bit set.
  Value address = p.address + builder->Convert(index, DType::kU64) * static_cast<int64_t>(ByteSize(dtype));
  UseStorage(dtype);
  return Emit(spv::Op::OpConvertUToPtr, PointerTo(StorageClass::PhysicalStorageBuffer, TypeOf(dtype, lanes)), {address.id()});
}

Value Builder::Load(Pointer p, Value index, int lanes, uint32_t alignment) {
  State& s = *s_;
  DType dtype = MemoryType(p.dtype);
  Id pointer = s.ElementPointer(p, index, lanes);
  Words operands = {s.TypeOf(dtype, lanes), s.NewId(), pointer};
  for (uint32_t word : s.MemoryAccess(alignment ? alignment : static_cast<uint32_t>(ByteSize(dtype)), false, false)) operands.push_back(word);
  Put(s.body, spv::Op::OpLoad, operands);
  Value loaded = s.Make(operands[1], dtype, lanes);
  return p.dtype == DType::kBool ? Convert(loaded, DType::kBool) : loaded;
}

void Builder::Store(Pointer p, Value index, Value v, uint32_t alignment) {
  State& s = *s_;
  tfvk::Require(v.dtype() == p.dtype, "[SPIR-V] kernel {} stores a value of {} to memory of {}.", s.options.name, Name(v.dtype()), Name(p.dtype));
  DType dtype = MemoryType(p.dtype);
  if (v.dtype() == DType::kBool) v = Convert(v, DType::kU8);
  Words operands = {s.ElementPointer(p, index, v.lanes()), v.id()};
  for (uint32_t word : s.MemoryAccess(alignment ? alignment : static_cast<uint32_t>(ByteSize(dtype)), false, true)) operands.push_back(word);
  Put(s.body, spv::Op::OpStore, operands);
}

Value Builder::AtomicLoad(Pointer p, Value index) {
  State& s = *s_;
  const Id scope = s.U32Id(static_cast<uint32_t>(s.DeviceScope()));
  return s.Make(s.Emit(spv::Op::OpAtomicLoad, s.TypeOf(DType::kU32), {s.ElementPointer(p, index, 1), scope, s.U32Id(0)}), DType::kU32, 1);
}

void Builder::AtomicMax(Pointer p, Value index, Value v) {
  State& s = *s_;
  tfvk::Require(p.dtype == DType::kU32 && v.dtype() == DType::kU32, "[SPIR-V] an atomic maximum of {} in memory of {}: both are u32.", Name(v.dtype()),
                Name(p.dtype));
  const Id scope = s.U32Id(static_cast<uint32_t>(s.DeviceScope()));
  s.Emit(spv::Op::OpAtomicUMax, s.TypeOf(DType::kU32), {s.ElementPointer(p, index, 1), scope, s.U32Id(0), v.id()});
}

// ---- Shared memory ----

Shared Builder::SharedArray(DType dtype, uint32_t count, int lanes) {
  State& s = *s_;
  tfvk::Require(dtype != DType::kBool, "[SPIR-V] shared memory holds no bools: use u32.");
  s.UseArithmetic(dtype == DType::kBF16 ? DType::kU16 : dtype);
  Id element = s.TypeOf(dtype, lanes), length = s.U32Id(count), array = s.NewId(), variable = s.NewId();
  Put(s.globals, spv::Op::OpTypeArray, {array, element, length});
  Put(s.globals, spv::Op::OpVariable, {s.PointerTo(StorageClass::Workgroup, array), variable, static_cast<uint32_t>(StorageClass::Workgroup)});
  s.interface.push_back(variable);
  // Drivers lay vectors of three out as of four.
  uint32_t bytes = static_cast<uint32_t>(ByteSize(dtype)) * (lanes == 3 ? 4 : static_cast<uint32_t>(lanes)) * count;
  s.shared_bytes += (bytes + 15) / 16 * 16;
  return {variable, dtype, lanes, count};
}

Id Builder::State::SharedElement(const Shared& shared, Value index) {
  Id pointer = PointerTo(StorageClass::Workgroup, TypeOf(shared.dtype, shared.lanes));
  return Emit(spv::Op::OpAccessChain, pointer, {shared.variable, index.id()});
}

Value Builder::Load(Shared shared, Value index) {
  State& s = *s_;
  Words operands = {s.TypeOf(shared.dtype, shared.lanes), s.NewId(), s.SharedElement(shared, index)};
  for (uint32_t word : s.MemoryAccess(0, true, false)) operands.push_back(word);
  Put(s.body, spv::Op::OpLoad, operands);
  return s.Make(operands[1], shared.dtype, shared.lanes);
}

void Builder::Store(Shared shared, Value index, Value v) {
  State& s = *s_;
  tfvk::Require(v.dtype() == shared.dtype && v.lanes() == shared.lanes, "[SPIR-V] kernel {} stores {} x {} to shared memory of {} x {}.", s.options.name,
                v.lanes(), Name(v.dtype()), shared.lanes, Name(shared.dtype));
  Words operands = {s.SharedElement(shared, index), v.id()};
  for (uint32_t word : s.MemoryAccess(0, true, true)) operands.push_back(word);
  Put(s.body, spv::Op::OpStore, operands);
}

// ---- Variables ----

Variable Builder::Declare(DType dtype, int lanes) {
  Variable v;
  v.builder_ = this;
  v.id_ = s_->DeclareVariable(s_->TypeOf(dtype, lanes));
  v.dtype_ = dtype;
  v.lanes_ = static_cast<uint8_t>(lanes);
  return v;
}

Variable Builder::Declare(Value initial) {
  Variable v = Declare(initial.dtype(), initial.lanes());
  v.Set(initial);
  return v;
}

Variable Builder::DeclareFromStart(Value constant) {
  tfvk::Require(constant.constant().has_value(), "[SPIR-V] kernel {} gives a variable a value from the start that is no constant.", s_->options.name);
  Variable v;
  v.builder_ = this;
  v.id_ = s_->DeclareVariable(s_->TypeOf(constant.dtype(), constant.lanes()), constant.id());
  v.dtype_ = constant.dtype();
  v.lanes_ = static_cast<uint8_t>(constant.lanes());
  return v;
}

Value Variable::Get() const {
  Builder::State& s = *builder_->s_;
  return s.Make(s.Emit(spv::Op::OpLoad, s.TypeOf(dtype_, lanes_), {id_}), dtype_, lanes_);
}

void Variable::Set(Value v) const {
  tfvk::Require(v.dtype() == dtype_ && v.lanes() == lanes_, "[SPIR-V] a variable of {} x {} is set to a value of {} x {}.", lanes_, Name(dtype_), v.lanes(),
                Name(v.dtype()));
  Put(builder_->s_->body, spv::Op::OpStore, {id_, v.id()});
}

Value Builder::Lookup(const std::vector<uint32_t>& table, Value index) {
  State& s = *s_;
  Id u32 = s.TypeOf(DType::kU32), length = s.U32Id(static_cast<uint32_t>(table.size()));
  Words entries = {0, 0};
  for (uint32_t word : table) entries.push_back(s.U32Id(word));
  Id array = entries[0] = s.NewId(), constant = entries[1] = s.NewId(), variable = s.NewId();
  Put(s.globals, spv::Op::OpTypeArray, {array, u32, length});
  Put(s.globals, spv::Op::OpConstantComposite, entries);
  Put(s.variables, spv::Op::OpVariable, {s.PointerTo(StorageClass::Function, array), variable, static_cast<uint32_t>(StorageClass::Function), constant});
  Id element = s.Emit(spv::Op::OpAccessChain, s.PointerTo(StorageClass::Function, u32), {variable, index.id()});
  return s.Make(s.Emit(spv::Op::OpLoad, u32, {element}), DType::kU32, 1);
}

// ---- Barriers ----

void Builder::Barrier() {
  State& s = *s_;
  auto semantics = MemorySemanticsMask::AcquireRelease | MemorySemanticsMask::WorkgroupMemory;
  if (s.options.vulkan_memory_model) semantics = semantics | MemorySemanticsMask::MakeAvailable | MemorySemanticsMask::MakeVisible;
  Id scope = s.U32Id(static_cast<uint32_t>(spv::Scope::Workgroup));
  Put(s.body, spv::Op::OpControlBarrier, {scope, scope, s.U32Id(static_cast<uint32_t>(semantics))});
}

void Builder::DeviceMemoryBarrier() {
  State& s = *s_;
  auto semantics = MemorySemanticsMask::AcquireRelease | MemorySemanticsMask::UniformMemory;
  Put(s.body, spv::Op::OpMemoryBarrier, {s.U32Id(static_cast<uint32_t>(s.DeviceScope())), s.U32Id(static_cast<uint32_t>(semantics))});
}

}  // namespace tfvk::spirv
