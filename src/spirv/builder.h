// A typed SPIR-V builder: kernels are C++ functions that compute with Values as they would with numbers.
//
//   Builder b({.name = "scale", .workgroup = {64, 1, 1}});
//   Value i = b.GlobalLinearId();
//   b.If(i < b.U32(n), [&] {
//     Pointer x = b.Global(b.Argument(0), DType::kF32), y = b.Global(b.Argument(1), DType::kF32);
//     b.Store(y, i, b.Load(x, i) * 2.0);
//   });
//   Module m = b.Finish();
//
// Integer expressions of constants are folded, and so are conditions: `If` on a constant emits one branch only, `For` of zero trips nothing. A generator
// therefore writes each bound test once, and a test that is known to be true costs nothing.
//
// The kernel interface ("arguments") is one for all kernels: a push constant holds the device address of a block of 64-bit words; word k is argument k, a
// device address or a run-time size. Memory is reached through these addresses only (SPIR-V PhysicalStorageBuffer64); no descriptors exist.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "types/dtype.h"

namespace tfvk::spirv {

class Builder;
using Id = uint32_t;

// A value in a register: scalar (lanes 1) or vector (2..4 lanes). kBool is SPIR-V's bool, not a byte. Signedness is in the dtype; the SPIR-V integer types
// are all unsigned and the operation chosen follows the dtype. kBF16 values cannot be computed with: convert them (Builder::Convert) first.
class Value {
 public:
  Value() = default;
  DType dtype() const { return dtype_; }
  int lanes() const { return lanes_; }
  Id id() const { return id_; }
  Builder* builder() const { return builder_; }
  bool valid() const { return builder_ != nullptr; }
  // The constant's bits (sign- or zero-extended to 64) when this is a scalar constant known to the builder.
  std::optional<int64_t> constant() const { return constant_; }

 private:
  friend class Builder;
  Builder* builder_ = nullptr;
  Id id_ = 0;
  DType dtype_ = DType::kU32;
  uint8_t lanes_ = 1;
  std::optional<int64_t> constant_;
};

// Both sides have one dtype and lanes; a C++ number takes the other side's dtype (and is splat over its lanes).
#define TFVK_BINARY(op)                                                                  \
  Value operator op(Value a, Value b);                                                   \
  Value operator op(Value a, int64_t b);                                                 \
  Value operator op(int64_t a, Value b);                                                 \
  Value operator op(Value a, double b);                                                  \
  Value operator op(double a, Value b);                                                  \
  inline Value operator op(Value a, int b) { return a op static_cast<int64_t>(b); }      \
  inline Value operator op(int a, Value b) { return static_cast<int64_t>(a) op b; }      \
  inline Value operator op(Value a, uint32_t b) { return a op static_cast<int64_t>(b); } \
  inline Value operator op(uint32_t a, Value b) { return static_cast<int64_t>(a) op b; }
TFVK_BINARY(+)
TFVK_BINARY(-)
TFVK_BINARY(*)
TFVK_BINARY(/)
TFVK_BINARY(<)
TFVK_BINARY(<=)
TFVK_BINARY(>)
TFVK_BINARY(>=)
TFVK_BINARY(==)
TFVK_BINARY(!=)  // floats: ordered, but for != (unordered)
TFVK_BINARY(%)   // integers: remainder with the dividend's sign (C's), floats: as fmod
TFVK_BINARY(&)
TFVK_BINARY(|)
TFVK_BINARY(^)
TFVK_BINARY(<<)  // integers; & | ^ also for bool
TFVK_BINARY(>>)  // arithmetic for signed dtypes, logical for unsigned
#undef TFVK_BINARY
Value operator-(Value a);
Value operator~(Value a);
Value operator!(Value a);            // bool
Value operator&&(Value a, Value b);  // bool; both sides are evaluated
Value operator||(Value a, Value b);

// A typed address in device memory.
struct Pointer {
  Value address;  // u64
  DType dtype = DType::kF32;
};
// An array in a workgroup's shared memory.
struct Shared {
  Id variable = 0;
  DType dtype = DType::kF32;
  int lanes = 1;
  uint32_t count = 0;
};
// A variable of one invocation (a register, after the driver's promotion).
class Variable {
 public:
  Value Get() const;
  void Set(Value v) const;
  DType dtype() const { return dtype_; }

 private:
  friend class Builder;
  Builder* builder_ = nullptr;
  Id id_ = 0;
  DType dtype_ = DType::kF32;
  uint8_t lanes_ = 1;
};

// GLSL.std.450 functions of one operand. Precision is the driver's (Vulkan's precision table); kernels/arith.h has those that TensorFlow's accuracy needs.
enum class Math : uint8_t {
  kAbs,
  kSign,
  kFloor,
  kCeil,
  kTrunc,
  kRoundEven,
  kFract,
  kSqrt,
  kInverseSqrt,
  kExp,
  kExp2,
  kLog,
  kLog2,
  kSin,
  kCos,
  kTan,
  kTanh,
  kAsin,
  kAcos,
  kAtan,
  kSinh,
  kCosh
};

enum class MatrixUse : uint8_t { kA, kB, kAccumulator };
// A cooperative matrix type of subgroup scope (VK_KHR_cooperative_matrix).
struct MatrixType {
  DType dtype = DType::kF16;
  uint32_t rows = 16, columns = 16;
  MatrixUse use = MatrixUse::kA;
};
struct Matrix {
  Id id = 0;
  MatrixType type;
};

enum class SubgroupOp : uint8_t { kAdd, kMul, kMin, kMax, kAnd, kOr, kXor };

struct BuilderOptions {
  std::string name = "main";                       // in OpName, for profilers and disassembly
  std::array<uint32_t, 3> workgroup = {64, 1, 1};  // written as the module's LocalSize
  bool vulkan_memory_model = false;                // required by cooperative matrices
  uint32_t spirv_version = 0x00010500;             // Vulkan 1.2's 1.5; cooperative matrices need 1.6 with Vulkan 1.3 drivers or 1.5 plus the extension
  // Float controls (VK_KHR_shader_float_controls) that the device supports and the kernel wants:
  bool preserve_denormals_f16 = false, preserve_nan_inf_f32 = false, round_to_even_f16 = false;
  // Conversions to f16 are exact with the controls for f16, that for NaN and infinities too, and modules may hold f16 values: HalfBits converts instead of
  // rounding by integers.
  bool exact_f16_conversion = false;
};

struct Module {
  std::string name;
  std::vector<uint32_t> words;
  std::array<uint32_t, 3> workgroup = {1, 1, 1};
  uint32_t shared_bytes = 0;
  uint32_t argument_count = 0;  // one more than the highest argument read
};

class Builder {
 public:
  explicit Builder(BuilderOptions options);
  ~Builder();
  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;

  // ---- Constants ----
  Value Constant(DType dtype, int64_t integer);  // also kBool (0, 1)
  Value Constant(DType dtype, double number);    // kF16, kF32, kF64, or an integer dtype (truncated); kBool
  Value ConstantBits(DType dtype, uint64_t bits);
  Value U32(uint32_t v) { return Constant(DType::kU32, static_cast<int64_t>(v)); }
  Value S32(int32_t v) { return Constant(DType::kS32, static_cast<int64_t>(v)); }
  Value U64(uint64_t v) { return ConstantBits(DType::kU64, v); }
  Value F32(float v) { return Constant(DType::kF32, static_cast<double>(v)); }
  Value Bool(bool v) { return Constant(DType::kBool, static_cast<int64_t>(v)); }
  // A specialization constant (32-bit integer or float, bool) with its default.
  Value Specialization(uint32_t constant_id, DType dtype, uint32_t default_bits);

  // ---- Where this invocation is (u32) ----
  Value LocalId(int dimension);
  Value LocalLinearId();  // 0 .. invocations of the workgroup - 1
  // Grids larger than a device's 65535 per dimension are launched folded over x and y; this is the unfolded number, which can exceed the number of
  // workgroups asked for in the last row: a kernel must compare it with its own count.
  Value LinearWorkgroupId();
  Value GlobalLinearId();  // LinearWorkgroupId * invocations of the workgroup + LocalLinearId (u32)
  Value SubgroupId();
  Value SubgroupLocalId();
  Value SubgroupSize();

  // ---- Arguments and memory ----
  Value Argument(uint32_t index);      // u64
  Value SizeArgument(uint32_t index);  // the same word's low half as u32
  Pointer Global(Value address, DType dtype) { return {address, dtype}; }
  // Element `index` (u32, or u64 beyond 2^32 elements; signed dtypes are not accepted), `lanes` consecutive ones. `alignment` in bytes; 0: the element's own
  // size. A kBool element is a byte and arrives as SPIR-V's bool. kBF16 arrives as kBF16 (16 raw bits): convert it.
  Value Load(Pointer p, Value index, int lanes = 1, uint32_t alignment = 0);
  void Store(Pointer p, Value index, Value v, uint32_t alignment = 0);
  // One u32 that several invocations of the launch change: its value now, and the larger one of it and `v` in its place.
  Value AtomicLoad(Pointer p, Value index);
  void AtomicMax(Pointer p, Value index, Value v);
  Shared SharedArray(DType dtype, uint32_t count, int lanes = 1);  // kBool is not allowed
  Value Load(Shared s, Value index);
  void Store(Shared s, Value index, Value v);
  Variable Declare(DType dtype, int lanes = 1);
  Variable Declare(Value initial);
  // Of a value from Constant, that the variable has from the kernel's beginning on, whichever branch declares it.
  Variable DeclareFromStart(Value constant);
  void Barrier();  // control and shared-memory barrier of the workgroup
  void DeviceMemoryBarrier();

  // A table of constants, indexed at run time. `index` must be inside of it.
  Value Lookup(const std::vector<uint32_t>& table, Value index);

  // ---- Arithmetic beyond the operators ----
  // While on, float operations are emitted with NoContraction: the driver neither fuses nor reorders them. Returns the setting before.
  bool SetExact(bool exact);
  Value Convert(Value v, DType to);  // value-preserving where possible: round to even, truncate float to int, != 0 to bool; bf16 in integer arithmetic
  Value Bitcast(Value v, DType to);  // same number of bits
  // An f32 rounded to f16's bits in a u32's low half (ties to even), and back; without any 16-bit type unless the options say exact_f16_conversion.
  Value HalfBits(Value v);
  Value FromHalfBits(Value bits);
  Value Select(Value condition, Value if_true, Value if_false);
  Value Apply(Math function, Value v);
  Value Atan2(Value y, Value x);
  Value Pow(Value x, Value y);
  Value Fma(Value a, Value b, Value c);
  Value Min(Value a, Value b);  // floats: NaN handling is the driver's; kernels/arith.h has XLA's
  Value Max(Value a, Value b);
  Value IsNan(Value v);  // by bits, safe where the driver assumes no NaN
  Value IsInf(Value v);
  Value PopCount(Value v);
  Value FindMsb(Value v);                                 // u32; the highest set bit of a 32-bit value, -1 (as u32) for 0
  std::pair<Value, Value> MulExtended(Value a, Value b);  // u32 x u32 -> {low, high}
  Value Composite(const std::vector<Value>& scalars);     // a vector
  Value Extract(Value vector, int lane);
  Value Splat(Value scalar, int lanes);

  // ---- Control flow ----
  void If(Value condition, const std::function<void()>& then, const std::function<void()>& otherwise = nullptr);
  // for (i = begin; i < end; i += step): unsigned, or signed as `begin` is. With constant bounds and `unroll`, the body is emitted once a trip.
  enum class Unroll : uint8_t { kNo, kHint, kFull };
  void For(Value begin, Value end, Value step, const std::function<void(Value)>& body, Unroll unroll = Unroll::kNo);
  void For(uint32_t end, const std::function<void(Value)>& body, Unroll unroll = Unroll::kNo) { For(U32(0), U32(end), U32(1), body, unroll); }
  // while (condition()) body()
  void While(const std::function<Value()>& condition, const std::function<void()>& body);

  // ---- Subgroups ----
  Value SubgroupReduce(SubgroupOp op, Value v);
  Value SubgroupExclusiveScan(SubgroupOp op, Value v);
  Value SubgroupInclusiveScan(SubgroupOp op, Value v);
  Value SubgroupShuffleXor(Value v, uint32_t mask);
  Value SubgroupShuffle(Value v, Value lane);
  Value SubgroupBroadcastFirst(Value v);
  Value SubgroupAny(Value condition);
  Value SubgroupAll(Value condition);

  // ---- Cooperative matrices (subgroup scope); the whole subgroup calls them, with row-major or column-major memory and the stride in elements ----
  Matrix MatrixConstant(MatrixType type, double value);
  Matrix MatrixLoad(MatrixType type, Pointer p, Value index, Value stride, bool column_major, uint32_t alignment = 0);
  Matrix MatrixLoad(MatrixType type, Shared s, Value index, Value stride, bool column_major);  // stride and index in the array's elements (of `lanes`)
  void MatrixStore(Matrix m, Pointer p, Value index, Value stride, bool column_major, uint32_t alignment = 0);
  void MatrixStore(Matrix m, Shared s, Value index, Value stride, bool column_major);
  Matrix MatrixMultiplyAdd(Matrix a, Matrix b, Matrix c);
  Matrix MatrixConvert(Matrix m, DType to);
  // A loop-carried matrix.
  Id DeclareMatrix(MatrixType type);
  void SetMatrix(Id variable, Matrix m);
  Matrix GetMatrix(Id variable, MatrixType type);

  // The block that instructions go to now. Values made here may be used in blocks that begin later only when this one leads to all of them: a cache of
  // values keeps the block that each was made in.
  Id CurrentBlock() const;

  uint32_t shared_bytes() const;  // of the arrays so far
  std::array<uint32_t, 3> workgroup() const;

  Module Finish();

 private:
  friend class Variable;
  friend struct Operators;
  struct State;
  std::unique_ptr<State> s_;
};

}  // namespace tfvk::spirv
