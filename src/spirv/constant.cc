// Constants and specialization constants.
#include <cmath>
#include <cstring>
#include <limits>

#include "spirv/builder_state.h"

namespace tfvk::spirv {

int64_t ExtendBits(DType dtype, uint64_t bits) {
  int width = dtype == DType::kBool ? 1 : BitSize(dtype);
  if (width == 64) return static_cast<int64_t>(bits);
  uint64_t low = bits & ((uint64_t{1} << width) - 1);
  if (IsSigned(dtype) && (low >> (width - 1)) != 0) low |= ~uint64_t{0} << width;
  return static_cast<int64_t>(low);
}

namespace {

// The bits of the binary16 nearest to `number`, ties to even.
uint16_t HalfBits(double number) {
  if (std::isnan(number)) return 0x7e00;
  uint16_t sign = std::signbit(number) ? 0x8000 : 0;
  double magnitude = std::fabs(number);
  if (magnitude >= 65520.0) return sign | 0x7c00;
  if (magnitude == 0) return sign;  // has no exponent
  int exponent = 0;
  std::frexp(magnitude, &exponent);  // magnitude < 2^exponent
  int ulp_exponent = std::max(exponent - 11, -24);
  auto units = static_cast<uint32_t>(std::nearbyint(std::ldexp(magnitude, -ulp_exponent)));
  // Units count the exponent up by themselves: 2048 units of one binade are the first number of the next.
  uint32_t binade = ulp_exponent == -24 ? 0 : static_cast<uint32_t>(ulp_exponent + 24) * 1024;
  return static_cast<uint16_t>(sign | (binade + units));
}

uint64_t FloatBits(DType dtype, double number) {
  if (dtype == DType::kF64) {
    uint64_t bits;
    std::memcpy(&bits, &number, 8);
    return bits;
  }
  if (dtype == DType::kF16) return HalfBits(number);
  auto single = static_cast<float>(number);
  uint32_t bits;
  std::memcpy(&bits, &single, 4);
  return bits;
}

}  // namespace

Value Builder::ConstantBits(DType dtype, uint64_t bits) {
  State& s = *s_;
  int64_t extended = ExtendBits(dtype, bits);
  Id type = s.TypeOf(dtype);
  // SPIR-V wants narrow literals extended as the type's signedness says; all our integer types are unsigned.
  int width = dtype == DType::kBool ? 1 : BitSize(dtype);
  uint64_t literal = width == 64 ? bits : bits & ((uint64_t{1} << width) - 1);
  auto key = State::KeyOf(Entity::kConstant, literal, type);
  Id id = s.ids.Find(key);
  if (!id) {
    s.UseArithmetic(dtype == DType::kBF16 ? DType::kU16 : dtype);
    id = s.ids.Insert(key, s.NewId());
    if (dtype == DType::kBool) {
      Put(s.globals, literal ? spv::Op::OpConstantTrue : spv::Op::OpConstantFalse, {type, id});
    } else if (width == 64) {
      Put(s.globals, spv::Op::OpConstant, {type, id, static_cast<uint32_t>(literal), static_cast<uint32_t>(literal >> 32)});
    } else {
      Put(s.globals, spv::Op::OpConstant, {type, id, static_cast<uint32_t>(literal)});
    }
  }
  return s.MakeConstant(id, dtype, extended);
}

Value Builder::Constant(DType dtype, int64_t integer) {
  if (dtype == DType::kBF16) return ConstantBits(dtype, FloatBits(DType::kF32, static_cast<double>(integer)) >> 16);
  if (IsFloat(dtype)) return ConstantBits(dtype, FloatBits(dtype, static_cast<double>(integer)));
  if (dtype == DType::kBool) integer = integer != 0;
  return ConstantBits(dtype, static_cast<uint64_t>(integer));
}

Value Builder::Constant(DType dtype, double number) {
  tfvk::Require(dtype != DType::kBF16, "[SPIR-V] a bf16 constant is given by its bits, not by the number {}.", number);
  if (IsFloat(dtype)) return ConstantBits(dtype, FloatBits(dtype, number));
  if (dtype == DType::kBool) return ConstantBits(dtype, number != 0);
  if (dtype == DType::kU64 && number >= 9223372036854775808.0) return ConstantBits(dtype, static_cast<uint64_t>(number));
  return ConstantBits(dtype, static_cast<uint64_t>(static_cast<int64_t>(number)));
}

Value Builder::Specialization(uint32_t constant_id, DType dtype, uint32_t default_bits) {
  State& s = *s_;
  tfvk::Require(dtype == DType::kBool || BitSize(dtype) == 32, "[SPIR-V] a specialization constant is a bool or has 32 bits; {} has not.", Name(dtype));
  Id type = s.TypeOf(dtype), id = s.NewId();
  if (dtype == DType::kBool) {
    Put(s.globals, default_bits ? spv::Op::OpSpecConstantTrue : spv::Op::OpSpecConstantFalse, {type, id});
  } else {
    Put(s.globals, spv::Op::OpSpecConstant, {type, id, default_bits});
  }
  Put(s.decorations, spv::Op::OpDecorate, {id, static_cast<uint32_t>(spv::Decoration::SpecId), constant_id});
  return s.Make(id, dtype, 1);
}

Value Builder::Splat(Value scalar, int lanes) {
  if (lanes == 1) return scalar;
  State& s = *s_;
  Id type = s.TypeOf(scalar.dtype(), lanes);
  Words operands = {type, 0};
  operands.insert(operands.end(), static_cast<size_t>(lanes), scalar.id());
  if (scalar.constant()) {
    auto key = State::KeyOf(Entity::kSplat, scalar.id(), static_cast<uint64_t>(lanes));
    Id id = s.ids.Find(key);
    if (!id) {
      operands[1] = id = s.ids.Insert(key, s.NewId());
      Put(s.globals, spv::Op::OpConstantComposite, operands);
    }
    return s.Make(id, scalar.dtype(), lanes);
  }
  operands[1] = s.NewId();
  Put(s.body, spv::Op::OpCompositeConstruct, operands);
  return s.Make(operands[1], scalar.dtype(), lanes);
}

Value Builder::Composite(const std::vector<Value>& scalars) {
  State& s = *s_;
  tfvk::Require(scalars.size() >= 2 && scalars.size() <= 4, "[SPIR-V] a vector has 2 to 4 lanes, not {}.", scalars.size());
  Words operands = {s.TypeOf(scalars[0].dtype(), static_cast<int>(scalars.size())), s.NewId()};
  for (const Value& v : scalars) operands.push_back(v.id());
  Put(s.body, spv::Op::OpCompositeConstruct, operands);
  return s.Make(operands[1], scalars[0].dtype(), static_cast<int>(scalars.size()));
}

Value Builder::Extract(Value vector, int lane) {
  if (vector.lanes() == 1) return vector;
  tfvk::Require(lane >= 0 && lane < vector.lanes(), "[SPIR-V] lane {} of a vector of {}.", lane, vector.lanes());
  return s_->Make(s_->Emit(spv::Op::OpCompositeExtract, s_->TypeOf(vector.dtype()), {vector.id(), static_cast<uint32_t>(lane)}), vector.dtype(), 1);
}

}  // namespace tfvk::spirv
