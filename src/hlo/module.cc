#include "hlo/module.h"

#include "hlo/narrow_types.h"
#include "hlo/shape_conversion.h"
#include "hlo/small_integers.h"
#include "hlo/status.h"
#include "xla/hlo/builder/xla_computation.h"
#include "xla/hlo/ir/hlo_computation.h"
#include "xla/hlo/ir/hlo_instruction.h"
#include "xla/hlo/ir/hlo_module.h"
#include "xla/hlo/parser/hlo_parser.h"
#include "xla/service/hlo.pb.h"
#include "xla/shape_util.h"

namespace tfvk::hlo {

void ModuleDeleter::operator()(xla::HloModule* module) const { delete module; }

namespace {

ModulePtr ModuleOf(const xla::HloModuleProto& proto) {
  xla::DebugOptions debug_options;
  auto config = ValueOrThrow(xla::HloModule::CreateModuleConfigFromProto(proto, debug_options), "HLO module configuration");
  return ModulePtr(ValueOrThrow(xla::HloModule::CreateFromProto(proto, config), "HLO module").release());
}

}  // namespace

ModulePtr ModuleFromComputation(const xla::XlaComputation& computation) { return ModuleFromProto(computation.proto()); }

ModulePtr ModuleFromProto(const xla::HloModuleProto& proto) {
  if (!HasNarrowTypes(proto)) return ModuleOf(proto);
  xla::HloModuleProto as_bytes = proto;
  if (HasSmallIntegers(proto)) {
    const ModulePtr module = ModuleOf(proto);
    KeepSmallIntegersInRange(*module);
    as_bytes = module->ToProto();
  }
  StoreNarrowTypesAsBytes(as_bytes);
  return ModuleOf(as_bytes);
}

ModulePtr ModuleFromText(const std::string& text) {
  auto module = xla::ParseAndReturnUnverifiedModule(text);
  if (!module.ok()) Fail(ErrorCode::kInvalidArgument, "[HLO text] {}", std::string(module.status().message()));
  return ModulePtr(std::move(module)->release());
}

std::string ToText(const xla::HloModule& module) { return module.ToString(); }

ModulePtr Clone(const xla::HloModule& module) { return ModulePtr(module.Clone(/*suffix=*/"").release()); }

ModulePtr CloneWithoutNarrowTypes(const xla::HloModule& module) {
  const xla::HloModuleProto proto = module.ToProto();
  return HasNarrowTypes(proto) ? ModuleFromProto(proto) : Clone(module);
}

std::optional<DType> DTypeOf(xla::PrimitiveType type) {
  switch (type) {
    case xla::PRED:
      return DType::kBool;
    case xla::S8:
      return DType::kS8;
    case xla::S16:
      return DType::kS16;
    case xla::S32:
      return DType::kS32;
    case xla::S64:
      return DType::kS64;
    case xla::U8:
      return DType::kU8;
    case xla::U16:
      return DType::kU16;
    case xla::U32:
      return DType::kU32;
    case xla::U64:
      return DType::kU64;
    case xla::F16:
      return DType::kF16;
    case xla::BF16:
      return DType::kBF16;
    case xla::F32:
      return DType::kF32;
    case xla::F64:
      return DType::kF64;
    default:
      return std::nullopt;
  }
}

namespace {

// In memory a complex number is its real and its imaginary part.
xla::Shape MemoryShape(const xla::Shape& shape) {
  if (shape.element_type() != xla::C64 && shape.element_type() != xla::C128) return shape;
  std::vector<int64_t> dimensions(shape.dimensions().begin(), shape.dimensions().end());
  dimensions.push_back(2);
  return xla::ShapeUtil::MakeShape(shape.element_type() == xla::C64 ? xla::F32 : xla::F64, dimensions);
}

void AppendLeaves(const xla::Shape& shape, std::vector<const xla::Shape*>& leaves) {
  if (!shape.IsTuple()) {
    leaves.push_back(&shape);
    return;
  }
  for (const xla::Shape& element : shape.tuple_shapes()) AppendLeaves(element, leaves);
}

// The position of the leaf at `index` in Leaves(shape).
int LeafNumber(const xla::Shape& shape, const xla::ShapeIndex& index) {
  int number = 0;
  const xla::Shape* level = &shape;
  for (int64_t element : index) {
    for (int64_t i = 0; i < element; ++i) number += static_cast<int>(Leaves(level->tuple_shapes(i)).size());
    level = &level->tuple_shapes(element);
  }
  return number;
}
}  // namespace

std::vector<const xla::Shape*> Leaves(const xla::Shape& shape) {
  std::vector<const xla::Shape*> leaves;
  AppendLeaves(shape, leaves);
  return leaves;
}

Signature SignatureOf(const xla::HloModule& module) {
  Signature signature;
  std::vector<int> first_leaf;  // of each parameter
  const auto context = [&] { return "the signature of module " + module.name(); };
  for (const xla::HloInstruction* parameter : module.entry_computation()->parameter_instructions()) {
    first_leaf.push_back(static_cast<int>(signature.parameters.size()));
    for (const xla::Shape* leaf : Leaves(parameter->shape())) signature.parameters.push_back(TypeOf(MemoryShape(*leaf), context));
  }
  const xla::Shape& result = module.entry_computation()->root_instruction()->shape();
  for (const xla::Shape* leaf : Leaves(result)) signature.outputs.push_back(TypeOf(MemoryShape(*leaf), context));
  signature.aliases.assign(signature.outputs.size(), -1);
  module.input_output_alias_config().ForEachAlias([&](const xla::ShapeIndex& output, const xla::HloInputOutputAliasConfig::Alias& alias) {
    const xla::Shape& parameter = module.entry_computation()->parameter_instruction(alias.parameter_number)->shape();
    signature.aliases[LeafNumber(result, output)] = first_leaf[alias.parameter_number] + LeafNumber(parameter, alias.parameter_index);
  });
  return signature;
}

}  // namespace tfvk::hlo
