// Matrices held by a whole subgroup (VK_KHR_cooperative_matrix).
#include "spirv/builder_state.h"

namespace tfvk::spirv {

using spv::StorageClass;

// A matrix's component type: bf16 is a floating-point type here and 16 raw bits everywhere else.
Id Builder::State::ComponentType(DType dtype) {
  UseArithmetic(dtype);
  if (dtype != DType::kBF16) return TypeOf(dtype);
  auto key = KeyOf(Entity::kScalarType, static_cast<uint64_t>(DType::kBF16));
  if (Id id = ids.Find(key)) return id;
  Require(spv::Capability::BFloat16TypeKHR);
  Require(spv::Capability::BFloat16CooperativeMatrixKHR);
  Extension("SPV_KHR_bfloat16");
  Id id = ids.Insert(key, NewId());
  Put(globals, spv::Op::OpTypeFloat, {id, 16, static_cast<uint32_t>(spv::FPEncoding::BFloat16KHR)});
  return id;
}

Id Builder::State::MatrixTypeOf(const MatrixType& type) {
  Id component = ComponentType(type.dtype);
  auto key = KeyOf(Entity::kMatrixType, uint64_t{type.rows} << 32 | type.columns, uint64_t{component} << 8 | static_cast<uint64_t>(type.use));
  if (Id id = ids.Find(key)) return id;
  tfvk::Require(options.vulkan_memory_model, "[SPIR-V] kernel {} uses cooperative matrices without the Vulkan memory model.", options.name);
  Require(spv::Capability::CooperativeMatrixKHR);
  Extension("SPV_KHR_cooperative_matrix");
  Id scope = U32Id(static_cast<uint32_t>(spv::Scope::Subgroup));
  Id rows = U32Id(type.rows), columns = U32Id(type.columns), use = U32Id(static_cast<uint32_t>(type.use));
  Id id = ids.Insert(key, NewId());
  Put(globals, spv::Op::OpTypeCooperativeMatrixKHR, {id, component, scope, rows, columns, use});
  return id;
}

Id Builder::State::ElementArrayPointer(DType dtype) {
  Id element = ComponentType(dtype);
  auto key = KeyOf(Entity::kElementArrayType, element);
  if (Id id = ids.Find(key)) return id;
  Id array = NewId(), block = NewId();
  Put(globals, spv::Op::OpTypeRuntimeArray, {array, element});
  Put(globals, spv::Op::OpTypeStruct, {block, array});
  Put(decorations, spv::Op::OpDecorate, {array, static_cast<uint32_t>(spv::Decoration::ArrayStride), static_cast<uint32_t>(ByteSize(dtype))});
  Put(decorations, spv::Op::OpDecorate, {block, static_cast<uint32_t>(spv::Decoration::Block)});
  Put(decorations, spv::Op::OpMemberDecorate, {block, 0, static_cast<uint32_t>(spv::Decoration::Offset), 0});
  return ids.Insert(key, PointerTo(StorageClass::PhysicalStorageBuffer, block));
}

// The matrix operations want a pointer into an array.
Id Builder::State::MatrixPointer(const Pointer& p, Value index) {
  tfvk::Require(index.dtype() == DType::kU32 || index.dtype() == DType::kU64, "[SPIR-V] a memory index is u32 or u64, not {}.", Name(index.dtype()));
  Value address = p.address + builder->Convert(index, DType::kU64) * static_cast<int64_t>(ByteSize(p.dtype));
  UseStorage(p.dtype);
  Id array = Emit(spv::Op::OpConvertUToPtr, ElementArrayPointer(p.dtype), {address.id()});
  Id element = PointerTo(StorageClass::PhysicalStorageBuffer, ComponentType(p.dtype));
  return Emit(spv::Op::OpAccessChain, element, {array, U32Id(0), U32Id(0)});
}

Matrix Builder::MatrixConstant(MatrixType type, double value) {
  State& s = *s_;
  Id matrix = s.MatrixTypeOf(type), component = s.ComponentType(type.dtype), scalar;
  if (type.dtype == DType::kBF16) {
    tfvk::Require(value == 0, "[SPIR-V] a bf16 matrix constant can only be 0, not {}.", value);
    scalar = s.NewId();
    Put(s.globals, spv::Op::OpConstant, {component, scalar, 0});
  } else {
    scalar = Constant(type.dtype, value).id();
  }
  Id id = s.NewId();
  Put(s.globals, spv::Op::OpConstantComposite, {matrix, id, scalar});
  return {id, type};
}

namespace {

uint32_t Layout(bool column_major) {
  return static_cast<uint32_t>(column_major ? spv::CooperativeMatrixLayout::ColumnMajorKHR : spv::CooperativeMatrixLayout::RowMajorKHR);
}

}  // namespace

Matrix Builder::MatrixLoad(MatrixType type, Pointer p, Value index, Value stride, bool column_major, uint32_t alignment) {
  State& s = *s_;
  Words operands = {s.MatrixTypeOf(type), 0, s.MatrixPointer(p, index), s.U32Id(Layout(column_major)), stride.id()};
  operands[1] = s.NewId();
  for (uint32_t word : s.MemoryAccess(alignment ? alignment : static_cast<uint32_t>(ByteSize(p.dtype)), false, false)) operands.push_back(word);
  Put(s.body, spv::Op::OpCooperativeMatrixLoadKHR, operands);
  return {operands[1], type};
}

Matrix Builder::MatrixLoad(MatrixType type, Shared shared, Value index, Value stride, bool column_major) {
  State& s = *s_;
  Words operands = {s.MatrixTypeOf(type), 0, s.SharedElement(shared, index), s.U32Id(Layout(column_major)), stride.id()};
  operands[1] = s.NewId();
  for (uint32_t word : s.MemoryAccess(0, true, false)) operands.push_back(word);
  Put(s.body, spv::Op::OpCooperativeMatrixLoadKHR, operands);
  return {operands[1], type};
}

void Builder::MatrixStore(Matrix m, Pointer p, Value index, Value stride, bool column_major, uint32_t alignment) {
  State& s = *s_;
  Words operands = {s.MatrixPointer(p, index), m.id, s.U32Id(Layout(column_major)), stride.id()};
  for (uint32_t word : s.MemoryAccess(alignment ? alignment : static_cast<uint32_t>(ByteSize(p.dtype)), false, true)) operands.push_back(word);
  Put(s.body, spv::Op::OpCooperativeMatrixStoreKHR, operands);
}

void Builder::MatrixStore(Matrix m, Shared shared, Value index, Value stride, bool column_major) {
  State& s = *s_;
  Words operands = {s.SharedElement(shared, index), m.id, s.U32Id(Layout(column_major)), stride.id()};
  for (uint32_t word : s.MemoryAccess(0, true, true)) operands.push_back(word);
  Put(s.body, spv::Op::OpCooperativeMatrixStoreKHR, operands);
}

Matrix Builder::MatrixMultiplyAdd(Matrix a, Matrix b, Matrix c) {
  State& s = *s_;
  auto signs = spv::CooperativeMatrixOperandsMask::MaskNone;
  if (IsSigned(a.type.dtype)) signs = signs | spv::CooperativeMatrixOperandsMask::MatrixASignedComponentsKHR;
  if (IsSigned(b.type.dtype)) signs = signs | spv::CooperativeMatrixOperandsMask::MatrixBSignedComponentsKHR;
  if (IsSigned(c.type.dtype)) {
    signs = signs | spv::CooperativeMatrixOperandsMask::MatrixCSignedComponentsKHR | spv::CooperativeMatrixOperandsMask::MatrixResultSignedComponentsKHR;
  }
  Words operands = {s.MatrixTypeOf(c.type), s.NewId(), a.id, b.id, c.id};
  if (signs != spv::CooperativeMatrixOperandsMask::MaskNone) operands.push_back(static_cast<uint32_t>(signs));
  Put(s.body, spv::Op::OpCooperativeMatrixMulAddKHR, operands);
  return {operands[1], c.type};
}

Matrix Builder::MatrixConvert(Matrix m, DType to) {
  if (to == m.type.dtype) return m;
  State& s = *s_;
  MatrixType type = m.type;
  type.dtype = to;
  spv::Op op;
  if (IsFloat(to)) {
    op = IsFloat(m.type.dtype) ? spv::Op::OpFConvert : IsSigned(m.type.dtype) ? spv::Op::OpConvertSToF : spv::Op::OpConvertUToF;
  } else if (IsFloat(m.type.dtype)) {
    op = IsSigned(to) ? spv::Op::OpConvertFToS : spv::Op::OpConvertFToU;
  } else {
    op = BitSize(to) == BitSize(m.type.dtype) ? spv::Op::OpCopyObject : IsSigned(m.type.dtype) ? spv::Op::OpSConvert : spv::Op::OpUConvert;
  }
  return {s.Emit(op, s.MatrixTypeOf(type), {m.id}), type};
}

Id Builder::DeclareMatrix(MatrixType type) { return s_->DeclareVariable(s_->MatrixTypeOf(type)); }
void Builder::SetMatrix(Id variable, Matrix m) { Put(s_->body, spv::Op::OpStore, {variable, m.id}); }
Matrix Builder::GetMatrix(Id variable, MatrixType type) { return {s_->Emit(spv::Op::OpLoad, s_->MatrixTypeOf(type), {variable}), type}; }

}  // namespace tfvk::spirv
